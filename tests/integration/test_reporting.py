"""The report loop: says what changed, once, in its own time, whatever the other reporters do."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from handlers.reporting import FIRST_BACKOFF, Backlog, Reporter, Reporting
from runner import changes
from runner import events as happened
from runner.errors import TryLater
from runner.receipts import Receipt
from runner.store import Store, open_store
from runner.tasks import Outcome, RunState, Subject, TaskId, TriggerKind, Wish
from runner.view import TaskView
from tests import factories as a


@dataclass
class Board:
    """A place where tasks are told of, in memory. `trouble` is raised instead, once for each."""

    name: str
    said: list[str] = field(default_factory=list)
    receipts: list[Receipt | None] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    tries: int = 0
    gate: asyncio.Event | None = None

    def interval(self, view: TaskView) -> timedelta:
        return timedelta(seconds=15)

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def wants(self, view: TaskView) -> bool:
        return view.task.subject.key != "octo/hello#0"

    def digest(self, view: TaskView) -> str:
        return f"{view.task.subject.key} {view.state} {view.doing} {view.position}"

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        self.tries += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble:
            raise self.trouble.pop(0)
        self.said.append(self.digest(view))
        self.receipts.append(receipt)
        return f"post {len(self.said)}"


class Time:
    """Stands still; a sleeper wakes when it is told to go on far enough."""

    def __init__(self) -> None:
        self.now = a.NOON
        self._sleepers: list[tuple[datetime, asyncio.Event]] = []

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        self._sleepers.append((self.now + timedelta(seconds=seconds), awake))
        if seconds <= 0:
            awake.set()
        await awake.wait()

    def forward(self, by: timedelta) -> None:
        self.now += by
        for until, awake in self._sleepers:
            if until <= self.now:
                awake.set()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "cco.db") as store:
        yield store


@asynccontextmanager
async def reporting(store: Store, time: Time, *boards: Reporter) -> AsyncIterator[None]:
    loop = asyncio.create_task(Reporting(store, boards, time, time.sleep, random.Random(1)).run())
    try:
        yield
        assert not loop.done()
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it; a test that waits in vain fails."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def in_time(time: Time, condition: Callable[[], bool]) -> None:
    """The same, while time goes by."""

    def passes() -> bool:
        time.forward(timedelta(seconds=1))
        return condition()

    await until(passes)


async def untold(store: Store, count: int) -> None:
    """Wait until the board's receipts are missing for so many tasks."""
    async with asyncio.timeout(10):
        while len(await store.receipts.unsaid("board")) != count:
            await asyncio.sleep(0.02)


async def submit(store: Store, number: int = 42) -> TaskId:
    subject = Subject("github", f"github.com/1/{number}", f"octo/hello#{number}", "https://x", "Title")
    wish = Wish(TriggerKind.label, a.ANNA, "do", f"w{number}")
    return (await store.submit(subject, a.HELLO, f"claude/issue-{number}", wish)).task.id


async def use(store: Store, task_id: TaskId, what: str) -> None:
    run = (await store.view(task_id)).run
    if run.state is RunState.queued:
        await store.move(run.id, RunState.starting)
        await store.move(run.id, RunState.running)
    await store.record(task_id, happened.ToolUsed("Bash", what), run_id=run.id)


async def test_a_change_is_said_once_and_remembered(store: Store) -> None:
    """Before the loop began, and while it runs; the second time with the receipt of the first."""
    board, time = Board("board"), Time()
    task_id = await submit(store)
    async with reporting(store, time, board):
        await until(lambda: len(board.said) == 1)
        await use(store, task_id, "ls")
        await in_time(time, lambda: board.said[-1] == "octo/hello#42 running ls None")
    assert board.said[0] == "octo/hello#42 queued  0"
    assert len(set(board.said)) == len(board.said)
    assert [receipt.reference if receipt else None for receipt in board.receipts[:2]] == [None, "post 1"]


async def test_what_was_said_before_a_restart_is_not_said_again(store: Store) -> None:
    """The receipt is in the store."""
    first, second, time = Board("board"), Board("board"), Time()
    task_id = await submit(store)
    async with reporting(store, time, first):
        await until(lambda: len(first.said) == 1)
        async with asyncio.timeout(10):
            while await store.receipts.of(task_id, "board") is None:
                await asyncio.sleep(0.005)
    async with reporting(store, time, second):
        await use(store, task_id, "ls")
        await in_time(time, lambda: second.said[-1:] == ["octo/hello#42 running ls None"])
    assert "octo/hello#42 queued  0" not in second.said


async def test_edits_wait_for_each_other_and_a_new_state_does_not(store: Store) -> None:
    """Three tools within the interval are one edit, the last; the end is said at once."""
    board, time = Board("board"), Time()
    task_id = await submit(store)
    await use(store, task_id, "one")
    async with reporting(store, time, board):
        await until(lambda: len(board.said) == 1)
        await use(store, task_id, "two")
        await use(store, task_id, "three")
        time.forward(timedelta(seconds=14))
        other = await submit(store, 43)
        await until(lambda: len(board.said) == 2)
        assert board.said[1].startswith(f"octo/hello#{43}")
        time.forward(timedelta(seconds=2))
        await until(lambda: len(board.said) == 3)
        await use(store, task_id, "four")
        run = (await store.view(task_id)).run
        await store.move(run.id, RunState.publishing)
        await until(lambda: len(board.said) == 4)
    assert [line.split()[2] for line in board.said if "#42" in line] == ["one", "three", "four"]
    assert "publishing" in board.said[-1]
    assert other != task_id


async def test_a_place_in_the_queue_is_told_when_others_move(store: Store) -> None:
    """Nothing happened to the task itself."""
    board, time = Board("board"), Time()
    first = await submit(store, 1)
    await submit(store, 2)
    async with reporting(store, time, board):
        await until(lambda: len(board.said) == 2)
        time.forward(timedelta(minutes=1))
        await use(store, first, "ls")
        await in_time(time, lambda: "octo/hello#2 queued  0" in board.said)


async def test_what_was_not_said_is_said_after_a_restart_however_many_came_since(store: Store) -> None:
    """Only what was not said: nobody looks at the others."""
    board, time = Board("board"), Time()
    board.trouble = [ValueError("down")] * 2
    task_ids = [await submit(store, number) for number in range(1, 300)]
    time.now = changes.now() + timedelta(minutes=2)  # receipts of now are newer than all that happened
    async with reporting(store, time, board):
        await untold(store, 2)

    after = Board("board")
    async with reporting(store, time, after):
        await untold(store, 0)
    assert len(after.said) == 2
    assert await store.receipts.unsaid("another") == task_ids[::-1]


async def test_what_happened_while_nobody_told_of_it_is_said_at_the_next_start(store: Store) -> None:
    """It was told of before, and is told of again, as it stands now."""
    before, after, time = Board("board"), Board("board"), Time()
    time.now = changes.now()
    task_id = await submit(store)
    async with reporting(store, time, before):
        await until(lambda: len(before.said) == 1)
    await use(store, task_id, "ls")
    async with reporting(store, time, after):
        await until(lambda: len(after.said) == 1)
    assert after.said == ["octo/hello#42 running ls None"]


async def test_one_that_hangs_or_breaks_delays_nobody(store: Store) -> None:
    """Each reporter is on its own."""
    slow, broken, good, time = Board("slow", gate=asyncio.Event()), Board("broken"), Board("good"), Time()
    broken.trouble = [ValueError("a bug")] * 99
    task_id = await submit(store)
    async with reporting(store, time, slow, broken, good):
        await until(lambda: len(good.said) == 1)
        await use(store, task_id, "ls")
        await in_time(time, lambda: good.said[-1] == "octo/hello#42 running ls None")
    assert (slow.said, broken.said) == ([], [])
    assert slow.tries == 1


async def test_a_failure_is_tried_again_later_and_more_slowly(store: Store) -> None:
    """With the newest view, and without a second word once it worked."""
    board, time = Board("board", trouble=[ValueError("a bug"), ValueError("a bug")]), Time()
    task_id = await submit(store)
    async with reporting(store, time, board):
        await until(lambda: board.tries == 1)
        await use(store, task_id, "ls")
        for tries in (2, 3):
            assert board.tries == tries - 1
            time.forward(FIRST_BACKOFF * 2 ** (tries - 2) * 1.3)
            await until(lambda tries=tries: board.tries == tries)  # type: ignore[misc]  # a default argument is a lambda's only way to hold a value
        await until(lambda: len(board.said) == 1)
    assert board.said == ["octo/hello#42 running ls None"]


async def test_weather_is_waited_for_as_long_as_it_says(store: Store) -> None:
    """An hour is an hour; meanwhile nothing is asked."""
    board, time = Board("board", trouble=[TryLater("rain", timedelta(hours=1))]), Time()
    task_id = await submit(store)
    other = Board("other")
    async with reporting(store, time, board, other):
        await until(lambda: board.tries == 1)
        time.forward(timedelta(minutes=59))
        await use(store, task_id, "ls")
        await until(lambda: len(other.said) >= 2)
        assert board.tries == 1
        time.forward(timedelta(minutes=2))
        await until(lambda: len(board.said) == 1)


async def test_what_a_reporter_does_not_want_it_is_not_asked(store: Store) -> None:
    """It has its reasons."""
    board, time = Board("board"), Time()
    await submit(store, 0)
    await submit(store, 42)
    async with reporting(store, time, board):
        await until(lambda: len(board.said) == 1)
    assert board.tries == 1


@dataclass
class Line:
    """The one place where boards wait for their turn; it is given by the test."""

    waiting: list[tuple[str, bool, asyncio.Event]] = field(default_factory=list)

    @asynccontextmanager
    async def turn(self, key: str, is_news: bool) -> AsyncIterator[None]:
        mine = (key, is_news, asyncio.Event())
        self.waiting.append(mine)
        try:
            await mine[2].wait()
        finally:
            self.waiting.remove(mine)
        yield

    def who(self) -> list[tuple[str, bool]]:
        return [(key, is_news) for key, is_news, _ in self.waiting]

    def call(self) -> None:
        """Everyone who waits now."""
        for _, _, called in self.waiting:
            called.set()


class Queuing(Board):
    """A board in front of which one has to wait."""

    line: Line

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:
        return self.line.turn(view.task.subject.key, is_news)


@pytest.fixture
def queuing() -> Queuing:
    board = Queuing("board")
    board.line = Line()
    return board


async def test_what_changes_while_it_waits_for_its_turn_is_in_what_is_said(store: Store, queuing: Queuing) -> None:
    """Once: what was superseded is never sent."""
    time = Time()
    task_id = await submit(store)
    async with reporting(store, time, queuing):
        await until(lambda: len(queuing.line.waiting) == 1)
        for what in ("one", "two", "three"):
            await use(store, task_id, what)
        queuing.line.call()
        await until(lambda: len(queuing.said) == 1)
        await in_time(time, lambda: queuing.tries == 1 and not queuing.line.waiting)
    assert queuing.said == ["octo/hello#42 running three None"]


async def test_one_task_that_waits_for_its_turn_holds_no_other_up(store: Store, queuing: Queuing) -> None:
    time = Time()
    for number in range(1, 6):
        await submit(store, number)
    async with reporting(store, time, queuing):
        await until(lambda: len(queuing.line.waiting) == 5)
        assert {key for key, _ in queuing.line.who()} == {f"octo/hello#{n}" for n in range(1, 6)}


async def test_an_edit_that_becomes_news_while_it_waits_lines_up_as_news(store: Store, queuing: Queuing) -> None:
    """And not twice."""
    time = Time()
    task_id = await submit(store)
    await use(store, task_id, "one")
    async with reporting(store, time, queuing):
        await until(lambda: queuing.line.who() == [("octo/hello#42", True)])
        queuing.line.call()
        await until(lambda: len(queuing.said) == 1)
        await use(store, task_id, "two")
        await in_time(time, lambda: queuing.line.who() == [("octo/hello#42", False)])
        run = (await store.view(task_id)).run
        await store.move(run.id, RunState.publishing)
        await until(lambda: queuing.line.who() == [("octo/hello#42", True)])
        queuing.line.call()
        await until(lambda: len(queuing.said) == 2)
    assert "publishing" in queuing.said[-1]


async def test_what_happens_while_a_second_attempt_is_under_way_is_not_missed(store: Store) -> None:
    """The attempt has the words of before."""
    board, time = Board("board", trouble=[TryLater("rain")]), Time()
    task_id = await submit(store)
    async with reporting(store, time, board):
        await until(lambda: board.tries == 1)
        board.gate = asyncio.Event()
        await in_time(time, lambda: board.tries == 2)
        await use(store, task_id, "ls")
        board.gate.set()
        await in_time(time, lambda: "octo/hello#42 running ls None" in board.said)


async def test_a_place_that_is_new_tells_no_old_stories_and_one_that_was_away_tells_all(store: Store) -> None:
    """A restart makes no place a new one."""
    time, first, late = Time(), Board("first"), Board("late")
    time.now = changes.now()
    first.trouble = [TryLater("away")] * 999
    over, going = await submit(store, 1), await submit(store, 2)
    async with reporting(store, time, first):
        await until(lambda: first.tries >= 2)
    run = (await store.view(over)).run
    await store.move(run.id, RunState.starting)
    await store.settle(run.id, Outcome.stopped, "")

    time.now += timedelta(days=3)
    first.trouble = []
    async with reporting(store, time, first, late):
        await until(lambda: len(first.said) == 2 and len(late.said) == 1)
    assert late.said == [first.said[0] if "#2 " in first.said[0] else first.said[1]]
    assert going


async def test_the_backlog_says_of_how_many_since_when_and_why(store: Store) -> None:
    """What was told and is out of date again waits from then on."""
    time, good, away = Time(), Board("good"), Board("away")
    away.trouble = [TryLater("it rains")] * 99
    loop = Reporting(store, [good, away], time, time.sleep, random.Random(1))
    task = asyncio.create_task(loop.run())
    try:
        task_id = await submit(store)
        await until(lambda: bool(good.said) and "it rains" in loop.backlog()[1].trouble)
        await until(lambda: loop.backlog()[0].tasks == 0)
        time.forward(timedelta(minutes=3))
        await until(lambda: away.tries > 1)
        assert loop.backlog()[0] == Backlog("good", 0, timedelta(0), "")
        assert loop.backlog()[1] == Backlog("away", 1, timedelta(minutes=3), "it rains")

        await use(store, task_id, "begin")
        await in_time(time, lambda: " begin " in good.said[-1] and loop.backlog()[0].tasks == 0)
        good.gate, said = asyncio.Event(), len(good.said)
        for count in range(
            said + 1, said + 21
        ):  # for ten minutes there is always something new before the last is told
            await use(store, task_id, f"{count}")
            await in_time(time, lambda count=count: good.tries == count)  # type: ignore[misc]  # a default argument is a lambda's only way to hold a value
            await use(store, task_id, f"{count} and more")
            time.forward(timedelta(seconds=30))
            good.gate.set()
            await until(lambda count=count: len(good.said) == count)  # type: ignore[misc]  # the same
            good.gate.clear()
        assert loop.backlog()[0].oldest < timedelta(minutes=2)
        assert loop.backlog()[1].oldest >= timedelta(minutes=13)
        away.trouble = []
        await in_time(time, lambda: bool(away.said) and loop.backlog()[1].tasks == 0)
        assert loop.backlog()[1].trouble == ""
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
