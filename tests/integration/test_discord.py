"""One message per task in Discord, whatever Discord does: kept up to date, within its limits, and in nobody's way."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.discord import NEW_WEBHOOK, Discord
from app.outgoing import Outgoing, Refused, open_outgoing
from handlers.reporters.discord import DiscordReporter
from handlers.reporting import Reporting
from runner import events as happened
from runner.errors import TryLater
from runner.store import Store, open_store
from runner.tasks import Outcome, Run, RunState, Subject, TriggerKind, Wish
from tests.factories import ANNA, HELLO
from tests.fakes.discord import THREAD, FakeDiscord, discord, words

MESSAGE = {"embeds": [{"title": "hello", "fields": [], "description": "", "footer": {"text": "x"}}]}
STEPS = happened.ChecklistChanged((happened.ChecklistItem("Find it", "in_progress"),))


@dataclass
class Clock:
    """Time that passes when somebody sleeps, and then at once."""

    ahead: timedelta = timedelta()
    slept: list[float] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return (self.now() - self.started).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.01))
        self.ahead += timedelta(seconds=seconds)


@dataclass
class World:
    """A service with a store and a report loop, and a Discord."""

    store: Store
    discord: FakeDiscord
    outgoing: Outgoing
    clock: Clock
    stack: AsyncExitStack

    def client(self, more: str = "") -> Discord:
        return Discord(self.outgoing, self.discord.url + more, self.clock.monotonic, self.clock.sleep)

    def report(self, more: str = "") -> Reporting:
        """Start the report loop, as a service that starts now has it."""
        reporter = DiscordReporter(self.client(more), str, None, self.clock.now)
        loop = Reporting(self.store, [reporter], self.clock.now, self.clock.sleep)
        task = asyncio.create_task(loop.run())

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.stack.push_async_callback(end)
        return loop

    async def start(self, number: int = 42) -> Run:
        """Anna labels an issue, and Claude is at work."""
        subject = Subject("github", f"github.com/1/{number}", f"octo/hello#{number}", "https://x.example/", "A bug")
        wish = Wish(TriggerKind.label, ANNA, "Mend it.", f"label-{number}")
        await self.store.submit(subject, HELLO, f"claude/issue-{number}", wish)
        run = await self.store.claim(max_runs=50, max_starting=50)
        assert run is not None
        await self.store.begin_launch(run.id)
        return await self.store.move(run.id, RunState.running, happened.LaunchStarted(1, "bwrap"))

    async def deliver(self, run: Run) -> None:
        """Claude is done and the pull request ready."""
        await self.store.move(run.id, RunState.publishing, happened.TurnEnded(0.42, 6, False, "Mended."))
        await self.store.record(run.task_id, happened.PullRequestOpened(43, "https://x.example/pull/43"))
        await self.store.record(run.task_id, happened.PullRequestReady(43))
        await self.store.settle(run.id, Outcome.delivered, "")

    def said(self) -> str:
        """What the only message says; empty while there is none."""
        messages = list(self.discord.messages.values())
        assert len(messages) <= 1, messages
        return words(messages[0]) if messages else ""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with (
        discord() as fake,
        open_store(tmp_path / "cco.db") as store,
        open_outgoing(timeout_seconds=1) as outgoing,
        AsyncExitStack() as stack,
    ):
        yield World(store, fake, outgoing, Clock(), stack)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it; a test that waits for ten seconds has failed."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_message_lives_from_the_label_to_the_pull_request(world: World) -> None:
    world.report()
    run = await world.start()
    await until(lambda: "working on this" in world.said())
    await world.store.record(run.task_id, STEPS, run_id=run.id)
    await until(lambda: "0 of 1 steps done, now: Find it" in world.said())
    await world.deliver(run)

    await until(lambda: "Done: pull request #43 is ready for your review" in world.said())
    assert "Pull request: [#43](https://x.example/pull/43)" in world.said()
    assert "Cost: $0.42" in world.said()
    assert "Mended." in world.said()
    assert "Write it on [octo/hello#42]" in world.said()
    assert world.said().endswith("task 1, run 1")
    assert len(world.discord.calls("POST")) == 1


async def test_a_thread_in_the_address_is_written_in(world: World) -> None:
    """The posts and the edits."""
    world.report(f"?thread_id={THREAD}")
    run = await world.start()
    await until(lambda: "working on this" in world.said())
    await world.deliver(run)
    await until(lambda: "Done" in world.said())
    assert [one["thread"] for one in world.discord.messages.values()] == [THREAD]


async def test_a_message_that_somebody_deleted_is_posted_anew(world: World) -> None:
    world.report()
    run = await world.start()
    await until(lambda: "working" in world.said())
    world.discord.delete(next(iter(world.discord.messages)))
    await world.deliver(run)
    await until(lambda: "Done" in world.said())
    assert len(world.discord.calls("POST")) == 2


async def test_a_thread_that_was_archived_is_opened_by_a_new_message(world: World) -> None:
    """Discord archives a thread by itself when nobody speaks there."""
    world.report(f"?thread_id={THREAD}")
    run = await world.start()
    await until(lambda: "working" in world.said())
    world.discord.archived.add(THREAD)
    await world.deliver(run)
    await until(lambda: any("Done" in words(one) for one in world.discord.messages.values()))
    assert len(world.discord.messages) == 2
    assert world.discord.archived == set()


@pytest.mark.parametrize("is_global", [False, True])
async def test_discord_that_limits_is_not_asked_before_and_gets_the_last_word_once(
    world: World, is_global: bool
) -> None:
    """A minute of 429: one try, and then one message that says what is true by then."""
    world.discord.limit(60.0, is_global=is_global)
    world.report()
    run = await world.start()
    await world.deliver(run)
    await until(lambda: "Done" in world.said())
    posts = world.discord.calls("POST")
    assert [one.status for one in posts] == [429, 200]
    assert world.clock.ahead >= timedelta(seconds=60)
    assert len(world.discord.messages) == 1


async def test_the_limits_that_discord_tells_of_are_kept_without_a_single_429(world: World) -> None:
    """Twenty tasks at once, five requests in two seconds."""
    world.clock.sleep = asyncio.sleep  # type: ignore[method-assign, assignment]  # the stand-in's time is the real one
    world.discord.bucket = (5, 0.3)
    runs = [await world.start(number) for number in range(1, 21)]
    world.report()
    await until(lambda: len(world.discord.messages) == len(runs))
    assert {one.status for one in world.discord.ledger} == {200}


async def test_an_old_message_that_was_edited_too_often_keeps_nobody_else_silent(world: World) -> None:
    said = {"message": "Maximum number of edits to messages older than 1 hour", "code": 30046, "retry_after": 300.0}
    client = world.client()
    first = await client.post(MESSAGE)
    world.discord.fail(method="PATCH", status=429, json=said)
    with pytest.raises(TryLater) as limited:
        await client.edit(first, MESSAGE)
    assert limited.value.after == timedelta(seconds=300)
    await client.post(MESSAGE)


async def test_a_lost_answer_may_leave_two_with_the_same_footer_and_one_that_goes_on(world: World) -> None:
    """It cannot be found again; the more often that happens, the less often we try."""
    world.discord.fail(3, method="POST", after_effect=True)
    world.report()
    run = await world.start()
    await world.deliver(run)
    await until(lambda: len(world.discord.messages) == 4)
    assert "Done" in words(list(world.discord.messages.values())[-1])
    assert len(world.discord.about("task 1, run 1")) == 4
    assert world.clock.ahead >= timedelta(seconds=200)


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [
        ({"delay": 30.0}, 90),
        ({"status": 503}, 10),
        ({"status": 302}, 10),
        ({"status": 502, "json": {}}, 90),
        ({"status": 200, "json": {}}, 90),
    ],
)
async def test_discord_being_away_is_told_when_it_is_back(
    world: World, trouble: dict[str, float], seconds: float
) -> None:
    """Where it may have been written all the same, we take more time."""
    world.discord.fail(2, **trouble)
    world.report()
    run = await world.start()
    await world.deliver(run)
    await until(lambda: "Done" in world.said())
    assert seconds * 0.8 - 1 <= world.clock.ahead.total_seconds() <= seconds * 1.3 + 5


async def test_a_webhook_that_is_gone_is_left_alone_and_said_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Discord bans who keeps asking."""
    world.discord.is_there = False
    loop = world.report()
    await world.start()
    await until(lambda: "the webhook is gone" in (loop.backlog()[0].trouble))
    for hours in range(1, 4):
        await until(lambda hours=hours: len(world.discord.ledger) > hours)  # type: ignore[misc]  # a default argument is a lambda's only way to hold a value
        assert world.clock.ahead >= timedelta(minutes=59 * hours)
    said = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert said == [f"Discord hears nothing of the tasks: the webhook is gone; {NEW_WEBHOOK}"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("x", "does not take the webhook's token"), ("?thread_id=5", "the thread that CCO_DISCORD_WEBHOOK_URL names")],
)
async def test_what_only_an_operator_can_mend_is_said_with_what_to_do(world: World, wrong: str, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        await world.client(wrong).post(MESSAGE)
    assert refused.value.mend


async def test_nothing_that_is_said_of_a_failure_gives_the_address_away(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in errors, nor what they carry along, nor in the log, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    troubles = [{"status": 500}, {"status": 404}, {"status": 403}, {"status": 302}, {"delay": 30.0}]
    troubles += [{"status": 400, "json": {"message": "no", "code": 50035}}, {"status": 200, "json": {}}]
    loop = world.report()
    for trouble in troubles:
        world.discord.fail(1, **trouble)
    world.discord.fail(1, after_effect=True)
    run = await world.start()
    await until(lambda: "working" in world.said() or len(world.discord.messages) > 1)
    client = Discord(world.outgoing, f"http://127.0.0.1:9/api/webhooks/1/{world.discord.token}")
    with pytest.raises(TryLater) as unreached:
        await client.post(MESSAGE)
    everything = caplog.text + str(loop.backlog()) + repr(unreached.getrepr(style="long", chain=True)) + repr(run)
    assert world.discord.token not in everything
