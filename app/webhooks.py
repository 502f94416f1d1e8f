"""Take webhooks in: check, store, acknowledge. Nothing else happens in the request.

GitHub waits 10 s for the answer and does not send again by itself, so whatever can be stored is stored. Jira does send
again, a few times.
"""

import asyncio
import hashlib
import hmac
import logging
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from app.logs import Sampled
from runner.deliveries import Delivery
from runner.errors import TryLater
from runner.migrating import DatabaseRefused

LARGEST_BODY = 25 * 1024 * 1024  # GitHub's own limit
LARGE_BODY = 1024 * 1024
LARGE_AT_ONCE = 8  # bodies over LARGE_BODY, or of unknown length, held in memory at the same time
READ_SECONDS = 30.0
STORE_SECONDS = 8.0

SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}")
GUID = re.compile(r"[\x21-\x7e]{1,128}")
HOOK = re.compile(r"[0-9]{1,20}")

# What Jira calls its events: jira:issue_updated, comment_created.
JIRA_EVENT = re.compile(r"[a-z][a-z0-9_:]{0,63}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a webhook is called: the hook that it came through, its own id, and its event."""

    hook: str
    guid: str
    event: str


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends webhooks, and how theirs look. `stamp` raises Malformed; it is given what the body holds, once checked.

    `look` looks at the headers before the body is read.
    """

    source: str
    signature: str
    look: Callable[[web.Request], object]
    stamp: Callable[[web.Request, bytes, Mapping[str, Any]], Stamp]


class Receiver:
    """POST /webhooks/github or /webhooks/jira: what one sender sends.

    Any of `secrets` may have signed: that is how a secret is changed without a gap. While `paused` says so nothing is
    taken: GitHub keeps what it could not deliver. `answered` hears the status of each answer and the seconds it took.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        put: Callable[[Delivery], Awaitable[bool]],
        answered: Callable[[int, float], None] = lambda *_: None,
        paused: Callable[[], bool] = lambda: False,
        sender: Sender | None = None,
    ) -> None:
        if not secrets or not all(secrets):
            raise ValueError("an empty webhook secret would let anybody in")
        self._secrets = [secret.encode() for secret in secrets]
        self._put = put
        self._answered = answered
        self._paused = paused
        self._sender = sender or GITHUB
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._refused = Sampled()

    async def receive(self, request: web.Request) -> web.Response:
        """As `_receive` answers, and with the time it took."""
        began = time.monotonic()
        answer = await self._receive(request)
        self._answered(answer.status, time.monotonic() - began)
        return answer

    async def _receive(self, request: web.Request) -> web.Response:
        """202 once it is stored; 400 malformed, 401 signature, 413 too large, 503 cannot be stored."""
        if self._paused():
            return web.json_response({"error": PAUSED}, status=503, headers={"Retry-After": "60"})
        try:
            delivery = await self._delivery(request)
        except Malformed as exc:
            return self._refuse(exc.status, str(exc))
        try:
            async with asyncio.timeout(STORE_SECONDS):
                new = await self._put(delivery)
        except (TimeoutError, TryLater, DatabaseRefused) as reason:
            log.warning("a delivery of %s cannot be stored: %s", delivery.event, reason or "it takes too long")
            return _unstored()
        except (sqlite3.Error, OSError):
            log.exception("a delivery of %s cannot be stored", delivery.event)
            return _unstored()
        return web.json_response({"status": "accepted" if new else "duplicate"}, status=202)

    async def _delivery(self, request: web.Request) -> Delivery:
        headers = request.headers
        check_content(headers.get("Content-Type", ""), headers.get("Content-Encoding", ""))
        self._sender.look(request)
        signature = signature_of(request, self._sender.signature)
        if request.content_length is not None and request.content_length > LARGEST_BODY:
            raise Malformed(TOO_LARGE, 413)
        body = await self._read(request)
        if not is_signed(body, signature, self._secrets):
            raise Malformed("the signature is not that of any of our webhook secrets: compare the secrets", 401)
        stamp = self._sender.stamp(request, body, check_payload(body))
        return Delivery(self._sender.source, stamp.hook, stamp.guid, stamp.event, body, datetime.now(UTC))

    async def _read(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(READ_SECONDS):
                if request.content_length is not None and request.content_length <= LARGE_BODY:
                    return await request.read()
                async with self._large:
                    return await request.read()
        except web.HTTPRequestEntityTooLarge as exc:
            raise Malformed(TOO_LARGE, 413) from exc
        except TimeoutError as exc:
            raise Malformed(f"the body did not arrive within {READ_SECONDS:.0f} seconds", 408) from exc

    def _refuse(self, status: int, sentence: str) -> web.Response:
        held_back = self._refused.take(sentence)
        if held_back is not None:
            log.warning("a webhook was refused with %d: %s (%d like it before)", status, sentence, held_back)
        return web.json_response({"error": sentence}, status=status)


def _unstored() -> web.Response:
    answer = {"error": "the delivery cannot be stored now; deliver it again in a minute"}
    return web.json_response(answer, status=503, headers={"Retry-After": "60"})


class Malformed(Exception):
    """The request is not a webhook that we take; `str()` says why to whoever sent it."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


PAUSED = "whoever runs this service has paused everything; deliver it again when `cco resume-all` was said"
TOO_LARGE = f"the body is larger than {LARGEST_BODY // 1024 // 1024} MB"


def check_content(content_type: str, encoding: str) -> None:
    """GitHub sends JSON in UTF-8, as it is; anything else is a hook that is set up in another way, or not GitHub."""
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() == "application/x-www-form-urlencoded":
        raise Malformed("the webhook sends a form: set its content type to application/json in its settings on GitHub")
    if kind.strip().lower() != "application/json":
        raise Malformed("the Content-Type must be application/json")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]*)", parameters, re.IGNORECASE)
    if charset is not None and charset[1].lower() not in {"utf-8", "utf8"}:
        raise Malformed("the charset must be utf-8")
    if encoding.strip().lower() not in {"", "identity"}:
        raise Malformed("the body must not be compressed: leave Content-Encoding out")


def one_header(request: web.Request, name: str, form: re.Pattern[str], what: str, default: str | None = None) -> str:
    """The header's only value, which must look as it does when GitHub sends it."""
    values = request.headers.getall(name, [])
    if not values and default is not None:
        return default
    if len(values) != 1 or form.fullmatch(values[0]) is None:
        raise Malformed(f"the header {name} must be there once and hold {what}")
    return values[0]


def signature_of(request: web.Request, header: str) -> bytes:
    """The 32 bytes of the header. SHA-1 alone is not enough."""
    values = request.headers.getall(header, [])
    if not values:
        raise Malformed(f"the header {header} is missing: give the webhook a secret", 401)
    match = SIGNATURE.fullmatch(values[0])
    if len(values) != 1 or match is None:
        raise Malformed(f"the header {header} must be sha256= and 64 hexadecimal digits", 401)
    return bytes.fromhex(match[1])


def is_signed(body: bytes, signature: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether one of the secrets signed these bytes. All are tried, so the time taken says nothing."""
    matches = [hmac.compare_digest(hmac.digest(secret, body, "sha256"), signature) for secret in secrets]
    return any(matches)


def check_payload(body: bytes) -> Mapping[str, Any]:
    """The body must be a JSON object. orjson refuses what is not UTF-8, not finite, or nested too deep."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise Malformed("the body is not JSON in UTF-8") from exc
    if not isinstance(payload, dict):
        raise Malformed("the body must be a JSON object")
    return payload


def _of_github(request: web.Request) -> Stamp:
    event = one_header(request, "X-GitHub-Event", EVENT, "the name of an event, such as issues")
    guid = one_header(request, "X-GitHub-Delivery", GUID, "the delivery's GUID")
    return Stamp(one_header(request, "X-GitHub-Hook-ID", HOOK, "a number", default="0"), guid, event)


def _id_of_jira(request: web.Request) -> str:
    return one_header(request, "X-Atlassian-Webhook-Identifier", GUID, "the delivery's identifier", default="")


def _of_jira(request: web.Request, body: bytes, payload: Mapping[str, Any]) -> Stamp:
    """Jira numbers no hooks, and old ones give a delivery no identifier: then what it says is what it is called."""
    event = payload.get("webhookEvent")
    if not isinstance(event, str) or not JIRA_EVENT.fullmatch(event):
        raise Malformed("the body must name its webhookEvent, such as jira:issue_updated")
    return Stamp("0", _id_of_jira(request) or f"sha256-{hashlib.sha256(body).hexdigest()}", event)


GITHUB = Sender("github", "X-Hub-Signature-256", _of_github, lambda request, _, __: _of_github(request))
JIRA = Sender("jira", "X-Hub-Signature", _id_of_jira, _of_jira)
