"""Take in what Slack sends by HTTP: signed, stored, acknowledged. For those who would rather not have a socket."""

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from app.logs import Sampled
from app.webhooks import Malformed
from runner.errors import TryLater
from runner.migrating import DatabaseRefused

LARGEST_BODY = 512 * 1024  # a form of 3,000 characters and the message it is about are far from it
FORM = "application/x-www-form-urlencoded"

logger = logging.getLogger(__name__)


class Receiver:
    """POST /webhooks/slack, for events, commands and clicks alike."""

    def __init__(self, signing_secret: str, take: Callable[[str, Mapping[str, Any]], Awaitable[None]]) -> None:
        self._verifier = SignatureVerifier(signing_secret)
        self._take = take
        self._refused = Sampled()

    async def receive(self, request: web.Request) -> web.Response:
        """200 once it is stored; 400 malformed, 401 signature, 413 too large; 503 if not: Slack sends again."""
        try:
            body = await _read(request)
            self._check(body, request.headers)
            kind, payload = read(request.content_type, body)
        except Malformed as exc:
            return self._refuse(exc.status, str(exc))
        if kind == "url_verification":
            return web.json_response({"challenge": str(payload.get("challenge", ""))})
        try:
            await self._take(kind, payload)
        except (TimeoutError, TryLater, DatabaseRefused, sqlite3.Error, OSError) as exc:
            logger.warning("what Slack sent cannot be stored: %s", exc or "it takes too long")
            answer = {"error": "it cannot be stored now; send it again"}
            return web.json_response(answer, status=503, headers={"Retry-After": "60"})
        return web.Response()

    def _check(self, body: bytes, headers: Mapping[str, str]) -> None:
        """The library looks at the time, too: what is more than five minutes old is nobody's any more."""
        try:
            signed = self._verifier.is_valid_request(body, headers)
        except (ValueError, TypeError):  # a timestamp that is no number, a signature not in ASCII, a body not in UTF-8
            signed = False
        if not signed:
            raise Malformed("the signature is not Slack's, or it is more than five minutes old", 401)

    def _refuse(self, status: int, sentence: str) -> web.Response:
        held_back = self._refused.take(sentence)
        if held_back is not None:
            logger.warning("a request was refused with %d: %s (%d like it before)", status, sentence, held_back)
        return web.json_response({"error": sentence}, status=status)


def read(content_type: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """What it is, in the words of Socket Mode, and what is in it."""
    if content_type == "application/json":
        payload = _object(body)
        return ("url_verification" if payload.get("type") == "url_verification" else "events_api"), payload
    if content_type != FORM:
        raise Malformed("the Content-Type must be application/json or a form")
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError as exc:
        raise Malformed("the body is not a form in UTF-8") from exc
    if "payload" in form:
        return "interactive", _object(form["payload"].encode())
    return "slash_commands", dict(form)


async def _read(request: web.Request) -> bytes:
    if request.content_length is not None and request.content_length > LARGEST_BODY:
        raise Malformed("the body is larger than what Slack sends", 413)
    if request.headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}:
        raise Malformed("the body must not be compressed")
    body = await request.read()
    if len(body) > LARGEST_BODY:
        raise Malformed("the body is larger than what Slack sends", 413)
    return body


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise Malformed("the body is not JSON in UTF-8") from exc
    if not isinstance(found, dict):
        raise Malformed("the body must be a JSON object")
    return found
