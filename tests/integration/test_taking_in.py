"""What others pushed to our branch meanwhile is in the worktree before Claude starts, or is Claude's to merge."""

from dataclasses import replace
from pathlib import Path

from app.demo.model import Model, Script, running
from app.demo.replies import Say, Use
from runner import spool
from runner.spool import Cause
from runner.tmux import Tmux
from tests.integration import launches
from tests.integration.launches import Task, git


def pushed(task: Task, name: str, content: str) -> str:
    """A colleague's commit on top of where the branch began; it is in the mirror, which the vault borrows from."""
    clone = task.home / "colleague"
    git(task.home, "clone", "-q", str(task.mirror), str(clone))
    (clone / name).write_text(content)
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "A colleague was here")
    git(clone, "push", "-q", "origin", "HEAD:refs/heads/theirs")
    return git(task.mirror, "rev-parse", "theirs")


async def carried(task: Task, tmux: Tmux, sha: str) -> tuple[launches.Launch, Model]:
    """A launch that takes `sha` in, with a model that looks and is done."""
    look = Use("Bash", {"command": "git log --format=%s; cat README.md", "description": "Look"})
    model = Model(default=Script(turns=([look], (Say("Done."),))), key=launches.KEY)
    async with running(model) as url:
        launch = await launches.start(task, replace(task.spec(url), merge_sha=sha), tmux)
        assert (await launch.exit()).cause is Cause.finished, launch.explain()
    return launch, model


async def test_a_colleagues_commit_is_there_before_claude_looks(task: Task, tmux: Tmux) -> None:
    sha = pushed(task, "colleague.txt", "hello\n")

    launch, _ = await carried(task, tmux, sha)

    assert launch.of(spool.MERGED) == [{"sha": sha, "clean": True}]
    assert "A colleague was here" in launch.tool_results()[0]
    assert launch.of(spool.BUNDLE)[-1]["sha"] == sha


async def test_a_conflict_is_claudes_to_resolve_and_leaves_nothing_half_merged(task: Task, tmux: Tmux) -> None:
    (task.worktree / "README.md").write_text("ours\n")
    git(task.worktree, "commit", "-qam", "Ours")
    sha = pushed(task, "README.md", "theirs\n")

    launch, model = await carried(task, tmux, sha)

    assert launch.of(spool.MERGED) == [{"sha": sha, "clean": False}]
    assert f"git merge {sha}" in model.requests[0].first_text
    assert "<<<<<<<" not in launch.tool_results()[0]
    assert not Path(task.vault, "worktrees/worktree/MERGE_HEAD").exists()


async def test_files_in_the_way_are_kept_and_claude_is_asked(task: Task, tmux: Tmux) -> None:
    (task.worktree / "colleague.txt").write_text("mine, not committed\n")
    sha = pushed(task, "colleague.txt", "theirs\n")

    launch, model = await carried(task, tmux, sha)

    assert launch.of(spool.MERGED) == [{"sha": sha, "clean": False}]
    assert f"git merge {sha}" in model.requests[0].first_text
    assert (task.worktree / "colleague.txt").read_text() == "mine, not committed\n"
