"""Follow one launch until it is over: read what it tells, pass on what people say, see that it lives."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from runner import history, space, spool
from runner.clocks import Pulse, Wait, nap
from runner.engine import Launch
from runner.errors import Refusal, TryLater
from runner.events import CommitsExported, Event, LaunchRevived, LaunchStalled, with_text
from runner.means import Means
from runner.progress import Progress, events_of
from runner.store import Reading
from runner.tasks import Run, RunState

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


class Attendance:
    """Somebody at the side of a launch. `poke` is set when something was said to its run."""

    def __init__(self, means: Means, run: Run, poke: asyncio.Event) -> None:
        self._means = means
        self._store = means.store
        self._engine = means.engine
        self._run = run
        self._poke = poke
        self._directory = means.engine.spool(run)
        self._sent: set[str] = set()  # in this attendance; to send it once more is harmless
        self._pulse = Pulse()
        self._patience: Wait | None = None
        self._publishing: asyncio.Task[None] | None = None

    async def until_over(self) -> None:
        """All of it is read, and what was to be shown meanwhile is out, or waits for the end of the run."""
        try:
            await self._follow()
            if self._publishing is not None:
                await asyncio.wait([self._publishing])
        finally:
            if self._publishing is not None:
                self._publishing.cancel()

    async def _follow(self) -> None:
        reading = await self._store.reading(self._run.id)
        memory = (
            Progress.from_json(reading.progress)
            if reading.progress
            else Progress(self._run.launch, str(self._engine.task_root(self._run.task_id) / "worktree"))
        )
        offset = reading.offset
        stalled = history.is_stalled(await self._store.events_of(self._run))
        next_probe = 0.0
        clock = asyncio.get_running_loop().time
        self._poke.set()
        while True:
            over = False
            if clock() >= next_probe:
                over = await self._engine.probe(self._run) in {Launch.ended, Launch.lost, Launch.absent}
                stalled = await self._look_after(stalled=stalled)
                next_probe = clock() + PROBE.total_seconds()
            occurred: list[Event] = []
            for line in spool.follow(self._directory, offset):
                occurred += events_of(line, memory)
                offset = line.end
            if occurred or offset != reading.offset:
                reading = Reading(offset, memory.to_json())
                redacted = [with_text(event, self._means.keyring.redact) for event in occurred]
                await self._store.read_on(self._run.id, reading, redacted)
            if any(isinstance(event, CommitsExported) for event in occurred):
                self._publish_meanwhile()
            if over:
                return
            if occurred or self._poke.is_set():
                self._run = await self._store.run(self._run.id)
            if self._poke.is_set():
                self._poke.clear()
                await self._pass_on()
            if self._run.state is RunState.waiting and PARKED not in self._sent and await self._patience_is_over():
                self._send(PARKED, "stop", f"park-{self._run.id}-{self._run.launch}", why=PARKED)
            if spool.read_exit(self._directory) is not None:
                next_probe = 0.0
                continue
            await nap(self._poke, LOOK)

    async def _look_after(self, *, stalled: bool) -> bool:
        """Say it when the supervisor gives no sign of life, or does again; end it by force where that has to be."""
        run = self._run
        still = self._pulse.still_for(self._engine.sign_of_life(run), asyncio.get_running_loop().time())
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

    async def _pass_on(self) -> None:
        """Hand over what was said and not yet handed over. Sending twice is harmless: each uuid is heard once."""
        run = self._run
        if run.stop_asked_by is not None:
            self._send("stop", "stop", f"stop-{run.id}-{run.launch}", why=f"{run.stop_asked_by} asked for it")
        # In this order: a word that we see and that answers a question is then known to answer it.
        triggers = await self._store.triggers(run.id)
        events = await self._store.events_of(run)
        spec = spool.read_spec(self._directory)
        in_spec = {message.uuid for message in (*spec.messages, *spec.anew)}
        told = in_spec | history.answering(events)
        for one in triggers:
            if one.uuid not in told and not one.acknowledged:
                self._send(one.uuid, "steer", one.uuid, text=one.instruction, shown=one.said, actor=one.actor.login)
        for decided in history.decided_in_this_launch(events):
            self._send(
                decided.request,
                "permit",
                f"permit-{decided.request}",
                request=decided.request,
                allowed=decided.allowed,
                text=decided.text,
                actor=decided.actor,
            )
        if run.state is RunState.waiting and (await self._store.view(run.task_id)).asked is None:
            await self._store.move(run.id, RunState.running)

    def _send(self, matter: str, kind: str, uuid: str, **data: Any) -> None:
        if matter not in self._sent:
            self._engine.send(self._run, kind, uuid, **data)
            self._sent.add(matter)

    def _publish_meanwhile(self) -> None:
        """Push what there is so far, so that there is a draft to look at. What fails now is done at the end."""
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish_so_far(self._run))

    async def _publish_so_far(self, run: Run) -> None:
        done: CommitsExported | None = None
        while not self._store.pause.on:
            latest = history.last_exported(await self._store.events_of(run))
            if latest is None or latest == done:
                return
            try:
                with space.full_is_weather():
                    task, bundle = await self._store.task(run.task_id), self._engine.bundle(run, latest)
                    await self._means.publisher.publish(task, run, bundle, latest)
            except (Refusal, TryLater) as reason:
                logger.info("commits are kept for the end of the run: %s", reason)
            done = latest

    async def _patience_is_over(self) -> bool:
        until = self._run.waiting_until
        if until is None:
            return False
        if self._patience is None or self._patience.until != until:
            self._patience = await wait_of(self._means, self._run, until)
        return time_left(self._means, self._patience) <= timedelta(0)


async def wait_of(means: Means, run: Run, until: datetime) -> Wait:
    """The wait that the run is in."""
    planned_at = history.waits_since(await means.store.events_of(run))
    return Wait.of(until, planned_at, means.now(), asyncio.get_running_loop().time())


def time_left(means: Means, wait: Wait) -> timedelta:
    """Zero or less: it is over."""
    return wait.left(means.now(), asyncio.get_running_loop().time())
