"""Discord through the webhook of one channel: post a message, edit it, and keep to the limits that Discord tells us."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson

from app.outgoing import Answer, Outgoing, Refused, Unanswered, advice
from runner.errors import TryLater

LOOK_AGAIN = timedelta(hours=1)  # Discord bans who keeps asking for a webhook that is gone
FIRST_DOUBT, LONGEST_DOUBT = timedelta(seconds=30), timedelta(minutes=5)
PERHAPS_DONE = frozenset({500, 502, 504})  # something between us gave up, or broke afterwards
NEW_WEBHOOK = (
    "make a webhook in the channel's settings, under Integrations, and set CCO_DISCORD_WEBHOOK_URL to its address"
)

# Discord's own numbers for what is wrong.
UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, INVALID_TOKEN = 10003, 10008, 10015, 50027
TOO_MANY_EDITS_OF_AN_OLD_MESSAGE = 30046
ARCHIVED, NEEDS_A_THREAD = 50083, 220001
MENDS = {
    UNKNOWN_WEBHOOK: ("the webhook is gone", NEW_WEBHOOK),
    INVALID_TOKEN: ("Discord does not take the webhook's token", NEW_WEBHOOK),
    UNKNOWN_CHANNEL: (
        "the thread that CCO_DISCORD_WEBHOOK_URL names is gone",
        "take ?thread_id=… off, or set it to another thread's id",
    ),
    ARCHIVED: ("the thread that CCO_DISCORD_WEBHOOK_URL names is archived and locked", "open it again in Discord"),
    NEEDS_A_THREAD: (
        "the webhook's channel is a forum",
        "put ?thread_id= and a thread's id behind CCO_DISCORD_WEBHOOK_URL, or take a text channel's webhook",
    ),
}


class Rejected(Exception):
    """Discord understood us and does not take this one message: a bug of ours."""


class Discord:
    """One webhook. Every method raises TryLater for the weather, and nothing it says holds the address."""

    def __init__(
        self,
        outgoing: Outgoing,
        url: str,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._outgoing = outgoing
        self._address = urlsplit(url)
        self._monotonic = monotonic
        self._sleep = sleep
        self._not_before = float("-inf")  # of `monotonic`
        self._doubts = 0

    async def free(self) -> None:
        """Until Discord's limits let us speak, however long that is."""
        while (left := self._not_before - self._monotonic()) > 0:
            await self._sleep(left)

    async def post(self, message: dict[str, Any]) -> str:
        """Write a message, and give back its id. After TryLater it may have been written all the same."""
        try:
            message_id = _id_in(await self._tell("POST", "", message, wait="true"))
        except Unanswered as doubt:
            # Each try may be one message more: so we try less and less often.
            after = min(FIRST_DOUBT * 2**self._doubts, LONGEST_DOUBT)
            self._doubts = min(self._doubts + 1, 10)
            raise TryLater(f"{doubt}; the message may be there all the same", after) from None
        self._doubts = 0
        return message_id

    async def edit(self, message_id: str, message: dict[str, Any]) -> bool:
        """Write a message anew where it stands. False: it cannot be, and a new one can.

        It was deleted, another webhook wrote it, or its thread was archived: a new message opens that again.
        """
        answer = await self._tell("PATCH", f"/messages/{message_id}", message)
        return answer.status < 300

    async def identity(self) -> dict[str, Any]:
        """What Discord says of the webhook; nothing is posted."""
        return dict(_said(await self._ask("GET", "", None)))

    async def _tell(self, method: str, path: str, message: dict[str, Any], **query: str) -> Answer:
        """Ask, and tell the operator once what only they can mend."""
        try:
            return await self._ask(method, path, message, **query)
        except Refused as reason:
            self._outgoing.tell_operator("Discord", reason)
            raise

    async def _ask(self, method: str, path: str, message: dict[str, Any] | None, **query: str) -> Answer:
        if (left := self._not_before - self._monotonic()) > 0:
            raise TryLater("Discord limits how often we may write", timedelta(seconds=left))
        url = urlunsplit(
            self._address._replace(
                path=self._address.path + path, query=urlencode([*parse_qsl(self._address.query), *query.items()])
            )
        )
        body = b"" if message is None else orjson.dumps(message)
        answer = await self._outgoing.send("Discord", method, url, body, {"Content-Type": "application/json"})
        self._note_limits(answer.headers)
        cannot_be_edited = method == "PATCH" and _said(answer).get("code") in {UNKNOWN_MESSAGE, ARCHIVED}
        if answer.status < 300 or cannot_be_edited:
            return answer
        raise self._trouble(answer)

    def _note_limits(self, headers: Mapping[str, str]) -> None:
        if headers.get("x-ratelimit-remaining") == "0":
            self._wait(advice(headers.get("x-ratelimit-reset-after")))

    def _wait(self, length: timedelta | None) -> None:
        if length is not None:
            self._not_before = max(self._not_before, self._monotonic() + length.total_seconds())

    def _trouble(self, answer: Answer) -> Exception:
        said = _said(answer)
        code = said.get("code")
        if answer.status == 429:
            told = [advice(said.get("retry_after")), advice(answer.headers.get("retry-after"))]
            after = max((one for one in told if one is not None), default=None)
            if code != TOO_MANY_EDITS_OF_AN_OLD_MESSAGE:  # that is about one message, and no reason to be silent
                self._wait(after)
            return TryLater("Discord limits how often we may write", after)
        if code in MENDS:
            return Refused(*MENDS[code], LOOK_AGAIN)
        if answer.status in {401, 403}:
            return Refused(f"Discord does not let us write ({answer.status})", NEW_WEBHOOK, LOOK_AGAIN)
        if answer.status in PERHAPS_DONE:
            return Unanswered(f"Discord is away: it answers {answer.status}")
        if answer.status >= 500 or not said:
            return TryLater(f"Discord is away: it answers {answer.status}", advice(answer.headers.get("retry-after")))
        return Rejected(
            f"Discord takes the message not: {answer.status} {answer.body[:1_000].decode(errors='replace')}"
        )


def _id_in(answer: Answer) -> str:
    message_id = _said(answer).get("id")
    if not message_id:
        raise Unanswered("what answers at CCO_DISCORD_WEBHOOK_URL does not speak as Discord does")
    return str(message_id)


def _said(answer: Answer) -> Mapping[str, Any]:
    """The JSON object of the answer; empty if it is none."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
