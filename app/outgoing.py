"""One request to a place whose address is a secret: no redirect is followed, and no error gives the address away."""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from runner.errors import TryLater

logger = logging.getLogger(__name__)

USER_AGENT = "cc-orchestrator"
TIMEOUT_SECONDS = 10.0
LONGEST_ANSWER = 64 * 1024  # bytes; what comes after them is not read
LONGEST_ADVICE = timedelta(hours=1)
LOOK_AGAIN = timedelta(minutes=5)  # whether an operator has mended what only they can
WEATHER = frozenset({408, 425, 429})  # and what is above 499


class Unanswered(TryLater):
    """It was sent, and may have been taken all the same."""


class Refused(TryLater):
    """The place refuses us until an operator mends it: `detail` is what is wrong, `mend` what to do about it."""

    def __init__(self, detail: str, mend: str, after: timedelta) -> None:
        super().__init__(f"{detail}; {mend}", after)
        self.detail = detail
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the names of the headers are in lower case, the body may be cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outgoing:
    """The connections to all such places."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._told: set[str] = set()  # of which places the operator knows that they refuse us

    async def send(
        self, place: str, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Any answer is one. `place` is what the errors call it: TryLater if nothing was sent, else Unanswered."""
        named = {"User-Agent": USER_AGENT, **(headers or {})}
        try:
            async with self._session.request(
                method, url, data=body or None, headers=named, allow_redirects=False
            ) as response:
                beginning = await _beginning(response)
                told = {name.lower(): value for name, value in response.headers.items()}
                if 200 <= response.status < 300 and method != "GET":
                    self._told.discard(place)
                return Answer(response.status, told, beginning)
        # Not chained: what these say may hold the address, and what they hold does.
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise TryLater(f"{place} cannot be reached: {_why(error)}") from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unanswered(f"{place} did not answer: {_why(error)}") from None

    def tell_operator(self, place: str, reason: Refused) -> None:
        """Once, until the place takes something again."""
        if place not in self._told:
            self._told.add(place)
            logger.error("%s hears nothing of the tasks: %s", place, reason)

    def posting(self, place: str, url: str) -> Callable[[bytes, Mapping[str, str]], Awaitable[None]]:
        """Posts there. Only a status of 2xx says that it was taken."""

        async def post(body: bytes, headers: Mapping[str, str]) -> None:
            answer = await self.send(place, "POST", url, body, headers)
            if 200 <= answer.status < 300:
                return
            reason = _meaning(place, answer)
            if isinstance(reason, Refused):
                self.tell_operator(place, reason)
            raise reason

        return post


@asynccontextmanager
async def open_outgoing(timeout_seconds: float | None = None) -> AsyncIterator[Outgoing]:
    """Ready to speak; nothing is said yet, so that a place being down delays no start."""
    timeout = aiohttp.ClientTimeout(total=timeout_seconds or TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Outgoing(session)


def _meaning(place: str, answer: Answer) -> TryLater:
    said = f"{place} answers {answer.status}"
    if answer.status in WEATHER or answer.status >= 500:
        return TryLater(said, advice(answer.headers.get("retry-after")))
    if 300 <= answer.status < 400:
        return Refused(said, "no redirect is followed: set the address that it leads to", LOOK_AGAIN)
    return Refused(said, "see whether its address in cco.toml is right, and what its own log says", LOOK_AGAIN)


def advice(said: object) -> timedelta | None:
    """How long to wait, as a header or JSON says it in seconds; None for anything else, and an hour at most."""
    text = str(said)
    if isinstance(said, bool) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return None
    return min(timedelta(seconds=float(text)), LONGEST_ADVICE)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    read = b""
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) >= LONGEST_ANSWER:
            break
    return read[:LONGEST_ANSWER]


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.strerror:
        return error.os_error.strerror
    return type(error).__name__
