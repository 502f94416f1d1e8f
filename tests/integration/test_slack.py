"""One thread per task, whatever Slack does: said once, kept up to date, and in nobody's way."""

import logging
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from runner import changes
from runner import events as happened
from runner.receipts import Receipt
from runner.tasks import Outcome, RunState, WaitingFor
from runner.view import TaskView
from tests.factories import NOON
from tests.fakes.slack import TOKEN
from tests.fakes.slack_blocks import mentions, words
from tests.fakes.slack_world import CHANNEL, MESSAGE, STEPS, World, all_said, until, world

__all__ = ["world"]


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
    run = await world.start()
    if state == "delivered":
        await world.deliver(run)
    reference = await world.report_once(run)

    world.clock.ahead += timedelta(seconds=5)
    again = await world.report_once(run)

    assert again == reference
    assert len(world.slack.threads()) == 1
    assert len(world.replies()) == (1 if state == "delivered" else 0)


async def test_a_reply_whose_receipt_is_old_is_not_said_again(world: World) -> None:
    """The receipt is of before the end; the reply was written, and then the service died."""
    run = await world.start()
    (reference,) = await world.report_once(run)
    await world.store.receipts.save(Receipt(run.task_id, "slack", "old", reference, world.clock.now()))
    await world.deliver(run)
    await world.report_once(run)

    world.clock.ahead += timedelta(seconds=5)
    _, after = await world.report_once(run)

    assert after.endswith(f"r{run.id} succeeded")
    assert len(world.replies()) == 1


async def test_another_service_in_the_same_channel_keeps_its_thread(world: World) -> None:
    """Its task 1 is about something else, so we do not write over it."""
    other = await world.client.post(MESSAGE, {"task": 1, "subject": "github.com/77/1"}, CHANNEL)
    run = await world.start()
    world.clock.ahead += timedelta(seconds=5)

    await world.report_once(run)

    assert len(world.slack.threads()) == 2
    assert world.slack.channels[CHANNEL].messages[other.ts]["text"] == "hello"


async def test_our_message_is_found_behind_hundreds_of_others(world: World) -> None:
    """The history comes in pages."""
    world.slack.limits.clear()
    run = await world.start()
    reference = await world.report_once(run)
    for number in range(450):
        await world.client.post(MESSAGE, {"task": number + 100}, CHANNEL)
    world.clock.ahead += timedelta(seconds=5)

    assert await world.report_once(run) == reference


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

    await world.report_once(run)

    assert "working on this" in world.first()
    assert "channels:history" in caplog.text


async def test_old_tasks_are_left_alone_when_slack_is_connected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel is not flooded with what was done last week."""
    monkeypatch.setattr(changes, "now", world.clock.now)
    await world.deliver(await world.start())
    world.clock.ahead += timedelta(days=2)
    world.report()
    going = await world.start(43)
    await all_said(world, going)
    await world.deliver(going)
    await all_said(world, going)
    assert "octo/hello#43" in world.first()


async def test_many_at_work_share_what_slack_allows(world: World) -> None:
    """One is edited every two seconds; forty stay under fifty edits a minute together."""
    reporter, _ = world.reporters()
    run = await world.start()
    view = await world.store.view(run.task_id)
    assert reporter.interval(view) == timedelta(seconds=2)

    for number in range(1, 41):
        other = await world.start(100 + number)
        await reporter.report(await world.store.view(other.task_id), None)

    assert 40 * 60 / reporter.interval(view).total_seconds() <= 50


async def test_a_thread_is_known_by_its_subject_whatever_number_a_lost_database_had_given_the_task(
    world: World,
) -> None:
    """Restored from a backup, the issue gets another number; what was said of it since the backup is found."""
    forgotten = await world.client.post(MESSAGE, {"task": 57, "subject": "github.com/1296269/42"}, CHANNEL)
    await world.client.post(MESSAGE, {"task": 1, "subject": "github.com/1296269/43"}, CHANNEL)
    backup_made_at = world.clock.now() - timedelta(hours=1)
    run = await world.submit()
    reporter, _ = world.reporters(backup_made_at)

    reference = await reporter.report(await world.store.view(run.task_id), None)

    assert reference.startswith(f"{forgotten.channel}/{forgotten.ts}/")
    assert len(world.slack.threads()) == 2
    assert len(world.slack.calls("chat.postMessage")) == 2
