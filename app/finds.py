"""Count what nobody told us of and the reconciler found, for /metrics."""

from collections.abc import Mapping
from typing import Literal, get_args

What = Literal["delivery", "label", "stop", "pull_request", "command", "rename"]


class Finds:
    """Since the service started."""

    def __init__(self) -> None:
        self._counts: dict[What, int] = dict.fromkeys(get_args(What), 0)

    def count(self, what: What) -> None:
        """One more."""
        self._counts[what] += 1

    @property
    def counts(self) -> Mapping[What, int]:
        """How many of each kind there were."""
        return self._counts
