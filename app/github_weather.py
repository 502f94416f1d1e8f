"""Pure: which answers of GitHub are weather, and how long it lasts."""

import time
from collections.abc import Mapping
from datetime import timedelta

from runner.errors import TryLater

SECONDARY = timedelta(seconds=60)  # GitHub's advice where it limits us and does not say for how long
LONGEST = timedelta(hours=1)  # the primary limit's window; a longer wait is a mistake in a header


def weather(status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> TryLater | None:
    """The TryLater that an answer means, or None where it is an answer. `now` is a UNIX time."""
    if status >= 500:
        return TryLater(f"GitHub answered {status}", _retry_after(headers))
    if status not in {403, 429}:
        return None
    after = _retry_after(headers)
    if after is None and headers.get("x-ratelimit-remaining") == "0":
        after = _until(headers.get("x-ratelimit-reset"), time.time() if now is None else now)
        return TryLater("GitHub's rate limit is used up", after)
    if (
        status == 429
        or after is not None
        or b"secondary rate limit" in body.lower()
        or b"abuse detection" in body.lower()
    ):
        return TryLater("GitHub asks us to slow down", after or SECONDARY)
    return None


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    value = headers.get("retry-after", "")
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        return None
    return min(timedelta(seconds=int(value)), LONGEST)


def _until(reset: str | None, now: float) -> timedelta:
    if reset is None or not (reset.isascii() and reset.isdecimal() and len(reset) < 12):
        return SECONDARY
    return min(max(timedelta(seconds=int(reset) - now + 1), timedelta(seconds=1)), LONGEST)
