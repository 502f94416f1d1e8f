"""How the stand-in Slack tells the app what happened: over a WebSocket that the app opened, or by signed requests."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

APP = "A0123456789"
Args = dict[str, Any]


@dataclass
class Envelope:
    """One thing told. Until it is acknowledged it is told again, on whatever connection there is."""

    kind: str
    payload: dict[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    sent: int = 0
    sent_at: float = 0.0
    acknowledged_at: float | None = None


class Doors:
    """Socket Mode, and requests to `hook_url`, signed with `signing_secret`, if a test sets them."""

    url: str

    def __init__(self) -> None:
        self.app_token = f"xapp-{secrets.token_hex(16)}"
        self.signing_secret = secrets.token_hex(16)
        self.hook_url: str | None = None
        self.envelopes: list[Envelope] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connections = 0
        self.redelivers = True
        self.answers: list[tuple[str, dict[str, Any]]] = []  # by response_url
        self.answers_used: dict[str, tuple[str, int]] = {}
        self.triggers: dict[str, float] = {}
        self._tickets: set[str] = set()
        self._posting: set[asyncio.Task[None]] = set()

    # What a test does and sees

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event as Slack wraps it."""
        outside: dict[str, Any] = {
            "type": "event_callback",
            "team_id": "T1",
            "api_app_id": APP,
            "token": "verification-token",
        }
        outside["authorizations"] = [{"team_id": "T1", "user_id": "U1", "is_bot": True, "is_enterprise_install": False}]
        return {**outside, "event": event, "event_id": f"Ev{secrets.token_hex(5)}", "event_time": int(time.time())}

    def interaction(self, kind: str, user: str) -> dict[str, Any]:
        """What every click, form and shortcut has about it."""
        return {
            "type": kind,
            "team": {"id": "T1", "domain": "stand-in"},
            "user": {"id": user, "username": user.lower(), "team_id": "T1"},
            "api_app_id": APP,
            "token": "verification-token",
            "trigger_id": self.trigger(),
        }

    def trigger(self) -> str:
        """Good for three seconds, to open one form with."""
        name = f"{secrets.randbelow(10**12)}.{secrets.token_hex(8)}"
        self.triggers[name] = time.monotonic()
        return name

    def tell(self, kind: str, payload: dict[str, Any]) -> Envelope:
        """Tell the app, by whichever door is open."""
        envelope = Envelope(kind, payload)
        self.envelopes.append(envelope)
        if self.hook_url is not None:
            task = asyncio.create_task(self._post(envelope))
            self._posting.add(task)
            task.add_done_callback(self._posting.discard)
        else:
            self._deliver_soon(envelope)
        return envelope

    def forget(self) -> None:
        """What nobody was there to hear Slack tells no more."""
        for envelope in self.envelopes:
            envelope.acknowledged_at = envelope.acknowledged_at or time.monotonic()

    def repeat(self, envelope: Envelope) -> Envelope:
        """Slack tells the same once more, in another envelope."""
        return self.tell(envelope.kind, envelope.payload)

    def acknowledged(self) -> bool:
        """Whether everything that was told is."""
        return all(one.acknowledged_at is not None for one in self.envelopes)

    async def break_off(self) -> None:
        """Every connection goes down without a word."""
        for socket in list(self.sockets):
            await socket.close()

    async def announce_end(self) -> None:
        """Slack is about to close the connections, and wants new ones."""
        for socket in list(self.sockets):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def hang_up(self) -> None:
        """At the end of the test."""
        self.redelivers = False
        await self.break_off()

    def response_url(self, user: str) -> str:
        """An address at which this person can be answered five times."""
        number = secrets.token_hex(6)
        self.answers_used[number] = (user, 0)
        return self.url.replace("/api/", f"/respond/{number}")

    # What Slack does

    def methods_of_doors(self) -> dict[str, Any]:
        return {"apps.connections.open": self.open_connection}

    def open_connection(self, authorization: str) -> dict[str, Any]:
        if authorization != f"Bearer {self.app_token}":
            return {"ok": False, "error": "invalid_auth"}
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        return {"ok": True, "url": self.url.replace("http://", "ws://").replace("/api/", f"/link?ticket={ticket}")}

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """One connection; its ticket is good once."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPUnauthorized
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self.sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": len(self.sockets)})
        for envelope in self.envelopes:
            if envelope.acknowledged_at is None and self.redelivers:
                await self._send(socket, envelope)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._acknowledge(message.json())
        finally:
            self.sockets.remove(socket)
        return socket

    async def respond(self, request: web.Request) -> web.Response:
        """What is answered by a response_url."""
        number = request.match_info["number"]
        user, used = self.answers_used.get(number, ("", 5))
        if used >= 5:
            return web.Response(status=404, text="used_url")
        self.answers_used[number] = (user, used + 1)
        body = await request.json()
        self.answers.append((user, body))
        if body.get("response_type") == "ephemeral":
            texts = [block["text"]["text"] for block in body["blocks"] if "text" in block]
            self.whispered.append((user, "\n".join(texts)))  # type: ignore[attr-defined]  # of the people there
        return web.Response(text="ok")

    def _acknowledge(self, answer: dict[str, Any]) -> None:
        for envelope in self.envelopes:
            if envelope.id == answer.get("envelope_id") and envelope.acknowledged_at is None:
                envelope.acknowledged_at = time.monotonic()

    def _deliver_soon(self, envelope: Envelope) -> None:
        if self.sockets:
            task = asyncio.create_task(self._send(self.sockets[-1], envelope))
            self._posting.add(task)
            task.add_done_callback(self._posting.discard)

    async def _send(self, socket: web.WebSocketResponse, envelope: Envelope) -> None:
        envelope.sent += 1
        envelope.sent_at = time.monotonic()
        told = {
            "envelope_id": envelope.id,
            "type": envelope.kind,
            "payload": envelope.payload,
            "accepts_response_payload": envelope.kind != "events_api",
        }
        if not socket.closed:
            await socket.send_json(told)

    async def _post(self, envelope: Envelope) -> None:
        """As Slack does: three seconds, and again a few times if it is not taken."""
        body, content_type = as_request(envelope.kind, envelope.payload)
        for number in range(4):
            envelope.sent += 1
            headers = {**signed(self.signing_secret, body), "Content-Type": content_type}
            if number:
                headers |= {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": "http_error"}
            try:
                timeout = aiohttp.ClientTimeout(total=3)
                async with (
                    aiohttp.ClientSession(timeout=timeout) as http,
                    http.post(str(self.hook_url), data=body, headers=headers) as answer,
                ):
                    if answer.status == 200:
                        envelope.acknowledged_at = time.monotonic()
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.5)


def as_request(kind: str, payload: dict[str, Any]) -> tuple[bytes, str]:
    """The body of the request, and its type."""
    if kind == "events_api":
        return json.dumps(payload).encode(), "application/json"
    form = {"payload": json.dumps(payload)} if kind == "interactive" else payload
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def signed(secret: str, body: bytes, at: float | None = None) -> dict[str, str]:
    """The headers by which Slack is known."""
    moment = str(int(time.time() if at is None else at))
    signature = hmac.new(secret.encode(), b"v0:" + moment.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": f"v0={signature}"}
