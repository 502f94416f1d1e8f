"""A spool's disk is full: the supervisor ends what it drives, and proves how it ended all the same."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner import retry, spool
from runner.spool import Cause, Exit
from runner.tmux import Tmux
from tests.fakes.house import fill, small_disk
from tests.integration import launches
from tests.integration.launches import Task
from tests.integration.test_supervisor import DONE, WAIT, processes_with, scripted


async def test_a_line_that_cannot_be_written_ends_the_launch_with_the_truth(task: Task, tmux: Tmux) -> None:
    with small_disk(task.root / "runs", 8):
        async with scripted([WAIT], DONE) as (_, url):
            launch = await launches.start(task, task.spec(url), tmux)
            await launch.tool("Bash")
            fill(task.root / "runs")
            (task.worktree / "go").touch()
            ending = await launch.exit()
        assert (ending.cause, ending.result) == (Cause.disk, None)
        assert "No space left on device" in ending.detail
        await launch.until(lambda: not processes_with(str(task.worktree)))
        assert [one.name for one in launch.directory.iterdir() if one.name.startswith(".")] == []
    verdict = retry.decide(ending, 1, now=datetime.now(UTC), dice=random.Random(1))
    assert isinstance(verdict, retry.Retry)
    assert "is full" in verdict.what


@pytest.mark.parametrize(("words", "kept"), [(1_000, True), (100_000, False)])
def test_an_ending_is_told_on_a_full_disk_with_as_much_of_the_result_as_has_room(
    words: int, kept: bool, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "spool", 1):
        directory = tmp_path / "spool"
        spool.reserve_exit(directory)
        fill(directory)
        result = {"is_error": False, "result": "x" * words}
        spool.write_exit(directory, Exit(Cause.finished, 0, "", result))
        assert spool.read_exit(directory) == Exit(Cause.finished, 0, "", result if kept else None)
        assert sorted(one.name for one in directory.iterdir()) == ["exit.json", "filler"]


def test_an_ending_leaves_no_room_taken(tmp_path: Path) -> None:
    spool.reserve_exit(tmp_path)
    spool.write_exit(tmp_path, Exit(Cause.finished, 0, "", None))
    assert [one.name for one in tmp_path.iterdir()] == ["exit.json"]
