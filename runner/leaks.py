"""Count what is on this machine without a run that it belongs to: it is looked for, and it must be nothing."""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner.store import Store
from runner.tmux import Tmux

_PREPARING = re.compile(r"\.([0-9]+)-.+")


@dataclass(slots=True)
class Seen:
    """What is there, by the task or the run that it names."""

    processes: list[int] = field(default_factory=list)  # tasks
    locks: list[int] = field(default_factory=list)  # runs
    directories: list[int] = field(default_factory=list)  # tasks
    preparing: list[int] = field(default_factory=list)  # tasks


async def count(store: Store, tmux: Tmux, home: Path) -> dict[str, int]:
    """How many of each kind. Something that ends as we look may be counted once; twice in a row, it is left over."""
    before = await store.active_runs()
    sessions = await tmux.sessions()
    seen = await asyncio.to_thread(look, home)
    active = [*before, *await store.active_runs()]
    runs, tasks = {int(run.id) for run in active}, {int(run.task_id) for run in active}
    known = await store.register.known(seen.directories)
    return {
        "session": sum(run not in runs for run in sessions),
        "process": sum(task not in tasks for task in seen.processes),
        "lock": sum(run not in runs for run in seen.locks),
        "directory": sum(task not in known for task in seen.directories)
        + sum(task not in tasks for task in seen.preparing),
    }


def look(home: Path) -> Seen:
    """Once over the process table, the table of locks and the directory of tasks."""
    seen = Seen()
    ours = re.compile(re.escape(os.fsencode(home)) + rb"/tasks/([0-9]+)/")
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and (task := _task_of(process, ours)) is not None:
            seen.processes.append(task)
    spool = re.compile(re.escape(str(home)) + r"/tasks/[0-9]+/runs/([0-9]+)/launches/[0-9]+/lock")
    for process in set(_lock_holders()):
        with suppress(OSError):
            held = {spool.fullmatch(os.readlink(one)) for one in (process / "fd").iterdir()}  # noqa: PTH115  as a string
            seen.locks += [int(found[1]) for found in held if found]
    with suppress(FileNotFoundError):
        for entry in (home / "tasks").iterdir():
            if entry.name.isdecimal():
                seen.directories.append(int(entry.name))
            elif found := _PREPARING.fullmatch(entry.name):
                seen.preparing.append(int(found[1]))
    return seen


def _task_of(process: Path, ours: re.Pattern[bytes]) -> int | None:
    """The task for which a process works: a supervisor or its sandbox by its words, what an agent started by where its
    home is. An editor that a person opened on a file there is none of ours.
    """
    with suppress(OSError):
        words = (process / "cmdline").read_bytes()
        works = b"\0runner.supervisor\0" in words or words.partition(b"\0")[0].endswith(b"bwrap")
        if found := ours.search(words) if works else None:
            return int(found[1])
        if found := ours.search((process / "environ").read_bytes()):
            return int(found[1])
    return None


def _lock_holders() -> Iterator[Path]:
    """The processes that hold a flock."""
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if "FLOCK" in words and "->" not in words:
                yield Path("/proc") / words[4]
