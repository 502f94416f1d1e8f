"""`cco doctor`: what is missing, and the exact command that mends it. Each check is a value; nothing is changed."""

import asyncio
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gidgethub

from app import claude_cli, jira_check, manifest, places_check, slack_check
from app.github import GitHub, open_github
from app.jira import open_jira
from app.settings import SettingsError, load
from app.settings_model import JiraSettings, Settings, SlackSettings
from app.slack import open_slack
from runner import soundness
from runner.errors import TryLater
from runner.migrating import DatabaseRefused, DatabaseTooNew

PYTHON = (3, 11)
GIT = (2, 34)  # the oldest that is tested
TMUX = (3, 2)  # attach -f
FREE_GB = 5
RECENT_DELIVERIES = 30
UNIT = "cc-orchestrator.service"
SYSTEMD_RUNS = Path("/run/systemd/system")  # as sd_booted(3) looks
RUN_SECONDS = 20.0
SLACK_SECONDS = 15.0

# How each system installs a package; the first whose command is there is taken.
INSTALLERS = {
    "apt-get": "sudo apt-get install -y {}",
    "dnf": "sudo dnf install -y {}",
    "apk": "sudo apk add {}",
    "pacman": "sudo pacman -S --noconfirm {}",
    "zypper": "sudo zypper install -y {}",
    "brew": "brew install {}",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `mend` is what to do where it is not ok."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


WhyNot = Callable[[], Awaitable[str | None]]


async def examine(why_not_confined: WhyNot, environ: Mapping[str, str] | None = None) -> list[Check]:
    """Everything, in the order in which it is best mended."""
    tools = [
        python(sys.version_info[:3]),
        await tool("git", ["git", "--version"], GIT),
        await tool("tmux", ["tmux", "-V"], TMUX),
    ]
    try:
        settings = load(environ)
    except SettingsError as exc:
        return [*tools, *(Check("settings", ok=False, detail=line, mend=_mend_of(line)) for line in exc.lines)]
    told = [
        Check("backlog", ok=one.ok, detail=one.detail, mend=one.mend) for one in await places_check.backlog(settings)
    ]
    return [*tools, *await unit(), *await examine_settings(settings, why_not_confined), *told]


async def examine_settings(settings: Settings, why_not_confined: WhyNot) -> list[Check]:
    """What these settings need, and whether it is there."""
    return [
        await claude(settings),
        await confinement(settings, why_not_confined),
        home(settings),
        disk(settings),
        *await database(settings),
        model(settings),
        *await github(settings),
        *await slack(settings.slack),
        *await discord(settings),
        *await jira(settings.jira),
    ]


def python(version: Sequence[int]) -> Check:
    """The Python that runs us."""
    text = ".".join(map(str, version))
    if tuple(version[:2]) >= PYTHON:
        return Check("python", ok=True, detail=text)
    return Check("python", ok=False, detail=f"{text} is too old: 3.11 or newer is needed", mend=install("python3.11"))


async def tool(name: str, argv: list[str], oldest: tuple[int, int]) -> Check:
    """A program that must be there, and new enough."""
    said = await _run(argv)
    wanted = ".".join(map(str, oldest))
    if said is None:
        return Check(name, ok=False, detail=f"{name} is not there, or does not run", mend=install(name))
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < oldest:
        return Check(name, ok=False, detail=f"{said} is too old: {wanted} or newer is needed", mend=install(name))
    return Check(name, ok=True, detail=said)


async def unit() -> list[Check]:
    """How the service is kept running, where there is a systemd; and that stopping it would spare the agents."""
    if not await asyncio.to_thread(SYSTEMD_RUNS.exists):
        return []
    state = await _run(["systemctl", "show", UNIT, "--property=ActiveState", "--value"])
    if await _run(["systemctl", "show", UNIT, "--property=LoadState", "--value"]) != "loaded":
        detail = f"{UNIT} is not installed: docs/operations.md, “With systemd”, has a unit that starts with the machine"
        if await _run(["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"]) == "no":
            detail += "; without one, agents may end when you log out (`loginctl enable-linger` keeps them)"
        return [Check("service", ok=True, detail=detail)]
    kill_mode = await _run(["systemctl", "show", UNIT, "--property=KillMode", "--value"])
    if kill_mode != "process":
        detail = f"{UNIT} has KillMode={kill_mode}: its restart could end every agent"
        return [Check("service", ok=False, detail=detail, mend=f"sudo systemctl edit {UNIT}   # KillMode=process")]
    return [Check("service", ok=True, detail=f"{UNIT} is {state}; its restarts spare agents")]


async def claude(settings: Settings) -> Check:
    """The Claude Code executable, by running it."""
    path = claude_cli.find(settings)
    if path is None:
        return Check(
            "claude",
            ok=False,
            detail="no Claude Code came with this installation (there is none for musl, for example)",
            mend="install Claude Code, then: export CCO_CLAUDE_PATH=$(command -v claude)",
        )
    said = await _run([str(path), "--version"])
    if said is None:
        mend = "unset CCO_CLAUDE_PATH" if settings.claude_path else f"{path} --version"
        return Check("claude", ok=False, detail=f"{path} does not run", mend=mend)
    return Check("claude", ok=True, detail=f"{said}, {path}")


async def confinement(settings: Settings, why_not: WhyNot) -> Check:
    """Whether agents are confined. It is tried, not guessed."""
    mode = settings.sandbox.mode
    if mode == "none":
        return Check("sandbox", ok=True, detail="CCO_SANDBOX=none: agents are NOT confined, and can read what you can")
    reason = await why_not()
    if reason is None:
        return Check("sandbox", ok=True, detail="bubblewrap works")
    sentence, _, command = reason.partition(" To mend it: ")
    return Check("sandbox", ok=False, detail=sentence, mend=command or install("bubblewrap"))


def home(settings: Settings) -> Check:
    """CCO_HOME is ours, and nobody else's."""
    path = settings.home
    if not path.exists():
        parent = next(one for one in path.parents if one.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return Check("home", ok=True, detail=f"{path} will be made")
        return Check("home", ok=False, detail=f"{path} cannot be made", mend=f"sudo install -d -m 700 -o $USER {path}")
    status = path.stat()
    if status.st_uid != os.getuid() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Check("home", ok=False, detail=f"{path} is not ours to write", mend=f"sudo chown -R $USER {path}")
    open_to_others = [one for one in [path, *path.glob("credentials/*"), path / "api-token"] if _is_open(one)]
    if open_to_others:
        names = " ".join(map(str, open_to_others))
        return Check("home", ok=False, detail=f"others can read {names}", mend=f"chmod go= {names}")
    return Check("home", ok=True, detail=str(path))


def disk(settings: Settings) -> Check:
    """Mirrors and worktrees need room."""
    there = next(one for one in [settings.home, *settings.home.parents] if one.exists())
    free = shutil.disk_usage(there).free / 1024**3
    if free < FREE_GB:
        return Check(
            "disk",
            ok=False,
            detail=f"{free:.1f} GB free, {FREE_GB} GB are wanted",
            mend="remove the directories of tasks that are over: CCO_HOME/tasks/<id>",
        )
    return Check("disk", ok=True, detail=f"{free:.0f} GB free")


async def database(settings: Settings) -> list[Check]:
    """What the service would say of it at its start; nothing, where it has never been started."""
    path = settings.home / "cco.db"
    if not path.exists() and not (settings.home / "tasks").exists():
        return []
    try:
        await asyncio.to_thread(soundness.examine, path)
    except DatabaseTooNew as reason:
        return [Check("database", ok=False, detail=str(reason), mend="git pull")]
    except DatabaseRefused as reason:
        return [Check("database", ok=False, detail=str(reason), mend="cco restore FILE")]
    except (sqlite3.Error, OSError) as error:
        return [Check("database", ok=False, detail=f"{path} cannot be read: {error}", mend=f"ls -l {path}*")]
    return [Check("database", ok=True, detail=f"whole, schema {soundness.schema_of(path)}")]


def model(settings: Settings) -> Check:
    """Somebody pays for Claude. Whether the key is good shows with the first run: asking would cost."""
    if settings.anthropic.api_key is not None:
        return Check("model", ok=True, detail="ANTHROPIC_API_KEY is set")
    if settings.anthropic.oauth_token is not None:
        return Check("model", ok=True, detail="CLAUDE_CODE_OAUTH_TOKEN is set")
    return Check("model", ok=False, detail="ANTHROPIC_API_KEY is not set", mend="export ANTHROPIC_API_KEY=sk-ant-…")


async def github(settings: Settings) -> list[Check]:
    """The App: its credentials, what it may do, and whether its webhooks arrive."""
    missing = [line for line in settings.missing_for_serve() if line.startswith("CCO_GITHUB_")]
    if missing:
        return [Check("github", ok=False, detail=line.partition(":")[0], mend="cco setup") for line in missing]
    async with open_github(settings.github) as client:
        try:
            app = await client.app.getitem("/app")
        except gidgethub.BadRequest as exc:
            detail = f"GitHub does not take the App's credentials: {exc}. Is this machine's clock right?"
            return [Check("github", ok=False, detail=detail, mend="cco setup --replace")]
        except TryLater as exc:
            return [Check("github", ok=False, detail=str(exc), mend=f"curl -I {settings.github.api_url}")]
        checks = [Check("github", ok=True, detail=f"{app['slug']}, {app['html_url']}"), granted(app, settings)]
        return [*checks, await installed(client, app), await hooks(client, app, settings)]


def granted(app: Mapping[str, Any], settings: Settings) -> Check:
    """The App's permissions and events, against app-manifest.yml."""
    lacking = manifest.lacking(manifest.read(), app["permissions"], app["events"])
    page = f"open {_page(app, settings)}/permissions"
    if lacking:
        return Check("permissions", ok=False, detail=f"the App lacks {', '.join(lacking)}", mend=page)
    return Check("permissions", ok=True, detail="all that app-manifest.yml asks for")


async def installed(client: GitHub, app: Mapping[str, Any]) -> Check:
    """Somebody has installed it, and nobody has suspended it."""
    try:
        found = [one async for one in client.app.getiter("/app/installations")]
    except (gidgethub.GitHubException, TryLater) as exc:
        return Check("installations", ok=False, detail=f"they cannot be listed: {exc}", mend="cco doctor")
    working = [str(one["account"]["login"]) for one in found if not one.get("suspended_at") and one.get("account")]
    if not working:
        mend = f"open {app['html_url']}/installations/new"
        return Check("installations", ok=False, detail="the App is installed nowhere", mend=mend)
    return Check("installations", ok=True, detail=", ".join(sorted(working)))


async def hooks(client: GitHub, app: Mapping[str, Any], settings: Settings) -> Check:
    """Whether GitHub's latest deliveries arrived."""
    try:
        latest = await client.app.getitem(f"/app/hook/deliveries?per_page={RECENT_DELIVERIES}")
    except (gidgethub.GitHubException, TryLater) as exc:
        return Check("webhooks", ok=False, detail=f"deliveries cannot be listed: {exc}", mend="cco doctor")
    page = f"open {_page(app, settings)}"
    if not latest:
        return Check("webhooks", ok=True, detail="GitHub has sent none yet")
    failed = [one for one in latest if not 200 <= int(one["status_code"]) < 300]
    if latest[0] in failed:
        last = f"{latest[0]['status_code']} {latest[0]['status']}"
        detail = f"the last delivery failed ({last}), as {len(failed)} of {len(latest)} did"
        if int(latest[0]["status_code"]) == 401:
            return Check("webhooks", ok=False, detail=f"{detail}: is CCO_GITHUB_WEBHOOK_SECRET the App's?", mend=page)
        return Check("webhooks", ok=False, detail=f"{detail}: does its address reach `cco serve`?", mend=page)
    return Check("webhooks", ok=True, detail=f"the last delivery arrived; {len(failed)} of {len(latest)} failed")


async def slack(settings: SlackSettings) -> list[Check]:
    """Slack takes what we have to say, if it is to hear of anything."""
    if settings.bot_token is None:
        return []
    async with open_slack(settings, timeout_seconds=SLACK_SECONDS) as client:
        found = {"slack": await slack_check.check(client, settings.channels.values(), hears=settings.hears)}
        if settings.app_token is not None:
            token = settings.app_token.get_secret_value()
            found["slack socket"] = await slack_check.check_socket(client, token)
    return [Check(name, ok=one.ok, detail=one.detail, mend=one.mend) for name, one in found.items()]


async def discord(settings: Settings) -> list[Check]:
    """Discord has the webhook, if it is to hear of anything."""
    found = await places_check.discord(settings)
    return [] if found is None else [Check("discord", ok=found.ok, detail=found.detail, mend=found.mend)]


async def jira(settings: JiraSettings) -> list[Check]:
    """Jira takes what we have to say, if tickets start tasks."""
    if settings.url is None:
        return []
    async with open_jira(settings) as client:
        found = await jira_check.check(client, settings.projects, moves=bool(settings.transitions))
    return [Check("jira", ok=found.ok, detail=found.detail, mend=found.mend)]


def not_installed() -> list[str]:
    """What nothing here works without, each with the command that installs it; a quick look, for those who start."""
    return [f"{name} is not installed: {install(name)}" for name in ("git", "tmux") if shutil.which(name) is None]


def install(package: str) -> str:
    """The command that installs a package on this machine."""
    for command, line in INSTALLERS.items():
        if shutil.which(command):
            return line.format(package)
    return f"install {package}"


def render(checks: Sequence[Check]) -> str:
    """For people: what is wrong stands out, and its command stands alone on a line."""
    width = max(len(one.name) for one in checks)
    lines = []
    for one in checks:
        lines.append(f"{'ok  ' if one.ok else 'FAIL'}  {one.name:<{width}}  {one.detail}")
        if not one.ok and one.mend:
            lines.append(f"      {'':<{width}}  → {one.mend}")
    wrong = sum(not one.ok for one in checks)
    lines.append("")
    lines.append("All is well." if not wrong else f"{wrong} of {len(checks)} checks failed.")
    return "\n".join(lines)


def as_json(checks: Sequence[Check]) -> dict[str, Any]:
    """For programs."""
    return {"ok": all(one.ok for one in checks), "checks": [asdict(one) for one in checks]}


async def _run(argv: list[str]) -> str | None:
    """The first line that a program says, or None where it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(RUN_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    first = said.decode(errors="replace").strip().partition("\n")[0]
    return first if process.returncode == 0 else None


def _mend_of(line: str) -> str:
    return "edit cco.toml" if line.startswith("cco.toml") else f"export {line.split(maxsplit=1)[0]}=…"


def _page(app: Mapping[str, Any], settings: Settings) -> str:
    owner = app.get("owner") or {}
    of = f"/organizations/{owner.get('login')}" if owner.get("type") == "Organization" else ""
    return f"{settings.github.url}{of}/settings/apps/{app['slug']}"


def _is_open(path: Any) -> bool:
    return bool(path.exists() and path.stat().st_mode & 0o077)
