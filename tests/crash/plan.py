"""What a trial does to a process, and when: strikes in a file that service and supervisor read as they start.

A strike falls at a point (`git.push/after`), the `hit`-th time that a process comes there, once. What fell is a file
beside the plan, so that the next process does not fall over the same strike; what was passed is in the trace.
"""

import json
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from runner import effects

DIRECTORY = "CRASH_PLAN"

Action = Literal[
    "kill",  # kill -9
    "freeze",  # it hangs, with all its locks and sockets, until somebody kills it
    "raise",  # before: the effect fails; after: it happened, and its answer was lost
    "note",  # nothing; that it was passed is what one wants to know
]


@dataclass(frozen=True, slots=True)
class Strike:
    """What falls where."""

    point: str
    action: Action = "kill"
    hit: int = 1


class Plan:
    """A directory: the strikes, those that fell, and the trace of the points that were passed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, strikes: Sequence[Strike]) -> None:
        self.directory.mkdir()
        (self.directory / "strikes.json").write_text(json.dumps([asdict(one) for one in strikes]))

    def strikes(self) -> list[Strike]:
        return [Strike(**one) for one in json.loads((self.directory / "strikes.json").read_bytes())]

    def fallen(self, strike: Strike) -> Path:
        name = f"{strike.point.replace('/', '-')}-{strike.hit}-{strike.action}"
        return self.directory / name

    def passed(self) -> Counter[str]:
        """How often each point was passed, over all processes."""
        trace = self.directory / "trace"
        return Counter(trace.read_text().split("\n")[:-1] if trace.exists() else ())

    def fell_in(self, role: str) -> int:
        """How many strikes fell in processes of this role."""
        return sum(self.fallen(one).exists() and self.fallen(one).read_text() == role for one in self.strikes())

    def arm(self, role: str) -> None:
        """Let the strikes fall in this process, a `service` or a `supervisor`."""
        left = [strike for strike in self.strikes() if not self.fallen(strike).exists()]
        hits: Counter[str] = Counter()
        trace = os.open(self.directory / "trace", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

        def observe(name: str, side: effects.Side) -> None:
            point = f"{name}/{side}"
            hits[point] += 1
            os.write(trace, f"{point}\n".encode())
            for strike in left:
                if strike.point == point and strike.hit == hits[point] and not self.fallen(strike).exists():
                    self.fallen(strike).write_text(role)
                    _fall(strike, name.partition(".")[0])

        effects.observe_for_a_test(observe)


def _fall(strike: Strike, kind: str) -> None:
    match strike.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "raise":
            raise _error(kind, strike.point)
        case "note":
            pass


def _error(kind: str, point: str) -> Exception:
    """What such a thing raises when it goes wrong."""
    from runner.errors import TryLater  # noqa: PLC0415 - only now: the supervisor starts fast
    from runner.git import GitFailed  # noqa: PLC0415 - the same

    match kind:
        case "commit":
            return sqlite3.OperationalError(f"disk I/O error (a test's, at {point})")
        case "git":
            return GitFailed(("a test's",), 128, f"fatal: unable to write, at {point}")
        case "http" | "tmux":
            return TryLater(f"the connection broke (a test's, at {point})")
        case _:
            return OSError(5, f"Input/output error (a test's, at {point})")
