"""A stand-in for Slack's Web API: channels, threads, metadata, limits and faults, with a ledger to judge by."""

import asyncio
import secrets
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.slack_acts import Acts, Channel
from tests.fakes.slack_blocks import no, words, wrong
from tests.fakes.slack_forms import Forms
from tests.fakes.slack_people import PeopleThere

TOKEN = f"xoxb-{secrets.token_hex(16)}"  # another one in every process, so that nobody finds that of a neighbour
SCOPES = ("chat:write", "channels:read", "channels:history", "groups:read", "groups:history")
TWO_WAY = (*SCOPES, "reactions:write", "users:read", "users:read.email", "commands")
NEEDED = {
    "chat.postEphemeral": "chat:write",
    "reactions.add": "reactions:write",
    "users.info": "users:read",
    "users.lookupByEmail": "users:read.email",
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.info": "channels:read",
    "users.conversations": "channels:read",
}
# What Slack promises a minute: tier 3 for most; posting has its own rule, about one a second in a channel.
A_MINUTE = {
    "chat.postMessage": 60,
    "chat.update": 50,
    "chat.postEphemeral": 100,
    "conversations.history": 50,
    "conversations.replies": 50,
    "reactions.add": 50,
    "views.open": 100,
    "views.update": 100,
    "users.info": 100,
    "users.lookupByEmail": 50,
    "apps.connections.open": 20,
}


Args = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request, as it came, and what became of it."""

    method: str
    args: Args
    at: float
    status: int
    error: str | None


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of a method."""

    times: int
    status: int = 200
    error: str = ""
    retry_after: str | None = None
    body: str | None = None  # answered instead of JSON
    delay: float = 0.0
    after_effect: bool = False  # it is done, and then the connection breaks


class FakeSlack(Acts, Forms, PeopleThere):
    """One workspace with one app in it."""

    def __init__(self) -> None:
        Forms.__init__(self)
        PeopleThere.__init__(self)
        self.channels = {"C0123456789": Channel("C0123456789", "builds")}
        self.scopes = set(SCOPES)
        self.token = TOKEN
        self.ledger: list[Call] = []
        self.limits = dict(A_MINUTE)
        self.url = ""
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._clock = 0

    # What a test does and sees

    def fail(self, method: str, times: int = 1, **what: Any) -> None:
        """The next calls of the method go wrong."""
        self._faults[method].append(Fault(times, **what))

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()

    def calls(self, method: str, done: bool = False) -> list[Call]:
        """What was asked of a method; `done`: and was carried out."""
        return [call for call in self.ledger if call.method == method and not (done and call.error)]

    def threads(self, channel: str = "C0123456789") -> list[dict[str, Any]]:
        """The first messages in a channel."""
        return [m for m in self.channels[channel].messages.values() if m.get("thread_ts", m["ts"]) == m["ts"]]

    def replies(self, ts: str, channel: str = "C0123456789") -> list[dict[str, Any]]:
        """The replies to a message."""
        return [m for m in self.channels[channel].messages.values() if m.get("thread_ts") == ts and m["ts"] != ts]

    def delete(self, ts: str, channel: str = "C0123456789") -> None:
        """A person deletes a message."""
        del self.channels[channel].messages[ts]

    # What Slack does

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        args = await _args(request)
        fault = self._fault(method)
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault and not fault.after_effect and (fault.status != 200 or fault.error or fault.body is not None):
            return self._answer_fault(method, args, fault)
        if wait := self._limit(method):
            self._note(method, args, 429, "ratelimited")
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(wait)}
            )
        answer = self._carry_out(request, method, args)
        self._note(method, args, 200, answer.get("error"))
        if fault and fault.after_effect and request.transport is not None:
            request.transport.abort()
        return web.json_response(answer, headers={"x-oauth-scopes": ",".join(sorted(self.scopes))})

    def _answer_fault(self, method: str, args: Args, fault: Fault) -> web.Response:
        self._note(method, args, fault.status, fault.error or f"HTTP {fault.status}")
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        if fault.body is not None:
            return web.Response(text=fault.body, status=fault.status, headers=headers)
        return web.json_response({"ok": False, "error": fault.error}, status=fault.status, headers=headers)

    def _fault(self, method: str) -> Fault | None:
        waiting = self._faults[method]
        if not waiting:
            return None
        waiting[0].times -= 1
        return waiting.popleft() if waiting[0].times == 0 else waiting[0]

    def _limit(self, method: str) -> int:
        recent, now = self._recent[method], time.monotonic()
        while recent and recent[0] < now - 60:
            recent.popleft()
        if method in self.limits and len(recent) >= self.limits[method]:
            return max(1, round(recent[0] + 60 - now)) if recent else 60
        recent.append(now)
        return 0

    def _note(self, method: str, args: Args, status: int, error: str | None) -> None:
        self.ledger.append(Call(method, args, time.monotonic(), status, error))

    def _carry_out(self, request: web.Request, method: str, args: Args) -> dict[str, Any]:
        known = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._chat_post_message,
            "chat.update": self._chat_update,
            "chat.getPermalink": self._chat_get_permalink,
            "conversations.history": self._conversations_history,
            "conversations.replies": self._conversations_replies,
            "conversations.info": self._conversations_info,
            "users.conversations": self._users_conversations,
            "reactions.add": self._reactions_add,
            "chat.postEphemeral": self._chat_post_ephemeral,
            **self.methods_of_people(),
            **self.methods_of_doors(),
            **self.methods_of_forms(),
        }.get(method)
        if known is None:
            return no("unknown_method")
        if method == "apps.connections.open":
            return self.open_connection(request.headers.get("Authorization", ""))
        authorization = request.headers.get("Authorization", "")
        if not authorization:
            return no("not_authed")
        if authorization != f"Bearer {self.token}":
            return no("invalid_auth")
        if method in NEEDED and NEEDED[method] not in self.scopes:
            return no("missing_scope", needed=NEEDED[method], provided=",".join(sorted(self.scopes)))
        return known(args)

    def _next_ts(self) -> str:
        self._clock = max(self._clock + 1_000, time.time_ns() // 1_000)
        return f"{self._clock // 1_000_000}.{self._clock % 1_000_000:06}"

    def _reactions_add(self, args: Args) -> dict[str, Any]:
        channel = self._channel(args.get("channel", ""))
        if isinstance(channel, dict):
            return channel
        message = channel.messages.get(args.get("timestamp", ""))
        if message is None:
            return no("message_not_found")
        if args["name"] in self.reactions(message["ts"], channel.id):
            return no("already_reacted")
        message.setdefault("reactions", []).append({"name": args["name"], "users": ["U1"], "count": 1})
        return {"ok": True}

    def _chat_post_ephemeral(self, args: Args) -> dict[str, Any]:
        channel = self._channel(args.get("channel", ""))
        if isinstance(channel, dict):
            return channel
        if not channel.is_member:
            return no("not_in_channel")
        if refused := wrong(args):
            return refused
        self.whispered.append((args["user"], words({"blocks": args["blocks"]})))
        return {"ok": True, "message_ts": self._next_ts()}

    def _auth_test(self, args: Args) -> dict[str, Any]:
        return {"ok": True, "team": "Stand-in", "user": "cco", "team_id": "T1", "user_id": "U1", "bot_id": "B1"}

    def _chat_post_message(self, args: Args) -> dict[str, Any]:
        channel = self._channel(args.get("channel", ""), by_name=True)
        if isinstance(channel, dict):
            return channel
        if not channel.is_member and "chat:write.public" not in self.scopes:
            return no("not_in_channel")
        if channel.is_archived:
            return no("is_archived")
        if refused := wrong(args):
            return refused
        thread = args.get("thread_ts")
        if thread and thread not in channel.messages:
            return no("thread_not_found")
        ts = self._next_ts()
        message = {"type": "message", "ts": ts, "user": "U1", "bot_id": "B1", **_content(args)}
        if thread:
            message["thread_ts"] = thread
            channel.messages[thread]["thread_ts"] = thread
        channel.messages[ts] = message
        return {"ok": True, "channel": channel.id, "ts": ts, "message": message}

    def _chat_update(self, args: Args) -> dict[str, Any]:
        channel = self._channel(args.get("channel", ""))
        if isinstance(channel, dict):
            return channel
        message = channel.messages.get(args.get("ts", ""))
        if message is None:
            return no("message_not_found")
        if message.get("bot_id") != "B1":
            return no("cant_update_message")
        if refused := wrong(args):
            return refused
        message.pop("metadata", None)
        message.update(_content(args), edited={"user": "U1", "ts": message["ts"]})
        return {"ok": True, "channel": channel.id, "ts": message["ts"], "text": message["text"]}

    def _chat_get_permalink(self, args: Args) -> dict[str, Any]:
        channel = self._channel(args.get("channel", ""))
        if isinstance(channel, dict):
            return channel
        if args.get("message_ts") not in channel.messages:
            return no("message_not_found")
        link = f"https://stand-in.slack.com/archives/{channel.id}/p{args['message_ts'].replace('.', '')}"
        return {"ok": True, "channel": channel.id, "permalink": link}

    def _conversations_history(self, args: Args) -> dict[str, Any]:
        channel = self._channel(args.get("channel", ""))
        if isinstance(channel, dict):
            return channel
        if not channel.is_member:
            return no("not_in_channel")
        found = [m for m in self.threads(channel.id) if float(m["ts"]) > float(args.get("oldest", 0))]
        return _page(found[::-1], args)

    def _conversations_replies(self, args: Args) -> dict[str, Any]:
        channel = self._channel(args.get("channel", ""))
        if isinstance(channel, dict):
            return channel
        if not channel.is_member:
            return no("not_in_channel")
        first = channel.messages.get(args.get("ts", ""))
        if first is None:
            return no("thread_not_found")
        return _page([first, *self.replies(first["ts"], channel.id)], args)

    def _conversations_info(self, args: Args) -> dict[str, Any]:
        channel = self._channel(args.get("channel", ""))
        return channel if isinstance(channel, dict) else {"ok": True, "channel": _described(channel)}

    def _users_conversations(self, args: Args) -> dict[str, Any]:
        mine = [_described(c) for c in self.channels.values() if c.is_member and not c.is_archived]
        return {"ok": True, "channels": mine, "response_metadata": {"next_cursor": ""}}

    def _channel(self, name: str, by_name: bool = False) -> Channel | dict[str, Any]:
        for channel in self.channels.values():
            if name == channel.id or (by_name and name.removeprefix("#") == channel.name):
                return channel
        return no("channel_not_found")


@asynccontextmanager
async def slack() -> AsyncIterator[FakeSlack]:
    """A workspace that answers at `.url`."""
    fake = FakeSlack()
    app = web.Application()
    app.router.add_route("*", "/api/{method}", fake.handle)
    app.router.add_get("/link", fake.connect)
    app.router.add_post("/respond/{number}", fake.respond)
    app.on_shutdown.append(lambda _: fake.hang_up())
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}/api/"
    try:
        yield fake
    finally:
        await runner.cleanup()


async def _args(request: web.Request) -> Args:
    if request.content_type == "application/json":
        args: Args = await request.json()
        return args
    return dict(request.query) | dict(await request.post())


def _described(channel: Channel) -> dict[str, Any]:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": True,
        "is_member": channel.is_member,
        "is_archived": channel.is_archived,
    }


def _content(args: Args) -> dict[str, Any]:
    content = {"text": args.get("text", ""), "blocks": args.get("blocks", [])}
    return content | ({"metadata": args["metadata"]} if "metadata" in args else {})


def _page(messages: list[dict[str, Any]], args: Args) -> dict[str, Any]:
    start, limit = int(args.get("cursor") or 0), int(args.get("limit", 100))
    shown = [dict(message) for message in messages[start : start + limit]]
    if args.get("include_all_metadata") not in {"1", "true", True}:
        for message in shown:
            message.pop("metadata", None)
    following = str(start + limit) if len(messages) > start + limit else ""
    return {
        "ok": True,
        "messages": shown,
        "has_more": bool(following),
        "response_metadata": {"next_cursor": following},
    }
