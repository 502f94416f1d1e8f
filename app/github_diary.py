"""Remember over a restart what GitHub counts: the writes of the last hour, and until when it asked us to be still.

One short line each in `CCO_HOME/github-writes`, without a flush to the disk: it outlives a killed process. What a power
cut takes from it is covered by the distance we keep from GitHub's own limit.
"""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.effects import effect
from runner.spool import write_atomically

HOUR = 3600.0
MOST_LINES = 5000
_LINE = re.compile(r"^(wrote|closed) ([0-9]+\.[0-9]{3}) (\S+)$", re.MULTILINE)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Before:
    """A lane as the last process left it: how many seconds ago each write was, oldest first; closed for how long.

    `seconds_here`: so long this process has been there. The last one may have died in a write, and not noted it.
    """

    ages: tuple[float, ...]
    closed_seconds: float
    seconds_here: float


@dataclass(frozen=True, slots=True)
class _Line:
    kind: str  # `wrote`, at this moment; or `closed`, until this moment
    moment: float
    lane: str

    def __str__(self) -> str:
        return f"{self.kind} {self.moment:.3f} {self.lane}\n"


class Diary:
    """The file. `clock` is UNIX time: it is read by another process."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._opened = clock()
        self._count = self._enough = 0
        self._shorten()

    def recall(self, lane: str) -> Before:
        """What there is to know of a lane. A clock that was set back makes nothing last longer than an hour."""
        now = self._clock()
        lines = [line for line in self._read() if line.lane == lane]
        ages = sorted((max(0.0, now - line.moment) for line in lines if line.kind == "wrote"), reverse=True)
        closed = max((line.moment - now for line in lines if line.kind == "closed"), default=0.0)
        here = max(0.0, now - self._opened)
        return Before(tuple(age for age in ages if age < HOUR), min(max(0.0, closed), HOUR), here)

    def wrote(self, lane: str) -> None:
        """Just now."""
        self._note(_Line("wrote", self._clock(), lane))

    def closed(self, lane: str, seconds: float) -> None:
        """From now on, for so long."""
        self._note(_Line("closed", self._clock() + seconds, lane))

    def _note(self, line: _Line) -> None:
        try:
            if self._count >= self._enough:
                self._shorten()
            with effect("file.github-writes"), self._path.open("a") as file:
                file.write(str(line))
            self._count += 1
        except OSError as exc:  # a full disk does not keep us from answering people
            logger.warning("a restart will not know of this write to GitHub: %s", exc)

    def _shorten(self) -> None:
        fresh = [line for line in self._read() if line.moment > self._clock() - HOUR]
        self._count, self._enough = len(fresh), 2 * len(fresh) + MOST_LINES
        if self._path.exists():
            write_atomically(self._path, "".join(map(str, fresh)).encode(), "file.github-writes-shortened")

    def _read(self) -> list[_Line]:
        if not self._path.exists():
            return []
        found = _LINE.findall(self._path.read_text(errors="replace"))  # a line that was cut short says nothing
        return [_Line(kind, float(moment), lane) for kind, moment, lane in found]
