"""Every short story of a run, with a crash of the service behind every effect: carried by the real conductor.

Breadth first: each state that was reached is left in every way there is. What is the same state, as far as anything
depends on it, is looked at once. Then every story is brought to a fair end: whatever happened, there is one.
"""

import asyncio
import dataclasses
import logging
import os
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runner import attending, changes, effects, kin, retry, sandbox, spool
from runner import events as happened
from runner.about import matter
from runner.conductor import Conductor
from runner.engine import Engine
from runner.errors import TryLater
from runner.launching import Rules
from runner.means import Means
from runner.secrets import Keyring
from runner.spool import Cause
from runner.store import Store, open_store
from runner.tasks import TRANSITIONS, Outcome, RunId, RunState, TaskId, TriggerKind, WaitingFor, Wish
from tests.factories import BOT, NOON
from tests.figures import Figure
from tests.integration.test_store import ALICE, HELLO, subject
from tests.model.machine import OVERLOADED, QUOTA, Machine, Session, Supervisor

DEPTH = 3 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 2  # acts, from each of the beginnings
BEGINNINGS = [["label"], ["label", "up"], ["label", "up", "ask"]]
AT_ONCE = 60  # stories, side by side in one service
AGES = timedelta(days=9)
FAIR_ROUNDS = 12
NOBODY = TaskId(0)


Acts = tuple[tuple[str, int], ...]  # what is done, and behind which effect of it the service dies; 0 is behind none


class Crash(BaseException):
    """The service dies here."""


class Dice(random.Random):
    """So that a story told again is the same."""

    def random(self) -> float:
        return 0.5


class StillObjects:
    """What is in it."""

    async def has(self, sha: str) -> bool:
        """Everything is here."""
        return True


class StillMirror:
    """A remote where nothing happens."""

    path = Path("/nowhere")
    objects = StillObjects()

    async def fetch(self, credential: object) -> None:
        """Nothing is new."""

    async def head(self, branch: str) -> str | None:
        """Nobody pushed."""
        return None


class StillMirrors:
    """All of them."""

    def of(self, remote: object) -> StillMirror:
        return StillMirror()


@dataclasses.dataclass
class Story:
    """One task, and what was done to it."""

    number: int
    acts: Acts
    task_id: TaskId = NOBODY
    run_ids: set[RunId] = dataclasses.field(default_factory=set)
    said: list[str] = dataclasses.field(default_factory=list)
    stopped: bool = False
    later: timedelta = timedelta(0)
    cloudy: bool = False
    effects: int = 0
    crash_behind: int = 0


class World:
    """The service in this process, with a machine that does as it is told."""

    def __init__(self, home: Path, store: Store, machine: Machine) -> None:
        self.home = home
        self.store = store
        self.machine = machine
        self.stories: dict[TaskId, Story] = {}
        self.busy = 0
        self.conducting: asyncio.Task[None] | None = None
        nothing: dict[str, Any] = dict.fromkeys(one.name for one in dataclasses.fields(Means))
        engine = Engine(home, machine)  # type: ignore[arg-type]
        rules = Rules(bot=BOT, claude=Path("/claude"), confinement="none", max_runs=10**6, max_starting=10**6)
        self.conductor = Conductor(
            Means(
                **{
                    **nothing,
                    "store": store,
                    "engine": engine,
                    "mirrors": StillMirrors(),
                    "credentials": self.credentials,
                    "rules": rules,
                    "keyring": Keyring(()),
                    "host": sandbox.Host({}, ()),
                    "dice": Dice(),
                    "now": self.now,
                    "tally": Counter(),
                }
            )
        )

    # What the service asks the world

    async def credentials(self, repository: object, write: bool, refused: object = None) -> None:
        story = self.story()
        if story is not None and story.cloudy:
            story.cloudy = False
            raise TryLater("the remote is away")

    def now(self) -> datetime:
        story = self.story()
        return NOON + (story.later if story else timedelta(0))

    def story(self) -> Story | None:
        """Whose carrier asks."""
        task = matter().get("task")
        return self.stories.get(TaskId(int(task))) if task else None

    def observe(self, name: str, side: effects.Side) -> None:
        self.busy += 1
        if name == "commit.submit" and side == "before":
            self.poke_all()  # somebody else speaks in this very moment: every carrier looks at what there is to pass on
        story = self.story()
        if side == "after" and story is not None:
            story.effects += 1
            if story.crash_behind and story.effects == story.crash_behind:
                raise Crash

    # What is done to it

    async def begin(self, story: Story) -> None:
        wish = Wish(TriggerKind.label, ALICE, "Begin.", f"wish-{story.number}-0")
        submission = await self.store.submit(subject(story.number), HELLO, "b", wish)
        story.task_id = submission.task.id
        self.stories[story.task_id] = story
        for name in ("vault.git", "worktree", "home", "claude"):
            (self.home / "tasks" / str(story.task_id) / name).mkdir(parents=True)
        await self.store.record(story.task_id, happened.WorkspacePrepared("main", "base", "b"))
        story.said.append("Begin.")

    def supervisor(self, story: Story) -> Supervisor | None:
        launches = [one for run in sorted(story.run_ids) for one in self.machine.launches.get(run, ())]
        return launches[-1] if launches and launches[-1].status in {"coming", "up"} else None

    async def possible(self, story: Story) -> list[str]:
        """What can happen next."""
        view = await self.store.view(story.task_id)
        there = self.supervisor(story)
        found = ["say"] if len(story.said) < 3 else []
        found += [what for what in ("label again", "same") if what not in dict(story.acts)]
        if view.state.is_active and not story.stopped:
            found.append("stop")
        if view.run.waiting_until is not None:
            found.append("time")
            found += [] if story.cloudy else ["clouds"]
        if there is not None and there.status == "coming":
            found += ["up", "vanish"]
        elif there is not None:
            found += ["obey"] if there.orders() else []
            found += ["finish", "overloaded", "quota", "crash", "limit", "term", "lost"]
            found += ["work", "ask"] if there.asking is None else []
        return found

    async def act(self, story: Story, what: str) -> None:
        there = self.supervisor(story)
        match what, there:
            case "say", _:
                text = f"word {len(story.said)}"
                story.said.append(text)
                wish = Wish(TriggerKind.command, ALICE, text, f"wish-{story.number}-{len(story.said)}", text)
                await self.conductor.submit(subject(story.number), HELLO, "b", wish)
            case "label again", _:
                view = await self.store.view(story.task_id)
                if view.state.is_active:
                    wish = Wish(TriggerKind.label, ALICE, "Again.", f"wish-{story.number}-label")
                    await self.conductor.submit(subject(story.number), HELLO, "b", wish)
            case "same", _:
                wish = Wish(TriggerKind.label, ALICE, "Begin.", f"wish-{story.number}-0")
                await self.conductor.submit(subject(story.number), HELLO, "b", wish)
            case "stop", _:
                story.stopped = True
                await self.conductor.stop(story.task_id, "alice", "enough")
            case "time", _:
                story.later += AGES
                self.poke_all()
            case "clouds", _:
                story.cloudy = True
            case "up", Supervisor():
                there.up()
            case "vanish", Supervisor():
                there.die()
            case "work", Supervisor():
                there.work()
            case "ask", Supervisor():
                there.ask()
            case "obey", Supervisor():
                there.obey()
            case "finish", Supervisor():
                there.end(Cause.finished, {"result": "Done."})
            case "overloaded", Supervisor():
                there.end(Cause.finished, OVERLOADED)
            case "quota", Supervisor():
                there.end(Cause.finished, QUOTA)
            case "crash", Supervisor():
                there.end(Cause.crashed, None)
            case "limit", Supervisor():
                there.end(Cause.time, None)
            case "term", Supervisor():
                there.end(Cause.stopped, None, "the supervisor was told to end")
            case "lost", Supervisor():
                there.die()
            case _:
                raise AssertionError((what, story, there and there.status, await self.store.view(story.task_id)))

    def poke_all(self) -> None:
        for carrier in self.conductor._carriers.values():
            carrier.poke()

    async def quiet(self) -> None:
        """Until everyone has done what there is to do."""
        still, seen = 0, -1
        while still < 2:
            await asyncio.sleep(1.5 * attending.LOOK.total_seconds())
            resting = all(_rests(task) for task in asyncio.all_tasks() if task.get_name().startswith("run "))
            still = still + 1 if resting and self.busy == seen else 0
            seen = self.busy
        for run in await self.store.active_runs():
            self.stories[run.task_id].run_ids.add(run.id)

    async def tell(self, stories: list[Story]) -> None:
        """All of them from their beginning, side by side."""
        for story in stories:
            story.crash_behind = story.acts[0][1]
            await self.begin(story)
        self.conducting = asyncio.create_task(self.conductor.run())
        await self.quiet()
        await self.come_back(stories)
        for step in range(1, max(len(story.acts) for story in stories)):
            await self.together([(story, *story.acts[step]) for story in stories if step < len(story.acts)])

    async def together(self, acts: list[tuple[Story, str, int]]) -> None:
        """Each story goes one act on, and its service dies behind the effect that was chosen, and comes back."""
        for story, _, crash in acts:
            story.effects, story.crash_behind = 0, crash
        await asyncio.gather(*(self.act(story, what) for story, what, _ in acts))
        await self.quiet()
        await self.come_back([story for story, _, _ in acts])

    async def come_back(self, stories: list[Story]) -> None:
        """The services that died are started again."""
        if any(story.crash_behind for story in stories):
            for story in stories:
                story.crash_behind = 0
            await self.conductor.adopt()
            await self.quiet()

    async def end_all(self, stories: list[Story]) -> None:
        """However it came to this, there is a way out, and it is a truthful one."""
        for carrier in [task for task in asyncio.all_tasks() if task.get_name() not in self.names(stories)]:
            if carrier.get_name().startswith("run "):
                carrier.cancel()  # nobody asks how the others end: as one that was in the same state
        await self.all_ended(stories)
        for story in stories:
            view = await self.store.view(story.task_id)
            session = self.session(story)
            assert sum(run.cost_usd for run in view.runs) == session.cost, story
            if not story.stopped and view.outcome in {Outcome.answered, Outcome.delivered}:
                assert sorted(words(session)) == sorted(story.said), (story, session.heard)
        # Whoever was not heard, because the run was stopped or failed, is heard when somebody asks again.
        unheard = [story for story in stories if len(words(self.session(story))) < len(story.said)]
        await self.together([(story, "say", 0) for story in unheard])
        await self.all_ended(unheard)
        for story in unheard:
            heard = words(self.session(story))
            begun = [] if "Begin." in heard else ["Begin."]  # what asks again says that again, in its own words
            assert sorted([*heard, *begun]) == sorted(story.said), (story, heard)

    async def all_ended(self, stories: list[Story]) -> None:
        for _ in range(FAIR_ROUNDS):
            steps = [(story, await self.end_fairly(story), 0) for story in stories]
            acts = [(story, what, crash) for story, what, crash in steps if what is not None]
            if not acts:
                break
            await self.together(acts)
        for story in stories:
            await self.check(story)
            view = await self.store.view(story.task_id)
            assert not view.state.is_active, (story, view.run)

    def names(self, stories: list[Story]) -> set[str]:
        return {f"run {run_id}" for story in stories for run_id in story.run_ids}

    # What one sees

    async def key(self, story: Story) -> object:
        """What the future depends on."""
        view = await self.store.view(story.task_id)
        there = self.supervisor(story)
        triggers = [
            tuple((one.joined, one.acknowledged) for one in await self.store.triggers(run.id)) for run in view.runs
        ]
        run = view.run
        return (
            tuple(one.outcome for one in view.runs[:-1]),
            (run.state, run.waiting_for, run.waiting_until is None, run.stop_asked_by, run.outcome, run.attempt),
            (min(run.launch, 2), view.asked is None, tuple(triggers), len(story.said), story.cloudy),
            (there.status, there.asking is None, tuple(one["kind"] for one in there.orders())) if there else None,
        )

    async def check(self, story: Story) -> None:
        """What holds at every moment."""
        view = await self.store.view(story.task_id)
        assert sum(run.state.is_active for run in view.runs) <= 1, story
        recorded = await self.store.events(task_id=story.task_id, limit=-1)
        for run in view.runs:
            mine = [one.event for one in recorded if one.run_id == run.id]
            path = [RunState.queued, *(RunState(one.state) for one in mine if isinstance(one, happened.RunMoved))]
            assert all(after in TRANSITIONS[before] for before, after in pairwise(path)), story
            assert path[-1] is run.state, story
            launches = [one.launch for one in mine if isinstance(one, happened.LaunchStarted)]
            assert launches == sorted(set(launches)), story
            if run.outcome is Outcome.stopped and not run.state.is_active:
                assert run.stop_asked_by, story
                assert not self.was_done(run.id), story  # it had ended by itself: a stop was too late
        wishes = [one.instruction for run in view.runs for one in await self.store.triggers(run.id)]
        assert sorted(wishes) == sorted(story.said), story  # each is in one run
        session = self.session(story)
        assert len(words(session)) == len(set(words(session))), (story, session.heard)  # and is heard at most once

    def was_done(self, run_id: RunId) -> bool:
        """Whether Claude ended its part as it should."""
        for launch in self.machine.launches.get(run_id, [])[-1:]:
            ending = spool.read_exit(launch.directory)
            return ending is not None and ending.cause is Cause.finished and not (ending.result or {}).get("is_error")
        return False

    def session(self, story: Story) -> Session:
        for run in story.run_ids:
            for launch in self.machine.launches.get(run, ()):
                return launch.session
        return Session()

    async def end_fairly(self, story: Story) -> str | None:
        """One more step towards an end, if there is none yet."""
        view = await self.store.view(story.task_id)
        there = self.supervisor(story)
        if there is not None and there.status == "coming":
            return "up"
        if there is not None and there.orders():
            return "obey"
        if there is not None and there.asking is not None:
            return "say"
        if there is not None:
            return "finish"
        if view.waiting_for is WaitingFor.answer:
            return "say"
        return "time" if view.run.waiting_until is not None else None


def words(session: Session) -> list[str]:
    """What people said, as Claude heard it: by itself, or as an answer."""
    return [text.rpartition("answers: ")[2] for text in session.heard if "word " in text or "Begin." in text]


@asynccontextmanager
async def a_world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Where a flush costs nothing, if there is such a place: what a power cut leaves is not asked here."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    asyncio.get_running_loop().set_exception_handler(_say_unless_it_crashed)
    with tempfile.TemporaryDirectory(dir=memory) as home:
        async with open_store(Path(home) / "cco.db") as store:
            world = World(Path(home), store, Machine())
            monkeypatch.setattr(changes, "now", world.now)
            observe = world.observe
            effects.observe_for_a_test(observe)
            try:
                yield world
            finally:
                effects._observers.remove(observe)
                if world.conducting is not None:
                    world.conducting.cancel()
                    await asyncio.gather(world.conducting, return_exceptions=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own time is not what this is about."""
    monkeypatch.setattr(attending, "LOOK", timedelta(milliseconds=40))
    monkeypatch.setattr(attending, "PROBE", timedelta(milliseconds=40))
    monkeypatch.setattr(retry, "CRASH_WAIT", timedelta(hours=1))
    monkeypatch.setattr(kin, "of_task", lambda root: [])  # there are no processes
    # Nor is a supervisor here ended by force for being slow: it is this very process that holds its lock.
    for name in ("STALLED", "FROZEN", "DEAF"):
        monkeypatch.setattr(attending, name, timedelta(days=400))


async def test_every_short_story_keeps_its_promises_and_has_an_end(
    quick: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, figure: Figure
) -> None:
    caplog.set_level(logging.ERROR)
    known: set[object] = set()
    numbers = iter(range(1, 10**6))
    frontier: list[Acts] = [tuple((what, 0) for what in acts) for acts in BEGINNINGS]
    told = 0
    for _ in range(DEPTH + 1):
        following: list[Acts] = []
        while frontier:
            batch, frontier = frontier[:AT_ONCE], frontier[AT_ONCE:]
            told += len(batch)
            async with a_world(monkeypatch) as world:
                stories = [Story(next(numbers), acts) for acts in batch]
                await world.tell(stories)
                fresh: list[Story] = []
                for story in stories:
                    await world.check(story)
                    *before, (what, crash) = story.acts
                    if crash == 0:  # now that it is known how many effects follow: a crash behind each
                        frontier += [(*before, (what, behind)) for behind in range(1, story.effects + 1)]
                    if (key := await world.key(story)) not in known:
                        known.add(key)
                        fresh.append(story)
                        following += [(*story.acts, (what, 0)) for what in await world.possible(story)]
                await world.end_all(fresh)
        frontier = following
    figure("stories of a run, each with a crash somewhere or none", told, "")
    figure("different states in them", len(known), "")
    assert "hit a bug" not in caplog.text, caplog.text[:4000]


def _rests(task: asyncio.Task[Any]) -> bool:
    """Whether a carrier waits for something to happen, and not for its own work."""
    awaited: Any = task.get_coro()
    names = []
    while awaited is not None:
        names.append(getattr(awaited, "__qualname__", ""))
        awaited = getattr(awaited, "cr_await", None)
    return "Event.wait" in names or "sleep" in names


def _say_unless_it_crashed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Crash):
        loop.default_exception_handler(context)
