"""One valid world of each kind; a test changes one thing in it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from runner.events import Event, Recorded, RunQueued
from runner.tasks import (
    Actor,
    Outcome,
    PullRequest,
    Repository,
    Run,
    RunId,
    RunState,
    Subject,
    Task,
    TaskId,
    TriggerKind,
    WaitingFor,
)
from runner.view import TaskView

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

ANNA = Actor("anna", 7)
BOT = Actor("cco-test[bot]", 99)

HELLO = Repository("github.com", 1296269, "octo/hello", "https://github.com/octo/hello.git", "main")

ISSUE_42 = Subject(
    "github",
    "github.com/1296269/42",
    "octo/hello#42",
    "https://github.com/octo/hello/issues/42",
    "The parser drops the last line",
)

PULL_REQUEST = PullRequest(43, "https://github.com/octo/hello/pull/43")


def task(**changes: Any) -> Task:
    """Task 17, for issue 42, asked for by Anna."""
    return replace(
        Task(
            id=TaskId(17),
            subject=ISSUE_42,
            repository=HELLO,
            requester=ANNA,
            branch="claude/issue-42-the-parser-drops-the-last-line",
            session_id="6e1f8a36-91a1-4c1b-b9a3-6e9d4a9d2f10",
            base_sha=None,
            pushed_sha=None,
            pull_request=None,
            created_at=NOON,
            updated_at=NOON,
        ),
        **changes,
    )


def run(state: RunState = RunState.running, **changes: Any) -> Run:
    """Run 5 of task 17, four minutes old."""
    begun = state is not RunState.queued
    return replace(
        Run(
            id=RunId(5),
            task_id=TaskId(17),
            state=state,
            trigger=TriggerKind.label,
            actor=ANNA,
            waiting_for=None,
            waiting_until=None,
            stop_asked_by=None,
            launch=1 if begun else 0,
            attempt=0,
            cost_usd=0.0,
            turns=0,
            outcome=None,
            reason="",
            created_at=NOON,
            started_at=NOON if begun else None,
            ended_at=None if state.is_active else NOON + timedelta(minutes=4),
        ),
        **changes,
    )


def waiting(what: WaitingFor, **changes: Any) -> Run:
    """The same run, waiting."""
    return run(RunState.waiting, waiting_for=what, **changes)


def ended(outcome: Outcome, reason: str = "", **changes: Any) -> Run:
    """The same run, over, and paid for."""
    return run(outcome.state, **{"outcome": outcome, "reason": reason, "cost_usd": 0.123, "turns": 6} | changes)


def recorded(*events: Event) -> list[Recorded]:
    """Events of run 5, a minute apart."""
    return [
        Recorded(number, TaskId(17), RunId(5), NOON + timedelta(minutes=number - 1), event)
        for number, event in enumerate((RunQueued("label", "anna"), *events), start=1)
    ]


def view(
    *events: Event,
    run: Run | None = None,
    task: Task | None = None,
    position: int | None = None,
    runs: Sequence[Run] = (),
) -> TaskView:
    """What people see of task 17 after these events."""
    return TaskView.of(task or globals()["task"](), [*runs, run or globals()["run"]()], recorded(*events), position)
