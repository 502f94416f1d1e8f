"""Read a run's events: what started, what was exported, what people decided, how long it worked. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from runner.events import (
    ApprovalAsked,
    BranchPushed,
    CommitsExported,
    Decided,
    Event,
    LaunchEnded,
    LaunchLost,
    LaunchStarted,
    QuestionAsked,
    Recorded,
    RetryPlanned,
    RunSettled,
    WorkspacePrepared,
)
from runner.tasks import Outcome


def launches(events: Sequence[Recorded]) -> set[int]:
    """The launches that are known to have started."""
    return {one.event.launch for one in events if isinstance(one.event, LaunchStarted)}


def last_exported(events: Sequence[Recorded]) -> CommitsExported | None:
    """The newest bundle."""
    return next((one.event for one in reversed(events) if isinstance(one.event, CommitsExported)), None)


def unpushed(events: Sequence[Recorded]) -> Recorded | None:
    """The last commits that were handed over, where they are nowhere but in their bundle; a `CommitsExported`.

    What cancels out changes nothing and is not pushed: then the run was answered, and nothing is missing.
    """
    last: Recorded | None = None
    known: set[str] = set()  # the base, and what was pushed
    answered: set[int | None] = set()
    for one in events:
        match one.event:
            case CommitsExported():
                last = one
            case BranchPushed(sha=sha) | WorkspacePrepared(base_sha=sha):
                known.add(sha)
            case RunSettled(outcome=Outcome.answered):
                answered.add(one.run_id)
            case _:
                pass
    if last is None or not isinstance(last.event, CommitsExported):
        return None
    return None if last.event.sha in known or last.run_id in answered else last


def last_decision(events: Sequence[Recorded]) -> Decided | None:
    """What a person last decided."""
    return next((one.event for one in reversed(events) if isinstance(one.event, Decided)), None)


def since(events: Sequence[Recorded], *kinds: type[Event]) -> Sequence[Recorded]:
    """What came behind the last event of one of these kinds; all, if there is none."""
    behind = [n for n, one in enumerate(events) if isinstance(one.event, kinds)]
    return events[behind[-1] + 1 :] if behind else events


def weather_since(events: Sequence[Recorded]) -> datetime | None:
    """When what the run tries now went wrong first; None if it has not yet."""
    tried = since(events, LaunchStarted, LaunchEnded, LaunchLost, Decided)
    return next((one.at for one in tried if isinstance(one.event, RetryPlanned)), None)


def decided_in_this_launch(events: Sequence[Recorded]) -> list[Decided]:
    """What people decided since the process that asks was started."""
    return [one.event for one in since(events, LaunchStarted) if isinstance(one.event, Decided)]


def answers_without_process(events: Sequence[Recorded]) -> list[str]:
    """What people answered after the process that asked had ended."""
    asked = {one.event.request: one.event for one in events if isinstance(one.event, ApprovalAsked | QuestionAsked)}
    said: list[str] = []
    for one in since(events, LaunchEnded, LaunchLost):
        if isinstance(one.event, Decided) and one.event.request in asked:
            what = asked[one.event.request]
            matter = what.question if isinstance(what, QuestionAsked) else what.summary
            answer = one.event.text or ("yes, go ahead" if one.event.allowed else "no, do not do that")
            said.append(f"You asked: {matter}\n{one.event.actor} answers: {answer}")
    return said


def worked(events: Sequence[Recorded], now: datetime) -> timedelta:
    """How long the run's launches have lasted so far, without the waits between them."""
    total, since = timedelta(0), None
    for one in events:
        if isinstance(one.event, LaunchStarted):
            since = one.at
        elif isinstance(one.event, LaunchEnded | LaunchLost) and since is not None:
            total, since = total + (one.at - since), None
    return total if since is None else total + (now - since)
