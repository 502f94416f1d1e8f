"""The receiver, over real sockets: what is stored, what is refused and why, and that the service lives."""

import asyncio
import gzip
import hashlib
import hmac
import io
import json
import logging
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from app import web as server
from app.inbox import Inbox, lane_of
from app.logs import BadRequests
from app.webhooks import LARGEST_BODY, Receiver
from runner.deliveries import Delivery
from runner.store import Store, open_store

SECRETS = ("the-new-secret", "the-old-secret")
BODY = json.dumps({"action": "labeled", "issue": {"number": 1}, "repository": {"id": 7}}).encode()


async def nothing(_: Delivery) -> None:
    raise AssertionError("nothing is dispatched in the request")


@dataclass(frozen=True, slots=True)
class Service:
    port: int
    store: Store
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/github"

    async def post(self, body: bytes = BODY, **changes: str | None) -> tuple[int, dict[str, str]]:
        """A valid delivery with headers changed, or left out where None; a header's _ is a -."""
        given = {**headers(body), **{name.replace("_", "-"): value for name, value in changes.items()}}
        sent = {name: value for name, value in given.items() if value is not None}
        async with self.session.post(
            self.url, data=io.BytesIO(body), headers=sent, skip_auto_headers=["Content-Type"]
        ) as response:
            answer: dict[str, str] = await response.json()
            return response.status, answer

    async def lives(self) -> bool:
        status, _ = await self.post(X_GitHub_Delivery=f"alive-{datetime.now(UTC).timestamp()}")
        return status == 202


def sign(body: bytes, secret: str = SECRETS[0]) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(body: bytes = BODY) -> dict[str, str | None]:
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "X-GitHub-Hook-ID": "292430182",
        "X-Hub-Signature-256": sign(body),
    }


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with open_store(tmp_path / "cco.db") as store:
        app = server.application()
        app.add_routes([web.post("/webhooks/github", Receiver(SECRETS, Inbox(store.deliveries, nothing).put).receive)])
        async with server.serving(app, "127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
            yield Service(port, store, session)


async def test_a_delivery_is_stored_as_it_was_signed_and_the_same_again_is_a_duplicate(service: Service) -> None:
    assert await service.post() == (202, {"status": "accepted"})
    assert await service.post() == (202, {"status": "duplicate"})
    [stored] = await service.store.deliveries.pending()
    assert (stored.source, stored.hook, stored.event, stored.body) == ("github", "292430182", "issues", BODY)


async def test_either_secret_signs_while_it_is_changed(service: Service) -> None:
    assert (await service.post(X_Hub_Signature_256=sign(BODY, SECRETS[1])))[0] == 202
    assert (await service.post(X_Hub_Signature_256=sign(BODY, "another")))[0] == 401


def test_an_empty_secret_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="empty"):
        Receiver(("good", ""), Inbox.put)  # type: ignore[arg-type]  # it does not come to that


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"X_Hub_Signature_256": None}, 401, "X-Hub-Signature-256 is missing"),
        ({"X_Hub_Signature_256": None, "X_Hub_Signature": "sha1=" + "0" * 40}, 401, "is missing"),
        ({"X_Hub_Signature_256": "sha256=" + "0" * 64}, 401, "not that of any of our webhook secrets"),
        ({"X_Hub_Signature_256": "sha256=" + "0" * 63}, 401, "64 hexadecimal digits"),
        ({"X_Hub_Signature_256": "sha256=é" + "0" * 63}, 401, "64 hexadecimal digits"),
        ({"X_Hub_Signature_256": ""}, 401, "64 hexadecimal digits"),
        ({"X_Hub_Signature_256": "sha1=" + "0" * 40}, 401, "64 hexadecimal digits"),
        ({"X_GitHub_Event": None}, 400, "X-GitHub-Event"),
        ({"X_GitHub_Event": "../../etc"}, 400, "X-GitHub-Event"),
        ({"X_GitHub_Event": "x" * 5000}, 400, "X-GitHub-Event"),
        ({"X_GitHub_Delivery": None}, 400, "X-GitHub-Delivery"),
        ({"X_GitHub_Delivery": "\xe9"}, 400, "X-GitHub-Delivery"),
        ({"X_GitHub_Hook_ID": "all"}, 400, "X-GitHub-Hook-ID"),
        ({"Content_Type": None}, 400, "must be application/json"),
        ({"Content_Type": "text/plain"}, 400, "must be application/json"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 400, "set its content type to application/json"),
        ({"Content_Type": "application/json; charset=klingon"}, 400, "charset must be utf-8"),
        ({"Content_Encoding": "gzip"}, 400, "must not be compressed"),
    ],
)
async def test_a_malformed_request_is_told_what_is_wrong(
    service: Service, change: dict[str, str | None], status: int, sentence: str
) -> None:
    got, answer = await service.post(BODY, **change)
    assert got == status
    assert sentence in answer["error"]
    assert await service.store.deliveries.depth() == 0
    assert await service.lives()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b'"text"',
        b"{",
        b'{"a": NaN}',
        b"\xff\xfe{}",
        b'{"a": "\\ud800"}',
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b"payload=%7B%7D",
        gzip.compress(BODY),
    ],
    ids=["empty", "null", "list", "number", "text", "cut", "nan", "latin", "surrogate", "deep", "form", "gzip"],
)
async def test_a_signed_body_that_is_no_json_object_is_a_400(service: Service, body: bytes) -> None:
    status, answer = await service.post(body)
    assert status == 400
    assert "JSON" in answer["error"]
    assert await service.store.deliveries.depth() == 0
    assert await service.lives()


async def test_a_charset_of_utf_8_is_fine_and_so_is_a_hook_without_an_id(service: Service) -> None:
    assert (await service.post(Content_Type="application/json; charset=UTF-8", X_GitHub_Hook_ID=None))[0] == 202


async def test_25_megabytes_pass_and_one_byte_more_does_not(service: Service) -> None:
    largest = b'{"text":"' + b"x" * (LARGEST_BODY - 11) + b'"}'
    assert len(largest) == LARGEST_BODY
    assert (await service.post(largest))[0] == 202
    assert (await service.post(largest + b" "))[0] == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(27):
            yield b" " * 1024 * 1024

    sent = {name: value for name, value in headers().items() if value is not None}
    async with service.session.post(service.url, data=chunks(), headers=sent) as response:
        assert response.status == 413
    assert await service.store.deliveries.depth() == 1


async def test_a_delivery_that_cannot_be_stored_is_a_503_and_the_next_one_is_stored(
    service: Service, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "cco.db") as other:
        other.execute("ALTER TABLE deliveries RENAME TO gone")
    status, answer = await service.post()
    assert status == 503
    assert "deliver it again" in answer["error"]
    with sqlite3.connect(tmp_path / "cco.db") as other:
        other.execute("ALTER TABLE gone RENAME TO deliveries")
    other.close()
    assert await service.post() == (202, {"status": "accepted"})


POST = b"POST /webhooks/github HTTP/1.1\r\nHost: a\r\n"
GARBAGE = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "not http": b"hello\r\n\r\n",
    "null bytes": b"\x00" * 4096 + b"\r\n\r\n",
    "chunked garbage": POST + b"Content-Type: application/json\r\n"
    b"X-GitHub-Event: issues\r\nX-GitHub-Delivery: 1\r\nX-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\nnonsense\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "negative length": POST + b"Content-Length: -1\r\n\r\n{}",
    "smuggled": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    "endless header": b"POST /webhooks/github HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "no host": b"POST /webhooks/github HTTP/1.1\r\n\r\n",
    "bad gzip": POST + b"Content-Type: application/json\r\nX-GitHub-Event: issues\r\n"
    b"X-GitHub-Delivery: 1\r\nX-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 5\r\n\r\nhello",
    "two signatures": POST + b"Content-Type: application/json\r\n"
    b"X-GitHub-Event: issues\r\nX-GitHub-Delivery: 1\r\nX-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"
    b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "latin header": POST + b"X-Hub-Signature-256: sha256=\xe9\xff\r\n"
    b"Content-Type: application/json\r\nX-GitHub-Event: issues\r\nX-GitHub-Delivery: 1\r\nContent-Length: 2\r\n\r\n{}",
    "bad url": b"POST http://[::1/webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "a get": b"GET /webhooks/github HTTP/1.1\r\nHost: a\r\n\r\n",
    "another page": b"POST /webhooks/nobody HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_gets_a_4xx_and_no_traceback_and_the_service_lives(
    service: Service, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    quiet = BadRequests()
    logging.getLogger("aiohttp.server").addFilter(quiet)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(raw)
        await writer.drain()
        async with asyncio.timeout(10):
            status_line = await reader.readline()
        writer.close()
    finally:
        logging.getLogger("aiohttp.server").removeFilter(quiet)
    assert status_line.split()[1].startswith(b"4"), status_line
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert await service.store.deliveries.depth() == 0
    assert await service.lives()


async def test_a_sender_that_leaves_in_the_middle_leaves_nothing(service: Service) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", service.port)
    lines = [f"{name}: {value}" for name, value in headers().items()]
    writer.write(
        "\r\n".join(["POST /webhooks/github HTTP/1.1", "Host: a", "Content-Length: 500", *lines, "", "{"]).encode()
    )
    await writer.drain()
    writer.transport.abort()
    assert await service.lives()
    assert await service.store.deliveries.depth() == 1


async def test_every_published_example_of_a_webhook_is_taken_as_it_is(service: Service) -> None:
    packed = Path(__file__).parent.parent / "contracts" / "webhook-examples.json.gz"
    events = json.loads(gzip.decompress(packed.read_bytes()))["events"]
    examples = [(event["name"], json.dumps(example).encode()) for event in events for example in event["examples"]]

    async def send(number: int) -> tuple[int, dict[str, str]]:
        name, body = examples[number]
        return await service.post(body, X_GitHub_Event=name, X_GitHub_Delivery=f"{number}")

    answers = await asyncio.gather(*map(send, range(len(examples))))
    refused = [examples[at][0] for at, answer in enumerate(answers) if answer != (202, {"status": "accepted"})]
    assert refused == []
    stored = await service.store.deliveries.pending(limit=1000)
    assert {int(one.delivery_id): (one.event, one.body) for one in stored} == dict(enumerate(examples))
    assert len(examples) >= 300
    assert len({lane_of(one) for one in stored}) > 10
