"""Carry out one run: from its slot to its end, one step of the transition table at a time.

Every step looks at what is there before it acts, so that after a restart the run is simply carried on.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from runner import history, retry, space, spool, starting
from runner.attending import PARKED, Attendance, time_left, wait_of
from runner.clocks import nap
from runner.engine import Launch
from runner.errors import Refusal, TryLater
from runner.events import (
    BranchPushed,
    Event,
    LaunchEnded,
    LaunchLost,
    LaunchStarted,
    QuotaReached,
    RetryPlanned,
)
from runner.means import Means
from runner.tasks import Outcome, PullRequest, Run, RunId, RunState, Task, Trigger, WaitingFor

logger = logging.getLogger(__name__)


class Carrier:
    """One run on its way. `poke` wakes it when something was said to it."""

    def __init__(self, means: Means, run_id: RunId) -> None:
        self._means = means
        self._store = means.store
        self._engine = means.engine
        self._run_id = run_id
        self._poke = asyncio.Event()
        self._is_ours = True

    def poke(self) -> None:
        """A stop, an answer or an instruction is in the store."""
        self._poke.set()

    async def carry(self) -> None:
        """Until the run has ended, or waits in line for a slot."""
        while self._is_ours:
            run = await self._store.run(self._run_id)
            task = await self._store.task(run.task_id)
            match run.state:
                case RunState.starting:
                    await self._start(task, run)
                case RunState.running:
                    await self._attend(run)
                case RunState.waiting if run.waiting_for is WaitingFor.slot:
                    if not await self._stop_at_rest(run):
                        return
                case RunState.waiting if self._keeps_process(run):
                    await self._attend(run)
                case RunState.waiting:
                    await self._wait(run)
                case RunState.publishing:
                    await self._publish(task, run)
                case RunState.queued:
                    if not await self._stop_at_rest(run):
                        return
                case _:
                    return

    # Starting

    async def _start(self, task: Task, run: Run) -> None:
        """Prepare the workspace and start the supervisor, unless one was started before we were."""
        known = history.launches(await self._store.events_of(run))
        if run.launch and run.launch not in known and await self._engine.probe(run) is not Launch.absent:
            await self._store.move(run.id, RunState.running, starting.launched(self._means, run))
            return  # it hears a stop as any other does
        if await self._stop_at_rest(run):
            return
        rules = self._means.rules
        if rules.refusal is not None:
            await self._store.settle(run.id, Outcome.unworkable, rules.refusal)
            return
        if until := await starting.budget_resets(self._means):
            used_up = QuotaReached(until.isoformat(), f"today's budget of ${rules.day_dollars:.2f}")
            await self._store.move(run.id, RunState.waiting, used_up, waiting_for=WaitingFor.quota, waiting_until=until)
            return
        try:
            with space.full_is_weather():
                mirror, merge_sha = await starting.prepare(self._means, task, run)
        except Refusal as refusal:
            await self._store.settle(run.id, Outcome.unworkable, str(refusal))
            return
        except TryLater as absence:
            await self._wait_for_forge(run, absence)
            return
        if await self._stop_at_rest(await self._store.run(run.id)):
            return
        if self._store.pause.on:
            await self._go_in_line(run)
            return
        task = await self._store.task(task.id)
        run = await self._store.begin_launch(run.id)
        while self._engine.spool(run).exists():  # a launch that the database has forgotten: it came from a backup
            if await self._engine.probe(run) in {Launch.alive, Launch.ended}:
                await self._store.move(run.id, RunState.running, starting.launched(self._means, run))
                return
            run = await self._store.begin_launch(run.id)
        spec = await starting.spec(self._means, task, run, mirror, merge_sha)
        try:
            with space.full_is_weather():
                await self._engine.launch(run, spec)
        except TryLater as weather:
            if await self._engine.probe(run) is Launch.absent:
                what, attempt = str(weather), run.attempt + 1
                await self._plan(run, retry.weather(attempt, self._means.dice, what, weather.after))
                return  # else tmux did what it was asked, and only its answer was lost
        await self._store.move(run.id, RunState.running, starting.launched(self._means, run))

    # Running

    async def _attend(self, run: Run) -> None:
        await Attendance(self._means, run, self._poke).until_over()
        await self._conclude(await self._store.run(run.id))

    async def _conclude(self, run: Run) -> None:
        """The launch is over: what now?"""
        ending = spool.read_exit(self._engine.spool(run))
        await self._engine.kill(run.id)
        self._means.tally["lost"] += ending is None
        if ending is None:
            await self._engine.end_leftovers(run)
            over: Event = LaunchLost(run.launch, self._engine.worked_seconds(run))
        else:
            over = LaunchEnded(run.launch, ending.cause, ending.detail, ending.worked_seconds)
        parked = ending is not None and ending.cause is spool.Cause.stopped and ending.detail == PARKED
        paused = self._store.pause.on if ending is None else ending.cause is spool.Cause.paused
        if run.stop_asked_by is None and (parked or (paused and run.state is RunState.waiting)):
            still = run.state is RunState.waiting and (await self._store.view(run.task_id)).asked is not None
            # Who answered in the last moment is heard all the same, by the next launch.
            then = run.waiting_for if still else WaitingFor.slot
            await self._store.move(run.id, RunState.waiting, over, waiting_for=then)
            self._is_ours = still
            return
        events = history.since(await self._store.events_of(run), LaunchStarted)
        resets = next((one.event.until for one in events if isinstance(one.event, QuotaReached)), None)
        verdict = retry.decide(
            ending,
            run.attempt + 1,
            now=self._means.now(),
            dice=self._means.dice,
            quota_resets=datetime.fromisoformat(resets) if resets else None,
            paused=paused,
        )
        match verdict:
            case retry.Settle(outcome=None):  # whoever asked for a stop meanwhile: it was done before it heard of that
                await self._go_publish(run, Outcome.delivered, "", over)
            case _ if run.stop_asked_by is not None:
                await self._go_publish(run, Outcome.stopped, f"{run.stop_asked_by} stopped it.", over)
            case retry.GoOn():
                await self._go_in_line(run, over)
            case retry.Retry(after=after, what=what):
                until = self._means.now() + after
                planned = RetryPlanned(what, run.attempt + 1, until.isoformat())
                await self._store.move(
                    run.id,
                    RunState.waiting,
                    over,
                    planned,
                    waiting_for=WaitingFor.weather,
                    waiting_until=until,
                )
            case retry.WaitUntil(at=until):
                reached = QuotaReached(until.isoformat())
                await self._store.move(
                    run.id, RunState.waiting, over, reached, waiting_for=WaitingFor.quota, waiting_until=until
                )
            case retry.Settle(outcome=Outcome() as outcome, reason=reason):
                await self._go_publish(run, outcome, self._means.keyring.redact(reason), over)

    async def _go_publish(self, run: Run, outcome: Outcome, reason: str, over: Event) -> None:
        await self._store.move(run.id, RunState.publishing, over, outcome=outcome, reason=reason)

    # Waiting

    def _keeps_process(self, run: Run) -> bool:
        return run.waiting_for in {WaitingFor.approval, WaitingFor.answer} and run.waiting_until is not None

    async def _wait(self, run: Run) -> None:
        """For the weather, a quota, or a person, without a process."""
        on_its_way_out = run.outcome is Outcome.stopped and run.waiting_for is WaitingFor.weather
        if not on_its_way_out and await self._stop_at_rest(run):
            return
        if run.waiting_for in {WaitingFor.approval, WaitingFor.answer}:
            await self._wait_for_person(run)
            return
        wait = await wait_of(self._means, run, run.waiting_until) if run.waiting_until else None
        while wait is not None and (left := time_left(self._means, wait)) > timedelta(0):
            self._poke.clear()
            await nap(self._poke, min(left, timedelta(minutes=1)))
            if not on_its_way_out and await self._stop_at_rest(await self._store.run(run.id)):
                return
        if run.outcome is not None:  # it was on its way out
            await self._store.move(run.id, RunState.publishing)
        else:
            await self._go_in_line(run)

    async def _go_in_line(self, run: Run, *because: Event) -> None:
        """Whoever claims it next carries it, perhaps before we look again: from here on the run is not ours."""
        await self._store.move(run.id, RunState.waiting, *because, waiting_for=WaitingFor.slot)
        self._is_ours = False

    async def _wait_for_person(self, run: Run) -> None:
        """Held-back work goes out or is withheld; a question answered late gets a new launch to hear it."""
        while True:
            self._poke.clear()
            view = await self._store.view(run.task_id)
            decided = history.last_decision(await self._store.events_of(run))
            if run.outcome is not None and decided is not None and not view.held_back:
                if decided.allowed:
                    await self._store.move(run.id, RunState.publishing)
                else:
                    reason = f"{decided.actor} said no, so the work was not pushed."
                    await self._store.settle(run.id, Outcome.withheld, reason)
                return
            if run.outcome is None and view.asked is None:
                await self._go_in_line(run)
                return
            if run.outcome is not None and (said := await self._said_meanwhile(run)):
                reason = f"{said[-1].actor.login} asked for something else, so the work was not pushed as it was."
                await self._store.settle(run.id, Outcome.withheld, reason)  # and the next run hears it
                return
            await self._poke.wait()
            if await self._stop_at_rest(await self._store.run(run.id)):
                return

    async def _said_meanwhile(self, run: Run) -> list[Trigger]:
        """What people told the run and no process was there to hear."""
        return [one for one in await self._store.triggers(run.id) if one.joined and not one.acknowledged]

    async def _stop_at_rest(self, run: Run) -> bool:
        """End a run that someone stopped while it had no process."""
        if run.stop_asked_by is None:
            return False
        await self._store.settle(run.id, Outcome.stopped, f"{run.stop_asked_by} stopped it.")
        return True

    async def _wait_for_forge(self, run: Run, absence: TryLater) -> None:
        """Code can be neither fetched nor pushed: again later, for as long as there is hope."""
        now = self._means.now()
        began = history.weather_since(await self._store.events_of(run)) or now
        what, dice = str(absence), self._means.dice
        await self._plan(run, retry.away(run.attempt + 1, began, now=now, dice=dice, what=what, advice=absence.after))

    async def _plan(self, run: Run, verdict: retry.Retry | retry.Settle) -> None:
        """Something outside is down: again later, or an end when it does not clear."""
        if isinstance(verdict, retry.Settle):
            await self._store.settle(run.id, verdict.outcome or Outcome.unavailable, verdict.reason)
            return
        until = self._means.now() + verdict.after
        await self._store.move(
            run.id,
            RunState.waiting,
            RetryPlanned(verdict.what, run.attempt + 1, until.isoformat()),
            waiting_for=WaitingFor.weather,
            waiting_until=until,
        )

    # Publishing

    async def _publish(self, task: Task, run: Run) -> None:
        """The last of the work goes out, then the run ends as it was meant to."""
        async for _ in self._store.feed.listen():
            if not self._store.pause.on:  # else nothing more goes out until the bell that says so
                break
        events = await self._store.events_of(run)
        outcome, reason = run.outcome or Outcome.delivered, run.reason
        try:
            if latest := history.last_exported(events):
                with space.full_is_weather():
                    held = await self._means.publisher.publish(task, run, self._engine.bundle(run, latest), latest)
                if held is not None and held.is_final:
                    sentences = " ".join(finding.sentence for finding in held.findings)
                    await self._store.settle(run.id, Outcome.withheld, sentences)
                    return
                if held is not None:
                    await self._store.move(run.id, RunState.waiting, waiting_for=WaitingFor.approval)
                    return
            task = await self._store.task(task.id)
            pushed = any(isinstance(one.event, BranchPushed) for one in await self._store.events_of(run))
            if outcome is Outcome.delivered and not pushed:
                outcome = Outcome.answered
            if task.pull_request is not None and self._is_done(outcome, task.pull_request):
                await self._means.publisher.finish(task, run)
        except Refusal as refusal:
            outcome, reason = Outcome.unworkable, str(refusal)
        except TryLater as absence:
            await self._wait_for_forge(run, absence)
            return
        await self._store.settle(run.id, outcome, reason)

    def _is_done(self, outcome: Outcome, pull_request: PullRequest) -> bool:
        """Whether the pull request gets its last words. An answer to a question is no description of the work: it
        only takes a draft, which an earlier run left behind, out of draft.
        """
        return outcome is Outcome.delivered or (outcome is Outcome.answered and pull_request.draft)
