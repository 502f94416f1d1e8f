"""The commands that look and act, against the service's own API on a real store."""

import asyncio
import json
import os
import socket
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
from app.api import Api, Deeds, only_with
from app.cli.commands import cco
from runner.errors import Refusal, TryLater
from runner.events import (
    AgentSaid,
    ApprovalAsked,
    BranchPushed,
    ChecklistChanged,
    ChecklistItem,
    PullRequestOpened,
    QuestionAsked,
    ToolUsed,
    TurnEnded,
    WorkHeldBack,
)
from runner.store import Store, Submission, open_store
from runner.tasks import (
    Actor,
    Outcome,
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
BIDI, ESCAPE, C1 = "\u202e", "\x1b[31m\x1b]0;owned\x07", "\x9b2J"


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

        async def retry(task: Task, text: str) -> None:
            noted("retry", task.id, text)

        async def steer(task: Task, text: str) -> None:
            noted("steer", task.id, text)

        async def stop(task: Task, text: str) -> bool:
            noted("stop", task.id, text)
            return self.live

        async def decide(task: Task, allowed: bool, text: str) -> bool:
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
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CCO_HOME in which a service has run once."""
    for name in os.environ:
        if name.startswith(("CCO_", "ANTHROPIC_", "CLAUDE_", "TMUX", "NO_COLOR")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "api-token").write_text(TOKEN + "\n")
    monkeypatch.setenv("CCO_HOME", str(home))
    return home


@pytest.fixture
def service(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    ready: Future[Service] = Future()
    over = threading.Event()

    async def serve() -> None:
        async with open_store(home / "cco.db") as store:
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


def cco_(*arguments: str) -> Result:
    """Run a command. What it did not mean to raise is raised here."""
    result = CliRunner().invoke(cco, list(arguments), prog_name="cco")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


# Looking


def test_an_empty_list_says_what_to_do_next(service: Service) -> None:
    result = cco_("ls")
    assert result.exit_code == 0
    assert "Label an issue on GitHub" in result.stdout


def test_tasks_are_listed_the_latest_first_and_line_up(service: Service) -> None:
    first = service.submit(42)
    service.move(first, RunState.starting, RunState.running)
    service.record(
        first, PullRequestOpened(43, "https://github.com/octo/hello/pull/43"), TurnEnded(0.128, 3, False, "")
    )
    service.submit(44, "A second one")
    service.submit(45, "A third one")
    lines = cco_("ls").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "3", "2", "1"]
    assert "queued, 1 ahead of it" in lines[1]
    assert "queued, next in line" in lines[2]
    assert "octo/hello#42 The parser drops the last line" in lines[3]
    assert lines[3].index("running") == lines[0].index("STATE")
    assert lines[3].index("$0.13") == lines[0].index("COST")
    assert lines[3].endswith("#43 draft")


def test_a_list_is_narrowed_and_continued(service: Service) -> None:
    for number in (42, 43, 44):
        service.submit(number)
    result = cco_("ls", "--limit", "2")
    assert "There are more: cco ls --before 2" in result.stdout
    assert [line.split()[0] for line in cco_("ls", "--before", "2").stdout.splitlines()] == ["ID", "1"]
    assert cco_("ls", "--state", "failed").stdout == "No such task.\n"
    assert cco_("ls", "--repository", "octo/hello").stdout.count("octo/hello#") == 3
    assert cco_("ls", "--state", "lost").exit_code == 2


def test_json_is_the_record_of_the_api_in_ascii(service: Service) -> None:
    service.submit(42, f"Ünïcode {BIDI} {C1}")
    for arguments in (("ls", "--json"), ("show", "1", "--json"), ("retry", "1", "--json")):
        result = cco_(*arguments)
        assert result.exit_code == 0
        assert result.stdout.isascii()
        record = json.loads(result.stdout)
        task = record["tasks"][0] if "tasks" in record else record
        assert task["subject"]["key"] == "octo/hello#42"
        assert task["subject"]["title"].startswith("Ünïcode")


@pytest.mark.parametrize("reference", ["1", "octo/hello#42", "Octo/Hello#42", "octo/hello#43"])
def test_a_task_is_shown_by_whatever_people_call_it(service: Service, reference: str) -> None:
    submission = service.submit()
    service.move(submission, RunState.starting, RunState.running)
    service.record(
        submission,
        PullRequestOpened(43, "https://github.com/octo/hello/pull/43"),
        BranchPushed("claude/issue-42", "a" * 40, 2, 3, 40, 7),
        ChecklistChanged((ChecklistItem("Read", "completed"), ChecklistItem("Write", "in_progress"))),
        ToolUsed("Bash", "Bash: python3 -m unittest"),
    )
    page = cco_("show", reference).stdout
    assert page.startswith("octo/hello#42  The parser drops the last line\ntask 1 · running · ")
    assert "#43 draft  https://github.com/octo/hello/pull/43" in page
    assert "2 commits, 3 files, +40 -7" in page
    assert "✓ Read" in page
    assert "> Write" in page
    assert "Bash: python3 -m unittest" in page
    assert "label by anna" in page
    assert "watch: cco attach 1" in page


def test_what_a_task_waits_for_is_shown_with_how_to_answer(service: Service) -> None:
    submission = service.submit()
    service.move(submission, RunState.starting, RunState.running)
    service.record(submission, QuestionAsked("r1", "Which one?", ("The first", "The second")))
    page = cco_("show", "1").stdout
    assert "Which one?" in page
    assert "- The second" in page
    assert "cco approve 1 [text]" in page


def test_work_that_was_held_back_is_shown_with_its_findings(service: Service) -> None:
    submission = service.submit()
    service.move(submission, RunState.starting, RunState.running)
    service.record(submission, WorkHeldBack("b" * 40, (".github/workflows/ci.yml is a workflow.",)))
    page = cco_("show", "1").stdout
    assert "It was not pushed:\n  .github/workflows/ci.yml is a workflow." in page


def test_an_ended_task_shows_why_and_the_answer_and_nothing_to_watch(service: Service) -> None:
    submission = service.submit()
    service.move(submission, RunState.starting, RunState.running)
    service.record(submission, TurnEnded(0.01, 1, False, "There was nothing to do."))
    service.move(submission, RunState.publishing)
    service.wait(service.store.settle(submission.run.id, Outcome.answered, "Nothing had to change."))
    page = cco_("show", "1").stdout
    assert "answered, nothing changed" in page
    assert "Nothing had to change." in page
    assert "There was nothing to do." in page
    assert "cco attach" not in page


def test_text_of_strangers_cannot_speak_to_the_terminal(service: Service) -> None:
    submission = service.submit(42, f"Title {ESCAPE}{C1}{BIDI}\nwith lines")
    service.move(submission, RunState.starting, RunState.running)
    service.record(submission, AgentSaid(ESCAPE), ToolUsed("Bash", f"Bash: {ESCAPE}"))
    service.record(submission, ApprovalAsked("r1", "Bash", f"rm {ESCAPE}{C1}\nmore"))
    service.changed = f"+ {ESCAPE}{C1}{BIDI}\n"
    service.parts = [f"said {ESCAPE}{C1}{BIDI}\n"]
    for arguments in (("ls",), ("show", "1"), ("diff", "1"), ("logs", "1"), ("stop", "1")):
        result = cco_(*arguments)
        for harmful in ("\x1b", "\x07", "\x9b", BIDI):
            assert harmful not in result.output, arguments
    assert "Title with lines" in cco_("ls").stdout


def test_a_diff_is_printed_as_it_is(service: Service) -> None:
    service.submit()
    assert cco_("diff", "1").stdout == "Nothing is changed on the branch yet.\n"
    service.changed = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n \n"
    assert cco_("diff", "1").stdout == service.changed


def test_the_transcript_is_printed_part_by_part(service: Service) -> None:
    service.submit()
    service.parts = ["one\n", "two\n", "three"]
    result = cco_("logs", "octo/hello#42")
    assert result.stdout == "one\ntwo\nthree"
    assert service.marks == [None, "1", "2", "3"]


def test_following_goes_on_until_the_run_has_ended(service: Service) -> None:
    submission = service.submit()
    service.parts = ["one\n"]

    def what_happens_next() -> None:
        _until(lambda: service.marks.count("1") >= 2)  # it has asked again, with nothing to read
        service.parts.append("two\n")
        _until(lambda: "2" in service.marks)
        service.wait(service.store.settle(submission.run.id, Outcome.stopped, "Someone stopped it."))

    meanwhile = threading.Thread(target=what_happens_next)
    meanwhile.start()
    result = cco_("logs", "1", "-f")
    meanwhile.join()
    assert result.exit_code == 0
    assert result.stdout == "one\ntwo\n"


# Acting


@pytest.mark.parametrize(
    ("arguments", "deed"),
    [
        (("retry", "1"), ("retry", 1, "")),
        (("retry", "octo/hello#42", "with", "care"), ("retry", 1, "with care")),
        (("steer", "1", "mind the gap"), ("steer", 1, "mind the gap")),
        (("stop", "1"), ("stop", 1, "")),
        (("approve", "1"), ("decide", 1, True, "")),
        (("deny", "1", "not", "that"), ("decide", 1, False, "not that")),
    ],
)
def test_a_deed_is_done_once_and_answered_with_where_the_task_stands(
    service: Service, arguments: tuple[str, ...], deed: tuple[Any, ...]
) -> None:
    service.submit()
    service.live = True
    result = cco_(*arguments)
    assert (result.exit_code, result.stdout) == (0, "task 1  octo/hello#42: queued, next in line\n")
    assert service.done == [deed]


def test_work_starts_on_an_issue_by_its_address(service: Service) -> None:
    result = cco_("start", "https://github.com/octo/hello/issues/50")
    assert "octo/hello#50: queued" in result.stdout
    assert service.done == [("start", "https://github.com/octo/hello/issues/50")]


@pytest.mark.parametrize(
    "refusal", [Refusal("The App is not installed\nthere."), TryLater("GitHub is down", timedelta(seconds=3))]
)
def test_a_refusal_is_one_line_in_the_services_words(service: Service, refusal: Exception) -> None:
    service.refusal = refusal
    result = cco_("start", "https://github.com/octo/hello/issues/50")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == f"cco: {' '.join(str(refusal).split())}\n"


def test_stopping_what_does_not_run_fails(service: Service) -> None:
    service.submit()
    result = cco_("stop", "1")
    assert result.exit_code == 1
    assert "nothing to stop" in result.stderr


@pytest.mark.parametrize("command", ["show", "logs", "diff", "attach", "retry", "stop", "approve", "deny"])
def test_a_task_that_is_not_there_fails(service: Service, command: str) -> None:
    result = cco_(command, "9")
    assert result.exit_code == 1
    assert result.stderr.startswith("cco: there is no such task")
    assert service.done == []


@pytest.mark.parametrize("wrong", ["hello", "octo/hello", "../x#1", "1;ls", "-", "octo/hello#", "https://x/1"])
def test_what_cannot_be_a_task_is_wrong_usage_and_is_not_asked(service: Service, wrong: str) -> None:
    result = cco_("show", wrong)
    assert result.exit_code == 2
    assert "octo/hello#42" in result.stderr


def test_steering_needs_words(service: Service) -> None:
    assert cco_("steer", "1").exit_code == 2


# Where there is no service, or another one


def test_no_service_is_one_line_that_says_how_to_start_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_PORT", str(_closed_port()))
    result = cco_("ls")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "is not running" in result.stderr
    assert "cco serve" in result.stderr


def test_a_home_without_a_token_has_never_been_served(home: Path) -> None:
    (home / "api-token").unlink()
    result = cco_("ls")
    assert result.exit_code == 1
    assert "has never run" in result.stderr
    assert "cco serve" in result.stderr


def test_a_token_of_another_service_is_said_to_be_that(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_API_TOKEN", "another-services-token")
    result = cco_("ls")
    assert result.exit_code == 1
    assert "does not take this api token" in result.stderr
    assert "another-services-token" not in result.output


def test_a_token_that_cannot_be_sent_is_no_traceback(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_API_TOKEN", "twelve and more\r\nX-Evil: 1")
    result = cco_("ls")
    assert result.exit_code == 1
    assert "cannot be sent" in result.stderr


def test_every_wrong_setting_has_its_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_PORT", "web")
    monkeypatch.setenv("CCO_MAX_RUNS", "0")
    result = cco_("ls")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("cco: CCO_") for line in lines)


@pytest.mark.parametrize("name", ["takeover", "gc", "backup", "restore", "panic", "resume-all"])
def test_a_reserved_command_says_that_it_is_not_there(name: str) -> None:
    result = cco_(name, "7", "--whatever")
    assert result.exit_code == 1
    assert result.stderr == f"cco: cco {name} is not there yet.\n"


def _closed_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def _until(holds: Callable[[], bool]) -> None:
    """Look again and again, and give up after 20 s."""
    end = datetime.now(UTC) + timedelta(seconds=20)
    while not holds():
        assert datetime.now(UTC) < end, "it did not come to that"
        threading.Event().wait(0.02)
