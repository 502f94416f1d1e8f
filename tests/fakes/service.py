"""Fixtures for the command line: the service's own API on a real store, in a thread, and a CCO_HOME to go with it."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from app import web as server
from app.api import OPERATOR, Api, Deeds, only_with
from app.cli.commands import cco
from runner.store import Store, Submission, open_store
from runner.tasks import (
    Actor,
    Repository,
    RunState,
    Subject,
    Task,
    TaskId,
    TriggerKind,
    Wish,
)
from runner.view import TaskView

TOKEN = "t" * 32
HELLO = Repository("github.com", 7, "octo/hello", "https://github.com/octo/hello.git", "main")
T = TypeVar("T")


@dataclass
class Service:
    """The API, in a thread: the command line is a client like any other. `done` is what callers had done."""

    loop: asyncio.AbstractEventLoop
    store: Store
    port: int
    done: list[tuple[Any, ...]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    changed: str = ""
    refusal: Exception | None = None
    live: bool = False
    marks: list[str | None] = field(default_factory=list)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=20)

    def submit(self, number: int = 42, title: str = "The parser drops the last line") -> Submission:
        """An issue was labelled."""
        return self.wait(_submit(self.store, number, title))

    def move(self, submission: Submission, *states: RunState, **how: Any) -> None:
        """The run goes through these states; `how` is of the last."""
        for state in states:
            self.wait(self.store.move(submission.run.id, state, **(how if state is states[-1] else {})))

    def record(self, submission: Submission, *events: Any) -> None:
        self.wait(self.store.record(submission.task.id, *events, run_id=submission.run.id))

    # What the API has done is written down; the store is as real as it gets.

    def deeds(self) -> Deeds:
        def noted(*what: object) -> None:
            if self.refusal:
                raise self.refusal
            self.done.append(what)

        async def start(url: str) -> TaskId:
            noted("start", url)
            return (await _submit(self.store, 50, "Started by hand")).task.id

        async def retry(task: Task, text: str, actor: Actor) -> None:
            assert actor is OPERATOR
            noted("retry", task.id, text)

        async def steer(task: Task, text: str, actor: Actor) -> None:
            assert actor is OPERATOR
            noted("steer", task.id, text)

        async def stop(task: Task, text: str, actor: Actor) -> bool:
            assert actor is OPERATOR
            noted("stop", task.id, text)
            return self.live

        async def decide(task: Task, allowed: bool, text: str, actor: Actor) -> bool:
            assert actor is OPERATOR
            noted("decide", task.id, allowed, text)
            return self.live

        async def diff(_: Task) -> str:
            return self.changed

        async def transcript(view: TaskView, after: str | None) -> tuple[str, str | None]:
            self.marks.append(after)
            part = int(after or 0)
            if part < len(self.parts):
                return self.parts[part], str(part + 1)
            return "", str(part) if view.state.is_active else None

        return Deeds(start, retry, steer, stop, decide, diff, transcript)


async def _submit(store: Store, number: int, title: str) -> Submission:
    url = f"https://github.com/octo/hello/issues/{number}"
    subject = Subject("github", f"github.com/7/{number}", f"octo/hello#{number}", url, title)
    wish = Wish(TriggerKind.label, Actor("anna", 5), "do it", f"wish-{number}")
    return await store.submit(subject, HELLO, f"claude/issue-{number}", wish)


@pytest.fixture
def cco_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CCO_HOME in which a service has run once."""
    for name in os.environ:
        if name.startswith(("CCO_", "ANTHROPIC_", "CLAUDE_", "TMUX", "NO_COLOR")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "api-token").write_text(TOKEN + "\n")
    monkeypatch.setenv("CCO_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "160")
    return home


@pytest.fixture
def served(cco_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    ready: Future[Service] = Future()
    over = threading.Event()

    async def serve() -> None:
        async with open_store(cco_home / "cco.db") as store:
            service = Service(asyncio.get_running_loop(), store, 0)
            app = server.application()
            app.middlewares.append(only_with(TOKEN))
            app.add_routes(Api(store, service.deeds()).routes())
            async with server.serving(app, "127.0.0.1", 0) as port:
                service.port = port
                ready.set_result(service)
                await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        running = ready.result(timeout=20)
        monkeypatch.setenv("CCO_PORT", str(running.port))
        yield running
    finally:
        over.set()
        thread.join()


def invoke(*arguments: str) -> Result:
    """Run a command. What it did not mean to raise is raised here."""
    result = CliRunner().invoke(cco, list(arguments), prog_name="cco")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def until(holds: Callable[[], bool]) -> None:
    """Look again and again, and give up after 20 s."""
    end = datetime.now(UTC) + timedelta(seconds=20)
    while not holds():
        assert datetime.now(UTC) < end, "it did not come to that"
        threading.Event().wait(0.02)
