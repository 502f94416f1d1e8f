"""`cco demo`: the real service between a stand-in GitHub and a scripted model, with one issue to watch."""

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app import doctor, settings
from app.demo import model, story
from app.demo.github import World, running
from app.demo.github.model import Permission, Repository
from app.demo.telling import Teller
from app.opening import CannotServe
from app.services import Services, open_services
from runner import confinement
from runner.publishing import remote_of
from runner.tasks import Outcome, TaskId
from runner.text import clean

REPOSITORY = "octo/eggtimer"
PEOPLE: dict[str, Permission] = {"alice": "admin", "bob": "write", "mallory": "read"}
Say = Callable[[str], None]

# How fast the scripted model talks, for those who watch: seconds between words, seconds of thought before each turn.
PACE, THOUGHT = 0.02, 0.7


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demonstration stands on."""

    world: World
    repository: Repository
    services: Services
    home: Path
    real: bool


class CannotShow(Exception):
    """A sentence for whoever runs the demonstration."""


async def run(*, once: bool, port: int, real: bool, say: Say = print) -> int:
    """Show one issue become a pull request. Exit code 0 if it did."""
    here = asyncio.current_task()
    if here is not None:  # SIGTERM cleans up as Ctrl-C does
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, here.cancel)
    try:
        async with AsyncExitStack() as stack:
            stage = await stack.enter_async_context(_stage(port=port, real=real, say=say))
            succeeded = await _show(stage, say)
            if not once:
                await _stay(stage, say)
    except (CannotShow, CannotServe) as reason:
        print(f"cco demo: {reason}", file=sys.stderr)  # noqa: T201  this is a command's answer
        return 1
    except asyncio.CancelledError:
        return 130  # ended from outside, and everything is removed
    return 0 if succeeded or not once else 1


@asynccontextmanager
async def _stage(*, port: int, real: bool, say: Say) -> AsyncIterator[Stage]:
    """Stand-ins and service, up; everything they left is removed at the end."""
    if missing := doctor.not_installed():
        raise CannotShow("\n".join(missing))
    home = Path(tempfile.mkdtemp(prefix="cco-demo-"))  # short: sockets have short addresses
    try:
        async with AsyncExitStack() as stack:
            world = World(home / "github")
            github_url = await stack.enter_async_context(running(world))
            repository = await world.add_repository(
                REPOSITORY, from_dir=story.SAMPLE, permissions=PEOPLE, description="Tells you when the egg is done."
            )
            secret = secrets.token_hex(20)
            app, private_key = world.add_app("Claude here", hook_secret=secret)
            world.add_installation(app, "octo")
            environ = {
                "PATH": os.environ.get("PATH", os.defpath),
                "CCO_HOME": str(home / "cco"),
                "CCO_PORT": str(port),
                "CCO_GITHUB_URL": github_url,
                "CCO_GITHUB_API_URL": world.api_url,
                "CCO_GITHUB_APP_ID": str(app.id),
                "CCO_GITHUB_PRIVATE_KEY": private_key,
                "CCO_GITHUB_WEBHOOK_SECRET": secret,
                "CCO_LOG_FORMAT": "human",
                "CCO_LOG_LEVEL": "warning",
                **(_real_credentials() if real else await _scripted(stack)),
                **await _confinement(say),
            }
            services = await stack.enter_async_context(open_services(settings.load(environ)))
            app.hook_url = f"{services.base_url}/webhooks/github"
            say("  the service      " + services.base_url)
            if services.sign_in_link is not None:
                say("  its dashboard    " + services.sign_in_link)
            say("  a GitHub         " + github_url + "  (a stand-in, on this machine only)")
            say(
                "  the model        "
                + ("Claude, the real one" if real else "scripted: it knows one issue, and says so")
            )
            say("")
            yield Stage(world, repository, services, home / "cco", real)
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


async def _scripted(stack: AsyncExitStack) -> dict[str, str]:
    scripted = model.Model(scripts=[(story.PATTERN, story.script(pace=PACE, think=THOUGHT))])
    base_url = await stack.enter_async_context(model.running(scripted))
    return {"ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": "the-scripted-model-asks-for-none"}


def _real_credentials() -> dict[str, str]:
    names = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_BASE_URL", "CCO_MODEL")
    found = {name: os.environ[name] for name in names if os.environ.get(name)}
    if not {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"} & set(found):
        raise CannotShow(
            "--real needs Anthropic credentials: set ANTHROPIC_API_KEY, or CLAUDE_CODE_OAUTH_TOKEN "
            "(from `claude setup-token`), and run it again."
        )
    return found


async def _confinement(say: Say) -> dict[str, str]:
    """The demonstration holds no real credential, so it may go on where agents cannot be confined."""
    trouble = await confinement.why_not()
    if trouble is None:
        toolchain = Path(sys.base_prefix)
        outside = not toolchain.is_relative_to("/usr")
        return {"CCO_SANDBOX": "bwrap", **({"CCO_SANDBOX_READ_ONLY": str(toolchain)} if outside else {})}
    say("  no sandbox       " + trouble)
    say("                   The demonstration goes on without; `cco serve` would not.")
    return {"CCO_SANDBOX": "none"}


async def _show(stage: Stage, say: Say) -> bool:
    """Open the issue, label it, and tell what happens until the run has ended."""
    alice = stage.world.act("alice")
    issue = await alice.open_issue(stage.repository, story.TITLE, story.BODY)
    say(f"alice opens issue #{issue.number}: {story.TITLE}")
    await alice.label(issue, "claude")
    say("alice labels it `claude`")
    say("")
    teller = Teller(stage.services, _attach_line(stage), say)
    settled = await teller.until_settled()
    await _sum_up(stage, settled.task_id, say)
    view = await stage.services.store.view(settled.task_id)
    return view.outcome is Outcome.delivered and view.pull_request is not None


async def _sum_up(stage: Stage, task_id: TaskId, say: Say) -> None:
    """What came of it: the pull request, its diff, the cost, and where the transcript is."""
    view = await stage.services.store.view(task_id)
    say("")
    if view.pull_request is None or view.task.pushed_sha is None or view.task.base_sha is None:
        say(f"There is no pull request: {view.run.reason or view.outcome}")
        return
    mirror = stage.services.mirrors.of(remote_of(view.task.repository))
    for line in (await mirror.objects.diff(view.task.base_sha, view.task.pushed_sha)).splitlines():
        say("    " + _coloured(clean(line)))
    say("")
    say(f"  pull request     {view.pull_request.url}")
    say(f"  cost             ${view.cost_usd:.2f} in {view.run.turns} turns" + _price_note(stage))
    say(f"  the session      {_attach_line(stage)(task_id)}   (while a run is at work)")
    say(f"  the transcript   {_command(stage)} logs {task_id}")


async def _stay(stage: Stage, say: Say) -> None:
    """Stay up to be played with."""
    say("")
    say("Now it is yours. On the stand-in GitHub you can comment, review, merge, or open and label another issue:")
    say(f"  {stage.world.base_url}/{REPOSITORY}/issues")
    say(f"  {_command(stage)} ls")
    say("Ctrl-C ends it and removes everything it made.")
    teller = Teller(stage.services, _attach_line(stage), say, seen=await _last_event(stage))
    while True:
        await teller.until_settled()


async def _last_event(stage: Stage) -> int:
    recorded = await stage.services.store.events(limit=-1)
    return recorded[-1].id if recorded else 0


def _command(stage: Stage) -> str:
    """The command line, pointed at the demonstration's service."""
    port = stage.services.base_url.rpartition(":")[2]
    return f"CCO_HOME={stage.home} CCO_PORT={port} ./cco"


def _attach_line(stage: Stage) -> Callable[[TaskId], str]:
    return lambda task_id: f"{_command(stage)} attach {task_id}"


def _price_note(stage: Stage) -> str:
    return "" if stage.real else "  (at list price; the scripted model is free)"


def _coloured(line: str) -> str:
    if not sys.stdout.isatty():
        return line
    for mark, colour in (("+", 32), ("-", 31), ("@@", 36)):
        if line.startswith(mark):
            return f"\x1b[{colour}m{line}\x1b[0m"
    return line
