"""The supervisor: real Claude CLI, real bubblewrap, real tmux, and a scripted model."""

from pathlib import Path

from app.demo import story
from app.demo.model import Model, running
from runner import spool
from runner.spool import Cause
from runner.tmux import Tmux
from tests.integration import launches
from tests.integration.launches import Task, git


async def test_a_run_ends_with_its_commits_handed_over(task: Task, tmux: Tmux) -> None:
    model = Model([(story.PATTERN, story.script())], key=launches.KEY)
    async with running(model) as url:
        launch = await launches.start(task, task.spec(url), tmux)
        ending = await launch.exit()

    assert (ending.cause, ending.code) == (Cause.finished, 0), launch.explain()
    assert ending.result is not None
    assert ending.result["is_error"] is False
    *_, last = launch.of(spool.BUNDLE)
    bundle = launch.directory / "bundles" / str(last["number"])
    git(task.mirror, "fetch", "-q", str(bundle), "HEAD:refs/heads/imported")
    assert git(task.mirror, "rev-parse", "imported") == last["sha"]
    assert git(task.mirror, "log", "-1", "--format=%s", "imported") == story.COMMIT_TITLE
    assert model.refused == []
    assert not launch.of(spool.TROUBLE)
    assert [line.seq for line in launch.lines()] == list(range(1, len(launch.lines()) + 1))


def test_nothing_outside_the_standard_library_is_needed(tmp_path: Path) -> None:
    import subprocess
    import sys

    argv = (
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(launches.ROOT)!r}); import runner.supervisor",
    )
    assert subprocess.run(argv, check=False, cwd=tmp_path).returncode == 0
