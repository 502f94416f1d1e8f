"""One thread per task, whatever Slack does: said once, kept up to date, and in nobody's way."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.settings_model import SlackSettings
from app.slack import Slack, open_slack
from app.slack_calls import Rejected, Unusable
from app.slack_check import Checked, check
from handlers.messages_slack import Message, Voice
from handlers.reporters.slack import SlackReporter
from handlers.reporting import Reporter, Reporting
from handlers.slack_rooms import Rooms, Spot
from runner import events as happened
from runner.errors import TryLater
from runner.receipts import Receipt
from runner.store import Store, open_store
from runner.tasks import Outcome, Run, RunState, Subject, TaskId, TriggerKind, WaitingFor, Wish
from runner.view import TaskView
from tests.factories import ANNA, HELLO, NOON
from tests.fakes.slack import TOKEN, Channel, FakeSlack, mentions, slack, words

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

    def reporter(self) -> SlackReporter:
        """As a service that starts now has it."""
        return SlackReporter(self.client, Rooms(CHANNEL), Voice(str, None, hears=False), self.clock.now)

    def report(self, *others: Reporter) -> None:
        """Start the report loop."""
        loop = Reporting(self.store, [self.reporter(), *others], self.clock.now, self.clock.sleep)
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
    reporter = world.reporter()
    async with asyncio.timeout(10):
        while True:
            view, receipt = await world.store.view(run.task_id), await world.store.receipts.of(run.task_id, "slack")
            if receipt is not None and receipt.digest == reporter.digest(view):
                return
            await asyncio.sleep(0.01)


async def test_a_thread_lives_from_the_label_to_the_pull_request(world: World) -> None:
    """One message, edited where it stands; one reply, when there is something to review."""
    world.report()
    run = await world.submit()
    await until(lambda: "Next in line" in world.first())
    await world.store.claim(5, 5)
    await world.store.record(
        run.task_id, happened.WorkspacePrepared("main", "a" * 40, "claude/issue-42"), run_id=run.id
    )
    await until(lambda: "getting the repository ready" in world.first())
    await world.store.begin_launch(run.id)
    await world.store.move(run.id, RunState.running, happened.LaunchStarted(1, "bwrap"))
    await until(lambda: "working on this" in world.first())
    await world.store.record(run.task_id, STEPS, run_id=run.id)
    await until(lambda: "1 of 2 steps done, now: Mend it" in world.first())
    assert world.replies() == []

    await world.deliver(run)
    await all_said(world, run)

    assert "Done: pull request #43 is ready for your review" in world.first()
    assert "$0.42" in world.first()
    (reply,) = world.replies()
    assert "<https://github.com/octo/hello/pull/43|pull request #43>" in reply
    assert "> Mended." in reply
    assert [call.error for call in world.slack.ledger if call.error] == []
    assert len(world.slack.calls("chat.postMessage")) == 2
    assert {call.method for call in world.slack.ledger} == {"chat.postMessage", "chat.update"}
    assert [mentions(message) for message in world.slack.channels[CHANNEL].messages.values()] == [[], []]
    assert world.slack.threads()[0]["metadata"] == {
        "event_type": "cco_task",
        "event_payload": {"task": 1, "subject": "github.com/1296269/42"},
    }


async def test_a_question_is_replied_once_and_progress_is_not(world: World) -> None:
    """Who is waited for hears it once, whatever else goes on."""
    world.report()
    run = await world.start()
    await world.store.record(run.task_id, happened.QuestionAsked("q1", "Which one?", ("A", "B")), run_id=run.id)
    await until(lambda: "has a question for you" in world.first() and len(world.replies()) == 1)

    await world.store.record(run.task_id, STEPS, run_id=run.id)
    await until(lambda: "1 of 2 steps" in world.first())
    await world.store.move(run.id, RunState.running, happened.Decided("q1", "anna", True, "A"))
    await all_said(world, run)

    assert "Claude is working on this" in world.first()
    (reply,) = world.replies()
    assert "> Which one?\n• A\n• B" in reply


@pytest.mark.parametrize(
    ("outcome", "said"),
    [(Outcome.crashed, "It broke."), (Outcome.stopped, "Stopped"), (Outcome.answered, "nothing had")],
)
async def test_an_end_is_replied(world: World, outcome: Outcome, said: str) -> None:
    """Failed, stopped or answered: whoever asked must know."""
    world.report()
    run = await world.start()
    if outcome is Outcome.answered:
        await world.store.move(run.id, RunState.publishing)
    await world.store.settle(run.id, outcome, "It broke." if outcome is Outcome.crashed else "")

    await all_said(world, run)

    (reply,) = world.replies()
    assert said in reply


async def test_a_limit_that_resets_is_no_reply(world: World) -> None:
    """It goes on by itself, so nobody is called."""
    world.report()
    run = await world.start()
    reset = NOON + timedelta(hours=3)
    reached = happened.QuotaReached(reset.isoformat())
    await world.store.move(run.id, RunState.waiting, reached, waiting_for=WaitingFor.quota, waiting_until=reset)

    await all_said(world, run)

    assert "usage limit" in world.first()
    assert world.replies() == []


async def test_slack_that_is_busy_for_a_while_gets_the_last_word_once(world: World) -> None:
    """429 again and again: we wait as long as we are told, and say then what is true by then, once."""
    for method in ("chat.postMessage", "chat.update"):
        world.slack.fail(method, 4, status=429, error="ratelimited", retry_after="30")
    world.report()
    run = await world.start()
    await world.deliver(run)

    await all_said(world, run)

    assert "ready for your review" in world.first()
    assert len(world.replies()) == 1
    assert len(world.slack.calls("chat.postMessage", done=True)) == 2
    assert len(world.slack.calls("chat.postMessage")) == 6


@pytest.mark.parametrize("dropped", [1, 2], ids=["the first message", "the reply"])
async def test_an_answer_that_is_lost_doubles_nothing(world: World, dropped: int) -> None:
    """Slack wrote it and the connection broke: we look before we write again."""
    if dropped == 1:
        world.slack.fail("chat.postMessage", after_effect=True)
    world.report()
    run = await world.start()
    await until(lambda: "working" in world.first())
    if dropped == 2:
        world.slack.fail("chat.postMessage", after_effect=True)
    await world.deliver(run)

    await all_said(world, run)

    assert "ready for your review" in world.first()
    assert len(world.replies()) == 1
    assert len(world.slack.calls("chat.postMessage")) == 2


@pytest.mark.parametrize("state", ["running", "delivered"])
async def test_a_crash_between_what_was_said_and_its_receipt_doubles_nothing(world: World, state: str) -> None:
    """The receipt is lost, the service starts again: the thread and the reply are found."""
    before = world.reporter()
    run = await world.start()
    if state == "delivered":
        await world.deliver(run)
    reference = await before.report(await world.store.view(run.task_id), None)

    world.clock.ahead += timedelta(seconds=5)
    again = await world.reporter().report(await world.store.view(run.task_id), None)

    assert again == reference
    assert len(world.slack.threads()) == 1
    assert len(world.replies()) == (1 if state == "delivered" else 0)


async def test_a_reply_whose_receipt_is_old_is_not_said_again(world: World) -> None:
    """The receipt is of before the end; the reply was written, and then the service died."""
    before = world.reporter()
    run = await world.start()
    reference = await before.report(await world.store.view(run.task_id), None)
    old = Receipt(run.task_id, "slack", "old", reference, world.clock.now())
    await world.deliver(run)
    await before.report(await world.store.view(run.task_id), old)

    after = await world.reporter().report(await world.store.view(run.task_id), old)

    assert after.endswith(f"r{run.id} succeeded")
    assert len(world.replies()) == 1


async def test_another_service_in_the_same_channel_keeps_its_thread(world: World) -> None:
    """Its task 1 is about something else, so we do not write over it."""
    other = await world.client.post(MESSAGE, {"task": 1, "subject": "github.com/77/1"}, CHANNEL)
    run = await world.start()
    world.clock.ahead += timedelta(seconds=5)

    await world.reporter().report(await world.store.view(run.task_id), None)

    assert len(world.slack.threads()) == 2
    assert world.slack.channels[CHANNEL].messages[other.ts]["text"] == "hello"


async def test_our_message_is_found_behind_hundreds_of_others(world: World) -> None:
    """The history comes in pages."""
    world.slack.limits.clear()
    reporter = world.reporter()
    run = await world.start()
    reference = await reporter.report(await world.store.view(run.task_id), None)
    for number in range(450):
        await world.client.post(MESSAGE, {"task": number + 100}, CHANNEL)
    world.clock.ahead += timedelta(seconds=5)

    assert await world.reporter().report(await world.store.view(run.task_id), None) == reference


async def test_a_thread_that_a_person_deleted_is_begun_again_once(world: World) -> None:
    """One new message; the ended run is not replied a second time."""
    world.report()
    run = await world.start()
    await until(lambda: "working" in world.first())
    world.slack.delete(world.slack.threads()[0]["ts"])

    await world.store.record(run.task_id, STEPS, run_id=run.id)
    await until(lambda: "1 of 2 steps" in world.first())
    await world.deliver(run)
    await all_said(world, run)

    assert "ready for your review" in world.first()
    assert len(world.slack.calls("chat.postMessage")) == 3


async def test_a_new_slack_app_begins_threads_of_its_own(world: World) -> None:
    """It may not edit what the app before it wrote; from then on it edits its own."""
    world.report()
    run = await world.start()
    await until(lambda: "working" in world.first())
    old = world.slack.threads()[0]
    old["bot_id"] = "B0"

    await world.store.record(run.task_id, STEPS, run_id=run.id)
    await all_said(world, run)
    await world.deliver(run)
    await all_said(world, run)

    assert "1 of 2 steps" not in words(old)
    assert len(world.slack.threads()) == 2
    assert "ready for your review" in words(world.slack.threads()[1])
    assert len(world.slack.replies(world.slack.threads()[1]["ts"])) == 1


@dataclass
class Diary:
    """Another place where tasks are told of."""

    name: str = "diary"
    states: list[RunState] = field(default_factory=list)

    def interval(self, view: TaskView) -> timedelta:
        return timedelta(0)

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def wants(self, view: TaskView) -> bool:
        return True

    def digest(self, view: TaskView) -> str:
        return view.state

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        self.states.append(view.state)
        return "diary"


async def test_slack_that_hangs_is_in_nobodys_way(world: World) -> None:
    """While Slack does not answer, the run goes on and another place hears of its end."""
    diary = Diary()
    world.slack.fail("chat.postMessage", 100, delay=60)
    world.report(diary)
    run = await world.start()
    await until(lambda: RunState.running in diary.states)
    await world.deliver(run)
    await until(lambda: RunState.succeeded in diary.states)
    assert world.slack.threads() == []

    world.slack.mend()
    await all_said(world, run)

    assert "ready for your review" in world.first()
    assert len(world.replies()) == 1


async def test_a_token_that_slack_refuses_is_told_once_with_what_to_do(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads one sentence; when it is mended, the tasks are told after all."""
    caplog.set_level(logging.DEBUG)
    world.slack.fail("chat.postMessage", 5, error="invalid_auth")
    world.report()
    run = await world.start()

    await all_said(world, run)

    (said,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "invalid_auth" in said
    assert "CCO_SLACK_BOT_TOKEN" in said
    assert "working on this" in world.first()
    assert TOKEN not in caplog.text


async def test_without_leave_to_look_it_is_said_all_the_same(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A message twice after a crash is better than none; the operator is told which scope mends it."""
    world.slack.scopes -= {"channels:history"}
    run = await world.start()
    world.clock.ahead += timedelta(seconds=5)
    reporter = world.reporter()

    await reporter.report(await world.store.view(run.task_id), None)

    assert "working on this" in world.first()
    assert "channels:history" in caplog.text


async def test_old_tasks_are_left_alone_when_slack_is_connected(world: World) -> None:
    """A channel is not flooded with what was done last week."""
    run = await world.start()
    await world.deliver(run)
    ended = await world.store.view(run.task_id)
    assert world.reporter().wants(ended)

    world.clock.ahead += timedelta(days=2)

    assert not world.reporter().wants(ended)


async def test_many_at_work_share_what_slack_allows(world: World) -> None:
    """One is edited every two seconds; forty stay under fifty edits a minute together."""
    reporter = world.reporter()
    run = await world.start()
    view = await world.store.view(run.task_id)
    assert reporter.interval(view) == timedelta(seconds=2)

    for number in range(1, 41):
        other = await world.start(100 + number)
        await reporter.report(await world.store.view(other.task_id), None)

    assert 40 * 60 / reporter.interval(view).total_seconds() <= 50


async def test_a_channel_may_be_given_by_name(world: World) -> None:
    """Its id is learnt from what Slack answers, and looked up where we look for our own."""
    async with open_slack(settings(world.slack.url, "#builds")) as named:
        spot = await named.post(MESSAGE, {"task": 1}, "#builds")

        assert spot.channel == CHANNEL
        assert await named.find({"task": 1}, NOON, "#builds") == spot
        assert await named.edit(spot, MESSAGE, {"task": 1})


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        ({"status": 503, "body": "no upstream"}, None),
        ({"status": 500, "error": "internal_error"}, None),
        ({"status": 200, "error": "internal_error"}, None),
        ({"status": 200, "body": "<html>Sign in to the guest network</html>"}, None),
        ({"status": 200, "body": "[]"}, None),
        ({"status": 429, "error": "ratelimited", "retry_after": "31"}, timedelta(seconds=31)),
        ({"status": 429, "error": "ratelimited", "retry_after": "soon"}, None),
        ({"status": 429, "error": "ratelimited", "retry_after": "999999999"}, timedelta(hours=1)),
        ({"delay": 60}, None),
        ({"after_effect": True}, None),
    ],
    ids=str,
)
async def test_all_weather_is_tried_later(world: World, fault: dict[str, Any], after: timedelta | None) -> None:
    """Whatever stands between us and Slack: never a crash, and never sent again on our own account."""
    world.slack.fail("chat.postMessage", **fault)

    with pytest.raises(TryLater) as caught:
        await world.client.post(MESSAGE, {"task": 1}, CHANNEL)

    assert not isinstance(caught.value, Unusable)
    assert caught.value.after == after
    assert len(world.slack.calls("chat.postMessage")) <= 1


async def test_a_limited_method_is_left_in_peace_until_it_is_over(world: World) -> None:
    """Another task's message does not go out to hear the same."""
    world.slack.fail("chat.postMessage", status=429, error="ratelimited", retry_after="30")
    for _ in range(3):
        with pytest.raises(TryLater):
            await world.client.post(MESSAGE, {"task": 1}, CHANNEL)
    assert len(world.slack.calls("chat.postMessage")) == 1

    world.clock.ahead += timedelta(seconds=31)

    assert await world.client.post(MESSAGE, {"task": 1}, CHANNEL)


async def test_a_short_limit_is_sat_out(world: World) -> None:
    """A second is not worth coming back for."""
    world.slack.fail("chat.postMessage", status=429, error="ratelimited", retry_after="0")

    assert await world.client.post(MESSAGE, {"task": 1}, CHANNEL)


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        ("account_inactive", "CCO_SLACK_BOT_TOKEN"),
        ("channel_not_found", "CCO_SLACK_CHANNEL"),
        ("not_in_channel", "/invite"),
        ("is_archived", "CCO_SLACK_CHANNEL"),
        ("missing_scope", "chat:write"),
    ],
)
async def test_what_only_an_operator_can_mend_says_how(
    world: World, caplog: pytest.LogCaptureFixture, error: str, mend: str
) -> None:
    """One line in the log however often it happens, and another look in five minutes."""
    world.slack.fail("chat.postMessage", 3, error=error)
    for _ in range(3):
        with pytest.raises(Unusable) as caught:
            await world.client.post(MESSAGE, {"task": 1}, CHANNEL)

    assert mend in caught.value.mend
    assert caught.value.after == timedelta(minutes=5)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_a_message_that_slack_does_not_take_is_a_bug(world: World, method: str) -> None:
    """It is no weather: trying again would not help, and the log must show it."""
    wrong = Message("hello", [{"type": "section", "text": {"type": "mrkdwn", "text": "a" * 3_001}}])
    spot = await world.client.post(MESSAGE, {"task": 1}, CHANNEL)

    with pytest.raises(Rejected, match=f"{method}: invalid_blocks .*3000 characters"):
        await (
            world.client.post(wrong, {"task": 1}, CHANNEL)
            if method == "chat.postMessage"
            else world.client.edit(spot, wrong, {"task": 1})
        )


async def test_a_name_that_no_channel_has(world: World) -> None:
    """Doctor says so; the other channels are not taken for it."""
    async with open_slack(settings(world.slack.url, "#bilds")) as misspelt:
        found = await check(misspelt)

    assert not found.ok
    assert "knows no channel #bilds" in found.detail


async def test_nobody_at_home_is_weather() -> None:
    """A port on which nothing listens."""
    async with open_slack(settings("http://127.0.0.1:9/api/")) as client:
        with pytest.raises(TryLater, match="cannot be reached"):
            await client.edit(Spot(CHANNEL, "1.0"), MESSAGE, {"task": 1})


async def test_doctor_finds_slack_in_order(world: World) -> None:
    """And posts nothing to see it."""
    assert await check(world.client) == Checked(True, "Slack knows us as cco in Stand-in, and we may write in #builds")
    assert world.slack.calls("chat.postMessage") == []


def _bad_token(fake: FakeSlack) -> None:
    fake.fail("auth.test", error="invalid_auth")


def _no_channel(fake: FakeSlack) -> None:
    fake.channels.clear()


def _not_invited(fake: FakeSlack) -> None:
    fake.channels[CHANNEL] = Channel(CHANNEL, "builds", is_member=False)


def _archived(fake: FakeSlack) -> None:
    fake.channels[CHANNEL] = Channel(CHANNEL, "builds", is_archived=True)


def _may_not_write(fake: FakeSlack) -> None:
    fake.scopes -= {"chat:write"}


def _down(fake: FakeSlack) -> None:
    fake.fail("auth.test", status=503, error="service_unavailable")


@pytest.mark.parametrize(
    ("spoil", "detail", "mend"),
    [
        (_bad_token, "does not accept the bot token (invalid_auth)", "CCO_SLACK_BOT_TOKEN"),
        (_no_channel, f"knows no channel {CHANNEL}", "CCO_SLACK_CHANNEL"),
        (_not_invited, "the bot is not in #builds", "/invite @cco in #builds"),
        (_archived, "#builds is archived", "unarchive"),
        (_may_not_write, "lacks the scope chat:write", "add chat:write under OAuth & Permissions"),
        (_down, "busy", "status.slack.com"),
    ],
)
async def test_doctor_names_what_is_wrong(
    world: World, spoil: Callable[[FakeSlack], None], detail: str, mend: str
) -> None:
    """What was seen, and what mends it."""
    spoil(world.slack)

    found = await check(world.client)

    assert not found.ok
    assert detail in found.detail
    assert mend in found.mend


async def test_doctor_says_what_it_cannot_see(world: World) -> None:
    """It works without leave to look, so that is no failure, but worth a line."""
    world.slack.scopes = {"chat:write"}

    found = await check(world.client)

    assert found.ok
    assert "channels:history" in found.mend


async def test_what_goes_to_slack_is_json_without_the_token(world: World) -> None:
    """The token is in a header, and nowhere else."""
    await world.client.post(MESSAGE, {"task": 1}, CHANNEL)

    (call,) = world.slack.ledger
    assert TOKEN not in json.dumps(call.args)
    assert TaskId(1) == call.args["metadata"]["event_payload"]["task"]


async def test_a_thread_is_known_by_its_subject_whatever_number_a_lost_database_had_given_the_task(
    world: World,
) -> None:
    """Restored from a backup, the issue gets another number; what was said of it since the backup is found."""
    forgotten = await world.client.post(MESSAGE, {"task": 57, "subject": "github.com/1296269/42"}, CHANNEL)
    await world.client.post(MESSAGE, {"task": 1, "subject": "github.com/1296269/43"}, CHANNEL)
    backup_made_at = world.clock.now() - timedelta(hours=1)
    run = await world.submit()
    reporter = SlackReporter(
        world.client, Rooms(CHANNEL), Voice(str, None, hears=False), world.clock.now, backup_made_at
    )

    reference = await reporter.report(await world.store.view(run.task_id), None)

    assert reference.startswith(f"{forgotten.channel}/{forgotten.ts}/")
    assert len(world.slack.threads()) == 2
    assert len(world.slack.calls("chat.postMessage")) == 2
