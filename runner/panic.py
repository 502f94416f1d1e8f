"""Stop everything at once and keep it stopped: the file CCO_HOME/panic, and the end of every agent, by evidence.

While the file is there nothing starts. A supervisor takes its lock first and looks for the file then; whoever panics
makes the file first and looks for supervisors then. So each one is seen by the other, whoever comes first.

Standard library only: the supervisor imports it.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner import spool
from runner.effects import effect
from runner.spool import Cause, Exit

NAME = "panic"
WHY = "paused by whoever runs this service"
GENTLE_SECONDS = 2.0  # for a supervisor to end by itself, and Claude with it
FORCED_SECONDS = 2.0  # from then on, for the last process to be gone
_LOOK_SECONDS = 0.05
_BENEATH_HOME = 6  # home/tasks/<id>/runs/<run>/launches/<k>


@dataclass(frozen=True, slots=True)
class Supervisor:
    """A process that was started for a launch's spool beneath this CCO_HOME."""

    pid: int
    spool: Path

    @property
    def run(self) -> int:
        """The run that the launch is of."""
        return int(self.spool.parts[-3])

    @property
    def task(self) -> int:
        """The task that the run is of."""
        return int(self.spool.parts[-5])


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a launch: it ended when it was told to, was killed, or is left (and why one cannot say)."""

    task: int
    run: int
    how: Literal["told", "killed", "left"]


def is_on(home: Path) -> bool:
    """Whether everything is paused."""
    return os.path.lexists(home / NAME)


def is_on_for(launch: Path) -> bool:
    """The same, asked by a supervisor, which knows its spool alone."""
    parents = launch.parents
    return len(parents) >= _BENEATH_HOME and is_on(parents[_BENEATH_HOME - 1])


def begin(home: Path) -> None:
    """Make the file; nothing is written in it, so that a full disk is no obstacle."""
    with effect("file.panic"):
        os.close(os.open(home / NAME, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    _sync(home)


def lift(home: Path) -> bool:
    """Take the file away; False where there was none."""
    try:
        with effect("file.resume-all"):
            (home / NAME).unlink()
    except FileNotFoundError:
        return False
    _sync(home)
    return True


def supervisors(home: Path) -> list[Supervisor]:
    """Those at work beneath this CCO_HOME. The argv is compared whole: the tmux server's own holds one of these too."""
    found = {pid: one for pid in _pids() if (one := _supervisor(pid, home)) is not None}
    # A command that one has forked looks like it until it is executed.
    return [one for pid, one in found.items() if _parent(pid) not in found]


def end_agents(home: Path, gentle: float = GENTLE_SECONDS, forced: float = FORCED_SECONDS) -> list[Ended]:
    """Tell every supervisor to end, and after a while end those that did not, with all that is beneath them.

    Needs neither the service nor tmux. Where one left no exit, it is written for it: the run is to go on.
    """
    known: dict[Supervisor, Literal["told", "killed"]] = {}
    begun = time.monotonic()
    while alive := supervisors(home):
        late = time.monotonic() - begun
        if late > gentle + forced:
            break
        for one in alive:
            if one not in known:
                known[one] = "told"
                _tell(one)
            elif late > gentle:
                known[one] = "killed"
                _kill(one, home)
        time.sleep(_LOOK_SECONDS)
    left = set(alive)
    for one in known.keys() - left:
        _write_exit(one.spool)
    found = [Ended(one.task, one.run, "left" if one in left else how) for one, how in known.items()]
    return sorted(found, key=lambda one: one.run)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _supervisor(pid: int, home: Path) -> Supervisor | None:
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None  # it has ended
    if argv[1:4] != [b"-P", b"-m", b"runner.supervisor"] or len(argv) != 6:
        return None
    directory = Path(os.fsdecode(argv[4]))
    ours = directory.is_relative_to(home / "tasks") and len(directory.parents) >= _BENEATH_HOME
    plain = ours and directory.parts[-3].isdecimal() and directory.parts[-5].isdecimal()
    return Supervisor(pid, directory) if plain else None


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return None  # it has ended


def _tell(one: Supervisor) -> None:
    with suppress(OSError):  # a spool that cannot be written: then by force
        spool.send(one.spool, "pause", f"pause-{time.time_ns()}", why=WHY)


def _kill(one: Supervisor, home: Path) -> None:
    """End exactly this process, and first all beneath it: what is in a session of its own would outlive it.

    It is held still meanwhile, so that it starts nothing new and keeps every orphan. The descriptor names the process
    itself: should it have ended and its number be another's by now, nobody is hit.
    """
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(one.pid)
        try:
            if _supervisor(one.pid, home) != one:
                return
            with effect("process.kill-agent"):
                until = time.monotonic() + 1.0
                while time.monotonic() < until:
                    signal.pidfd_send_signal(descriptor, signal.SIGSTOP)  # each time: tmux wakes what is in a pane
                    if not (below := _beneath(one.pid)):
                        break
                    for pid in below:
                        with suppress(ProcessLookupError, PermissionError):
                            os.kill(pid, signal.SIGKILL)
                    time.sleep(_LOOK_SECONDS / 5)
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)


def _beneath(root: int) -> list[int]:
    """The living processes that descend from this one; an ended one that waits to be taken up is none."""
    parents: dict[int, int] = {}
    living: set[int] = set()
    for pid in _pids():
        with suppress(OSError):
            state, parent, *_ = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            parents[pid] = int(parent)
            if state not in {b"Z", b"X"}:
                living.add(pid)
    found: set[int] = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted((found - {root}) & living)


def _write_exit(directory: Path) -> None:
    """The one proof of an ending, where the supervisor could not write it; under its lock, and never over its own."""
    with suppress(OSError):  # no room for it: then the launch counts as lost, and the run goes on as well
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if spool.read_exit(directory) is None:
                spool.write_exit(directory, Exit(Cause.paused, None, WHY, None))
        finally:
            os.close(lock)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
