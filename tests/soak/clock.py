"""A clock that can be put forward while the service runs: thirty days in a few minutes.

The file holds one number, by how many seconds this clock is ahead of the machine's. The service's process sees the time
of the file wherever it looks: on the wall, in the event loop, and in what it hands out. The agents, which are processes
of their own, live in the machine's time: how long they may work is not simulated.
"""

import asyncio
import mmap
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

WAKE_SECONDS = 0.02  # a loop that sleeps does not see that the clock was put forward

_NUMBER = struct.Struct("d")
_REAL = datetime


class Clock:
    """What the test holds: the time, and the hand that puts it forward."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(_NUMBER.pack(0.0))
        self.path = path
        self._ahead = 0.0

    def __call__(self) -> datetime:
        return _REAL.now(UTC) + timedelta(seconds=self._ahead)

    def forward(self, by: timedelta) -> None:
        self._ahead += by.total_seconds()
        with self.path.open("r+b") as file:
            file.write(_NUMBER.pack(self._ahead))


@contextmanager
def followed(path: Path) -> Iterator[Callable[[], asyncio.AbstractEventLoop]]:
    """This process lives in the time of the file from here on; gives the event loop that does, too."""
    with path.open("rb") as file:
        shared = mmap.mmap(file.fileno(), _NUMBER.size, access=mmap.ACCESS_READ)

    def ahead() -> float:
        number: float = _NUMBER.unpack(shared)[0]
        return number

    class Ahead(_REAL):
        """`datetime`, in the time of the file."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Ahead":
            return cls.fromtimestamp(time.time(), tz)

    class Loop(asyncio.SelectorEventLoop):
        """The usual loop, which sees the patched `time.monotonic`, and looks at it often."""

        def __init__(self) -> None:
            super().__init__()
            self._look()

        def _look(self) -> None:
            self.call_later(WAKE_SECONDS, self._look)

    wall, steady, wall_ns = time.time, time.monotonic, time.time_ns
    time.time = lambda: wall() + ahead()
    time.monotonic = lambda: steady() + ahead()
    time.time_ns = lambda: wall_ns() + int(ahead() * 1e9)
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in {"app", "handlers", "runner"} and getattr(module, "datetime", None) is _REAL:
            module.datetime = Ahead  # type: ignore[attr-defined]  # as they import it
    yield Loop
