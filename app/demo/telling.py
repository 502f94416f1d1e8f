"""Tell in the terminal what happens to a task, as it happens: one line for each thing worth knowing."""

from collections.abc import Callable
from datetime import datetime

from app.services import Services
from runner.events import (
    AgentStarted,
    BranchPushed,
    ChecklistChanged,
    InstructionGiven,
    LaunchEnded,
    LaunchStarted,
    PullRequestOpened,
    PullRequestReady,
    Recorded,
    RetryPlanned,
    RunQueued,
    RunSettled,
    ToolUsed,
    WorkHeldBack,
    WorkspacePrepared,
)
from runner.tasks import RunId, TaskId
from runner.text import clean

Say = Callable[[str], None]


class Teller:
    """Follows every task of the service and says what happens to it."""

    def __init__(self, services: Services, attach: Callable[[TaskId], str], say: Say, seen: int = 0) -> None:
        self._store = services.store
        self._attach = attach
        self._say = say
        self._seen = seen
        self._began: dict[RunId, datetime] = {}
        self._ticked: set[str] = set()

    async def until_settled(self) -> Recorded:
        """Tell on, until some run has settled; that event."""
        async for _ in self._store.feed.listen():
            for recorded in await self._store.events(after=self._seen):
                self._seen = recorded.id
                self._tell(recorded)
                if isinstance(recorded.event, RunSettled):
                    return recorded
        raise AssertionError("the feed has no end")

    def _tell(self, recorded: Recorded) -> None:
        for line in self._lines(recorded):
            began = self._began.setdefault(recorded.run_id or RunId(0), recorded.at)
            self._say(f"  {(recorded.at - began).total_seconds():5.1f} s  {clean(line)}")

    def _lines(self, recorded: Recorded) -> list[str]:
        match recorded.event:
            case RunQueued(actor=actor):
                return [f"run {recorded.run_id} is queued for {actor}"]
            case WorkspacePrepared(branch=branch, base_sha=sha):
                return [f"a worktree on {branch}, from {sha[:10]}"]
            case LaunchStarted(sandbox=sandbox):
                confined = "in a sandbox" if sandbox != "none" else "without a sandbox"
                return [f"Claude Code starts in tmux, {confined}; watch it:  {self._attach(recorded.task_id)}"]
            case AgentStarted(model=model, version=version):
                return [f"Claude Code {version} is up, with {model}"]
            case ToolUsed(summary=summary):
                return [f"· {summary}"]
            case ChecklistChanged(items=items):
                done = [item.text for item in items if item.state == "completed" and item.text not in self._ticked]
                self._ticked.update(done)
                return [f"☑ {text}" for text in done]
            case BranchPushed(branch=branch, sha=sha):
                return [f"pushed {sha[:10]} to {branch}"]
            case WorkHeldBack(findings=findings):
                return list(findings)
            case PullRequestOpened(number=number):
                return [f"draft pull request #{number} is open"]
            case PullRequestReady(number=number):
                return [f"pull request #{number} is ready for review"]
            case InstructionGiven(actor=actor):
                return [f"{actor} speaks to Claude"]
            case RetryPlanned(what=what, until=until):
                return [f"{what}; again at {until}"]
            case LaunchEnded(cause=cause) if cause != "finished":
                return [f"Claude ended: {cause}"]
            case RunSettled(outcome=outcome, reason=reason):
                return [f"the run has ended: {outcome}. {reason}".strip()]
            case _:
                return []
