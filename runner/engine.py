"""Where launches live: start a supervisor in a tmux session, speak to it through its spool, ask what became of it."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import runner
from runner import kin, spool
from runner.effects import effect
from runner.events import CommitsExported
from runner.spool import Spec
from runner.tasks import Run, RunId, TaskId
from runner.tmux import Tmux

logger = logging.getLogger(__name__)

# Where `runner` is imported from; the supervisor is told, because it starts in a directory of its own.
_PACKAGES = str(Path(runner.__file__).resolve().parents[1])
SUPERVISOR = ("runner.supervisor",)


class Launch(StrEnum):
    """What has become of a launch, on evidence and never on age."""

    absent = "absent"  # its spool was never written, or nothing was started from it
    coming = "coming"  # its session is there, and the supervisor has not taken the lock yet
    alive = "alive"  # the lock is held
    ended = "ended"  # there is an exit
    lost = "lost"  # it was alive, is not any more, and left no exit


class Engine:
    """Launches on this machine. `home` is CCO_HOME."""

    def __init__(self, home: Path, tmux: Tmux) -> None:
        self._home = home
        self._tmux = tmux

    def task_root(self, task_id: TaskId) -> Path:
        """Everything of a task: deleting it deletes the task's traces."""
        return self._home / "tasks" / str(task_id)

    def spool_of(self, task_id: TaskId, run_id: RunId, launch: int) -> Path:
        """The spool of one launch."""
        return self.task_root(task_id) / "runs" / str(run_id) / "launches" / str(launch)

    def spool(self, run: Run) -> Path:
        """The spool of the run's current launch."""
        return self.spool_of(run.task_id, run.id, run.launch)

    def bundle(self, run: Run, exported: CommitsExported) -> Path:
        """The commits that one of the run's launches handed over."""
        return self.spool_of(run.task_id, run.id, exported.launch) / "bundles" / str(exported.number)

    def has_traces(self, run: Run) -> bool:
        """Whether some launch of the run left on this machine what it did; that is better than what others tell."""
        return any((self.task_root(run.task_id) / "runs" / str(run.id) / "launches").glob("*/spec.json"))

    async def launch(self, run: Run, spec: Spec) -> None:
        """Start the supervisor of this launch. The pane starts in the spool: nothing of the repository is imported.

        What an earlier launch left running is ended first: two agents never write in one worktree.
        """
        await self.end_leftovers(run)
        directory = self.spool(run)
        spool.create(directory, spec)
        await self._tmux.launch(
            run.id,
            [sys.executable, "-P", "-m", *SUPERVISOR, str(directory)],
            cwd=directory,
            env={"PYTHONPATH": _PACKAGES},
        )

    async def probe(self, run: Run) -> Launch:
        """Look at exit, lock and session, in the order in which a living supervisor makes and leaves them."""
        directory = self.spool(run)
        alive = spool.is_alive(directory)
        if spool.read_exit(directory) is not None:
            return Launch.ended
        if alive:
            return Launch.alive
        pane = (await self._tmux.panes()).get(run.id)
        if pane is not None and not pane.only_shows:
            return Launch.coming
        if spool.read_exit(directory) is not None:  # it ended between the two looks
            return Launch.ended
        return Launch.lost if (directory / "lock").exists() else Launch.absent

    def send(self, run: Run, kind: str, uuid: str, **data: Any) -> None:
        """Drop a message into the launch's control directory; the supervisor carries each uuid out once."""
        spool.send(self.spool(run), kind, uuid, **data)

    async def in_sight(self) -> set[RunId]:
        """The runs that have a session to be seen in."""
        return set(await self._tmux.panes())

    async def show(self, run: Run) -> None:
        """Give a supervisor that lost its session, and tmux's server with it perhaps, one to be seen in."""
        directory = self.spool(run)
        if spool.is_alive(directory):
            argv = [sys.executable, "-P", "-m", "runner.onlooker", str(directory)]
            await self._tmux.show(run.id, argv, cwd=directory, env={"PYTHONPATH": _PACKAGES})

    def sign_of_life(self, run: Run) -> int:
        """Changes every few seconds while the supervisor is well."""
        return spool.last_beat(self.spool(run))[0]

    def worked_seconds(self, run: Run) -> float | None:
        """For how long the launch had worked when it last said so."""
        return spool.last_beat(self.spool(run))[1]

    async def end_by_force(self, run: Run) -> None:
        """Kill a supervisor that does not listen, or one that never came so far as to take its lock."""
        pid = spool.holder(self.spool(run))
        pane = (await self._tmux.panes()).get(run.id)
        if pid is None and pane is not None and not pane.only_shows:
            pid = pane.pid
        if pid is not None:
            with effect("process.end-by-force"), contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def end_leftovers(self, run: Run) -> None:
        """End what still works for the task of a run whose supervisor is gone."""
        with effect("process.end-leftovers"):
            left = await asyncio.to_thread(kin.end_all_of_task, self.task_root(run.task_id))
        if left:
            logger.error("processes of run %s cannot be killed: %s", run.id, left)

    async def kill(self, run_id: RunId) -> None:
        """End the session, if it is there. The supervisor ignores this; it is for what is left in the pane."""
        await self._tmux.kill(run_id)
