"""`cco panic` ends every agent within five seconds, whatever is up or down; after `cco resume-all` each run goes on."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from app import settings
from tests.fakes.house import House, commits, done, house, waits

SECONDS = 5.0
BUNDLES = "tasks/*/runs/*/launches/1/bundles/1"


async def cco(it: House, *arguments: str, code: int = 0) -> str:
    """Run a command as the operator does, beside the service."""
    environ = {**it.environ, "PYTHONPATH": str(Path(settings.__file__).parents[1])}
    environ["CCO_PORT"] = address(it).rpartition(":")[2]
    argv = (sys.executable, "-m", "app", *arguments)
    environ |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    said = await asyncio.to_thread(subprocess.run, argv, env=environ, capture_output=True, text=True, check=False)
    assert said.returncode == code, said.stdout + said.stderr
    return said.stdout + said.stderr


def address(it: House) -> str:
    return str(it.world.apps[it.app_id].hook_url).removesuffix("/webhooks/github")


async def panic(it: House) -> tuple[dict[str, Any], float]:
    """Panic; what it says, and how long it was until the last agent was gone."""
    begun = time.monotonic()
    command = asyncio.create_task(cco(it, "panic", "--json"))
    await it.until(lambda: command.done() or not (it.agents() or supervisors(it)))
    took = time.monotonic() - begun
    said = json.loads(await command)
    await it.until(lambda: it.agents() == supervisors(it) == [], 5)  # one that was just starting ends by itself
    return said, took


def supervisors(it: House) -> list[int]:
    """As they appear in the process table."""
    wanted = ("pgrep", "-f", f"^[^ ]*python[^ ]* -P -m runner.supervisor {it.home}/tasks/")
    return [int(pid) for pid in subprocess.run(wanted, capture_output=True, text=True, check=False).stdout.split()]


def ancestors(pid: int) -> list[int]:
    """Its parent, and so on."""
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
        found.append(pid)
    return found


async def ask_for(it: House, number: int) -> list[Any]:
    """So many issues, each with a commit and at work on a command that lasts."""
    issues = [
        await it.ask(f"Do thing {n}", [commits(f"{n}.txt"), waits()], [done(f"Thing {n}.")]) for n in range(number)
    ]
    await it.until(lambda: len(it.agents()) == number and len(list(it.home.glob(BUNDLES))) == number, 90)
    return issues


async def finished_once(it: House, issues: list[Any]) -> None:
    """Each run was carried on to its end, and there is one of everything."""
    for n, issue in enumerate(issues):
        await it.says(issue, "Done: pull request", seconds=90)
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        assert it.git("diff", "--name-only", f"main...{pull.pull.head_ref}").split() == [f"{n}.txt"]
        assert it.git("rev-list", "--count", f"main..{pull.pull.head_ref}").strip() == "1"
        assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
    assert len(it.branches()) == len(issues)


async def test_five_agents_are_gone_within_five_seconds_and_each_goes_on_once_when_it_may() -> None:
    async with house() as it:
        issues = await ask_for(it, 5)

        said, took = await panic(it)
        assert took < SECONDS
        assert [one["how"] for one in said["agents"]] == ["told"] * 5
        assert supervisors(it) == []
        for issue in issues:
            await it.says(issue, "Paused by whoever runs this service", "nothing that was done so far is lost")

        # Nothing is taken in and nothing is started; people can look.
        late = await it.ask("Do thing 5", [commits("5.txt")], [done("Thing 5.")])
        await it.world.settled()
        refused = it.world.ledger.deliveries[-1]
        assert (refused.status_code, "cco resume-all" in refused.answer) == (503, True)
        assert "cco resume-all" in await cco(it, "retry", "1", code=1)
        assert (await cco(it, "ls")).startswith("Everything is paused, by cco panic. To go on: cco resume-all")
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{address(it)}/readyz") as answer:
                assert (answer.status, "cco resume-all" in await answer.text()) == (503, True)
            async with http.get(f"{address(it)}/livez") as answer:
                assert answer.status == 200
        assert it.agents() == []

        assert json.loads(await cco(it, "resume-all", "--json")) == {"resumed": True}
        await finished_once(it, issues)
        assert it.statuses(late) == []  # it was not taken in
        assert "Nothing was paused" in await cco(it, "resume-all")


async def test_it_needs_neither_the_service_nor_tmux_nor_anyone_s_good_will_and_outlives_a_restart() -> None:
    async with house(separate=True) as it:
        issues = await ask_for(it, 2)
        await it.end(it.services[0], signal.SIGKILL)
        subprocess.run(("tmux", "-S", str(it.home / "tmux.sock"), "kill-server"), check=True)
        hanging, other = supervisors(it)
        os.kill(hanging, signal.SIGSTOP)
        (deaf,) = [pid for pid in it.agents() if other in ancestors(pid)]
        os.kill(deaf, signal.SIGSTOP)  # it hears neither its input nor SIGTERM

        said, took = await panic(it)
        assert took < SECONDS
        assert sorted(one["how"] for one in said["agents"]) in (["killed", "told"], ["killed", "killed"])
        assert supervisors(it) == []
        assert len(list(it.home.glob("tasks/*/runs/*/launches/1/exit.json"))) == 2
        assert json.loads(await cco(it, "panic", "--json"))["agents"] == []

        service = await it.start()
        await it.until(lambda: any("everything is paused" in line["message"] for line in service.lines()))
        await it.says(issues[0], "Paused by whoever runs this service")
        await it.says(issues[1], "Paused by whoever runs this service")
        assert it.agents() == []

        await cco(it, "resume-all")
        await finished_once(it, issues)


async def test_lifted_before_a_service_was_there_to_notice_it_ends_no_run() -> None:
    async with house(separate=True) as it:
        issues = await ask_for(it, 1)
        await it.end(it.services[0], signal.SIGKILL)
        await panic(it)
        await cco(it, "resume-all")

        await it.start()
        await finished_once(it, issues)


async def test_what_is_being_started_in_that_moment_does_not_slip_through() -> None:
    async with house() as it:
        # Cut off before its first word was carried out, Claude is asked for the second, which is the same.
        issue = await it.ask("Do thing 0", [commits("0.txt")], [commits("0.txt")], *[[done("Thing 0.")]] * 3)
        await it.until(lambda: list(it.home.glob("tasks/1/vault.git")) or list(it.home.glob("tasks/.1-*")), 30)

        await panic(it)
        await it.says(issue, "Paused by whoever runs this service")
        assert it.agents() == []
        await cco(it, "resume-all")
        await finished_once(it, [issue])
