"""Tasks and events in JSON: one shape for the API, the live feed, `cco --json` and outgoing webhooks."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from runner.events import Recorded
from runner.tasks import Run
from runner.view import TaskView


def task_json(view: TaskView) -> dict[str, Any]:
    """A task as DESIGN §8 has it, and what else its view knows."""
    task, run = view.task, view.run
    pull_request = task.pull_request
    return {
        "id": task.id,
        "subject": {
            "source": task.subject.source,
            "key": task.subject.key,
            "url": task.subject.url,
            "title": task.subject.title,
        },
        "repository": task.repository.full_name,
        "requester": task.requester.login,
        "state": view.state,
        "waiting_for": view.waiting_for,
        "waiting_until": time(run.waiting_until),
        "paused": view.paused,
        "position": view.position,
        "branch": task.branch,
        "pull_request": None
        if pull_request is None
        else {
            "number": pull_request.number,
            "url": pull_request.url,
            "state": pull_request.state,
            "draft": pull_request.draft,
        },
        "change": asdict(view.change) if view.change else None,
        "checklist": [asdict(item) for item in view.checklist],
        "doing": view.doing,
        "said": view.said,
        "answer": view.answer,
        "asked": asdict(view.asked) if view.asked else None,
        "held_back": asdict(view.held_back) if view.held_back else None,
        "confined": view.confined,
        "runs": [run_json(one) for one in view.runs],
        "cost_usd": round(view.cost_usd, 6),
        "last_event": view.last_event,
        "created_at": time(task.created_at),
        "updated_at": time(task.updated_at),
    }


def run_json(run: Run) -> dict[str, Any]:
    """One run of a task; `number` is also that of its session, `r<number>`."""
    return {
        "number": run.id,
        "state": run.state,
        "trigger": run.trigger,
        "actor": run.actor.login,
        "waiting_for": run.waiting_for,
        "waiting_until": time(run.waiting_until),
        "created_at": time(run.created_at),
        "started_at": time(run.started_at),
        "ended_at": time(run.ended_at),
        "outcome": run.outcome,
        "reason": run.reason,
        "cost_usd": round(run.cost_usd, 6),
        "turns": run.turns,
        "launches": run.launch,
    }


def event_json(recorded: Recorded) -> dict[str, Any]:
    """One event; `data` is as its kind has it in `runner.events`."""
    return {
        "id": recorded.id,
        "task": recorded.task_id,
        "run": recorded.run_id,
        "at": time(recorded.at),
        "kind": type(recorded.event).__name__,
        "data": asdict(recorded.event),
    }


def time(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
