"""Ask GitHub what became of our work, where the database came out of a backup: what happened since is not done again.

Most effects are looked for before they are repeated, always. Two cannot be: a run that ended since the backup looks as
if it were to go on, and a label that was served looks new. Our own status comment tells of both.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gidgethub.abc import GitHubAPI

from handlers.desk import Desk, GitHubOf, House
from handlers.github import identity_of, our_comment, when
from handlers.status import ANY_MARKER, told_run
from runner.events import BranchPushed, Event, PullRequestClosed, PullRequestOpened, PullRequestReady
from runner.store import Store
from runner.tasks import Outcome, Repository, Run, RunId, RunState, Task

logger = logging.getLogger(__name__)

ENDED_SINCE = "It ended after the backup was made that this service was restored from."

# The steps from where a run stands in the backup to where it can succeed.
_TO_PUBLISHING = {
    RunState.queued: (RunState.starting, RunState.running, RunState.publishing),
    RunState.starting: (RunState.running, RunState.publishing),
    RunState.running: (RunState.publishing,),
    RunState.waiting: (RunState.publishing,),
    RunState.publishing: (),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What our status comment on an issue says: of which run (None: an older version wrote it), and how that ended."""

    run: RunId | None
    outcome: Outcome | None
    edited_at: datetime


async def was_served(desk: Desk, repository: Repository, number: int, at: datetime) -> bool:
    """Whether a label that was put on `at` was served by a run that the database knows nothing of."""
    told = await _told(desk.gh, desk.house, repository, number)
    if told is None or at > told.edited_at:
        return False
    task = await desk.store.register.of_subject("github", identity_of(repository, number))
    if task is None:
        return told.run is None or told.outcome is not None
    return told.run is not None and told.outcome is not None and not await _knows(desk.store, task, told.run)


@dataclass(frozen=True, slots=True)
class LookFirst:
    """The one look at every run that was active in the backup, before anything is carried on or said.

    `has_traces` tells whether a run left on this machine what it did: then that is followed, and nobody is asked.
    """

    github_of: GitHubOf
    house: House
    store: Store
    has_traces: Callable[[Run], bool]

    async def look(self) -> None:
        """Raises TryLater where GitHub cannot be asked; looking again is safe."""
        for run in await self.store.active_runs():
            task = await self.store.task(run.task_id)
            number = task.subject.number
            if task.subject.source != "github" or number is None:
                continue
            told = await _told(self.github_of(task.repository), self.house, task.repository, number)
            if told is None or told.run is None or told.outcome is None:
                continue
            known = await _knows(self.store, task, told.run)
            if (told.run == run.id and not self.has_traces(run)) or not known:
                logger.info("run %s ended after the backup was made: %s", run.id, told.outcome)
                await self._settle(task, run, told.outcome)
        await self.store.marks.looked_first()

    async def _settle(self, task: Task, run: Run, outcome: Outcome) -> None:
        await self.store.record(task.id, *await self._found(task), run_id=run.id)
        if outcome.state is RunState.succeeded:
            for step in _TO_PUBLISHING[run.state]:
                await self.store.move(run.id, step)
        await self.store.settle(run.id, outcome, "" if outcome.state is RunState.succeeded else ENDED_SINCE)

    async def _found(self, task: Task) -> list[Event]:
        """The latest pull request of the task's branch as it stands, and what is on it."""
        gh, repository = self.github_of(task.repository), task.repository
        owner = repository.full_name.partition("/")[0]
        url = f"/repos/{repository.full_name}/pulls?state=all&head={owner}:{task.branch}"
        async for listed in gh.getiter(url):
            if listed["head"]["ref"] != task.branch or (listed["head"].get("repo") or {}).get("id") != repository.id:
                continue
            there = await gh.getitem(f"/repos/{repository.full_name}/pulls/{listed['number']}")
            pushed = BranchPushed(
                task.branch,
                there["head"]["sha"],
                there["commits"],
                there["changed_files"],
                there["additions"],
                there["deletions"],
            )
            found: list[Event] = [pushed, PullRequestOpened(there["number"], there["html_url"])]
            if not there.get("draft"):
                found.append(PullRequestReady(there["number"]))
            if there["state"] != "open":
                found.append(PullRequestClosed(there["number"], bool(there.get("merged"))))
            return found
        return []


async def _told(gh: GitHubAPI, house: House, repository: Repository, number: int) -> Told | None:
    comment = await our_comment(gh, house, repository, number, ANY_MARKER)
    if comment is None:
        return None
    run, outcome = told_run(comment["body"]) or (None, None)
    return Told(run, outcome, when(comment["updated_at"]))


async def _knows(store: Store, task: Task, run_id: RunId) -> bool:
    """A number may have been given again, to a run of another task."""
    return any(run.id == run_id for run in (await store.view(task.id)).runs)
