"""A task's record in a few words: its state, how long, how much, which pull request."""

from datetime import UTC, datetime
from typing import Any

from app.cli.saying import one_line

# What came of a run, where its state alone does not say it.
OUTCOMES = {
    "delivered": "done",
    "answered": "answered, nothing changed",
    "stopped": "stopped",
    "over_limit": "failed: over its limit",
    "unauthorized": "failed: Claude's credentials were refused",
    "out_of_credit": "failed: no credit left",
    "unavailable": "failed: Claude could not be reached",
    "crashed": "failed: Claude crashed",
    "unworkable": "failed: the repository cannot be worked on",
    "withheld": "failed: the work was held back",
}
COLOURS = {
    "starting": "cyan",
    "running": "cyan",
    "publishing": "cyan",
    "waiting": "yellow",
    "succeeded": "green",
    "failed": "red",
    "stopped": "bright_black",
}


def last_run(task: dict[str, Any]) -> dict[str, Any]:
    """The latest run; a task always has one."""
    run: dict[str, Any] = task["runs"][-1]
    return run


def state_of(task: dict[str, Any], now: datetime | None = None) -> str:
    """Where the task stands, and what it waits for."""
    state, run = str(task["state"]), last_run(task)
    if task.get("paused"):
        return "paused"
    if state == "queued":
        return f"queued, {_in_line(task.get('position'))}"
    if state == "waiting":
        return _waiting(task, now or datetime.now(UTC))
    return OUTCOMES.get(str(run.get("outcome")), one_line(state)) if run.get("ended_at") else one_line(state)


def elapsed(run: dict[str, Any], now: datetime | None = None) -> str:
    """How long a run has worked, from its start to its end or now."""
    if not run.get("started_at"):
        return "-"
    end = when(run["ended_at"]) if run.get("ended_at") else now or datetime.now(UTC)
    return duration((end - when(run["started_at"])).total_seconds())


def duration(seconds: float) -> str:
    """The two largest units: 42 s, 3 min 07 s, 2 h 05 min, 3 d 4 h."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{whole} s"


def dollars(amount: float) -> str:
    """US dollars, to the cent; a little is not nothing."""
    return "<$0.01" if 0 < amount < 0.01 else f"${amount:.2f}"


def count(number: int, thing: str) -> str:
    """`1 commit`, `2 commits`."""
    return f"{int(number)} {thing}" if number == 1 else f"{int(number)} {thing}s"


def pull_request(task: dict[str, Any]) -> str:
    """`#43 open`, or a dash."""
    found = task.get("pull_request")
    if not found:
        return "-"
    state = "draft" if found.get("draft") and found["state"] == "open" else one_line(found["state"])
    return f"#{int(found['number'])} {state}"


def when(text: str) -> datetime:
    """A time of the API, RFC 3339."""
    return datetime.fromisoformat(text)


def at(text: str, now: datetime) -> str:
    """A time as the clock here shows it; with the day, when that is another one."""
    local, today = when(text).astimezone(), now.astimezone()
    return local.strftime("%H:%M") if local.date() == today.date() else local.strftime("%Y-%m-%d %H:%M")


def _in_line(position: int | None) -> str:
    return "next in line" if not position else f"{position} ahead of it"


def _waiting(task: dict[str, Any], now: datetime) -> str:
    until = task.get("waiting_until") or last_run(task).get("waiting_until")
    match task.get("waiting_for") or last_run(task).get("waiting_for"):
        case "approval":
            return "waits for your yes or no"
        case "answer":
            return "waits for your answer"
        case "quota":
            return "waits for Claude's usage limit" + (f" until {at(until, now)}" if until else "")
        case "weather":
            return "tries again" + (f" at {at(until, now)}" if until else " soon")
        case "slot":
            return f"waits for a slot, {_in_line(task.get('position'))}"
        case _:
            return "waiting"
