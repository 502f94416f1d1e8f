"""Read a run's events: what started, what was exported, what people decided, how long it worked. Pure."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from runner.events import (
    ApprovalAsked,
    BranchPushed,
    CommitsExported,
    Decided,
    DecisionTaken,
    Event,
    InstructionTaken,
    LaunchEnded,
    LaunchLost,
    LaunchRevived,
    LaunchStalled,
    LaunchStarted,
    QuestionAsked,
    Recorded,
    RetryPlanned,
    RunMoved,
    RunSettled,
    WorkspacePrepared,
)
from runner.spool import Message
from runner.tasks import Outcome

# Fixed, so that an answer told again is known to Claude as the one it had.
_IDS = uuid.UUID("0d8f4c57-3f0a-4a86-9b0e-52a4c1f6e7b3")


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


def answering(events: Sequence[Recorded]) -> set[str]:
    """The instructions that were the answer to a question: they are told as that, and not once more by themselves."""
    return {one.event.uuid for one in events if isinstance(one.event, Decided) and one.event.uuid}


def answers_unheard(events: Sequence[Recorded]) -> list[Message]:
    """What people answered and no process took up: it had ended, or it died with the answer in its hand."""
    asked = {one.event.request: one.event for one in events if isinstance(one.event, ApprovalAsked | QuestionAsked)}
    taken = {one.event.request for one in events if isinstance(one.event, DecisionTaken)}
    heard = {one.event.uuid for one in events if isinstance(one.event, InstructionTaken)}
    unheard: list[Message] = []
    for one in events:
        decided = one.event
        if not isinstance(decided, Decided) or decided.request not in asked or decided.request in taken:
            continue
        number = decided.uuid or str(uuid.uuid5(_IDS, decided.request))
        if number not in heard:
            what = asked[decided.request]
            matter = what.question if isinstance(what, QuestionAsked) else what.summary
            answer = decided.text or ("yes, go ahead" if decided.allowed else "no, do not do that")
            unheard.append(Message(number, f"You asked: {matter}\n{decided.actor} answers: {answer}"))
    return unheard


def is_stalled(events: Sequence[Recorded]) -> bool:
    """Whether the present launch was last said to give no sign of life."""
    said = (
        one.event for one in reversed(events) if isinstance(one.event, LaunchStalled | LaunchRevived | LaunchStarted)
    )
    return isinstance(next(said, None), LaunchStalled)


def waits_since(events: Sequence[Recorded]) -> datetime | None:
    """When the run came into the state that it is in."""
    return next((one.at for one in reversed(events) if isinstance(one.event, RunMoved)), None)


def worked(events: Sequence[Recorded], now: datetime) -> timedelta:
    """How long the run's launches have lasted so far, without the waits between them.

    By the supervisor's own clock where it told us: the machine's may have been set meanwhile.
    """
    total, since = timedelta(0), None
    for one in events:
        if isinstance(one.event, LaunchStarted):
            since = one.at
        elif isinstance(one.event, LaunchEnded | LaunchLost) and since is not None:
            told = one.event.worked_seconds
            total += max(one.at - since, timedelta(0)) if told is None else timedelta(seconds=told)
            since = None
    return total if since is None else total + max(now - since, timedelta(0))
