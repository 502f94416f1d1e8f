"""The error tree.

    Exception
    ├── Refusal       a complete sentence for a person: what is not possible, and what to do
    ├── TryLater      the weather: the same thing may work in a while
    └── anything else a bug or a broken machine: logged once, where it ends

Expected endings of a run are values (`runner.tasks.Outcome`), not exceptions.
"""

from datetime import timedelta


class Refusal(Exception):
    """What a person asked for cannot be done; `str()` is the sentence they read."""


class TryLater(Exception):
    """Something outside is down, busy or limiting us; `after` is its own advice, if it gave any."""

    def __init__(self, what: str, after: timedelta | None = None) -> None:
        super().__init__(what)
        self.after = after
