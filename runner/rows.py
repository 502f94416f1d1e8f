"""From the database's rows to the records of `runner.tasks`."""

import sqlite3
from datetime import datetime

from runner.database import from_text
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
    Trigger,
    TriggerKind,
    WaitingFor,
)

# The condition of the partial indexes; SQLite uses them where it stands to the letter.
ACTIVE = "state IN ('queued', 'starting', 'running', 'waiting', 'publishing')"


def task_of(row: sqlite3.Row) -> Task:
    """A row of `tasks`."""
    pull_request = None
    if row["pull_request_number"] is not None:
        pull_request = PullRequest(
            number=row["pull_request_number"],
            url=row["pull_request_url"],
            state=row["pull_request_state"],
            draft=bool(row["pull_request_draft"]),
        )
    return Task(
        id=TaskId(row["id"]),
        subject=Subject(row["source"], row["identity"], row["key"], row["url"], row["title"]),
        repository=Repository(
            row["host"], row["repository_id"], row["repository"], row["clone_url"], row["default_branch"]
        ),
        requester=Actor(row["requester_login"], row["requester_id"], row["host"]),
        branch=row["branch"],
        session_id=row["session_id"],
        base_sha=row["base_sha"],
        pushed_sha=row["pushed_sha"],
        pull_request=pull_request,
        created_at=from_text(row["created_at"]),
        updated_at=from_text(row["updated_at"]),
    )


def run_of(row: sqlite3.Row) -> Run:
    """A row of `runs`."""
    return Run(
        id=RunId(row["id"]),
        task_id=TaskId(row["task_id"]),
        state=RunState(row["state"]),
        trigger=TriggerKind(row["trigger"]),
        actor=Actor(row["actor_login"], row["actor_id"]),
        waiting_for=WaitingFor(row["waiting_for"]) if row["waiting_for"] else None,
        waiting_until=_moment(row["waiting_until"]),
        stop_asked_by=row["stop_asked_by"],
        launch=row["launch"],
        attempt=row["attempt"],
        cost_usd=row["cost_usd"],
        turns=row["turns"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        reason=row["reason"],
        created_at=from_text(row["created_at"]),
        started_at=_moment(row["started_at"]),
        ended_at=_moment(row["ended_at"]),
    )


def trigger_of(row: sqlite3.Row) -> Trigger:
    """A row of `triggers`."""
    return Trigger(
        id=row["id"],
        task_id=TaskId(row["task_id"]),
        run_id=RunId(row["run_id"]),
        kind=TriggerKind(row["kind"]),
        actor=Actor(row["actor_login"], row["actor_id"]),
        instruction=row["instruction"],
        said=row["said"],
        uuid=row["uuid"],
        joined=bool(row["joined"]),
        acknowledged=bool(row["acknowledged"]),
        created_at=from_text(row["created_at"]),
    )


def _moment(text: str | None) -> datetime | None:
    return from_text(text) if text else None
