"""Claim queued runs, carry each out, pass on what people say, and after a restart pick up every run where it was."""

import asyncio
import logging
from datetime import timedelta

from runner import space
from runner.about import about
from runner.carrying import Carrier
from runner.engine import Launch
from runner.errors import TryLater
from runner.events import Decided
from runner.means import Means
from runner.migrating import DatabaseRefused
from runner.store import Submission
from runner.submitting import Submitted
from runner.tasks import Outcome, Repository, Run, RunId, RunState, Subject, TaskId, WaitingFor, Wish

logger = logging.getLogger(__name__)

# After a bug in our own code a run is looked at again, neither dropped nor hammered; after a few it has an end.
AFTER_A_BUG = timedelta(seconds=30)
AFTER_WEATHER = timedelta(seconds=10)
BUGS_AT_MOST = 3

# In these states a run may have a process.
ATTENDED = frozenset({RunState.running, RunState.waiting})
# How often it is seen to that every supervisor has a session to be seen in.
SIGHT = timedelta(seconds=5)
BROKEN = "Something broke on our side. The service's log has the details, under run {run}."


class Conductor:
    """The one place where runs are started, spoken to and stopped."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._store = means.store
        self._carriers: dict[RunId, Carrier] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled. Agents go on without us: cancelling ends none of them."""
        sight = asyncio.create_task(self._keep_in_sight(), name="sessions")
        self._tasks.add(sight)
        try:
            await self.adopt()
            async for _ in self._store.feed.listen():
                await self._claim()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def adopt(self) -> None:
        """Carry on whatever is under way and nobody carries; what stands in line is claimed when its turn comes."""
        for active in await self._store.active_runs():
            in_line = active.state is RunState.queued or active.waiting_for is WaitingFor.slot
            if not in_line and active.id not in self._carriers:
                self._means.tally["taken_up"] += await self._is_alive(active)
                self._carry(active.id)

    async def submit(self, subject: Subject, repository: Repository, branch: str, wish: Wish) -> Submission:
        """A wish becomes a run, or is handed to the one that is active; an answer to its question, if it asked one."""
        submission = await self._store.submit(subject, repository, branch, wish)
        if submission.kind is Submitted.joined:
            self._poke(submission.run.id)
        return submission

    async def stop(self, task_id: TaskId, actor: str, why: str) -> bool:
        """Ask the active run to end; False if there is none. The work so far is kept and pushed."""
        run = await self._store.ask_to_stop(task_id, actor, why)
        if run is None:
            return False
        self._poke(run.id)
        return True

    async def decide(self, task_id: TaskId, actor: str, *, allowed: bool, text: str = "") -> bool:
        """Answer what the run waits for a person to say; False if it waits for nothing of the kind."""
        view = await self._store.view(task_id)
        request = view.asked.request if view.asked else view.held_back.sha if view.held_back else None
        if request is None or not view.state.is_active:
            return False
        await self._store.record(task_id, Decided(request, actor, allowed, text), run_id=view.run.id)
        self._poke(view.run.id)
        return True

    def _poke(self, run_id: RunId) -> None:
        if carrier := self._carriers.get(run_id):
            carrier.poke()

    async def _keep_in_sight(self) -> None:
        """tmux's server may die, or somebody end a session: whoever works in it lives on, and is to be seen again."""
        while True:
            try:
                at_work = [run for run in await self._store.active_runs() if run.state in ATTENDED and run.launch]
                seen = await self._means.engine.in_sight() if at_work else set()
                for run in at_work:
                    if run.id not in seen:
                        await self._means.engine.show(run)
            except Exception:  # it is only for looking at; said, and tried again
                logger.exception("a run cannot be shown in tmux")
            await asyncio.sleep(SIGHT.total_seconds())

    async def _claim(self) -> None:
        rules = self._means.rules
        try:
            while run := await self._store.claim(rules.max_runs, rules.max_starting):
                self._carry(run.id)
        except TryLater as weather:
            logger.warning("no run can be started for now: %s", weather)
            asyncio.get_running_loop().call_later(_wait(weather), self._store.feed.ring)

    def _carry(self, run_id: RunId) -> None:
        carrier = Carrier(self._means, run_id)
        self._carriers[run_id] = carrier
        task = asyncio.create_task(self._until_done(carrier, run_id), name=f"run {run_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_done(self, carrier: Carrier, run_id: RunId) -> None:
        try:
            await self._carry_through(carrier, run_id)
        finally:
            if self._carriers.get(run_id) is carrier:
                del self._carriers[run_id]
            self._store.feed.ring()  # a slot may be free

    async def _carry_through(self, carrier: Carrier, run_id: RunId) -> None:
        bugs = 0
        while bugs <= BUGS_AT_MOST:
            try:
                with about(run=run_id, task=(await self._store.run(run_id)).task_id), space.full_is_weather():
                    if bugs < BUGS_AT_MOST:
                        await carrier.carry()
                    else:
                        await self._give_up(run_id)
            except TryLater as weather:  # what cannot even be written down: nobody is to blame, and nothing is lost
                logger.warning("run %s has to wait: %s", run_id, weather)
                await asyncio.sleep(_wait(weather))
            except DatabaseRefused:
                break  # said once, where it was found; nothing can be done about it here
            except Exception:  # said once each time, and the run is not lost
                bugs += 1
                self._means.tally["bug"] += 1
                logger.exception("run %s hit a bug, for the %s. time", run_id, bugs)
                if bugs < BUGS_AT_MOST:
                    await asyncio.sleep(AFTER_A_BUG.total_seconds())
            else:
                break

    async def _is_alive(self, run: Run) -> bool:
        return run.launch > 0 and await self._means.engine.probe(run) is Launch.alive

    async def _give_up(self, run_id: RunId) -> None:
        """A truthful end for a run that we cannot carry on; what it did is kept in its workspace."""
        run = await self._store.run(run_id)
        if not run.state.is_active:
            return
        if await self._is_alive(run):
            self._means.engine.send(run, "stop", f"broken-{run.id}-{run.launch}", why="something broke on our side")
        await self._store.settle(run_id, Outcome.crashed, BROKEN.format(run=run_id))


def _wait(weather: TryLater) -> float:
    return (weather.after or AFTER_WEATHER).total_seconds()
