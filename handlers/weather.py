"""Tell the weather from bugs: which failures of GitHub's API pass by themselves."""

from datetime import UTC, datetime, timedelta

import gidgethub

from runner.errors import TryLater


def weather(error: Exception) -> TryLater | None:
    """The same failure as a TryLater with GitHub's own advice, or None where waiting would change nothing.

    GitHub says 429 or 403 for its secondary limits, and gives `retry-after`; 5xx when it is unwell.
    """
    if isinstance(error, TryLater):
        return error
    if isinstance(error, gidgethub.RateLimitExceeded):
        left = error.rate_limit.reset_datetime - datetime.now(UTC)
        return TryLater("GitHub's rate limit is used up", max(left, timedelta(seconds=1)))
    if isinstance(error, gidgethub.GitHubBroken):
        return TryLater(f"GitHub answered {int(error.status_code)}", _advice(error))
    if isinstance(error, gidgethub.HTTPException) and error.status_code in {403, 429}:
        limited = error.status_code == 429 or "retry-after" in error.headers or "secondary rate" in str(error).lower()
        return TryLater("GitHub asks us to slow down", _advice(error)) if limited else None
    if isinstance(error, OSError):  # also every timeout
        return TryLater(f"GitHub could not be reached: {error or type(error).__name__}")
    return None


def _advice(error: gidgethub.HTTPException) -> timedelta | None:
    seconds = error.headers.get("retry-after", "")
    return timedelta(seconds=int(seconds)) if seconds.isdecimal() else None
