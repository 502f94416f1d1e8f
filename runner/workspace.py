"""Prepare a task's directory (vault, worktree, home, claude), whole or not at all, and take it away again."""

import asyncio
import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.effects import effect
from runner.exporting import Identity
from runner.git import git
from runner.mirror import Mirror
from runner.objects import checked

_PATIENCE_SECONDS = 60.0
_BETWEEN_ATTEMPTS_SECONDS = 0.05
_NAME_WHOEVER_ASKED = """\
#!/bin/sh
[ -z "$CCO_CO_AUTHOR" ] ||
    git interpret-trailers --in-place --if-exists addIfDifferent --trailer "Co-authored-by: $CCO_CO_AUTHOR" "$1"
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a task's things are. Once an agent was in here, the service runs no git in it."""

    root: Path

    @property
    def vault(self) -> Path:
        """The task's own bare git directory; borrows the mirror's objects."""
        return self.root / "vault.git"

    @property
    def worktree(self) -> Path:
        """The checkout."""
        return self.root / "worktree"

    @property
    def home(self) -> Path:
        """HOME of the agent."""
        return self.root / "home"

    @property
    def claude(self) -> Path:
        """CLAUDE_CONFIG_DIR: the sessions that `--resume` needs."""
        return self.root / "claude"

    @property
    def is_whole(self) -> bool:
        """Whether preparation reached its end; says nothing of what the agent did since."""
        return all(_is_directory(path) for path in (self.vault, self.worktree, self.home, self.claude))


async def prepare(
    mirror: Mirror, root: Path, *, task_id: int, branch: str, base_sha: str, tip_sha: str | None, identity: Identity
) -> Workspace:
    """Make the workspace at `root` with `branch` checked out at the tip (else the base); leave a whole one untouched.

    It is made in a sibling and renamed into place, so a kill at any moment leaves nothing half-made; what is left of
    an earlier attempt is removed. An existing `home`, `claude` or `runs` is kept.
    """
    workspace = Workspace(root.parent.resolve() / root.name)
    if workspace.is_whole:
        return workspace
    await mirror.pin(task_id, base_sha)
    if tip_sha is not None:
        await mirror.pin(task_id, tip_sha, "tip")
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    prefix = f".{root.name}-"
    for leftover in workspace.root.parent.glob(f"{prefix}*"):
        await asyncio.to_thread(remove_tree, leftover)
    fresh = Workspace(Path(tempfile.mkdtemp(dir=workspace.root.parent, prefix=prefix)))
    try:
        with effect("git.workspace"):
            await _make(fresh, mirror, branch, tip_sha or base_sha, identity)
        await asyncio.to_thread(_move_into_place, fresh, workspace)
    finally:
        await asyncio.to_thread(remove_tree, fresh.root)
    return workspace


async def discard_checkout(root: Path) -> None:
    """Take vault and worktree away, so that `prepare` makes them anew; what Claude remembers stays."""
    with effect("file.discard-checkout"):
        for name in ("worktree", "vault.git"):
            await asyncio.to_thread(remove_tree, root / name)


async def remove(mirror: Mirror, root: Path, *, task_id: int) -> None:
    """Delete every trace of a task: its directory, and what the mirror kept for it."""
    with effect("file.remove-workspace"):
        for path in (root, *root.parent.glob(f".{root.name}-*")):
            await asyncio.to_thread(remove_tree, path)
    await mirror.unpin(task_id)


async def _make(fresh: Workspace, mirror: Mirror, branch: str, sha: str, identity: Identity) -> None:
    fresh.home.mkdir(mode=0o700)
    fresh.claude.mkdir(mode=0o700)
    await git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", os.fspath(fresh.vault))
    (fresh.vault / "objects/info").mkdir(exist_ok=True)
    (fresh.vault / "objects/info/alternates").write_text(f"{mirror.path / 'objects'}\n")
    with (fresh.vault / "config").open("a") as config:
        name, email = _quoted(identity.name), _quoted(identity.email)
        config.write(f"[user]\n\tname = {name}\n\temail = {email}\n[gc]\n\tauto = 0\n")
    # The agent's own git runs this, in its sandbox: whoever asked is named in every commit.
    hook = fresh.vault / "hooks/prepare-commit-msg"
    hook.parent.mkdir()
    hook.write_text(_NAME_WHOEVER_ASKED)
    hook.chmod(0o755)
    # Locked, because git would otherwise prune a worktree that was moved.
    argv = ("worktree", "add", "--quiet", "--lock", "--reason", "this task's worktree", "-b", branch)
    await git(*argv, "--", os.fspath(fresh.worktree), checked(sha), cwd=fresh.vault)
    (fresh.worktree / ".git").write_text("gitdir: ../vault.git/worktrees/worktree\n")
    (fresh.vault / "worktrees/worktree/gitdir").write_text("../../../worktree/.git\n")


def _move_into_place(fresh: Workspace, workspace: Workspace) -> None:
    if not os.path.lexists(workspace.root):
        with effect("file.workspace"):
            fresh.root.rename(workspace.root)
        return
    # Something is there already: spools of earlier runs, or what a person left. Both halves of git are made anew.
    remove_tree(workspace.worktree)
    remove_tree(workspace.vault)
    for new, old in ((fresh.home, workspace.home), (fresh.claude, workspace.claude)):
        if not _is_directory(old):
            remove_tree(old)
            with effect("file.workspace-home"):
                new.rename(old)
    with effect("file.workspace-vault"):
        fresh.vault.rename(workspace.vault)
    with effect("file.workspace-worktree"):
        fresh.worktree.rename(workspace.worktree)


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def remove_tree(path: Path) -> None:
    """Remove a directory (or a file where one should be), never following a link, and also what was made unwritable."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            if _is_directory(path):
                shutil.rmtree(path, onerror=_unlock_and_retry)
            else:
                path.unlink(missing_ok=True)
        except OSError:  # a git that outlived a killed service still writes here, until it is done or misses its files
            if time.monotonic() > until:
                raise
            time.sleep(_BETWEEN_ATTEMPTS_SECONDS)
        else:
            return


def _unlock_and_retry(function: Callable[..., object], path: str, failure: object) -> None:
    del failure
    if not os.path.lexists(path):
        return  # whoever else removes here was faster, and it is gone
    for locked in (Path(path).parent, Path(path)):
        if _is_directory(locked):
            locked.chmod(0o700)
    with contextlib.suppress(FileNotFoundError):
        if function in (os.open, os.scandir, os.lstat):
            shutil.rmtree(path)
        else:
            function(path)


def _quoted(value: str) -> str:
    escaped = " ".join(value.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
