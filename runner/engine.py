"""Where launches live: start a supervisor in a tmux session, speak to it through its spool, ask what became of it."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import runner
from runner import spool
from runner.spool import Spec
from runner.tasks import Run, RunId, TaskId
from runner.tmux import Tmux

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

    def has_traces(self, run: Run) -> bool:
        """Whether some launch of the run left on this machine what it did; that is better than what others tell."""
        return any((self.task_root(run.task_id) / "runs" / str(run.id) / "launches").glob("*/spec.json"))

    async def launch(self, run: Run, spec: Spec) -> None:
        """Start the supervisor of this launch. The pane starts in the spool: nothing of the repository is imported."""
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
        if run.id in await self._tmux.sessions():
            return Launch.coming
        if spool.read_exit(directory) is not None:  # it ended between the two looks
            return Launch.ended
        return Launch.lost if (directory / "lock").exists() else Launch.absent

    def send(self, run: Run, kind: str, uuid: str, **data: Any) -> None:
        """Drop a message into the launch's control directory; the supervisor carries each uuid out once."""
        spool.send(self.spool(run), kind, uuid, **data)

    async def kill(self, run_id: RunId) -> None:
        """End the session, if it is there. The supervisor ignores this; it is for what is left in the pane."""
        await self._tmux.kill(run_id)
