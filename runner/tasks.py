"""Subjects, triggers, tasks and runs, their states, and the one transition table."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

TaskId = NewType("TaskId", int)
RunId = NewType("RunId", int)


class RunState(StrEnum):
    """Where a run stands. `docs/architecture.md` draws it and is tested against `TRANSITIONS`."""

    queued = "queued"
    starting = "starting"
    running = "running"
    waiting = "waiting"
    publishing = "publishing"
    succeeded = "succeeded"
    failed = "failed"
    stopped = "stopped"

    @property
    def is_active(self) -> bool:
        """Not ended yet: queued, at work, waiting or publishing."""
        return self not in ENDED


ENDED = frozenset({RunState.succeeded, RunState.failed, RunState.stopped})

TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.queued: frozenset({RunState.starting, RunState.failed, RunState.stopped}),
    RunState.starting: frozenset({RunState.running, RunState.waiting, RunState.failed, RunState.stopped}),
    RunState.running: frozenset({RunState.waiting, RunState.publishing, RunState.failed, RunState.stopped}),
    RunState.waiting: frozenset(
        {
            RunState.waiting,  # for something else
            RunState.starting,
            RunState.running,
            RunState.publishing,
            RunState.failed,
            RunState.stopped,
        }
    ),
    RunState.publishing: frozenset({RunState.waiting, RunState.succeeded, RunState.failed, RunState.stopped}),
    RunState.succeeded: frozenset(),
    RunState.failed: frozenset(),
    RunState.stopped: frozenset(),
}


class IllegalTransition(Exception):
    """The code asked for a move that the table does not have: a bug."""


def check_transition(now: RunState, to: RunState) -> None:
    """Raise IllegalTransition unless a run may go from `now` to `to`."""
    if to not in TRANSITIONS[now]:
        raise IllegalTransition(f"a run cannot go from {now} to {to}")


class WaitingFor(StrEnum):
    """What a waiting run waits for; there is always one."""

    approval = "approval"  # a person allows or denies a tool, or work that was held back
    answer = "answer"  # a person answers Claude's question
    quota = "quota"  # the usage limit resets
    weather = "weather"  # a service that is down or overloaded is asked again
    slot = "slot"  # another run ends


class Outcome(StrEnum):
    """What the way a run ended means for the people who asked."""

    delivered = "delivered"  # the work is in the pull request
    answered = "answered"  # nothing had to change; Claude's answer is the result
    stopped = "stopped"  # a person stopped it
    over_limit = "over_limit"  # time, silence, turns or dollars ran out
    unauthorized = "unauthorized"  # the model refused our credentials
    out_of_credit = "out_of_credit"  # the model's account is empty
    unavailable = "unavailable"  # the weather did not clear
    crashed = "crashed"  # Claude or its supervisor ended without a result
    unworkable = "unworkable"  # the repository cannot be worked on: gone, empty, moved under us
    withheld = "withheld"  # the work was held back and a person said no

    @property
    def state(self) -> RunState:
        """The run state that this outcome ends in."""
        if self in {Outcome.delivered, Outcome.answered}:
            return RunState.succeeded
        return RunState.stopped if self is Outcome.stopped else RunState.failed


class TriggerKind(StrEnum):
    """Why work is wanted."""

    label = "label"
    command = "command"
    review = "review"
    check = "check"
    ticket = "ticket"
    fault = "fault"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the work is about; opaque to the runner.

    `key` is what people type (`octo/hello#42`, `PROJ-7`) and changes with a rename; `identity` never does
    (`github.com/1296269/42`: host, repository id, number).
    """

    source: str
    identity: str
    key: str
    url: str
    title: str

    @property
    def number(self) -> int | None:
        """42 of `octo/hello#42`; None where the key has no such part."""
        _, mark, number = self.key.rpartition("#")
        return int(number) if mark and number.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Repository:
    """Where the work happens. `clone_url` is https and holds no credential."""

    host: str
    id: int
    full_name: str
    clone_url: str
    default_branch: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, as the place they spoke in knows them. `id` makes GitHub's no-reply address."""

    login: str
    id: int = 0
    host: str = "github.com"

    @property
    def email(self) -> str:
        """The no-reply address that links a commit to this person and tells nobody their real one."""
        return f"{self.id}+{self.login}@users.noreply.{self.host}"


@dataclass(frozen=True, slots=True)
class Labelling:
    """One time that our label was put on a subject: the tracker's own number for it, which only grows, and when."""

    number: int
    at: datetime

    def answers(self, other: "Labelling") -> bool:
        """Whether `other` is answered, where this is the last one that was. Number 0: all up to that time were."""
        return other.number <= self.number if self.number else other.at <= self.at


@dataclass(frozen=True, slots=True)
class Wish:
    """A trigger on its way into the store: who wants what. `uuid` makes a repeated wish the same wish.

    `instruction` is the whole message for Claude, fenced and cleaned; `said` is what the person wrote, for people.
    `asked_at` is when they asked, by the clock of the place; None where that is ours. A label's wish has its labelling.
    `place` is where they said it, for people elsewhere; empty is where the code is.
    """

    kind: TriggerKind
    actor: Actor
    instruction: str
    uuid: str
    said: str = ""
    asked_at: datetime | None = None
    labelling: Labelling | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A wish as stored. `run_id` is the run that answers it.

    `joined`: it came while that run was active already. `acknowledged`: Claude has taken it up.
    """

    id: int
    task_id: TaskId
    run_id: RunId
    kind: TriggerKind
    actor: Actor
    instruction: str
    said: str
    uuid: str
    joined: bool
    acknowledged: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PullRequest:
    """The pull request of a task. `state` is open, closed or merged."""

    number: int
    url: str
    state: str = "open"
    draft: bool = True


@dataclass(frozen=True, slots=True)
class Task:
    """Our durable handling of one subject.

    `base_sha` is where its branch leaves the default branch, fixed when the workspace is prepared; `pushed_sha` is the
    last commit that we pushed. `session_id` is Claude's session, one for the whole task.
    """

    id: TaskId
    subject: Subject
    repository: Repository
    requester: Actor
    branch: str
    session_id: str
    base_sha: str | None
    pushed_sha: str | None
    pull_request: PullRequest | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One answer to one or more triggers of a task. Costs are US dollars, over all its launches."""

    id: RunId
    task_id: TaskId
    state: RunState
    trigger: TriggerKind
    actor: Actor
    waiting_for: WaitingFor | None
    waiting_until: datetime | None
    stop_asked_by: str | None
    launch: int
    attempt: int
    cost_usd: float
    turns: int
    outcome: Outcome | None
    reason: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
