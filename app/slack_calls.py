"""Call Slack's Web API, and know what its answers mean: done, the weather, or something for an operator to mend."""

import logging
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from runner.errors import TryLater

logger = logging.getLogger(__name__)

LONGEST_ADVICE_SECONDS = 3600
LOOK_AGAIN = timedelta(minutes=5)  # whether an operator has mended what only they can
PAGES = 20  # of 200 things: how far we look for one

TOKEN_REFUSED = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "no_permission"}
)
_CLOSED = frozenset({"is_archived", "restricted_action", "restricted_action_read_only_channel", "ekm_access_denied"})
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


class Calls:
    """One app in one workspace. Whatever is asked raises TryLater for the weather."""

    def __init__(self, client: AsyncWebClient, monotonic: Callable[[], float]) -> None:
        self.client = client
        self._monotonic = monotonic
        self._told: set[str] = set()  # what an operator must mend, since it last went well
        self._once: set[str] = set()
        self._limited: dict[str, float] = {}  # by method: not before this moment of `monotonic`

    def once(self, what: str) -> bool:
        """Whether this is the first time that it is to be said."""
        new = what not in self._once
        self._once.add(what)
        return new

    async def tell(self, method: str, call: Call, where: str = "") -> AsyncSlackResponse:
        """Ask, and tell the operator once what only they can mend."""
        try:
            answer = await self.ask(method, call, where)
        except Unusable as exc:
            if exc.error not in self._told:
                self._told.add(exc.error)
                logger.error("Slack hears nothing of the tasks: %s", exc)  # noqa: TRY400  (a sentence, not a bug)
            raise
        self._told.clear()
        return answer

    async def ask(self, method: str, call: Call, where: str = "") -> AsyncSlackResponse:
        """Call it. `where` is the channel, as an operator knows it."""
        wait = self._limited.get(method, 0.0) - self._monotonic()
        if wait > 0:
            raise TryLater(f"Slack limits how often we may call {method}", timedelta(seconds=wait))
        try:
            return await call()
        except SlackApiError as exc:
            raise self._meaning(method, exc, where) from exc
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise TryLater(f"Slack cannot be reached: {type(exc).__name__} {exc}".rstrip()) from exc
        except (AttributeError, ValueError, LookupError) as exc:  # how the SDK says that it was no JSON object
            raise TryLater(f"what answered {method} does not speak as Slack does") from exc

    def _meaning(self, method: str, exc: SlackApiError, where: str) -> Exception:
        response = exc.response
        status = int(getattr(response, "status_code", None) or getattr(response, "status", None) or 0)
        data = getattr(response, "data", None)
        body: dict[str, Any] = data if isinstance(data, dict) else {}
        error = str(body.get("error") or f"HTTP {status}")
        if status == 429 or error in _BUSY or status >= 500:
            after = advice(response.headers.get("Retry-After"))
            if after is not None:
                self._limited[method] = self._monotonic() + after.total_seconds()
            return TryLater(f"Slack is busy: {error}", after)
        if status == 200 and "error" not in body:
            return TryLater(f"what answered {method} does not speak as Slack does")
        return refusal(method, error, body, where)


def refusal(method: str, error: str, body: dict[str, Any], where: str) -> Exception:
    """What it means that Slack said no."""
    if error in TOKEN_REFUSED:
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


def following(answer: AsyncSlackResponse) -> str:
    """The cursor of the next page; empty at the end."""
    return str((answer.get("response_metadata") or {}).get("next_cursor") or "")


def advice(retry_after: str | None) -> timedelta | None:
    """How long Slack asks us to wait."""
    if retry_after is None or not re.fullmatch(r"[0-9]{1,9}", retry_after):
        return None
    return timedelta(seconds=min(int(retry_after), LONGEST_ADVICE_SECONDS))
