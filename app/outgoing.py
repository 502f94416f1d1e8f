"""One request to a place whose address is a secret: no redirect is followed, and no error gives the address away."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from runner.errors import TryLater

USER_AGENT = "cc-orchestrator"
TIMEOUT_SECONDS = 10.0
LONGEST_ANSWER = 64 * 1024  # bytes; what comes after them is not read
LONGEST_ADVICE = timedelta(hours=1)


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
                return Answer(response.status, told, beginning)
        # Not chained: what these say may hold the address, and what they hold does.
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise TryLater(f"{place} cannot be reached: {_why(error)}") from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unanswered(f"{place} did not answer: {_why(error)}") from None


@asynccontextmanager
async def open_outgoing(timeout_seconds: float | None = None) -> AsyncIterator[Outgoing]:
    """Ready to speak; nothing is said yet, so that a place being down delays no start."""
    timeout = aiohttp.ClientTimeout(total=timeout_seconds or TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Outgoing(session)


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
