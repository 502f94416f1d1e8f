"""Processes that work for a task: start them so that they die with their supervisor, and leave none behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
MAX_KEY_BYTES = 4096  # a pipe holds this much without a reader


def adopt_orphans() -> None:
    """Become the parent of every orphan below us, also of those in a session of their own, which killpg would miss."""
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def start(
    argv: Sequence[str], *, cwd: str, env: Mapping[str, str], pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, with pipes, to be killed when we die."""
    parent = os.getpid()

    def die_with_parent() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
        start_new_session=True,
        umask=0o022,  # ours is tighter, and no business of the repository's tools
        preexec_fn=die_with_parent,  # noqa: PLW1509 - we have one thread, and no other way to set it
    )


def key_pipe(key_file: str) -> int:
    """A descriptor that the key can be read from, once."""
    key = Path(key_file).read_bytes().strip()
    if not key or len(key) > MAX_KEY_BYTES:
        raise ValueError(f"{key_file} holds {len(key)} bytes, which is no key")
    reader, writer = os.pipe()
    os.write(writer, key)
    os.close(writer)
    return reader


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Tell the whole process group; a group that is gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def bury_orphans(ours: int | None) -> None:
    """Take up the exit codes of adopted children that ended; that of `ours` is left to its Popen."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == ours:
            return
        os.waitpid(ended.si_pid, 0)


def kill_all(seconds: float = 10.0) -> list[int]:
    """Kill until no child is left; those that do not die in time are returned."""
    until = time.monotonic() + seconds
    while True:
        left = children()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return []
        if time.monotonic() > until:
            return left
        time.sleep(0.01)


def of_task(root: Path) -> list[int]:
    """The pids of whatever carries this task's environment, wherever it descends from now.

    Below a supervisor that was killed, a process in a session of its own lives on where no sandbox ends it.
    """
    mark = b"CLAUDE_CONFIG_DIR=" + os.fsencode(root / "claude")
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def end_all_of_task(root: Path, seconds: float = 10.0) -> list[int]:
    """Kill whatever works for a task that has no supervisor; those that do not die in time are returned."""
    until = time.monotonic() + seconds
    while left := of_task(root):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            return left
        time.sleep(0.01)
    return []


def children() -> list[int]:
    """The pids whose parent we are."""
    me = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if int(stat.rpartition(b")")[2].split()[1]) == me:
            found.append(int(entry.name))
    return found
