"""A service with a store and a report loop, and a Slack that it tells of its tasks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.settings_model import SlackSettings
from app.slack import Slack, open_slack
from handlers.messages_slack import Message, Voice
from handlers.quiet import Quiet
from handlers.reporters.slack import SlackReplies, SlackReporter
from handlers.reporting import Reporter, Reporting
from handlers.slack_rooms import Rooms
from handlers.slack_threads import Threads
from runner import events as happened
from runner.receipts import Receipt
from runner.store import Store, open_store
from runner.tasks import Outcome, Run, RunState, Subject, TaskId, TriggerKind, Wish
from tests.factories import ANNA, HELLO
from tests.fakes.slack import TOKEN, FakeSlack, slack
from tests.fakes.slack_blocks import words

CHANNEL = "C0123456789"
STEPS = happened.ChecklistChanged(
    (happened.ChecklistItem("Find it", "completed"), happened.ChecklistItem("Mend it", "in_progress"))
)
MESSAGE = Message("hello", [{"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}])


def settings(url: str, channel: str = CHANNEL) -> SlackSettings:
    """As an operator sets them."""
    return SlackSettings(bot_token=SecretStr(TOKEN), channel=channel, api_url=url)


@dataclass
class Clock:
    """Time that passes when somebody sleeps, and then at once."""

    ahead: timedelta = timedelta()
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return (self.now() - self.started).total_seconds()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))
        self.ahead += timedelta(seconds=seconds)


@dataclass
class World:
    """A service with a store and a report loop, and a Slack."""

    store: Store
    slack: FakeSlack
    client: Slack
    clock: Clock
    stack: AsyncExitStack
    rooms: Rooms = field(default_factory=lambda: Rooms(CHANNEL))
    hears: bool = False
    users: dict[str, str] = field(default_factory=dict)
    quiet: Quiet | None = None
    asleep: asyncio.Event | None = None  # whoever sleeps until quiet hours are over waits for this

    def reporters(self, forgotten_since: datetime | None = None) -> tuple[SlackReporter, SlackReplies]:
        """As a service that starts now has them."""

        async def recall(task_id: TaskId) -> Receipt | None:
            return await self.store.receipts.of(task_id, "slack")

        voice = Voice(str, None, hears=self.hears)
        threads = Threads(self.client, self.rooms, voice, self.clock.now, recall, forgotten_since)
        return SlackReporter(threads), SlackReplies(threads, self.user_of, self.quiet, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        if self.asleep is not None:
            await self.asleep.wait()
        await self.clock.sleep(seconds)

    async def user_of(self, login: str) -> str | None:
        """Whom we know in Slack."""
        return self.users.get(login)

    async def report_once(self, run: Run) -> list[str]:
        """What a service that starts now says of a task; where, for each reporter."""
        view = await self.store.view(run.task_id)
        said = []
        for reporter in self.reporters():
            if reporter.wants(view):
                receipt = await self.store.receipts.of(run.task_id, reporter.name)
                said.append(await reporter.report(view, receipt))
        return said

    def report(self, *others: Reporter) -> None:
        """Start the report loop."""
        loop = Reporting(self.store, [*self.reporters(), *others], self.clock.now, self.clock.sleep)
        task = asyncio.create_task(loop.run())

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.stack.push_async_callback(end)

    async def submit(self, number: int = 42) -> Run:
        """Anna labels an issue."""
        key = f"octo/hello#{number}"
        subject = Subject(
            "github", f"github.com/1296269/{number}", key, f"https://github.com/{key.replace('#', '/issues/')}", "A bug"
        )
        wish = Wish(TriggerKind.label, ANNA, "Mend it.", f"label-{number}")
        return (await self.store.submit(subject, HELLO, f"claude/issue-{number}", wish)).run

    async def start(self, number: int = 42) -> Run:
        """And Claude is at work."""
        await self.submit(number)
        run = await self.store.claim(max_runs=50, max_starting=50)
        assert run is not None
        await self.store.begin_launch(run.id)
        return await self.store.move(run.id, RunState.running, happened.LaunchStarted(1, "bwrap"))

    async def deliver(self, run: Run) -> None:
        """Claude is done and the pull request ready."""
        task = run.task_id
        await self.store.move(run.id, RunState.publishing, happened.TurnEnded(0.42, 6, False, "Mended."))
        await self.store.record(task, happened.PullRequestOpened(43, "https://github.com/octo/hello/pull/43"))
        await self.store.record(task, happened.PullRequestReady(43))
        await self.store.settle(run.id, Outcome.delivered, "")

    def first(self) -> str:
        """What the only thread's first message says; empty while there is none."""
        threads = self.slack.threads()
        assert len(threads) <= 1
        return words(threads[0]) if threads else ""

    def replies(self) -> list[str]:
        """What the replies in that thread say."""
        return [words(message) for message in self.slack.replies(self.slack.threads()[0]["ts"])]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = Clock()
    async with (
        slack() as fake,
        open_store(tmp_path / "cco.db") as store,
        open_slack(settings(fake.url), timeout_seconds=2, monotonic=clock.monotonic) as client,
        AsyncExitStack() as stack,
    ):
        yield World(store, fake, client, clock, stack)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it; a test that waits for ten seconds has failed."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def all_said(world: World, run: Run) -> None:
    """Wait until what was said of the task is what is true."""
    async with asyncio.timeout(10):
        for reporter in world.reporters():
            while True:
                view = await world.store.view(run.task_id)
                receipt = await world.store.receipts.of(run.task_id, reporter.name)
                if not reporter.wants(view) or (receipt is not None and receipt.digest == reporter.digest(view)):
                    break
                await asyncio.sleep(0.01)
