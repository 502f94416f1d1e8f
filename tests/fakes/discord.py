"""Discord as one webhook sees it: messages that stand in a channel, limits on embeds and on how often, and a ledger.

What it refuses and how it limits is as Discord publishes it, in the reference's parts on webhooks, messages and rate
limits.
"""

import asyncio
import re
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

WEBHOOK = "1180000000000000001"
THREAD = "1180000000000000099"
MENTION = re.compile(r"<@[!&]?\d|<#\d|@(?:everyone|here)\b")


@dataclass(frozen=True)
class Call:
    """One request, as it came, and what it was answered; `code` is Discord's own number for what was wrong."""

    method: str
    path: str
    body: dict[str, Any]
    at: float
    status: int
    code: int | None


@dataclass
class Fault:
    """What goes wrong with the next `times` requests."""

    times: int
    method: str | None = None
    status: int = 0
    json: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    after_effect: bool = False  # it is done, and then the connection breaks
    held: float = 0.0  # it is done, and the answer comes so many seconds later


class FakeDiscord:
    """One channel with a thread in it, and one webhook."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(51)
        self.base = ""
        self.messages: dict[str, dict[str, Any]] = {}
        self.deleted: list[dict[str, Any]] = []
        self.is_there = True
        self.threads = {THREAD}
        self.archived: set[str] = set()
        self.ledger: list[Call] = []
        self.bucket = (5, 2.0)  # so many requests in so many seconds
        self._recent: deque[float] = deque()
        self._faults: list[Fault] = []
        self._last = 1_180_000_000_000_001_000

    # What a test does and sees

    @property
    def url(self) -> str:
        """What an operator copies from the channel's settings."""
        return f"{self.base}/api/webhooks/{WEBHOOK}/{self.token}"

    def fail(self, times: int = 1, **what: Any) -> None:
        """The next requests go wrong."""
        self._faults.append(Fault(times, **what))

    def limit(self, seconds: float, times: int = 1, *, is_global: bool = False) -> None:
        """The next requests are too many."""
        said = {"message": "You are being rate limited.", "retry_after": seconds, "global": is_global}
        scope = {"X-RateLimit-Scope": "global", "X-RateLimit-Global": "true"} if is_global else {}
        headers = {"Retry-After": str(int(seconds) + 1), **(scope or {"X-RateLimit-Scope": "user"})}
        self.fail(times, status=429, json=said, headers=headers)

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()

    def delete(self, message_id: str) -> None:
        """A person deletes a message."""
        self.deleted.append(self.messages.pop(message_id))

    def calls(self, method: str, status: int | None = None) -> list[Call]:
        """What was asked."""
        return [one for one in self.ledger if one.method == method and status in {None, one.status}]

    def about(self, footer: str) -> list[dict[str, Any]]:
        """The messages with this footer."""
        return [one for one in self.messages.values() if one["embeds"][0]["footer"]["text"].startswith(footer)]

    # What Discord does

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self._fault(request.method)
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault and fault.status:
            return self._answer(request, body, fault.status, fault.json, fault.headers)
        limited, headers = self._limits()
        if limited:
            said = {"message": "You are being rate limited.", "retry_after": limited, "global": False}
            return self._answer(request, body, 429, said, {**headers, "Retry-After": str(int(limited) + 1)})
        status, answer = self._carry_out(request, body)
        response = self._answer(request, body, status, answer, headers)
        if fault and fault.held:
            await asyncio.sleep(fault.held)
        if fault and fault.after_effect and request.transport is not None:
            request.transport.abort()
        return response

    def _answer(
        self, request: web.Request, body: bytes, status: int, said: dict[str, Any] | None, headers: dict[str, str]
    ) -> web.Response:
        parsed = orjson.loads(body) if body else {}
        code = said.get("code") if said else None
        path = request.path.replace(self.token, "TOKEN")
        self.ledger.append(Call(request.method, path, parsed, time.monotonic(), status, code))
        if said is None:
            return web.Response(status=status, headers=headers, text="<html>")
        return web.json_response(said, status=status, headers=headers)

    def _fault(self, method: str) -> Fault | None:
        for fault in self._faults:
            if fault.times > 0 and fault.method in {None, method}:
                fault.times -= 1
                return fault
        return None

    def _limits(self) -> tuple[float, dict[str, str]]:
        most, seconds = self.bucket
        now = time.monotonic()
        while self._recent and self._recent[0] < now - seconds:
            self._recent.popleft()
        is_full = len(self._recent) >= most
        if not is_full:
            self._recent.append(now)
        after = round(self._recent[0] + seconds - now, 3)
        return (after if is_full else 0.0), {
            "X-RateLimit-Limit": str(most),
            "X-RateLimit-Remaining": str(most - len(self._recent)),
            "X-RateLimit-Reset-After": str(after),
            "X-RateLimit-Bucket": "b1",
        }

    def _carry_out(self, request: web.Request, body: bytes) -> tuple[int, dict[str, Any]]:
        if request.match_info["webhook"] != WEBHOOK or not self.is_there:
            return 404, {"message": "Unknown Webhook", "code": 10015}
        if request.match_info["token"] != self.token:
            return 401, {"message": "Invalid Webhook Token", "code": 50027}
        thread = request.query.get("thread_id")
        if thread is not None and thread not in self.threads:
            return 404, {"message": "Unknown Channel", "code": 10003}
        message_id = request.match_info.get("message")
        if request.method == "GET":
            return 200, {"id": WEBHOOK, "type": 1, "name": "Claude", "channel_id": "1", "token": self.token}
        content = orjson.loads(body)
        if wrong := _wrong(content):
            return 400, {"message": "Invalid Form Body", "code": 50035, "errors": {"embeds": wrong}}
        if request.method == "POST":
            self.archived.discard(str(thread))
            self._last += 1
            message_id = str(self._last)
            self.messages[message_id] = {"id": message_id, "thread": thread, "edits": 0, **content}
            # Without `wait` the answer is 204 and empty, and the message's id is never told.
            return (200, self._shown(message_id)) if request.query.get("wait") == "true" else (204, {})
        message = self.messages.get(str(message_id))
        if message is None or message["thread"] != thread:
            return 404, {"message": "Unknown Message", "code": 10008}
        if thread in self.archived:
            return 400, {"message": "Thread is archived", "code": 50083}
        message.update(content, edits=message["edits"] + 1)
        return 200, self._shown(str(message_id))

    def _shown(self, message_id: str) -> dict[str, Any]:
        return {"id": message_id, "webhook_id": WEBHOOK, "embeds": self.messages[message_id]["embeds"]}


def words(message: dict[str, Any]) -> str:
    """What a person reads of a message, line by line."""
    (said,) = message["embeds"]
    fields = [f"{one['name']}: {one['value']}" for one in said["fields"]]
    return "\n".join([said["title"], said["description"], *fields, said["footer"]["text"]])


@asynccontextmanager
async def discord() -> AsyncIterator[FakeDiscord]:
    """A channel with a webhook at `.url`."""
    fake = FakeDiscord()
    app = web.Application()
    here = "/api/webhooks/{webhook}/{token}"
    app.router.add_get(here, fake.handle, allow_head=False)
    app.router.add_post(here, fake.handle)
    app.router.add_patch(f"{here}/messages/{{message}}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.base = f"http://{host}:{port}"
    try:
        yield fake
    finally:
        await runner.cleanup()


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _wrong(content: dict[str, Any]) -> str:
    """What Discord would not take of a message."""
    embeds = content.get("embeds") or []
    if not embeds and not content.get("content"):
        return "Cannot send an empty message"
    if len(embeds) > 10:
        return "Must be 10 or fewer in length."
    if content.get("allowed_mentions") != {"parse": []} and MENTION.search(str(content)):
        return "the stand-in minds that somebody would be called"
    total = 0
    for one in embeds:
        texts = [(one.get("title", ""), 256), (one.get("description", ""), 4_096)]
        texts += [(one.get("footer", {}).get("text", ""), 2_048), (one.get("author", {}).get("name", ""), 256)]
        if len(one.get("fields", [])) > 25:
            return "Must be 25 or fewer in length."
        for each in one.get("fields", []):
            texts += [(each["name"], 256), (each["value"], 1_024)]
            if not each["name"].strip() or not each["value"].strip():
                return "This field is required"
        if any(_units(text) > most for text, most in texts):
            return "Must be so long or fewer in length."
        if not isinstance(one.get("color", 0), int) or not 0 <= one.get("color", 0) <= 0xFFFFFF:
            return "Value is not int"
        if "url" in one and not re.fullmatch(r"https?://\S+", one["url"]):
            return "Not a well formed URL."
        total += sum(_units(text) for text, _ in texts)
    return "Embed size exceeds maximum size of 6000" if total > 6_000 else ""
