"""Slack's Web API, as much of it as one thread per task needs: post, edit, and find again what we posted."""

import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from app.settings_model import SlackSettings
from handlers.messages_slack import Message
from handlers.reporters.slack import Mark, Spot
from runner.errors import TryLater

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
SHORT_WAIT_SECONDS = 3  # a longer rate limit is the report loop's to wait for, not one call's
LONGEST_ADVICE_SECONDS = 3600
LOOK_AGAIN = timedelta(minutes=5)  # whether an operator has mended what only they can
CLOCKS_DIFFER = timedelta(minutes=10)  # Slack's timestamps are by its clock, `since` is by ours
PAGES = 20  # of 200 messages: how far we look for one of our own
EVENT_TYPE = "cco_task"

_CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]+")
_TOKEN = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "no_permission"}
)
_CLOSED = frozenset({"is_archived", "restricted_action", "restricted_action_read_only_channel", "ekm_access_denied"})
_NOT_OURS = frozenset({"message_not_found", "cant_update_message"})
_BUSY = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"})

Call = Callable[[], Awaitable[AsyncSlackResponse]]


class Rejected(Exception):
    """Slack understood us and said no to this one thing; `error` is its own word for why."""

    def __init__(self, method: str, error: str, more: str = "") -> None:
        super().__init__(f"Slack refused {method}: {error}{f' ({more})' if more else ''}")
        self.error = error


class Unusable(TryLater):
    """Slack refuses us until an operator mends it: `detail` is what is wrong, `mend` what to do about it."""

    def __init__(self, error: str, detail: str, mend: str) -> None:
        super().__init__(f"{detail}; {mend}", LOOK_AGAIN)
        self.error = error
        self.detail = detail
        self.mend = mend


class Slack:
    """One channel, spoken to as the app's bot. Every method raises TryLater for the weather."""

    def __init__(self, client: AsyncWebClient, channel: str, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._channel = channel
        self._monotonic = monotonic
        self._told: set[str] = set()
        self._limited: dict[str, float] = {}  # by method: not before this moment of `monotonic`

    async def post(self, message: Message, mark: Mark, thread: Spot | None = None) -> Spot:
        """Write a message, or a reply in a thread. After TryLater it may have been written all the same."""
        answer = await self._tell(
            "chat.postMessage",
            lambda: self._client.chat_postMessage(
                channel=thread.channel if thread else self._channel,
                thread_ts=thread.ts if thread else None,
                text=message.text,
                blocks=message.blocks,
                metadata=_metadata(mark),
                parse="none",
                link_names=False,
                unfurl_links=False,
                unfurl_media=False,
            ),
        )
        return Spot(str(answer["channel"]), str(answer["ts"]))

    async def edit(self, spot: Spot, message: Message, mark: Mark) -> bool:
        """Write a message anew where it stands. False: it is there no more, or another app of Slack's wrote it."""
        try:
            await self._tell(
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
            )
        except Rejected as exc:
            if exc.error in _NOT_OURS:
                return False
            raise
        return True

    async def find(self, mark: Mark, since: datetime) -> Spot | None:
        """The message with this mark, posted to the channel after `since`. None, too, where we may not look."""
        oldest = f"{(since - CLOCKS_DIFFER).timestamp():.6f}"

        async def look() -> Spot | None:
            channel = await self._channel_id()
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

    async def identity(self) -> AsyncSlackResponse:
        """Who Slack takes us for; the header `x-oauth-scopes` says what we may do."""
        return await self._ask("auth.test", self._client.auth_test)

    async def place(self) -> dict[str, Any]:
        """Slack's own description of the channel."""
        channel = await self._channel_id()
        answer = await self._ask("conversations.info", lambda: self._client.conversations_info(channel=channel))
        return dict(answer["channel"] or {})

    async def _channel_id(self) -> str:
        """The setting, or the id of the channel it names."""
        if _CHANNEL_ID.fullmatch(self._channel):
            return self._channel
        name, cursor = self._channel.removeprefix("#"), ""
        for _ in range(PAGES):
            page = cursor
            answer = await self._ask(
                "users.conversations",
                lambda page=page: self._client.users_conversations(  # type: ignore[misc]  # mypy infers no default
                    cursor=page, limit=200, exclude_archived=True, types="public_channel,private_channel"
                ),
            )
            for channel in answer["channels"] or []:
                if channel.get("name") == name:
                    return str(channel["id"])
            if not (cursor := _next(answer)):
                break
        raise self._refusal("users.conversations", "channel_not_found", {})

    async def _search(
        self, method: str, channel: str, mark: Mark, page: Callable[[str], Awaitable[AsyncSlackResponse]]
    ) -> Spot | None:
        cursor = ""
        for _ in range(PAGES):
            here = cursor
            answer = await self._ask(method, lambda here=here: page(here))  # type: ignore[misc]  # the same
            for message in answer["messages"] or []:
                if _is_marked(message, mark):
                    return Spot(channel, str(message["ts"]))
            if not (cursor := _next(answer)):
                break
        return None

    async def _look(self, search: Callable[[], Awaitable[Spot | None]]) -> Spot | None:
        """Search; where we are not allowed to, say so once and find nothing: better said twice than not at all."""
        try:
            return await search()
        except (Rejected, Unusable) as exc:
            if exc.error in _TOKEN:
                raise
            if "looking" not in self._told:
                self._told.add("looking")
                logger.warning(
                    "Slack does not let us look for our own messages, so one may be there twice after a crash"
                    " (give the app channels:history, groups:history and channels:read): %s",
                    exc,
                )
            return None

    async def _tell(self, method: str, call: Call) -> AsyncSlackResponse:
        """Ask, and tell the operator once what only they can mend."""
        try:
            answer = await self._ask(method, call)
        except Unusable as exc:
            if exc.error not in self._told:
                self._told.add(exc.error)
                logger.error("Slack hears nothing of the tasks: %s", exc)  # noqa: TRY400  (a sentence, not a bug)
            raise
        self._told &= {"looking"}
        return answer

    async def _ask(self, method: str, call: Call) -> AsyncSlackResponse:
        wait = self._limited.get(method, 0.0) - self._monotonic()
        if wait > 0:
            raise TryLater(f"Slack limits how often we may call {method}", timedelta(seconds=wait))
        try:
            return await call()
        except SlackApiError as exc:
            raise self._meaning(method, exc) from exc
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise TryLater(f"Slack cannot be reached: {type(exc).__name__} {exc}".rstrip()) from exc
        except (AttributeError, ValueError, LookupError) as exc:  # how the SDK says that it was no JSON object
            raise TryLater(f"what answered {method} does not speak as Slack does") from exc

    def _meaning(self, method: str, exc: SlackApiError) -> Exception:
        response = exc.response
        status = int(getattr(response, "status_code", None) or getattr(response, "status", None) or 0)
        data = getattr(response, "data", None)
        body: dict[str, Any] = data if isinstance(data, dict) else {}
        error = str(body.get("error") or f"HTTP {status}")
        if status == 429 or error in _BUSY or status >= 500:
            after = _advice(response.headers.get("Retry-After"))
            if after is not None:
                self._limited[method] = self._monotonic() + after.total_seconds()
            return TryLater(f"Slack is busy: {error}", after)
        if status == 200 and "error" not in body:
            return TryLater(f"what answered {method} does not speak as Slack does")
        return self._refusal(method, error, body)

    def _refusal(self, method: str, error: str, body: dict[str, Any]) -> Exception:
        where = self._channel
        if error in _TOKEN:
            return Unusable(
                error,
                f"Slack does not accept the bot token ({error})",
                "copy the Bot User OAuth Token (xoxb-…) of your Slack app into CCO_SLACK_BOT_TOKEN",
            )
        if error == "missing_scope":
            needed = str(body.get("needed") or "chat:write")
            return Unusable(
                error,
                f"the Slack app may not call {method}: it lacks the scope {needed}",
                f"add {needed} under OAuth & Permissions and install the app again",
            )
        if error == "channel_not_found":
            return Unusable(
                error,
                f"Slack knows no channel {where}, or the bot may not see it",
                "set CCO_SLACK_CHANNEL to the channel's id (C…, at the end of its About tab); "
                "into a private one, /invite the bot first",
            )
        if error == "not_in_channel":
            return Unusable(error, f"the bot is not in {where}", "write /invite @ and the bot's name in that channel")
        if error in _CLOSED:
            return Unusable(
                error,
                f"Slack lets nobody like us write in {where} ({error})",
                "let the bot post there, or set CCO_SLACK_CHANNEL to another channel",
            )
        more = "; ".join(str(line) for line in (body.get("response_metadata") or {}).get("messages") or [])
        return Rejected(method, error, more)


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
        yield Slack(client, settings.channel, monotonic)


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
        after = _advice(headers.get("retry-after"))
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


def _next(answer: AsyncSlackResponse) -> str:
    return str((answer.get("response_metadata") or {}).get("next_cursor") or "")


def _advice(retry_after: str | None) -> timedelta | None:
    if retry_after is None or not re.fullmatch(r"[0-9]{1,9}", retry_after):
        return None
    return timedelta(seconds=min(int(retry_after), LONGEST_ADVICE_SECONDS))
