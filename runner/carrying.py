"""Carry out one run: from its slot to its end, one step of the transition table at a time.

Every step looks at what is there before it acts, so that after a restart the run is simply carried on.
"""

import asyncio
import contextlib
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from runner import history, launching, retry, space, spool, starting
from runner.clocks import Pulse, Wait
from runner.engine import Launch
from runner.errors import Refusal, TryLater
from runner.events import (
    AgentStarted,
    BranchPushed,
    CommitsExported,
    Event,
    LaunchEnded,
    LaunchLost,
    LaunchRevived,
    LaunchStalled,
    LaunchStarted,
    QuotaReached,
    Recorded,
    RetryPlanned,
    with_text,
)
from runner.means import Means
from runner.progress import Progress, events_of
from runner.store import Reading
from runner.tasks import Outcome, PullRequest, Run, RunId, RunState, Task, Trigger, WaitingFor

logger = logging.getLogger(__name__)

# How often a spool is looked at, and how often its supervisor's lock.
LOOK = timedelta(milliseconds=50)
PROBE = timedelta(seconds=1)
PARKED = "nobody answered; the work is kept"

# A supervisor that lives and gives no sign of it, which it does every few seconds: after a while people are told. It is
# ended by force when it is asked to stop and does not hear, and when it does not come back by itself.
STALLED = timedelta(minutes=2)
FROZEN = timedelta(minutes=10)
DEAF = timedelta(seconds=20)


class Carrier:
    """One run on its way. `poke` wakes it when something was said to it."""

    def __init__(self, means: Means, run_id: RunId) -> None:
        self._means = means
        self._store = means.store
        self._engine = means.engine
        self._run_id = run_id
        self._poke = asyncio.Event()
        self._publishing: asyncio.Task[None] | None = None
        self._patience: Wait | None = None
        self._is_ours = True

    def poke(self) -> None:
        """A stop, an answer or an instruction is in the store."""
        self._poke.set()

    async def carry(self) -> None:
        """Until the run has ended, or waits in line for a slot."""
        try:
            await self._carry()
        finally:
            if self._publishing is not None:
                self._publishing.cancel()

    async def _carry(self) -> None:
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
        known = history.launches(await self._events(run))
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
        root = self._engine.task_root(task.id)
        run = replace(run, actor=replace(run.actor, host=task.repository.host))  # for their no-reply address there
        env = launching.environment(rules, run, root)
        confined = starting.confined(self._means, root, mirror, env) if rules.confinement == "bwrap" else ()
        events = await self._events(run)
        answers = history.answers_unheard(events)
        worked = history.worked(events, self._means.now())
        triggers = await self._store.triggers(run.id)
        first = await self._store.first_wish(task.id)
        before = any(isinstance(one.event, AgentStarted) for one in await self._store.events(task_id=task.id, limit=-1))
        spec = launching.spec(
            rules,
            task,
            run,
            root,
            env,
            confined,
            launching.messages(run, triggers, answers),
            launching.limits(rules, run, worked),
            merge_sha,
        )
        spec = replace(spec, anew=launching.anew(run, first, triggers, answers, before=before))
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
        """Follow the spool, and pass on what is said to Claude, until the launch is over."""
        directory = self._engine.spool(run)
        reading = await self._store.reading(run.id)
        memory = (
            Progress.from_json(reading.progress)
            if reading.progress
            else Progress(run.launch, str(self._engine.task_root(run.task_id) / "worktree"))
        )
        offset = reading.offset
        sent: set[str] = set()
        pulse = Pulse()
        stalled = history.is_stalled(await self._events(run))
        next_probe = 0.0
        clock = asyncio.get_running_loop().time
        self._poke.set()
        while True:
            over = False
            if clock() >= next_probe:
                over = await self._is_over(run)
                stalled = await self._look_after(run, pulse, stalled=stalled)
                next_probe = clock() + PROBE.total_seconds()
            occurred: list[Event] = []
            for line in spool.follow(directory, offset):
                occurred += events_of(line, memory)
                offset = line.end
            if occurred or offset != reading.offset:
                reading = Reading(offset, memory.to_json())
                await self._store.read_on(run.id, reading, [self._redacted(event) for event in occurred])
            if any(isinstance(event, CommitsExported) for event in occurred):
                self._publish_meanwhile(run)
            if over:
                break
            if occurred or self._poke.is_set():
                run = await self._store.run(run.id)
            if self._poke.is_set():
                self._poke.clear()
                await self._pass_on(run, sent)
            if run.state is RunState.waiting and PARKED not in sent and await self._patience_is_over(run):
                self._engine.send(run, "stop", f"park-{run.id}-{run.launch}", why=PARKED)
                sent.add(PARKED)
            if spool.read_exit(directory) is not None:
                next_probe = 0.0
                continue
            await self._nap(LOOK)
        await self._conclude(await self._store.run(run.id))

    async def _look_after(self, run: Run, pulse: Pulse, *, stalled: bool) -> bool:
        """Say it when the supervisor gives no sign of life, or does again; end it by force where that has to be."""
        still = pulse.still_for(self._engine.sign_of_life(run), asyncio.get_running_loop().time())
        if still >= (FROZEN if run.stop_asked_by is None else DEAF):
            logger.error(
                "run %s: its supervisor has given no sign of life for %s, and is ended by force", run.id, still
            )
            await self._engine.end_by_force(run)
        elif still >= STALLED and not stalled:
            logger.error("run %s: its supervisor lives and has given no sign of life for %s", run.id, still)
            minutes = max(1, round(still / timedelta(minutes=1)))
            await self._store.record(run.task_id, LaunchStalled(run.launch, minutes), run_id=run.id)
            return True
        elif stalled and still < PROBE:
            await self._store.record(run.task_id, LaunchRevived(run.launch), run_id=run.id)
            return False
        return stalled

    async def _is_over(self, run: Run) -> bool:
        return await self._engine.probe(run) in {Launch.ended, Launch.lost, Launch.absent}

    async def _pass_on(self, run: Run, sent: set[str]) -> None:
        """Hand over what was said and not yet handed over. Sending twice is harmless: each uuid is heard once."""
        if run.stop_asked_by is not None:
            self._engine.send(run, "stop", f"stop-{run.id}-{run.launch}", why=f"{run.stop_asked_by} asked for it")
        events = await self._events(run)
        spec = spool.read_spec(self._engine.spool(run))
        in_spec = {message.uuid for message in (*spec.messages, *spec.anew)}
        told = sent | in_spec | history.answering(events)
        for trigger in await self._store.triggers(run.id):
            if trigger.uuid not in told and not trigger.acknowledged:
                self._engine.send(
                    run,
                    "steer",
                    trigger.uuid,
                    text=trigger.instruction,
                    shown=trigger.said,
                    actor=trigger.actor.login,
                )
                sent.add(trigger.uuid)
        for decided in history.decided_in_this_launch(events):
            if decided.request not in sent:
                self._engine.send(
                    run,
                    "permit",
                    f"permit-{decided.request}",
                    request=decided.request,
                    allowed=decided.allowed,
                    text=decided.text,
                    actor=decided.actor,
                )
                sent.add(decided.request)
        if run.state is RunState.waiting and (await self._store.view(run.task_id)).asked is None:
            await self._store.move(run.id, RunState.running)

    def _publish_meanwhile(self, run: Run) -> None:
        """Push what there is so far, so that there is a draft to look at. What fails now is done at the end."""
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish_so_far(run))

    async def _publish_so_far(self, run: Run) -> None:
        done: CommitsExported | None = None
        while (
            not self._store.pause.on and (latest := history.last_exported(await self._events(run))) and latest != done
        ):
            try:
                with space.full_is_weather():
                    await self._means.publisher.publish(
                        await self._store.task(run.task_id), run, self._bundle(run, latest), latest
                    )
            except (Refusal, TryLater) as reason:
                logger.info("commits are kept for the end of the run: %s", reason)
            done = latest

    async def _conclude(self, run: Run) -> None:
        """The launch is over: what now?"""
        if self._publishing is not None:
            await asyncio.wait([self._publishing])  # what failed in there is done again below, and then it counts
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
        events = history.since(await self._events(run), LaunchStarted)
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
            case retry.Settle(outcome=outcome, reason=reason):
                settled = outcome or Outcome.delivered
                await self._go_publish(run, settled, self._means.keyring.redact(reason) if outcome else "", over)

    async def _go_publish(self, run: Run, outcome: Outcome, reason: str, over: Event) -> None:
        await self._store.move(run.id, RunState.publishing, over, outcome=outcome, reason=reason)

    # Waiting

    def _keeps_process(self, run: Run) -> bool:
        return run.waiting_for in {WaitingFor.approval, WaitingFor.answer} and run.waiting_until is not None

    async def _patience_is_over(self, run: Run) -> bool:
        if run.waiting_until is None:
            return False
        if self._patience is None or self._patience.until != run.waiting_until:
            self._patience = await self._wait_of(run, run.waiting_until)
        return self._left(self._patience) <= timedelta(0)

    async def _wait_of(self, run: Run, until: datetime) -> Wait:
        planned_at = history.waits_since(await self._events(run))
        return Wait.of(until, planned_at, self._means.now(), asyncio.get_running_loop().time())

    def _left(self, wait: Wait) -> timedelta:
        return wait.left(self._means.now(), asyncio.get_running_loop().time())

    async def _wait(self, run: Run) -> None:
        """For the weather, a quota, or a person, without a process."""
        on_its_way_out = run.outcome is Outcome.stopped and run.waiting_for is WaitingFor.weather
        if not on_its_way_out and await self._stop_at_rest(run):
            return
        if run.waiting_for in {WaitingFor.approval, WaitingFor.answer}:
            await self._wait_for_person(run)
            return
        wait = await self._wait_of(run, run.waiting_until) if run.waiting_until else None
        while wait is not None and (left := self._left(wait)) > timedelta(0):
            self._poke.clear()
            await self._nap(min(left, timedelta(minutes=1)))
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
            decided = history.last_decision(await self._events(run))
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
        began = history.weather_since(await self._events(run)) or now
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
        events = await self._events(run)
        outcome, reason = run.outcome or Outcome.delivered, run.reason
        try:
            if latest := history.last_exported(events):
                with space.full_is_weather():
                    held = await self._means.publisher.publish(task, run, self._bundle(run, latest), latest)
                if held is not None and held.is_final:
                    sentences = " ".join(finding.sentence for finding in held.findings)
                    await self._store.settle(run.id, Outcome.withheld, sentences)
                    return
                if held is not None:
                    await self._store.move(run.id, RunState.waiting, waiting_for=WaitingFor.approval)
                    return
            task = await self._store.task(task.id)
            pushed = any(isinstance(one.event, BranchPushed) for one in await self._events(run))
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

    # The rest

    async def _events(self, run: Run) -> list[Recorded]:
        """The run's own events, in order."""
        recorded = await self._store.events(task_id=run.task_id, limit=-1)
        return [one for one in recorded if one.run_id == run.id]

    def _redacted(self, event: Event) -> Event:
        return with_text(event, self._means.keyring.redact)

    def _bundle(self, run: Run, exported: CommitsExported) -> Path:
        return self._engine.spool_of(run.task_id, run.id, exported.launch) / "bundles" / str(exported.number)

    async def _nap(self, length: timedelta) -> None:
        """Sleep, unless poked."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(length.total_seconds()):
                await self._poke.wait()
