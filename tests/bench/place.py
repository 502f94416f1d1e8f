"""Where it is measured: a stand-in GitHub with a repository of 236 files, a scripted model, and the real service."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from app.demo import github, model
from app.demo.github.model import Issue, Repository
from app.demo.model import Model, Script
from app.demo.replies import Say

FILES = 236
QUIET_SECONDS = 1.2  # GitHub is written to once a second: after this the next write need not wait
T = TypeVar("T")


@dataclass
class Place:
    """Everything that is up while it is measured."""

    root: Path
    world: github.World
    repository: Repository
    model: Model
    model_url: str
    key: str
    service: subprocess.Popen[bytes]
    url: str
    api: aiohttp.ClientSession
    hooks: list[float]  # when each webhook was sent
    spans_file: Path

    @property
    def home(self) -> Path:
        return self.root / "cco"

    async def ask(self, title: str, *, label: bool = True) -> Issue:
        """Open an issue, let that be heard, and label it."""
        alice = self.world.act("alice")
        issue = await alice.open_issue(self.repository, title, "Please.")
        await self.world.settled()
        if label:
            await self.label(issue)
        return issue

    async def label(self, issue: Issue) -> None:
        await self.world.act("alice").label(issue, "claude")

    async def first_request(self, title: str) -> float:
        """When the model was first asked about this, on the monotonic clock."""

        def heard() -> list[float]:
            return [one.received_at for one in self.model.requests if title in one.first_text]

        return (await until(heard))[0]

    async def get(self, path: str) -> Any:
        async with self.api.get(self.url + path) as answer:
            return await answer.json()

    async def task(self, title: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            one for one in (await self.get("/api/tasks"))["tasks"] if one["subject"]["title"] == title
        )
        return found

    async def over(self, title: str) -> None:
        """Wait for the end of the run, and until GitHub has heard all of it."""
        deadline = time.monotonic() + 60
        while (state := (await self.task(title))["state"]) != "succeeded":
            if state in {"failed", "stopped"} or time.monotonic() > deadline:
                raise RuntimeError(f"the run is {state}: {self.log()}")
            await asyncio.sleep(0.1)
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until nothing has been asked of GitHub for a while."""
        said, since = -1, 0.0
        while said != len(self.world.ledger) or time.monotonic() - since < QUIET_SECONDS:
            if said != len(self.world.ledger):
                said, since = len(self.world.ledger), time.monotonic()
            await asyncio.sleep(0.05)

    def spans(self, began: float, ended: float) -> list[dict[str, Any]]:
        """The steps of the service that began within these moments."""
        found = [json.loads(line) for line in self.spans_file.read_text().splitlines()]
        return sorted((one for one in found if began <= one["began"] <= ended), key=lambda one: float(one["began"]))

    def spools(self) -> list[Path]:
        """The spools of all launches, in order."""
        found = (self.home / "tasks").glob("*/runs/*/launches/*")
        return sorted(found, key=lambda path: (int(path.parts[-3]), int(path.parts[-1])))

    def log(self) -> str:
        return (self.root / "service.log").read_text()[-3000:]


@asynccontextmanager
async def place(*, script: Script | None = None, environ: Mapping[str, str] | None = None) -> AsyncIterator[Place]:
    """All of it, up; at the end nothing of it is left."""
    root = Path(tempfile.mkdtemp(prefix="cco-")).resolve()  # short: sockets have short addresses
    try:
        async with AsyncExitStack() as stack:
            world = github.World(root / "github")
            await stack.enter_async_context(github.running(world))
            world.limit = None
            repository = await world.add_repository("octo/bench", permissions={"alice": "admin"}, files=_files())
            secret, token = secrets.token_hex(20), secrets.token_hex(20)
            app, private_key = world.add_app("Claude here", hook_secret=secret)
            world.add_installation(app, "octo")
            key = "sk-ant-" + secrets.token_hex(20)
            scripted = Model(default=script or Script(((Say("There is nothing to do."),),)), key=key)
            model_url = await stack.enter_async_context(model.running(scripted))
            api = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}))
            settings = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "CCO_HOME": str(root / "cco"),
                "CCO_PORT": "0",
                "CCO_GITHUB_URL": world.base_url,
                "CCO_GITHUB_API_URL": world.api_url,
                "CCO_GITHUB_APP_ID": str(app.id),
                "CCO_GITHUB_PRIVATE_KEY": private_key,
                "CCO_GITHUB_WEBHOOK_SECRET": secret,
                "CCO_SANDBOX": "bwrap",
                "CCO_API_TOKEN": token,
                "ANTHROPIC_API_KEY": key,
                "ANTHROPIC_BASE_URL": model_url,
                **(environ or {}),
            }
            service = stack.enter_context(_service(root, settings))
            url = await until(lambda: _listening(service, root / "service.log"))
            hooks = _note_hooks(world)
            app.hook_url = f"{url}/webhooks/github"
            yield Place(
                root, world, repository, scripted, model_url, key, service, url, api, hooks, root / "spans.jsonl"
            )
    finally:
        end_all(str(root))
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _service(root: Path, settings: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    argv = (sys.executable, "-m", "tests.bench.timed_service", str(root / "spans.jsonl"))
    with (root / "service.log").open("wb") as log:
        service = subprocess.Popen(argv, env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield service
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=20)


def _listening(service: subprocess.Popen[bytes], log: Path) -> str | None:
    if service.poll() is not None:
        raise RuntimeError(log.read_text())
    said = [json.loads(line)["message"] for line in log.read_text().splitlines() if line.startswith("{")]
    return next((one.removeprefix("listening on ") for one in said if one.startswith("listening on ")), None)


def _note_hooks(world: github.World) -> list[float]:
    """Remember when each webhook is sent."""
    send, sent = world.post, []
    assert send is not None

    async def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
        sent.append(time.monotonic())
        return await send(url, body, headers)

    world.post = post
    return sent


def _files() -> dict[str, str | bytes]:
    """236 files of about four kilobytes in twenty directories, the same each time."""
    lines = [f"def step_{n}(value: int) -> int:\n    return value * {n} + {n % 7}\n" for n in range(75)]
    return {f"part_{n % 20:02}/module_{n:03}.py": f'"""Module {n}."""\n\n' + "\n".join(lines) for n in range(FILES)}


async def until(what: Callable[[], T | None], seconds: float = 60) -> T:
    """Wait for something, and give it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came within {seconds:.0f} s")
        await asyncio.sleep(0.002)
    return found


def processes(word: str) -> dict[int, list[str]]:
    """The processes that have this in their command line, by pid."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if any(word in one for one in argv):
                    found[int(entry.name)] = argv
    return found


def end_all(word: str) -> None:
    """Nothing of a place outlives it: what has its directory in the command line is killed, by pid."""
    for _ in range(50):
        left = processes(word)
        if not left:
            return
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
