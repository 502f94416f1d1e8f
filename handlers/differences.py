"""What differs between what GitHub shows of an issue and what we have written down, and what follows from it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.standing import ISSUE_GONE, Labelled, Standing, Withdrawn, is_trigger
from runner.tasks import Labelling, PullRequest, Run, Task


@dataclass(frozen=True, slots=True)
class Known:
    """What we have written down of an issue. `asked_at` is when its active run was last asked for."""

    task: Task | None
    run: Run | None
    asked_at: datetime | None
    answered: Labelling | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What GitHub shows. `issue` is None where it is gone, or where the task is about no issue of GitHub's."""

    issue: Mapping[str, Any] | None
    standing: Standing
    pull_request: PullRequest | None = None
    pull_request_over: Withdrawn | None = None
    is_gone: bool = False

    def withdrawn_since(self, at: datetime) -> Withdrawn | None:
        """What ended the work that was asked for at that time, or would have ended it."""
        both = (self.standing.withdrawn, self.pull_request_over)
        return next((one for one in both if one is not None and one.at > at), None)


@dataclass(frozen=True, slots=True)
class Follow:
    """Others did something with the pull request."""

    pull_request: PullRequest

    @property
    def name(self) -> str:
        return f"{self.pull_request.state}-{'draft' if self.pull_request.draft else 'ready'}"


@dataclass(frozen=True, slots=True)
class End:
    """The active run is to end, on behalf of `by`. `number` is GitHub's own for what they did."""

    number: int
    by: str
    why: str

    @property
    def name(self) -> str:
        return f"end-{self.number}"


@dataclass(frozen=True, slots=True)
class Begin:
    """The label stands and was not answered."""

    labelled: Labelled

    @property
    def name(self) -> str:
        return f"label-{self.labelled.labelling.number}"


Step = Follow | End | Begin


def decide(known: Known, seen: Seen, label: str) -> list[Step]:
    """What there is to do, in order. Nothing, where all is as it should be."""
    steps: list[Step] = []
    ours = known.task.pull_request if known.task else None
    if ours is not None and seen.pull_request is not None and _has_changed(ours, seen.pull_request):
        steps.append(Follow(seen.pull_request))
    if known.run is not None and known.run.stop_asked_by is None and (end := _end(known, seen)):
        steps.append(end)
    if seen.issue is None or not any(is_trigger(one, label) for one in seen.issue["labels"]):
        return steps
    stands = seen.standing.in_force
    if stands is not None and not (known.answered and known.answered.answers(stands.labelling)):
        steps.append(Begin(stands))
    return steps


def _has_changed(ours: PullRequest, now: PullRequest) -> bool:
    if now.state != "open":
        return ours.state != now.state
    return (ours.state, ours.draft) != (now.state, now.draft)


def _end(known: Known, seen: Seen) -> End | None:
    if seen.is_gone:
        return End(0, "GitHub", ISSUE_GONE)
    for withdrawn in (seen.pull_request_over, seen.standing.withdrawn):
        if withdrawn and known.asked_at and withdrawn.is_later_than(known.asked_at, known.answered):
            return End(withdrawn.number, withdrawn.by, withdrawn.why)
    return None
