"""The channels that tasks are told of in: post there, edit, and find again what we posted."""

import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from app.settings_model import SlackSettings
from app.slack_calls import PAGES, TOKEN_REFUSED, Calls, Rejected, Unusable, advice, following, refusal
from handlers.messages_slack import Message
from handlers.slack_rooms import Mark, Spot

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
SHORT_WAIT_SECONDS = 3  # a longer rate limit is the report loop's to wait for, not one call's
CLOCKS_DIFFER = timedelta(minutes=10)  # Slack's timestamps are by its clock, `since` is by ours
EVENT_TYPE = "cco_task"

_CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]+")
_NOT_OURS = frozenset({"message_not_found", "cant_update_message"})


class Slack:
    """Spoken to as the app's bot. `usual` is the channel where no other is set. TryLater is the weather."""

    def __init__(self, calls: Calls, usual: str) -> None:
        self.calls = calls
        self.usual = usual
        self._client = calls.client

    async def post(self, message: Message, mark: Mark, channel: str, thread: Spot | None = None) -> Spot:
        """Write to the channel, or in a thread there. After TryLater it may have been written all the same."""
        answer = await self.calls.tell(
            "chat.postMessage",
            lambda: self._client.chat_postMessage(
                channel=thread.channel if thread else channel,
                thread_ts=thread.ts if thread else None,
                text=message.text,
                blocks=message.blocks,
                metadata=_metadata(mark),
                parse="none",
                link_names=False,
                unfurl_links=False,
                unfurl_media=False,
            ),
            thread.channel if thread else channel,
        )
        return Spot(str(answer["channel"]), str(answer["ts"]))

    async def edit(self, spot: Spot, message: Message, mark: Mark) -> bool:
        """Write a message anew where it stands. False: it is there no more, or another app of Slack's wrote it."""
        try:
            await self.calls.tell(
                "chat.update",
                lambda: self._client.chat_update(
                    channel=spot.channel,
                    ts=spot.ts,
                    text=message.text,
                    blocks=message.blocks,
                    metadata=_metadata(mark),
                    parse="none",  # here, unlike for a new message, Slack's default is to link names
                    link_names=False,
                ),
                spot.channel,
            )
        except Rejected as exc:
            if exc.error in _NOT_OURS:
                return False
            raise
        return True

    async def find(self, mark: Mark, since: datetime, where: str) -> Spot | None:
        """The message with this mark, posted to the channel `where` after `since`. None, too, where we may not look."""
        oldest = f"{(since - CLOCKS_DIFFER).timestamp():.6f}"

        async def look() -> Spot | None:
            channel = await self.id_of(where)
            return await self._search(
                "conversations.history",
                channel,
                mark,
                lambda cursor: self._client.conversations_history(
                    channel=channel, oldest=oldest, limit=200, cursor=cursor, include_all_metadata=True
                ),
            )

        return await self._look(look)

    async def find_reply(self, mark: Mark, thread: Spot) -> Spot | None:
        """The reply with this mark in the thread. None, too, where we may not look."""
        return await self._look(
            lambda: self._search(
                "conversations.replies",
                thread.channel,
                mark,
                lambda cursor: self._client.conversations_replies(
                    channel=thread.channel, ts=thread.ts, limit=200, cursor=cursor, include_all_metadata=True
                ),
            )
        )

    async def replies(self, thread: Spot, since: datetime) -> list[dict[str, Any]]:
        """What was written in a thread since then, as Slack describes it; its first message may be among it."""
        found: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(PAGES):
            here = cursor
            answer = await self.calls.ask(
                "conversations.replies",
                lambda here=here: self._client.conversations_replies(  # type: ignore[misc]  # mypy infers no default
                    channel=thread.channel, ts=thread.ts, oldest=f"{since.timestamp():.6f}", limit=200, cursor=here
                ),
                thread.channel,
            )
            found += answer["messages"] or []
            if not (cursor := following(answer)):
                break
        return found

    async def identity(self) -> AsyncSlackResponse:
        """Who Slack takes us for; the header `x-oauth-scopes` says what we may do."""
        return await self.calls.ask("auth.test", self._client.auth_test)

    async def place(self, where: str) -> dict[str, Any]:
        """Slack's own description of a channel."""
        channel = await self.id_of(where)
        answer = await self.calls.ask(
            "conversations.info", lambda: self._client.conversations_info(channel=channel), where
        )
        return dict(answer["channel"] or {})

    async def id_of(self, where: str) -> str:
        """The id of a channel that is set by its id or its name."""
        if _CHANNEL_ID.fullmatch(where):
            return where
        name, cursor = where.removeprefix("#"), ""
        for _ in range(PAGES):
            page = cursor
            answer = await self.calls.ask(
                "users.conversations",
                lambda page=page: self._client.users_conversations(  # type: ignore[misc]  # mypy infers no default
                    cursor=page, limit=200, exclude_archived=True, types="public_channel,private_channel"
                ),
            )
            for channel in answer["channels"] or []:
                if channel.get("name") == name:
                    return str(channel["id"])
            if not (cursor := following(answer)):
                break
        raise refusal("users.conversations", "channel_not_found", {}, where)

    async def _search(
        self, method: str, channel: str, mark: Mark, page: Callable[[str], Awaitable[AsyncSlackResponse]]
    ) -> Spot | None:
        cursor = ""
        for _ in range(PAGES):
            here = cursor
            answer = await self.calls.ask(method, lambda here=here: page(here))  # type: ignore[misc]  # the same
            for message in answer["messages"] or []:
                if _is_marked(message, mark):
                    return Spot(channel, str(message["ts"]))
            if not (cursor := following(answer)):
                break
        return None

    async def _look(self, search: Callable[[], Awaitable[Spot | None]]) -> Spot | None:
        """Search; where we are not allowed to, say so once and find nothing: better said twice than not at all."""
        try:
            return await search()
        except (Rejected, Unusable) as exc:
            if exc.error in TOKEN_REFUSED:
                raise
            if self.calls.once("looking"):
                logger.warning(
                    "Slack does not let us look for our own messages, so one may be there twice after a crash"
                    " (give the app channels:history, groups:history and channels:read): %s",
                    exc,
                )
            return None


@asynccontextmanager
async def open_slack(
    settings: SlackSettings,
    timeout_seconds: float = TIMEOUT_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Slack]:
    """Ready to speak; nothing is said yet, so that Slack being down delays no start. Token and channel are given."""
    if settings.bot_token is None or settings.channel is None:
        raise ValueError("Slack is spoken to only where its token and its channel are set")
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        client = AsyncWebClient(
            token=settings.bot_token.get_secret_value(),
            base_url=f"{settings.api_url.rstrip('/')}/",
            session=session,
            # Only what certainly had no effect is sent again here: after a broken connection the message may stand.
            retry_handlers=[_ShortWaits(max_retry_count=1)],
        )
        client.proxy = None  # it reads HTTPS_PROXY but not NO_PROXY; the session reads both
        yield Slack(Calls(client, monotonic), settings.channel)


class _ShortWaits(AsyncRateLimitErrorRetryHandler):
    """Sit out a rate limit only if it is short."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if not await super()._can_retry_async(state=state, request=request, response=response, error=error):
            return False
        headers = {name.lower(): values[0] for name, values in response.headers.items()} if response else {}
        after = advice(headers.get("retry-after"))
        return after is not None and after.total_seconds() <= SHORT_WAIT_SECONDS


def _metadata(mark: Mark) -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": dict(mark)}


def _is_marked(message: dict[str, Any], mark: Mark) -> bool:
    """Whether it is this one of ours. The subject says which task is meant: its number may be a lost database's."""
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload")
    if metadata.get("event_type") != EVENT_TYPE or not isinstance(payload, dict):
        return False
    wanted = {name: value for name, value in mark.items() if name != "task" or "subject" not in mark}
    return {name: value for name, value in payload.items() if name != "task" or "subject" not in mark} == wanted
