"""Signed requests of Slack's: taken if Slack signed them within five minutes, stored, and then acknowledged."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from app.slack_intake import Intake
from app.slack_webhooks import Receiver
from runner.deliveries import Delivery
from runner.errors import TryLater
from runner.store import Store, open_store
from tests.fakes.slack_doors import as_request, signed

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
EVENT: dict[str, Any] = {
    "type": "event_callback",
    "event_id": "Ev1",
    "api_app_id": "A1",
    "event": {"type": "message", "channel": "C1", "user": "U1", "ts": "2.0", "thread_ts": "1.0", "text": "hello"},
}


@dataclass
class Door:
    """The route, and the store behind it."""

    url: str
    store: Store
    refuse: list[Exception] = field(default_factory=list)
    paused: bool = False

    async def post(self, body: bytes, content_type: str = "application/json", **headers: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as http:
            sent = {"Content-Type": content_type, **signed(SECRET, body)}
            sent = {name: value for name, value in (sent | headers).items() if value != "none"}
            async with http.post(self.url, data=body, headers=sent) as answer:
                return answer.status, await answer.text()

    async def stored(self) -> list[Delivery]:
        return await self.store.deliveries.pending()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_store(tmp_path / "cco.db") as store:
        there = Door("", store)

        async def put(delivery: Delivery) -> bool:
            if there.refuse:
                raise there.refuse.pop()
            return (await store.deliveries.put([delivery]))[0]

        app = web.Application()
        app.router.add_post("/webhooks/slack", Receiver(SECRET, Intake(put, lambda: there.paused).take).receive)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        there.url = f"http://{host}:{port}/webhooks/slack"
        yield there
        await runner.cleanup()


async def test_an_event_is_stored_once_however_often_it_comes(door: Door) -> None:
    body = json.dumps(EVENT).encode()
    assert await door.post(body) == (200, "")
    assert await door.post(body, **{"X-Slack-Retry-Num": "1"}) == (200, "")
    (one,) = await door.stored()
    assert (one.source, one.hook, one.delivery_id, one.event) == ("slack", "A1", "Ev1", "events_api")


async def test_commands_and_clicks_come_as_forms(door: Door) -> None:
    typed = {"command": "/claude", "text": "list", "user_id": "U1", "channel_id": "C1", "trigger_id": "t1"}
    click = {
        "type": "block_actions",
        "trigger_id": "t2",
        "user": {"id": "U1"},
        "container": {"message_ts": "1.0", "channel_id": "C1"},
        "actions": [{"action_id": "cco:stop", "value": "1", "action_ts": "2.0"}],
    }
    for kind, payload in (("slash_commands", typed), ("interactive", click)):
        assert await door.post(*as_request(kind, payload)) == (200, "")
    assert [(one.event, one.delivery_id) for one in await door.stored()] == [
        ("slash_commands", "t1"),
        ("interactive", "t2"),
    ]


async def test_slack_is_answered_when_it_asks_whether_it_is_us(door: Door) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1a"}).encode()
    status, text = await door.post(body)
    assert (status, json.loads(text)) == (200, {"challenge": "3eZbrw1a"})
    assert await door.stored() == []


OLD, BODY = time.time() - 301, json.dumps(EVENT).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Slack-Signature": "none"},
        {"X-Slack-Request-Timestamp": "none"},
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Signature": "v0=ü"},
        {"X-Slack-Signature": ""},
        {"X-Slack-Request-Timestamp": "soon"},
        {"X-Slack-Request-Timestamp": "1" * 5000},
        signed(SECRET, BODY, OLD),
        signed("another secret", BODY),
        signed(SECRET, b"another body"),
    ],
)
async def test_whoever_is_not_slack_or_comes_too_late_is_refused(door: Door, headers: dict[str, str]) -> None:
    status, _ = await door.post(BODY, **headers)
    assert status == 401
    assert await door.stored() == []


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"\xff\xfe", "application/json", 401),  # the signature is over text
        (b"null", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"payload=%7B", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(200)), "application/x-www-form-urlencoded", 400),
        (b"{}", "text/plain", 400),
        (b"{}", "application/json", 200),  # signed by Slack, and nothing that concerns us
        (b"a" * 600_000, "application/json", 413),
    ],
)
async def test_what_makes_no_sense_is_no_error_of_ours(door: Door, body: bytes, content_type: str, status: int) -> None:
    headers = {"X-Slack-Signature": "v0=0"} if body.startswith(b"\xff") else {}
    if headers:
        async with aiohttp.ClientSession() as http:
            sent = {"Content-Type": content_type, "X-Slack-Request-Timestamp": str(int(time.time())), **headers}
            async with http.post(door.url, data=body, headers=sent) as answer:
                assert answer.status == status
    else:
        assert (await door.post(body, content_type))[0] == status
    assert await door.stored() == []


@pytest.mark.parametrize("trouble", [TryLater("the disk is full"), OSError("gone"), TimeoutError()])
async def test_what_cannot_be_stored_is_not_acknowledged(door: Door, trouble: Exception) -> None:
    door.refuse.append(trouble)
    assert (await door.post(BODY))[0] == 503
    assert (await door.post(BODY))[0] == 200
    assert len(await door.stored()) == 1


async def test_while_everything_is_paused_nothing_is_taken(door: Door) -> None:
    door.paused = True
    assert (await door.post(BODY))[0] == 503
    assert await door.stored() == []
