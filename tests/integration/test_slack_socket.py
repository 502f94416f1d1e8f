"""Socket Mode over a real WebSocket: what Slack tells is stored before it is acknowledged, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from slack_sdk.socket_mode.aiohttp import SocketModeClient

from app import slack_missed
from app.slack_intake import Intake
from app.slack_missed import Missed
from app.slack_socket import Socket
from runner.deliveries import Delivery
from runner.errors import TryLater
from runner.receipts import Receipt
from tests.fakes.slack_world import CHANNEL, World, until, world

__all__ = ["world"]


@asynccontextmanager
async def listening(world: World, put: Any = None, token: str | None = None) -> AsyncIterator[list[str]]:
    """A socket that is open; which connections began."""
    begun: list[str] = []

    async def store(delivery: Delivery) -> bool:
        return (await world.store.deliveries.put([delivery]))[0]

    intake = Intake(put or store)
    socket = Socket(world.client.calls, token or world.slack.app_token, intake.take, lambda: begun.append("connected"))
    running = asyncio.create_task(socket.run())
    try:
        yield begun
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def stored(world: World) -> list[Delivery]:
    return await world.store.deliveries.pending()


def in_a_thread(world: World, text: str = "hello", **more: Any) -> None:
    event = {"type": "message", "channel": CHANNEL, "user": "U9", "ts": "2.0", "thread_ts": "1.0", "text": text}
    world.slack.tell("events_api", world.slack.event({**event, **more}))


async def test_what_is_told_is_stored_and_then_acknowledged(world: World) -> None:
    """Without what only the wire needs; and the same thing again is not stored again."""
    async with listening(world) as begun:
        await until(lambda: begun == ["connected"])
        in_a_thread(world)
        await until(world.slack.acknowledged)
        world.slack.repeat(world.slack.envelopes[0])
        await until(world.slack.acknowledged)

        (one,) = await stored(world)
    assert (one.source, one.event, one.delivery_id[:2]) == ("slack", "events_api", "Ev")
    assert b"verification-token" not in one.body


@pytest.mark.parametrize(
    "more",
    [
        {"thread_ts": None},
        {"parent_user_id": "U8"},
        {"thread_ts": "2.0"},
        {"bot_id": "B1"},
        {"subtype": "message_changed"},
        {"subtype": "bot_message"},
        {"user": None},
        {"text": ""},
        {"ts": None},
        {"type": "reaction_added"},
        {"channel": None, "ts": []},
    ],
)
async def test_what_is_not_meant_for_us_is_acknowledged_and_not_kept(world: World, more: Mapping[str, Any]) -> None:
    """What people say to each other, what bots say, and what makes no sense."""
    async with listening(world) as begun:
        await until(lambda: bool(begun))
        in_a_thread(world, **more)
        await until(world.slack.acknowledged)
        assert await stored(world) == []


async def test_what_cannot_be_stored_is_not_acknowledged_and_comes_again(world: World) -> None:
    """The disk is full, and then it is not."""
    full = [True]

    async def put(delivery: Delivery) -> bool:
        if full:
            full.pop()
            raise TryLater("the disk is full")
        return (await world.store.deliveries.put([delivery]))[0]

    async with listening(world, put) as begun:
        await until(lambda: bool(begun))
        in_a_thread(world)
        await until(lambda: not full)
        assert not world.slack.acknowledged()
        await world.slack.break_off()
        await until(world.slack.acknowledged)
        assert len(await stored(world)) == 1
        assert len(begun) == 2


async def test_a_connection_that_slack_renews_or_that_breaks_loses_nothing(world: World) -> None:
    """Told while there is none, heard when there is one."""
    async with listening(world) as begun:
        await until(lambda: bool(begun))
        await world.slack.announce_end()
        await until(lambda: world.slack.connections == 2)
        in_a_thread(world, "first")
        await until(world.slack.acknowledged)
        await world.slack.break_off()
        in_a_thread(world, "second", ts="3.0")
        await until(world.slack.acknowledged)
        assert len(await stored(world)) == 2
        assert world.slack.connections == 3


async def test_a_bug_in_the_library_ends_no_service(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is written down, and the socket is opened again."""
    broken = [True]

    async def connect(self: SocketModeClient) -> None:
        if broken:
            broken.pop()
            raise RuntimeError("nobody thought of this")
        await whole(self)

    whole = SocketModeClient.connect
    monkeypatch.setattr(SocketModeClient, "connect", connect)
    async with listening(world) as begun:
        await until(lambda: begun == ["connected"])
        in_a_thread(world)
        await until(world.slack.acknowledged)
    assert "nobody thought of this" in caplog.text


async def test_a_token_that_is_not_taken_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """With what mends it, and without the token."""
    async with listening(world, token="xapp-wrong"):
        await until(lambda: "nobody is heard in Slack" in caplog.text)
    assert "CCO_SLACK_APP_TOKEN" in caplog.text
    assert "xapp-wrong" not in caplog.text


async def test_a_reply_of_the_time_when_nobody_listened_is_found_once(world: World) -> None:
    """By the mark of when we last heard; what has our eyes, what is older and what Slack is about to tell is left."""
    run = await world.start()
    (reference,) = await world.report_once(run)
    await world.store.receipts.save(Receipt(run.task_id, "slack", "x", reference, world.clock.now()))
    thread = reference.split("/")[1]
    taken: list[str] = []

    async def take(_: str, payload: Mapping[str, Any]) -> None:
        taken.append(payload["event"]["text"])

    missed = Missed(world.client, world.store, take, lambda: True, world.clock.now)
    assert await missed.look() == 0
    await world.store.marks.reached("slack/heard", world.clock.now())
    world.slack.write("UANNA", "while you were away", thread)
    seen = world.slack.write("UANNA", "seen", thread)
    world.slack.channels[CHANNEL].messages[seen["ts"]]["reactions"] = [{"name": "eyes", "users": ["U1"]}]
    assert await missed.look() == 1
    assert taken == []

    await world.store.marks.reached("slack/heard", world.clock.now())
    world.clock.ahead += timedelta(seconds=40)
    assert await missed.look() == 1
    assert taken == ["while you were away"]
    world.clock.ahead += timedelta(minutes=5)
    await missed.look()
    world.clock.ahead += timedelta(minutes=5)
    taken.clear()
    await missed.look()
    assert taken == []


async def test_whether_we_hear_is_noted_and_a_look_that_fails_is_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark moves on while we hear, and stands while we do not."""
    monkeypatch.setattr(slack_missed, "BEAT", timedelta(seconds=0.05))
    monkeypatch.setattr(slack_missed, "AGAIN", timedelta(seconds=0.05))
    await world.store.marks.reached("slack/heard", world.clock.now() - timedelta(hours=1))
    hearing, begun = [True], asyncio.Event()

    async def take(_: str, __: Mapping[str, Any]) -> None:
        raise AssertionError("there is nothing to find")

    running = asyncio.create_task(
        Missed(world.client, world.store, take, lambda: bool(hearing), world.clock.now).run(begun)
    )
    world.slack.fail("auth.test", status=503)
    begun.set()
    await until(lambda: len(world.slack.calls("auth.test")) == 2)

    async def mark() -> datetime | None:
        return await world.store.marks.at("slack/heard")

    before = await mark()
    async with asyncio.timeout(5):
        while await mark() == before:
            await asyncio.sleep(0.01)
    hearing.clear()
    await asyncio.sleep(0.1)  # a beat that is under way
    before = await mark()
    await asyncio.sleep(0.2)
    assert await mark() == before
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
