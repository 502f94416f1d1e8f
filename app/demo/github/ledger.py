"""The book of everything that was asked of the stand-in and everything it sent, in order: tests judge by it."""

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One request over HTTP and what it got; `path` is without the API's prefix."""

    at: datetime
    method: str
    path: str
    query: str
    actor: str
    token_kind: Literal["none", "app", "installation", "user", "page"]
    permissions: dict[str, str]
    repositories: tuple[str, ...]
    body: Any
    status: int
    answer: Any


@dataclass(frozen=True, slots=True)
class PushSeen:
    """One ref moved by a push; a SHA is None where the ref did not or does not exist."""

    at: datetime
    repository: str
    actor: str
    ref: str
    before: str | None
    after: str | None
    forced: bool


@dataclass(frozen=True, slots=True)
class DeliverySent:
    at: datetime
    guid: str
    event: str
    action: str | None
    redelivery: bool
    status_code: int
    answer: str


@dataclass(frozen=True, slots=True)
class Violation:
    """Something a good citizen of GitHub would not have done."""

    at: datetime
    sentence: str


CLOCKS_DIFFER = timedelta(milliseconds=10)  # in how fast they go

T = TypeVar("T")
Entry = RequestSeen | PushSeen | DeliverySent | Violation


class Ledger(list[Entry]):
    """A list of entries, with the questions tests ask of it."""

    def requests(self, method: str = ".*", path: str = ".*") -> list[RequestSeen]:
        """Requests whose method and path match these regular expressions, whole."""
        return [e for e in self._of(RequestSeen) if re.fullmatch(method, e.method) and re.fullmatch(path, e.path)]

    @property
    def pushes(self) -> list[PushSeen]:
        return list(self._of(PushSeen))

    @property
    def deliveries(self) -> list[DeliverySent]:
        return list(self._of(DeliverySent))

    @property
    def violations(self) -> list[Violation]:
        return list(self._of(Violation))

    def _of(self, kind: type[T]) -> Iterator[T]:
        return (entry for entry in self if isinstance(entry, kind))


@dataclass(slots=True)
class Fault:
    """What goes wrong, for the next `times` requests that match.

    A status is answered without any effect; "drop" lets the effect happen and loses the answer; a timedelta delays it.
    "cut" lets it happen and sends half of the answer, "endless" never ends it, "html" says something else instead.
    """

    method: str
    path: str
    effect: int | Literal["drop", "cut", "endless", "html"] | timedelta
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None

    def strikes(self, method: str, path: str) -> bool:
        return self.times > 0 and bool(re.fullmatch(self.method, method)) and bool(re.search(self.path, path))


@dataclass(slots=True)
class SecondaryLimit:
    """GitHub's limit on requests that create content: 80 a minute and 500 an hour for one guest.

    `apart` is the time that it asks its guests to leave between two of them.
    """

    per_minute: int = 80
    per_hour: int = 500
    apart: timedelta = timedelta(0)
    _seen: dict[str, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))

    def exceeded(self, guest: str, now: datetime) -> timedelta | None:
        """Count one request; if it is one too many, say how long to wait, and do not count it."""
        seen = self._seen[guest]
        while seen and now - seen[0] >= timedelta(hours=1):
            seen.popleft()
        last_minute = [at for at in seen if now - at < timedelta(minutes=1)]
        if len(seen) >= self.per_hour:
            return seen[0] + timedelta(hours=1) - now
        if len(last_minute) >= self.per_minute:
            return last_minute[0] + timedelta(minutes=1) - now
        if seen and now - seen[-1] < self.apart - CLOCKS_DIFFER:
            return seen[-1] + self.apart - now
        seen.append(now)
        return None
