"""What happened to a task: past tense, frozen, with a JSON codec. The store appends them and never changes one."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, get_args

from runner.tasks import RunId, TaskId


@dataclass(frozen=True, slots=True)
class RunQueued:
    """Someone asked for work and a run was made for it."""

    trigger: str
    actor: str


@dataclass(frozen=True, slots=True)
class RunMoved:
    """The run went one step along the transition table; `waiting_for` is of `runner.tasks.WaitingFor`."""

    state: str
    waiting_for: str | None


@dataclass(frozen=True, slots=True)
class InstructionGiven:
    """A person spoke to the run; `uuid` is the message's own, `text` what they wrote.

    `place` is where they did; empty is where the code is.
    """

    actor: str
    text: str
    uuid: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class InstructionTaken:
    """Claude took the message up."""

    uuid: str


@dataclass(frozen=True, slots=True)
class WorkspacePrepared:
    """The repository is checked out on the new branch `branch`, from `base_sha` of the branch `base`."""

    base: str
    base_sha: str
    branch: str


@dataclass(frozen=True, slots=True)
class LaunchStarted:
    """The supervisor was started for the `launch`-th time within the run, confined (`bwrap`) or not (`none`)."""

    launch: int
    sandbox: str


@dataclass(frozen=True, slots=True)
class AgentStarted:
    """Claude is up."""

    model: str
    version: str


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """A paragraph of Claude's own words."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUsed:
    """Claude used a tool; `summary` is one line (`Bash: python3 -m unittest`)."""

    tool: str
    summary: str


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One line of Claude's own plan; state is pending, in_progress or completed."""

    text: str
    state: str


@dataclass(frozen=True, slots=True)
class ChecklistChanged:
    """Claude's plan, whole, as it now stands."""

    items: tuple[ChecklistItem, ...]


@dataclass(frozen=True, slots=True)
class CommitsExported:
    """The supervisor wrote bundle `number` of launch `launch`; its tip is `sha`, as the agent's side has it."""

    launch: int
    number: int
    sha: str


@dataclass(frozen=True, slots=True)
class BranchPushed:
    """Exactly `sha` is now the tip of `branch` on the remote; `commits` of them are ours, `files` changed."""

    branch: str
    sha: str
    commits: int
    files: int
    insertions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class WorkHeldBack:
    """Commits were not pushed; each finding is a sentence that names the path."""

    sha: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PullRequestOpened:
    """The pull request exists, as a draft."""

    number: int
    url: str


@dataclass(frozen=True, slots=True)
class PullRequestReady:
    """The pull request left draft."""

    number: int


@dataclass(frozen=True, slots=True)
class PullRequestClosed:
    """Someone closed or merged the pull request."""

    number: int
    merged: bool


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """Claude wants to use a tool that needs a person's yes."""

    request: str
    tool: str
    summary: str


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """Claude asks a person; `options` are the answers it suggests."""

    request: str
    question: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A person answered what Claude asked, or what was held back: allowed, denied or answered in words.

    `uuid` is that of the instruction that was the answer, if one was.
    """

    request: str
    actor: str
    allowed: bool
    text: str
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class DecisionTaken:
    """The answer to `request` was handed to the Claude that asked."""

    request: str


@dataclass(frozen=True, slots=True)
class RetryPlanned:
    """The weather: `what` went wrong; it is tried again at `until` (RFC 3339), for the `attempt`-th time."""

    what: str
    attempt: int
    until: str


@dataclass(frozen=True, slots=True)
class QuotaReached:
    """`what` is used up; it resets at `until` (RFC 3339)."""

    until: str
    what: str = "Claude's usage limit"


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """Claude ended a turn. Dollars and turns are of this turn alone; `answer` is its closing text."""

    cost_usd: float
    turns: int
    is_error: bool
    answer: str


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Someone asked for the run to stop; `why` is a few words (`label removed`)."""

    actor: str
    why: str


@dataclass(frozen=True, slots=True)
class LaunchEnded:
    """The supervisor wrote its exit: `cause` is of `runner.spool.Cause`; it worked for so long by its own clock."""

    launch: int
    cause: str
    detail: str
    worked_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LaunchLost:
    """The supervisor is gone without an exit; it had worked for about so long by its own clock."""

    launch: int
    worked_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LaunchStalled:
    """The supervisor lives and has given no sign of it for `minutes`: it is frozen, or stuck."""

    launch: int
    minutes: int


@dataclass(frozen=True, slots=True)
class LaunchRevived:
    """A stalled supervisor is at work again."""

    launch: int


@dataclass(frozen=True, slots=True)
class RunSettled:
    """The run is over: its outcome (of `runner.tasks.Outcome`) and a sentence that says why."""

    outcome: str
    reason: str


Event = (
    RunQueued
    | RunMoved
    | InstructionGiven
    | InstructionTaken
    | WorkspacePrepared
    | LaunchStarted
    | AgentStarted
    | AgentSaid
    | ToolUsed
    | ChecklistChanged
    | CommitsExported
    | BranchPushed
    | WorkHeldBack
    | PullRequestOpened
    | PullRequestReady
    | PullRequestClosed
    | ApprovalAsked
    | QuestionAsked
    | Decided
    | DecisionTaken
    | RetryPlanned
    | QuotaReached
    | TurnEnded
    | StopAsked
    | LaunchEnded
    | LaunchLost
    | LaunchStalled
    | LaunchRevived
    | RunSettled
)

KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as stored: ids grow by one across all tasks, so a reader who knows the last id has missed nothing."""

    id: int
    task_id: TaskId
    run_id: RunId | None
    at: datetime
    event: Event


def encode(event: Event) -> tuple[str, str]:
    """The kind and the data of an event, as the store keeps them."""
    return type(event).__name__, json.dumps(asdict(event), ensure_ascii=False, separators=(",", ":"))


def decode(kind: str, data: str) -> Event:
    """The inverse of `encode`. Fields that this version does not know are left out: a newer one wrote them."""
    cls = KINDS[kind]
    known = {field.name for field in fields(cls)}
    values: dict[str, Any] = {name: value for name, value in json.loads(data).items() if name in known}
    if cls is ChecklistChanged:
        values["items"] = tuple(ChecklistItem(**item) for item in values["items"])
    event: Event = cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    return event


def with_text(event: Event, change: Callable[[str], str]) -> Event:
    """The same event with every text in it changed; by a redactor, say."""
    changed: dict[str, Any] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, str):
            changed[field.name] = change(value)
        elif isinstance(value, tuple):
            changed[field.name] = tuple(
                ChecklistItem(change(one.text), one.state) if isinstance(one, ChecklistItem) else change(one)
                for one in value
            )
    return replace(event, **changed)
