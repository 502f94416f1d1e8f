"""Whether all is paused, and the doorbell for those who hold back because of it."""

from pathlib import Path

from runner import panic
from runner.feed import Feed


class Pause:
    """`cco panic` begins one and `cco resume-all` ends it, in other processes: it is looked for."""

    def __init__(self, home: Path, feed: Feed) -> None:
        self._home = home
        self._feed = feed
        self._was_seen = self._was_on = False
        self.count = 0  # how often one began or ended, as far as we saw

    @property
    def on(self) -> bool:
        """Whether nothing may start: `cco panic` was said, and `cco resume-all` not yet."""
        on = panic.is_on(self._home)
        self._was_seen |= on
        return on

    def look(self) -> bool:
        """Whether a pause began or ended since the last look; readers are woken then.

        One that was over between two looks counts as well, if anyone saw it: they hold back until they are told.
        """
        was, self._was_seen = self._was_seen, False
        if self.on == self._was_on and was == self._was_on:
            return False
        self._was_on = self.on
        self.count += 1
        self._feed.ring()
        return True
