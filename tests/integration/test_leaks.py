"""What is on the machine without a run is counted, by looking; what belongs to a run is not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runner import leaks
from runner.store import Store, open_store
from runner.tasks import Outcome, RunId
from runner.tmux import Tmux
from tests.integration import launches
from tests.integration.launches import Task
from tests.integration.test_store import submitted
from tests.integration.test_supervisor import DONE, WAIT, scripted

NONE = {"session": 0, "process": 0, "lock": 0, "directory": 0}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """With seven tasks in line; the launch is that of the seventh."""
    async with open_store(tmp_path / "cco.db") as opened:
        for number in range(7):
            await submitted(opened, number)
        yield opened


async def test_what_belongs_to_a_run_is_no_leak_until_the_run_is_over(task: Task, tmux: Tmux, store: Store) -> None:
    assert await leaks.count(store, tmux, task.home) == NONE
    (task.home / "tasks" / ".7-half-made").mkdir()
    async with scripted([WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        assert await leaks.count(store, tmux, task.home) == NONE

        await store.settle(RunId(7), Outcome.stopped, "It was not told to the supervisor.")
        found = await leaks.count(store, tmux, task.home)
        assert (found["session"], found["lock"], found["directory"]) == (1, 1, 1)
        assert found["process"] >= 3  # the supervisor, the sandbox, Claude

        (task.worktree / "go").touch()
        await launch.exit()
        (task.home / "tasks" / ".7-half-made").rmdir()
        async with asyncio.timeout(20):
            while await leaks.count(store, tmux, task.home) != NONE:
                await asyncio.sleep(0.05)


async def test_a_directory_that_no_task_knows_is_a_leak_and_a_persons_editor_is_none(
    task: Task, tmux: Tmux, store: Store
) -> None:
    (task.home / "tasks" / "8").mkdir()
    (task.home / "tasks" / "notes").mkdir()
    editor = await asyncio.create_subprocess_exec("tail", "-f", str(task.worktree / ".git"), env={})
    try:
        await store.settle(RunId(7), Outcome.stopped, "Over.")
        assert await leaks.count(store, tmux, task.home) == {**NONE, "directory": 1}
    finally:
        editor.kill()
        await editor.wait()
