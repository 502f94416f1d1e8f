"""The one projection of a task, which comment, check run, Slack message, dashboard and command line all render."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runner.events import (
    AgentSaid,
    ApprovalAsked,
    BranchPushed,
    ChecklistChanged,
    ChecklistItem,
    Decided,
    InstructionGiven,
    LaunchEnded,
    LaunchLost,
    LaunchRevived,
    LaunchStalled,
    LaunchStarted,
    QuestionAsked,
    Recorded,
    RetryPlanned,
    RunQueued,
    RunSettled,
    ToolUsed,
    TurnEnded,
    WorkHeldBack,
)
from runner.tasks import Outcome, PullRequest, Run, RunState, Task, WaitingFor

MOST_TOLD = 3
# What does not go on while everything is paused. A running one is about to end; other waits last as long as they last.
HELD_BY_A_PAUSE = frozenset({RunState.queued, RunState.starting, RunState.publishing})


@dataclass(frozen=True, slots=True)
class Change:
    """What is on the branch: commits of ours, files changed, lines added and removed."""

    sha: str
    commits: int
    files: int
    insertions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run waits for a person to say."""

    request: str
    text: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A commit that is not pushed until a person allows it; each finding is a sentence that names the path."""

    sha: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What a person said to the run; `place` is where, empty is where the code is."""

    actor: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as people see it now. `position` counts the runs ahead in the queue, 0 for the next one.

    `stalled_minutes`: Claude's supervisor lives and gave no sign of it for so long, when we last looked.

    `told` is what people said to the run, the latest last, and only the last few.

    `asked` is the oldest question or request that nobody has answered. `paused`: it would go on, but whoever runs the
    service has stopped everything.

    Everything from `checklist` on speaks of the latest run. Costs are US dollars over all runs.
    """

    task: Task
    runs: tuple[Run, ...]
    position: int | None
    cost_usd: float
    change: Change | None
    checklist: tuple[ChecklistItem, ...]
    doing: str
    said: str
    told: tuple[Told, ...]
    answer: str
    asked: Asked | None
    held_back: HeldBack | None
    retry: RetryPlanned | None
    confined: bool
    stalled_minutes: int | None
    last_event: int
    paused: bool

    @property
    def run(self) -> Run:
        """The latest run. A task is submitted with its first one, so there always is one."""
        return self.runs[-1]

    @property
    def state(self) -> RunState:
        """The state of the task is the state of its latest run."""
        return self.run.state

    @property
    def waiting_for(self) -> WaitingFor | None:
        """What it waits for; None unless it waits."""
        return self.run.waiting_for

    @property
    def outcome(self) -> Outcome | None:
        """What came of the latest run; None while it is active."""
        return self.run.outcome

    @property
    def pull_request(self) -> PullRequest | None:
        """The task's pull request, once there is one."""
        return self.task.pull_request

    def elapsed_seconds(self, now: datetime) -> float:
        """How long the latest run has worked, from its start to its end or `now`."""
        if self.run.started_at is None:
            return 0.0
        return ((self.run.ended_at or now) - self.run.started_at).total_seconds()

    @classmethod
    def of(
        cls,
        task: Task,
        runs: Sequence[Run],
        events: Sequence[Recorded],
        position: int | None = None,
        *,
        paused: bool = False,
    ) -> "TaskView":
        """Project a task's runs and all its events, in order."""
        change: Change | None = None
        checklist: tuple[ChecklistItem, ...] = ()
        doing = said = answer = ""
        told: list[Told] = []
        asked: dict[str, Asked] = {}
        held_back: HeldBack | None = None
        retry: RetryPlanned | None = None
        confined = True
        stalled: int | None = None
        for recorded in events:
            match recorded.event:
                case RunQueued():
                    checklist, doing, said, answer, asked, held_back, retry = (), "", "", "", {}, None, None
                    told = []
                case InstructionGiven(actor=actor, text=text, place=place):
                    told = [*told, Told(actor, place, text)][-MOST_TOLD:]
                case LaunchStarted(sandbox=sandbox):
                    retry, confined, stalled = None, sandbox != "none", None
                case LaunchStalled(minutes=minutes):
                    stalled = minutes
                case LaunchRevived() | LaunchEnded() | LaunchLost():
                    stalled = None
                case AgentSaid(text=text):
                    said = text
                case ToolUsed(summary=summary):
                    doing = summary
                case ChecklistChanged(items=items):
                    checklist = items
                case BranchPushed() as pushed:
                    change = Change(pushed.sha, pushed.commits, pushed.files, pushed.insertions, pushed.deletions)
                    held_back = None
                case WorkHeldBack(sha=sha, findings=findings):
                    held_back = HeldBack(sha, findings)
                case ApprovalAsked(request=request, summary=summary):
                    asked[request] = Asked(request, summary, ())
                case QuestionAsked(request=request, question=question, options=options):
                    asked[request] = Asked(request, question, options)
                case Decided(request=request):
                    asked.pop(request, None)
                    if held_back is not None and held_back.sha == request:
                        held_back = None
                case RetryPlanned() as planned:
                    retry = planned
                case TurnEnded(is_error=False, answer=text):
                    answer = text
                case RunSettled():
                    asked, retry = {}, None
                case _:
                    pass
        return cls(
            task=task,
            runs=tuple(runs),
            position=position,
            cost_usd=sum(run.cost_usd for run in runs),
            change=change,
            checklist=checklist,
            doing=doing,
            said=said,
            told=tuple(told),
            answer=answer,
            asked=next(iter(asked.values()), None),
            held_back=held_back,
            retry=retry,
            confined=confined,
            stalled_minutes=stalled,
            last_event=events[-1].id if events else 0,
            paused=paused and (runs[-1].state in HELD_BY_A_PAUSE or runs[-1].waiting_for is WaitingFor.slot),
        )
