"""The whole service between stand-ins: a GitHub, a model, perhaps a Slack or a Jira; and what a test may look at.

What a test judges by is on the other side: the stand-ins' ledgers, git, tmux, the process table, the files.
"""

import asyncio
import base64
import json
import logging
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from app import settings
from app.credentials import save_github
from app.demo import model, story
from app.demo.github import World, running
from app.demo.github.ledger import SecondaryLimit
from app.demo.github.model import Comment, Issue, Permission, Repository
from app.demo.model import Model, Script, Turn
from app.demo.replies import Say, Use
from app.manifest import callback_url
from app.services import open_services
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord import discord as running_discord
from tests.fakes.github import checked
from tests.fakes.jira import FakeJira
from tests.fakes.jira import jira as running_jira
from tests.fakes.people import free_port
from tests.fakes.receiver import FakeReceiver
from tests.fakes.receiver import receiver as running_receiver
from tests.fakes.slack import TWO_WAY, FakeSlack
from tests.fakes.slack import slack as running_slack

REPOSITORY = "octo/eggtimer"
PEOPLE: dict[str, Permission] = {"alice": "admin", "bob": "write", "mallory": "read", "trudy": "triage"}
BOT = "claude-here[bot]"
CHECKOUT = Path(settings.__file__).parents[1]
SUMMARY = "It is done, and here is why."
T = TypeVar("T")


class Process(Protocol):
    """What a story needs of a service's process; `subprocess.Popen` is one."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """The exit code, once it has ended."""

    def wait(self) -> int:
        """The exit code."""

    def send_signal(self, number: int, /) -> None:
        """A signal, unless it has ended."""


# How a separate service is started: with this environment, writing to this log.
Start = Callable[[Mapping[str, str], Path], Process]


@dataclass
class Service:
    """The service, as a process of its own."""

    process: Process
    log: Path
    started_at: float = field(default_factory=time.monotonic)

    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]

    @property
    def base_url(self) -> str | None:
        said = [line["message"] for line in self.lines() if line["message"].startswith("listening on ")]
        return said[0].removeprefix("listening on ") if said else None


@dataclass
class House:
    """Everything a story needs. `handed` are secrets that the story itself gave to Claude."""

    home: Path
    world: World
    repository: Repository
    model: Model
    environ: dict[str, str]
    slack: FakeSlack | None
    tracker: FakeJira | None
    app_id: int
    client_secret: str
    discord: FakeDiscord | None = None
    receiver: FakeReceiver | None = None
    handed: set[str] = field(default_factory=set)
    seen_in: list[str] = field(default_factory=list)  # where a secret was, in the process table
    most_agents: int = 0
    services: list[Service] = field(default_factory=list)
    starting: Start | None = None  # how the service is started; None: as `cco serve`

    # What people do

    async def ask(
        self, title: str, *turns: Turn, body: str = "Please.", by: str = "alice", label: bool = True
    ) -> Issue:
        """Open an issue that the model knows an answer to, and label it."""
        if turns:
            self.model.learn(re.escape(title), Script(turns))
        issue = await self.world.act(by).open_issue(self.repository, title, body)
        if label:
            await self.world.act(by).label(issue, "claude")
        return issue

    def let_go(self, name: str = "go") -> None:
        """Let the commands of `waits` end, in every task there is."""
        for home in (self.home / "tasks").glob("*/home"):
            (home / name).touch()

    # What one sees on GitHub

    def statuses(self, place: Issue) -> list[Comment]:
        """Our living comments."""
        return [one for one in _ours(place) if one.body.startswith("<!-- cco:task=")]

    def answers(self, place: Issue) -> list[str]:
        """What we answered, without the marker."""
        return [one.body.partition("\n")[2] for one in _ours(place) if one.body.startswith("<!-- cco:answer=")]

    def status(self, place: Issue) -> str:
        """What the one living comment says; nothing while there is none."""
        said = [one.body for one in self.statuses(place)]
        assert len(said) <= 1, said
        return said[0] if said else ""

    def pulls(self, issue: Issue) -> list[Issue]:
        """The pull requests for an issue, by their branch."""
        start = f"claude/issue-{issue.number}-"
        return [one for one in self.world.pulls_of(self.repository) if one.pull and one.pull.head_ref.startswith(start)]

    def branches(self) -> dict[str, str]:
        """What is on GitHub, main apart."""
        out = self.git("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
        found = dict(line.split(" ") for line in out.splitlines())
        return {name: sha for name, sha in found.items() if name != "main"}

    def git(self, *arguments: str) -> str:
        """git in GitHub's own repository."""
        argv = ("git", "-C", str(self.repository.path), *arguments)
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=_GIT).stdout

    def file(self, branch: str, path: str) -> str:
        return self.git("show", f"{branch}:{path}")

    def tests_pass(self, branch: str) -> bool:
        """Whether the project's own tests pass in a fresh clone of a branch."""
        with tempfile.TemporaryDirectory() as scratch:
            clone = ("git", "clone", "--quiet", "--branch", branch, str(self.repository.path), scratch)
            subprocess.run(clone, check=True, capture_output=True, env=_GIT)
            tests = subprocess.run(("python3", "-m", "unittest"), check=False, cwd=scratch, capture_output=True)
        return tests.returncode == 0

    async def until(self, what: Callable[[], T], seconds: float = 60) -> T:
        """Wait for a condition, and give what it gave."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not come within {seconds} s:\n{self.told()}")
            await asyncio.sleep(0.03)
        return found

    async def says(self, place: Issue, *words: str, seconds: float = 60) -> str:
        """Wait until the living comment has these words."""
        await self.until(lambda: all(word in self.status(place) for word in words), seconds)
        return self.status(place)

    async def heard(self) -> None:
        """Wait until the service has handled everything that GitHub told it."""
        await self.world.settled()
        async with aiohttp.ClientSession() as http:
            while True:
                url = str(self.world.apps[self.app_id].hook_url).replace("/webhooks/github", "/metrics")
                with suppress(aiohttp.ClientError):  # it may be on its way up again
                    async with http.get(url) as answer:
                        if "\ncco_inbox_depth 0.0\n" in await answer.text():
                            return
                await asyncio.sleep(0.03)

    async def get(self, path: str) -> tuple[int, str]:
        """What the service answers at an address of its own."""
        url = str(self.world.apps[self.app_id].hook_url).replace("/webhooks/github", path)
        token = (self.home / "api-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
            return answer.status, await answer.text()

    async def places(self) -> list[dict[str, Any]]:
        """What the service says that its places were not told yet."""
        _, told = await self.get("/api/places")
        found: list[dict[str, Any]] = json.loads(told)["places"]
        return found

    async def answered(self, place: Issue, comment: Comment, count: int = 1) -> str:
        """Wait for the answer to a command."""
        marker = f"<!-- cco:answer={comment.id} -->"

        def found() -> list[str]:
            return [one.body for one in _ours(place) if one.body.startswith(marker)]

        await self.until(found)
        await self.heard()
        assert len(found()) == count
        return found()[0].partition("\n")[2]

    async def command(self, place: Issue, text: str, by: str = "alice") -> str:
        """Give a command, and wait for its one answer; 👀 was there first."""
        comment = await self.world.act(by).comment(place, text)
        answer = await self.answered(place, comment)
        assert [one.content for one in comment.reactions] == ["eyes"]
        eyes = self._nth(rf"/repos/.*/issues/comments/{comment.id}/reactions")
        said = self._nth(rf"/repos/.*/issues/{place.number}/comments", f"cco:answer={comment.id} ")
        assert eyes < said
        return answer

    def _nth(self, path: str, words: str = "") -> int:
        """When something was posted, by its place in the ledger."""
        found = [one for one in self.world.ledger.requests("POST", path) if words in str(one.body)]
        assert len(found) == 1, found
        return self.world.ledger.index(found[0])

    def told(self) -> str:
        """What there is to see, for whoever must find out why a test failed."""
        places = [
            f"#{place.number} {place.state} {place.title!r} {place.pull.head_ref if place.pull else ''}\n"
            + "\n".join(f"    {one.user.login}: {one.body}" for one in place.comments)
            for place in self.repository.issues.values()
        ]
        asked = [f"{one.method} {one.path} {one.status}" for one in self.world.ledger.requests()[-25:]]
        if self.tracker is not None:
            places += [
                f"{one.key} {one.status.name} {one.labels}\n"
                + "\n".join(f"    {said.author.name}: {self.tracker.plain(said.body)}" for said in one.comments)
                for one in self.tracker.tickets.values()
            ]
            asked = [*asked, *[f"{one.method} {one.path} {one.status}" for one in self.tracker.ledger[-25:]]]
        logged = [service.log.read_text()[-3000:] for service in self.services]
        return "\n".join([*places, *asked, *self.world.violations, *logged, f"agents: {self.agents()}"])

    async def draft(self, issue: Issue) -> Issue:
        """Wait for the draft pull request of a run that is at work, and our first word on it."""
        await self.until(lambda: self.pulls(issue) and "Claude is working" in self.status(self.pulls(issue)[0]))
        (pull,) = self.pulls(issue)
        return pull

    # What one sees on the machine

    def agents(self) -> list[int]:
        """The processes of Claude Code that work for this house. What one starts looks like itself for a moment."""
        wanted = str(self.home).encode()
        found = {
            pid for pid, argv in _processes() if argv[0].endswith(b"/claude") and any(wanted in one for one in argv)
        }
        return [pid for pid in found if _parent(pid) not in found]

    def supervisors(self) -> list[int]:
        """The processes in the panes."""
        wanted = str(self.home).encode()
        found = [(pid, b" ".join(argv)) for pid, argv in _processes()]
        return [pid for pid, line in found if b".supervisor " in line and wanted in line]

    def tmux_servers(self) -> list[int]:
        """The server behind our socket."""
        argv = ("tmux", "-S", str(self.home / "tmux.sock"), "display-message", "-p", "#{pid}")
        said = subprocess.run(argv, check=False, capture_output=True, text=True).stdout
        return [int(said)] if said.strip().isdecimal() else []

    def sessions(self) -> list[str]:
        """The names of the tmux sessions."""
        argv = ("tmux", "-S", str(self.home / "tmux.sock"), "list-sessions", "-F", "#{session_name}")
        return subprocess.run(argv, check=False, capture_output=True, text=True).stdout.split()

    def secrets(self) -> set[str]:
        """What must never reach Claude: all tokens, the App's private key, the webhooks' secrets, the model's key."""
        names = ("CCO_GITHUB_WEBHOOK_SECRET", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
        names += ("CCO_SLACK_BOT_TOKEN", "CCO_SLACK_APP_TOKEN", "CCO_SLACK_SIGNING_SECRET")
        names += ("CCO_JIRA_TOKEN", "CCO_JIRA_WEBHOOK_SECRET")
        found = {self.environ[name] for name in names if name in self.environ} | set(self.world.tokens)
        found |= {self.discord.token} if self.discord else set()
        found |= {self.receiver.secret} if self.receiver else set()
        found |= {self.client_secret} | {
            line for line in self.environ["CCO_GITHUB_PRIVATE_KEY"].splitlines() if len(line) > 40
        }
        token = self.home / "api-token"
        return found | ({token.read_text().strip()} if token.exists() else set())

    def watch(self) -> None:
        """Look once at the process table: how many agents, and whether a secret is in sight."""
        worktree = f"--add-dir={self.home}/tasks/".encode()
        at_work = {word for _, argv in _processes() for word in argv if word.startswith(worktree)}
        self.most_agents = max(self.most_agents, len(at_work))
        needles = [one.encode() for one in self.secrets() - self.handed]
        service = {os.getpid()} | {one.process.pid for one in self.services}
        for pid, argv in _processes():
            shown = b"\0".join(argv)
            # The service has its secrets in its environment, and so have the short commands that it starts itself; what
            # works for a task descends from tmux.
            if not service & set(_line(pid)):
                with suppress(OSError):
                    shown += Path(f"/proc/{pid}/environ").read_bytes()
            if any(needle in shown for needle in needles):
                self.seen_in.append(f"{pid}: {shown[:300].decode(errors='replace')}")

    def files_with_secrets(self) -> list[str]:
        """Files of the tasks that hold a secret, as it is or in base64."""
        needles = [form for one in self.secrets() - self.handed for form in _forms(one)]
        files = [path for path in (self.home / "tasks").rglob("*") if path.is_file() and not path.is_symlink()]
        return [str(path) for path in files if _holds(path.read_bytes(), needles)]

    def posted_secrets(self) -> list[str]:
        """What we wrote anywhere with a secret in it, as it is or in base64."""
        needles = [form for one in self.secrets() for form in _forms(one)]
        said = [(one.path, repr(one.body).encode()) for one in self.world.ledger.requests()]
        said += [(one.method, repr(one.args).encode()) for one in (self.slack.ledger if self.slack else ())]
        said += [(one.path, repr(one.body).encode()) for one in (self.tracker.ledger if self.tracker else ())]
        said += [(one.path, repr(one.body).encode()) for one in (self.discord.ledger if self.discord else ())]
        said += [("webhook", one.body) for one in (self.receiver.ledger if self.receiver else ())]
        return [place for place, body in said if _holds(body, needles)]

    # Starting and ending it

    async def start(self, checkout: Path = CHECKOUT) -> Service:
        """Start the service as a process, and tell GitHub where it is."""
        service = self.spawn(checkout)
        await self.until(lambda: service.base_url or service.process.poll() is not None)
        assert service.process.poll() is None, service.log.read_text()
        self.is_at(str(service.base_url))
        return service

    def is_at(self, base_url: str) -> None:
        """Tell GitHub, Jira, and a Slack that sends requests, where the service is."""
        self.world.apps[self.app_id].hook_url = f"{base_url}/webhooks/github"
        if self.slack is not None and "CCO_SLACK_SIGNING_SECRET" in self.environ:
            self.slack.hook_url = f"{base_url}/webhooks/slack"
        if self.tracker is not None:
            self.tracker.hook_url = f"{base_url}/webhooks/jira"

    def spawn(self, checkout: Path = CHECKOUT, log: Path | None = None) -> Service:
        log = log or self.home.parent / f"service-{len(self.services)}.log"
        log.touch()
        environ = {**self.environ, "PYTHONPATH": str(checkout)}
        service = Service((self.starting or serve)(environ, log), log)
        self.services.append(service)
        return service

    async def end(self, service: Service, number: signal.Signals, seconds: float = 10) -> int:
        """Send it a signal, and wait for its end."""
        service.process.send_signal(number)
        await self.until(lambda: service.process.poll() is not None, seconds)
        return service.process.wait()


def program(*words: str) -> Start:
    """`python` and these words."""

    def start(environ: Mapping[str, str], log: Path) -> Process:
        with log.open("wb") as file:
            argv = (sys.executable, *words)
            cwd = environ["PYTHONPATH"]
            return subprocess.Popen(argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    return start


serve = program("-m", "app", "serve")


def waits(name: str = "go") -> Use:
    """A command that lasts until `House.let_go`."""
    return Use("Bash", {"command": f"until [ -e ~/{name} ]; do sleep 0.05; done", "description": "Wait"})


def commits(path: str = "notes.txt", content: str = "Something new\n", message: str = "Write it down") -> Use:
    """Write one file, and commit it."""
    packed = base64.b64encode(content.encode()).decode()
    command = f"mkdir -p $(dirname {path}) && echo {packed} | base64 -d > {path}"
    return Use("Bash", {"command": f"{command} && git add -A && git commit -q -m '{message}'", "description": message})


def done(text: str = SUMMARY) -> Say:
    """The end of a turn."""
    return Say(text)


@asynccontextmanager
async def house(
    *,
    slack: bool = False,
    hears_slack: Literal["socket", "http"] | None = None,
    discord: bool = False,
    receiver: bool = False,
    jira: Literal["cloud", "data center"] | None = None,
    toml: str = "",
    separate: bool = False,
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, str | bytes] | None = None,
    interval: timedelta = timedelta(0),
    sign_in: bool = False,
    starting: Start | None = None,
    started: bool = True,
    watched: bool = True,
    clock: Callable[[], datetime] | None = None,
    contracts: bool = True,
    disks: Mapping[str, int] = MappingProxyType({}),
) -> AsyncIterator[House]:
    """The service in this process (or, `separate`, in one of its own), ready to hear of issues.

    At the end it must have kept every contract, and left no process, session or secret behind. `interval` is the time
    between two writes to GitHub; where it is not GitHub's own, the limit that goes with it is off. With `sign_in`
    people can sign in to the dashboard with GitHub. `starting` is another way to start a separate service, one that
    does not wait between two writes; a story that starts it itself says so with `started`. What is not `watched` all
    the time is still looked at in the end. By a `clock` another time is it on GitHub, and without `contracts` it does
    not hold every call against GitHub's description, which takes most of its time. `disks` are directories in CCO_HOME
    (or "", all of it) that are on a disk of their own, with its megabytes. It `hears_slack` by one of its doors.
    `toml` is what stands in cco.toml.
    """
    root = Path(tempfile.mkdtemp(prefix="cco-")).resolve()  # short: sockets have short addresses
    logging_before = logging.getLogger().handlers[:]
    try:
        async with AsyncExitStack() as stack:
            world = World(root / "github", **({} if clock is None else {"clock": clock}))
            await stack.enter_async_context(checked(world) if contracts else running(world))
            for name, megabytes in disks.items():
                stack.enter_context(small_disk(root / "cco" / name, megabytes))
            places = {"slack": slack, "hears_slack": hears_slack, "jira": jira}
            places |= {"discord": discord, "receiver": receiver}
            one = await _built(stack, root, world, files=files, more=environ or {}, **places)
            if toml:
                one.home.mkdir(mode=0o700, exist_ok=True)
                with (one.home / "cco.toml").open("a", encoding="utf-8") as file:
                    file.write(toml)
            if sign_in:
                _let_people_sign_in(one)
            one.starting = starting
            real = starting is None and (separate or interval >= timedelta(seconds=1))
            one.world.limit = SecondaryLimit(apart=timedelta(seconds=1)) if real else None
            watching = asyncio.create_task(_keep_watching(one) if watched else asyncio.sleep(0))
            stack.callback(watching.cancel)
            try:
                if separate:
                    if started:
                        await one.start()
                    yield one
                    for service in one.services:
                        if service.process.poll() is None:
                            assert await one.end(service, signal.SIGTERM) == 0, service.log.read_text()
                else:
                    async with open_services(settings.load(one.environ), write_interval=interval) as services:
                        # Where it listens, and not its public address, which is made up in some stories.
                        here = "{0.scheme}://{0.netloc}".format(urlsplit(str(services.sign_in_link)))
                        one.is_at(here)
                        yield one
                        await one.world.settled()
                        if one.tracker is not None:
                            one.tracker.hook_url = None
                            await one.tracker.settled()
                await _check_what_is_left(one)
            finally:
                watching.cancel()
                _end_all(one)
        assert not one.world.violations, "\n".join(one.world.violations)
        assert one.tracker is None or not one.tracker.violations, "\n".join(one.tracker.violations)
    finally:
        logging.getLogger().handlers[:] = logging_before
        shutil.rmtree(root, ignore_errors=True)


async def _built(
    stack: AsyncExitStack,
    root: Path,
    world: World,
    *,
    slack: bool,
    hears_slack: str | None,
    discord: bool,
    receiver: bool,
    jira: Literal["cloud", "data center"] | None,
    files: Mapping[str, str | bytes] | None,
    more: Mapping[str, str],
) -> House:
    source = {"files": files} if files is not None else {"from_dir": story.SAMPLE}
    repository = await world.add_repository(REPOSITORY, permissions=PEOPLE, **source)
    secret = secrets.token_hex(20)
    app, private_key = world.add_app("Claude here", hook_secret=secret)
    world.add_installation(app, "octo")
    key = "sk-ant-" + secrets.token_hex(20)
    scripted = Model([(story.PATTERN, story.script())], key=key)
    environ = {
        "PATH": os.environ["PATH"],
        "CCO_HOME": str(root / "cco"),
        "CCO_PORT": "0",
        "CCO_GITHUB_URL": world.base_url,
        "CCO_GITHUB_API_URL": world.api_url,
        "CCO_GITHUB_APP_ID": str(app.id),
        "CCO_GITHUB_PRIVATE_KEY": private_key,
        "CCO_GITHUB_WEBHOOK_SECRET": secret,
        "CCO_SANDBOX": "bwrap",
        "ANTHROPIC_API_KEY": key,
        "ANTHROPIC_BASE_URL": await stack.enter_async_context(model.running(scripted)),
        **_toolchain(),
    }
    workspace = await stack.enter_async_context(running_slack()) if slack else None
    if workspace is not None:
        workspace.token = "xoxb-" + secrets.token_hex(12)  # no other house's: it is looked for in the process table
        environ |= {
            "CCO_SLACK_BOT_TOKEN": workspace.token,
            "CCO_SLACK_CHANNEL": "C0123456789",
            "CCO_SLACK_API_URL": workspace.url,
        }
        if hears_slack is not None:
            workspace.scopes = set(TWO_WAY)
        if hears_slack == "socket":
            environ["CCO_SLACK_APP_TOKEN"] = workspace.app_token
        if hears_slack == "http":
            environ["CCO_SLACK_SIGNING_SECRET"] = workspace.signing_secret
    server = await stack.enter_async_context(running_discord()) if discord else None
    if server is not None:
        environ["CCO_DISCORD_WEBHOOK_URL"] = server.url
    hook = await stack.enter_async_context(running_receiver()) if receiver else None
    if hook is not None:
        (root / "cco").mkdir(mode=0o700, exist_ok=True)
        with (root / "cco" / "cco.toml").open("a") as file:
            file.write(f'[webhooks.house]\nurl = "{hook.url}"\nsecret = "{hook.secret}"\n')
    tracker = await stack.enter_async_context(running_jira(jira == "cloud")) if jira else None
    if tracker is not None:
        environ |= {
            "CCO_JIRA_URL": tracker.url,
            "CCO_JIRA_EMAIL": tracker.us.email if tracker.cloud else "",
            "CCO_JIRA_TOKEN": tracker.token,
            "CCO_JIRA_WEBHOOK_SECRET": tracker.secret,
        }
    chosen = {name: value for name, value in (environ | dict(more)).items() if value}
    if chosen.get("CLAUDE_CODE_OAUTH_TOKEN"):
        chosen["CLAUDE_CODE_OAUTH_TOKEN"] = key
        del chosen["ANTHROPIC_API_KEY"]
    return House(
        home=root / "cco",
        world=world,
        repository=repository,
        model=scripted,
        environ=chosen,
        slack=workspace,
        tracker=tracker,
        app_id=app.id,
        client_secret=app.client_secret,
        discord=server,
        receiver=hook,
    )


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[None]:
    """A file system in memory, mounted at `path`; the test is skipped where this may not be done."""
    path.mkdir(mode=0o700, parents=True)
    mount = ("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(path))
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be made here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", str(path)), check=True)


def fill(directory: Path) -> Path:
    """Leave no byte of the disk that holds the directory; the file that does so."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(b"\0" * size)
    return filler


def _let_people_sign_in(one: House) -> None:
    """As `cco setup` leaves it, with an address that people reach."""
    app = one.world.apps[one.app_id]
    port = free_port()
    one.environ |= {"CCO_PORT": str(port), "CCO_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    app.callback_urls.append(callback_url(one.environ["CCO_PUBLIC_URL"]))
    saved = {
        "app_id": str(app.id),
        "url": one.world.base_url,
        "client_id": app.client_id,
        "client_secret": app.client_secret,
    }
    save_github(one.home, saved, one.environ["CCO_GITHUB_PRIVATE_KEY"])


def _toolchain() -> dict[str, str]:
    """Where python3 is, if that is outside /usr."""
    prefix = Path(sys.base_prefix)
    return {} if prefix.is_relative_to("/usr") else {"CCO_SANDBOX_READ_ONLY": str(prefix)}


async def _keep_watching(one: House) -> None:
    while True:
        one.watch()
        await asyncio.sleep(0.2)


async def _check_what_is_left(one: House) -> None:
    """The service has ended, and so has all its work: nothing may be left of either."""
    await one.until(lambda: not one.agents() and not one.sessions(), 20)
    await one.until(lambda: not _of(one), 20)
    assert not one.seen_in, one.seen_in
    assert not one.files_with_secrets()
    assert not one.posted_secrets()


def _end_all(one: House) -> None:
    """Whatever came of the test, nothing of it goes on."""
    for pid in [*[service.process.pid for service in one.services if service.process.poll() is None], *_of(one)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for service in one.services:
        service.process.wait()


def _of(one: House) -> list[int]:
    """Processes that have the house in their command line."""
    wanted = str(one.home).encode()
    return [pid for pid, argv in _processes() if pid != os.getpid() and any(wanted in word for word in argv)]


def _processes() -> Iterable[tuple[int, Sequence[bytes]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                argv = (entry / "cmdline").read_bytes().split(b"\0")
                if argv[0]:
                    yield int(entry.name), argv


def _line(pid: int) -> Iterable[int]:
    """The process itself, its parent, and so on."""
    above: int | None = pid
    while above:
        yield above
        above = _parent(above)


def _parent(pid: int) -> int | None:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    return None  # it has ended


def _ours(place: Issue) -> list[Comment]:
    return [one for one in place.comments if one.user.login == BOT]


def _forms(secret: str) -> list[bytes]:
    """As it is, and in base64 wherever it may begin in what was encoded."""
    shifted = [
        base64.b64encode(b"\0" * n + secret.encode())[-(-n * 8 // 6) : (n + len(secret)) * 8 // 6] for n in range(3)
    ]
    return [secret.encode(), *shifted]


def _holds(content: bytes, needles: Sequence[bytes]) -> bool:
    return any(needle in content for needle in needles)


_GIT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}
