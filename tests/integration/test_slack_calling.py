"""Whom Slack calls, when, and in which channel a task is told of."""

import asyncio
from datetime import timedelta

from handlers.quiet import Quiet
from handlers.slack_rooms import Rooms
from runner import events as happened
from runner.tasks import Outcome, RunState, WaitingFor
from tests.fakes.slack import Channel
from tests.fakes.slack_blocks import mentions
from tests.fakes.slack_world import CHANNEL, World, all_said, until, world

__all__ = ["world"]


async def test_the_requester_is_called_where_it_is_their_turn_and_not_where_they_stopped_it(world: World) -> None:
    """A question and an end call whoever asked; a stop calls nobody, and neither does the first message."""
    world.users["anna"] = "U0ANNA"
    world.report()
    run = await world.start()
    await world.store.record(run.task_id, happened.QuestionAsked("q1", "Which one?", ("A", "B")), run_id=run.id)
    await world.store.move(run.id, RunState.waiting, waiting_for=WaitingFor.answer)
    await until(lambda: len(world.slack.threads()) == 1 and len(world.replies()) == 1)
    assert world.replies()[0].startswith("<@U0ANNA> *Claude has a question for you*")
    await world.store.settle(run.id, Outcome.stopped, "")
    await all_said(world, run)

    assert [mentions(one) for one in world.slack.channels[CHANNEL].messages.values()] == [[], ["<@U"], []]


async def test_in_quiet_hours_nobody_is_called_and_afterwards_they_hear_how_it_stands_once(world: World) -> None:
    """The first message goes on; a question that was answered meanwhile is not told of, and the end is, once."""
    now = world.clock.now()
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    world.quiet, world.asleep = Quiet.of(hours, "UTC"), asyncio.Event()
    world.report()
    run = await world.start()
    await world.store.record(run.task_id, happened.QuestionAsked("q1", "Which one?", ("A", "B")), run_id=run.id)
    await world.store.move(run.id, RunState.waiting, waiting_for=WaitingFor.answer)
    await until(lambda: "has a question for you" in world.first())
    await world.store.move(run.id, RunState.running, happened.Decided("q1", "anna", True, "A"))
    await world.deliver(run)
    await until(lambda: "ready for your review" in world.first())
    assert world.replies() == []

    world.asleep.set()
    await all_said(world, run)

    (reply,) = world.replies()
    assert "ready for your review" in reply
    assert world.clock.now() >= now + timedelta(minutes=59)


async def test_a_repository_has_a_channel_of_its_own_and_a_task_begins_where_it_was_asked_for(world: World) -> None:
    """Known by its name whatever its letters; what was asked for elsewhere begins there, and is found there again."""
    world.slack.channels["C2"] = Channel("C2", "hello")
    world.slack.channels["C3"] = Channel("C3", "elsewhere")
    world.rooms = Rooms(CHANNEL, {"Octo/Hello": "C2", "octo/other": "C3"}, {"github.com/1296269/43": "C3"})
    first, second = await world.start(42), await world.start(43)
    references = [await world.report_once(run) for run in (first, second)]

    assert [len(world.slack.threads(channel)) for channel in (CHANNEL, "C2", "C3")] == [0, 1, 1]
    world.rooms.asked_in.clear()
    world.clock.ahead += timedelta(seconds=5)
    assert [await world.report_once(run) for run in (first, second)] == references
    assert [len(world.slack.threads(channel)) for channel in (CHANNEL, "C2", "C3")] == [0, 1, 1]
