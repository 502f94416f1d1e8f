"""The units in docs/systemd, by a real systemd: its restart leaves agents at work, and what dies is started again."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.house import CHECKOUT, House, commits, done, house, waits
from tests.fakes.people import free_port
from tests.fakes.systemd import USER_ID, Systemd, systemd

UNITS = sorted((CHECKOUT / "docs" / "systemd").glob("*.service"))
SERVICE, AGENTS = "cc-orchestrator.service", "cc-orchestrator-agents.service"


def fitted(home: Path, env: Path) -> dict[str, str]:
    """The units as they are published, for this machine's paths; nothing else is changed."""
    changes = {
        "/srv/cc-orchestrator/cco serve": f"{sys.executable} -m app serve",
        "/srv/cc-orchestrator": str(CHECKOUT),
        "/var/lib/cc-orchestrator": str(home),
        "/etc/cc-orchestrator.env": str(env),
        "StateDirectory=cc-orchestrator\n": "",
        "StateDirectoryMode=0700\n": "",
        "network-online.target ": "",
    }
    texts = {unit.name: unit.read_text() for unit in UNITS}
    for name, text in texts.items():
        for old, new in changes.items():
            text = text.replace(old, new)  # noqa: PLW2901  piece by piece
        texts[name] = text
    return texts


def give_away(home: Path) -> None:
    """To the user that the units name, who gets as far as there and sees nothing beside it."""
    home.parent.chmod(0o711)
    for path in (home, *home.rglob("*")):
        os.chown(path, USER_ID, USER_ID, follow_symlinks=False)


async def up(it: House) -> None:
    """Until the service answers."""
    while True:
        try:
            if (await it.get("/livez"))[0] == 200:
                return
        except OSError:
            await asyncio.sleep(0.1)


def group_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text().splitlines()[-1]


async def start(it: House, sd: Systemd) -> None:
    sd.ctl("start", SERVICE)
    await up(it)


async def test_a_restart_leaves_agents_at_work_and_a_death_is_followed_by_a_start() -> None:
    async with house(separate=True) as it:
        assert await it.end(it.services[0], signal.SIGTERM) == 0
        port = free_port()
        it.world.apps[it.app_id].hook_url = f"http://127.0.0.1:{port}/webhooks/github"
        env = it.home.parent / "cc-orchestrator.env"
        settings = {**it.environ, "CCO_PORT": str(port)}
        settings["CCO_GITHUB_PRIVATE_KEY"] = settings["CCO_GITHUB_PRIVATE_KEY"].replace("\n", "\\n")
        env.write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
        give_away(it.home)
        with systemd(it.home.parent, fitted(it.home, env)) as sd:
            it.services[0].process = sd.process  # its secrets are the service's own, and not Claude's to see
            await start(it, sd)
            issue = await it.ask("Outlive systemd", [commits(), waits()], [done()])
            await it.draft(issue)
            agents = it.agents()
            assert len(agents) == 1
            assert group_of(agents[0]).endswith(AGENTS)

            first = sd.show(SERVICE, "MainPID")
            sd.ctl("restart", SERVICE)
            await up(it)
            second = sd.show(SERVICE, "MainPID")
            assert second != first
            assert it.agents() == agents

            sd.ctl("kill", "--kill-whom=main", "--signal=SIGKILL", SERVICE)
            while sd.show(SERVICE, "MainPID") in {second, "0"}:
                await asyncio.sleep(0.1)
            await up(it)
            assert it.agents() == agents

            told = sd.run(sys.executable, "-m", "app", "doctor", "--json", cwd=CHECKOUT, env=it.environ)
            [unit] = [one for one in json.loads(told)["checks"] if one["name"] == "service"]
            assert (unit["ok"], unit["detail"]) == (
                True,
                "cc-orchestrator.service is active; its restarts spare agents",
            )

            sd.ctl("stop", SERVICE)
            assert it.agents() == agents
            await start(it, sd)
            it.let_go()
            await it.says(issue, "Done")
            assert len(it.pulls(issue)) == len(it.statuses(issue)) == 1
            assert len(it.model.requests) == 2
            await it.until(lambda: not it.agents() and not it.sessions())
            assert sd.show(AGENTS, "ActiveState") == "active"  # for the next ones

            sd.ctl("stop", SERVICE, AGENTS)
            assert [sd.show(unit, "ActiveState") for unit in (SERVICE, AGENTS)] == ["inactive", "inactive"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_finds_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    (tmp_path / "env").touch()
    for name, text in fitted(tmp_path, tmp_path / "env").items():
        (tmp_path / name).write_text(text.replace("User=cco\n", "User=root\n"))
    argv = ("systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in UNITS))
    done_ = subprocess.run(argv, check=False, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert (done_.returncode, done_.stderr) == (0, "")
