"""A workspace is whole or not there, can be moved, and holds work that comes home by bundle."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runner.beneath import open_beneath
from runner.exporting import NOTHING_TO_COMMIT, Identity, bundle_argv, commit_leftovers_argv, head_argv
from runner.inspection import inspect
from runner.mirror import Mirror, Mirrors, Remote
from runner.workspace import Workspace, prepare, remove
from tests.fakes.git_remote import CREDENTIAL, ENVIRONMENT, GitRemote, git_remote, run_git

BOT = Identity('cco[bot] "x"', "1+cco[bot]@users.noreply.github.com")
PERSON = Identity("Ada <evil>\nLovelace", "ada@example.org")
ODD = dict.fromkeys(
    ("a file with spaces.txt", "\u00fcn\u00efc\u00f6d\u00e9/\u65e5\u672c.txt", "line\nbreak", "-rf"), "1"
)
SANDBOX = {key: value for key, value in ENVIRONMENT.items() if not key.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))}


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[GitRemote]:
    async with git_remote(tmp_path / "remote") as served:
        served.create("octo/hello", {"README.md": "hello\n", ".gitignore": "ignored\n"})
        yield served


@pytest.fixture
async def mirror(remote: GitRemote, tmp_path: Path) -> Mirror:
    fetched = Mirrors(tmp_path / "home").of(Remote.of(f"http://{remote.host}/octo/hello.git"))
    await fetched.fetch(CREDENTIAL)
    return fetched


async def prepared(mirror: Mirror, where: Path, task_id: int = 1, tip: str | None = None) -> Workspace:
    base, root, branch = await mirror.base("main"), where / "tasks" / str(task_id), "claude/issue-1-x"
    return await prepare(mirror, root, task_id=task_id, branch=branch, base_sha=base, tip_sha=tip, identity=BOT)


def commit_leftovers(worktree: Path) -> int:
    """As the supervisor does inside the sandbox; returns the last exit code."""
    code = 0
    for argv in commit_leftovers_argv(BOT, PERSON, "Leave nothing behind"):
        code = subprocess.run(argv, cwd=worktree, env=SANDBOX, check=False, capture_output=True).returncode
        if code:
            return code
    return code


def export(worktree: Path, base: str, into: Path) -> Path:
    done = subprocess.run(bundle_argv(base), cwd=worktree, env=SANDBOX, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    into.write_bytes(done.stdout)
    return into


async def test_the_work_goes_from_worktree_to_remote(remote: GitRemote, mirror: Mirror, tmp_path: Path) -> None:
    workspace = await prepared(mirror, tmp_path)
    base = await mirror.base("main")
    assert run_git(workspace.worktree, "status", "--porcelain") == ""
    assert run_git(workspace.worktree, "branch", "--show-current") == "claude/issue-1-x"
    assert run_git(workspace.worktree, "config", "user.name") == BOT.name
    (workspace.worktree / "new").write_text("1")
    (workspace.worktree / "ignored").write_text("1")
    assert commit_leftovers(workspace.worktree) == 0
    sha = await mirror.import_bundle(1, 1, 1, export(workspace.worktree, base, tmp_path / "b"))
    assert sha == run_git(workspace.worktree, *head_argv()[1:])
    assert await inspect(mirror, base, sha, [CREDENTIAL.password]) == []
    await mirror.push(sha, "claude/issue-1-x", CREDENTIAL, None)
    bare = remote.path("octo/hello")
    assert run_git(bare, "show", "--format=", "--name-only", sha) == "new"
    assert "Co-authored-by: Ada evil Lovelace <ada@example.org>" in run_git(bare, "log", "-1", "--format=%B", sha)
    assert BOT.email in run_git(bare, "log", "-1", "--format=%ae", sha)


async def test_nothing_left_over_is_no_failure(mirror: Mirror, tmp_path: Path) -> None:
    workspace = await prepared(mirror, tmp_path)
    assert commit_leftovers(workspace.worktree) == NOTHING_TO_COMMIT
    assert run_git(workspace.worktree, *head_argv()[1:]) == await mirror.base("main")


@pytest.mark.parametrize("switch", [("--detach",), ("-c", "another"), ("--orphan", "unrelated")])
async def test_an_agent_that_switched_branch_still_exports(
    mirror: Mirror, tmp_path: Path, switch: tuple[str, ...]
) -> None:
    workspace = await prepared(mirror, tmp_path)
    base = await mirror.base("main")
    run_git(workspace.worktree, "switch", "-q", *switch)
    (workspace.worktree / "new").write_text("1")
    assert commit_leftovers(workspace.worktree) == 0
    sha = await mirror.import_bundle(1, 1, 1, export(workspace.worktree, base, tmp_path / "b"))
    found = await inspect(mirror, base, sha, [])
    assert [f.kind for f in found] == (["history"] if "unrelated" in switch else [])


async def test_the_repositorys_own_hooks_do_not_block_the_last_commit(mirror: Mirror, tmp_path: Path) -> None:
    workspace = await prepared(mirror, tmp_path)
    hooks = workspace.worktree / ".husky"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\nexit 1\n")
        (hooks / name).chmod(0o755)
    run_git(workspace.worktree, "config", "core.hooksPath", ".husky")
    assert commit_leftovers(workspace.worktree) == 0
    assert not (tmp_path / "ran").exists()


async def test_a_workspace_can_be_moved_by_rename(mirror: Mirror, tmp_path: Path) -> None:
    workspace = await prepared(mirror, tmp_path)
    moved = Workspace(workspace.root.rename(tmp_path / "elsewhere"))
    (moved.worktree / "new").write_text("1")
    assert commit_leftovers(moved.worktree) == 0
    run_git(moved.worktree, "gc", "-q")
    run_git(moved.worktree, "worktree", "prune")
    assert run_git(moved.worktree, "status", "--porcelain") == ""


async def test_a_whole_workspace_is_left_untouched(mirror: Mirror, tmp_path: Path) -> None:
    workspace = await prepared(mirror, tmp_path)
    (workspace.worktree / "unsaved").write_text("1")
    assert await prepared(mirror, tmp_path) == workspace
    assert (workspace.worktree / "unsaved").read_text() == "1"


async def test_a_broken_workspace_is_made_anew_and_keeps_the_session(mirror: Mirror, tmp_path: Path) -> None:
    workspace = await prepared(mirror, tmp_path)
    (workspace.claude / "session.jsonl").write_text("1")
    (workspace.root / "runs").mkdir()
    workspace.vault.rename(tmp_path / "gone")
    (tmp_path / "tasks/.1-half-made/worktree").mkdir(parents=True)
    assert (await prepared(mirror, tmp_path)).is_whole
    assert (workspace.claude / "session.jsonl").exists()
    assert (workspace.root / "runs").exists()
    assert run_git(workspace.worktree, "status", "--porcelain") == ""
    assert names(tmp_path / "tasks") == ["1"]


async def test_a_second_workspace_goes_on_from_the_tip(remote: GitRemote, mirror: Mirror, tmp_path: Path) -> None:
    tip = remote.commit("octo/hello", "claude/issue-1-x", {"done": "1"})
    await mirror.fetch(CREDENTIAL)
    workspace = await prepared(mirror, tmp_path, tip=tip)
    assert (workspace.worktree / "done").exists()
    assert run_git(mirror.path, "rev-parse", "refs/tasks/1/tip") == tip


async def test_removal_leaves_no_trace_and_follows_no_link(mirror: Mirror, tmp_path: Path) -> None:
    workspace = await prepared(mirror, tmp_path)
    other = await prepared(mirror, tmp_path, 2)
    (workspace.worktree / "link").symlink_to(other.worktree)
    (workspace.worktree / "shut").mkdir(mode=0o500)
    (workspace.worktree / "shut").chmod(0)
    await remove(mirror, workspace.root, task_id=1)
    assert names(tmp_path / "tasks") == ["2"]
    assert (other.worktree / "README.md").exists()
    assert run_git(mirror.path, "for-each-ref", "--format=%(refname)", "refs/tasks") == "refs/tasks/2/base"


async def test_forty_at_once(mirror: Mirror, tmp_path: Path) -> None:
    made = await asyncio.gather(*(prepared(mirror, tmp_path, number) for number in range(1, 41)))
    assert len({w.root for w in made if w.is_whole}) == 40
    assert len(run_git(mirror.path, "for-each-ref", "refs/tasks").splitlines()) == 40


async def test_odd_names_survive_the_whole_way(remote: GitRemote, mirror: Mirror, tmp_path: Path) -> None:
    remote.commit("octo/hello", "main", ODD)
    await mirror.fetch(CREDENTIAL)
    workspace = await prepared(mirror, tmp_path / "a home with sp\u00e4ces")
    base = await mirror.base("main")
    for name in ODD:
        (workspace.worktree / name).write_text("changed")
    assert commit_leftovers(workspace.worktree) == 0
    sha = await mirror.import_bundle(1, 1, 1, export(workspace.worktree, base, tmp_path / "b"))
    assert await inspect(mirror, base, sha, ["not-in-there"]) == []
    for name in ODD:
        assert await mirror.objects.read(sha, name) == b"changed"


async def test_lfs_pointers_stay_pointers_and_submodules_stay_empty(
    remote: GitRemote, mirror: Mirror, tmp_path: Path
) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"
    files = {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": pointer}
    remote.commit("octo/hello", "main", files)
    bare = remote.path("octo/hello")
    modules = b'[submodule "sub"]\n\tpath = sub\n\turl = ../other.git\n'
    script = b"commit refs/heads/main\ncommitter A <a@b> 1700000001 +0000\ndata 0\nfrom %s\nM 160000 %s sub\n"
    script += b"M 100644 inline .gitmodules\ndata %d\n%s\n"
    head = (remote.head("octo/hello", "main") or "").encode()
    run_git(bare, "fast-import", "--quiet", stdin=script % (head, b"1" * 40, len(modules), modules))
    await mirror.fetch(CREDENTIAL)
    workspace = await prepared(mirror, tmp_path)
    assert (workspace.worktree / "big.bin").read_text() == pointer
    assert names(workspace.worktree / "sub") == []
    (workspace.worktree / "new").write_text("1")
    assert commit_leftovers(workspace.worktree) == 0
    base = await mirror.base("main")
    sha = await mirror.import_bundle(1, 1, 1, export(workspace.worktree, base, tmp_path / "b"))
    assert await inspect(mirror, base, sha, []) == []
    assert run_git(mirror.path, "diff-tree", "-r", "--name-only", base, sha) == "new"


def _thirty_thousand(remote: GitRemote) -> None:
    lines = [b"blob\nmark :1\ndata 2\nx\n\ncommit refs/heads/main\ncommitter A <a@b> 1700000001 +0000\ndata 0\n"]
    lines += [b"M 100644 :1 d%d/f%d\n" % (number // 100, number) for number in range(30_000)]
    run_git(remote.path("octo/huge"), "fast-import", "--quiet", stdin=b"".join(lines))


async def test_a_kill_in_the_middle_of_thirty_thousand_files(remote: GitRemote, tmp_path: Path) -> None:
    """Killed with its service while files are being written: nothing is there, and the next attempt is whole."""
    address = remote.create("octo/huge")
    _thirty_thousand(remote)
    mirror = Mirrors(tmp_path / "home").of(address)
    await mirror.fetch(CREDENTIAL)
    code = f"""
import asyncio, sys
from pathlib import Path
from runner.exporting import Identity
from runner.mirror import Mirrors, Remote
from runner.workspace import prepare
mirror = Mirrors(Path({str(tmp_path / "home")!r})).of(Remote.of({address.url!r}))
asyncio.run(prepare(mirror, Path({str(tmp_path / "tasks/1")!r}), task_id=1, branch="claude/issue-1-x",
    base_sha={await mirror.base("main")!r}, tip_sha=None, identity=Identity("a", "b")))
"""
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    while not list(tmp_path.glob("tasks/.1-*/worktree/d1*")):
        await asyncio.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    await killed.wait()
    assert not (tmp_path / "tasks/1").exists()
    began = time.monotonic()
    workspace = await prepared(mirror, tmp_path)
    assert time.monotonic() - began < 60
    assert sum(len(files) for _, _, files in os.walk(workspace.worktree)) == 30_001
    assert names(tmp_path / "tasks") == ["1"]


def test_files_are_opened_beneath_the_root_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "dir/file").write_text("1")
    (tmp_path / "secret").write_text("2")
    (root / "out").symlink_to(tmp_path)
    (root / "leaf").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "pipe")
    with os.fdopen(open_beneath(root, "dir", "file")) as file:
        assert file.read() == "1"
    for parts in (("out", "secret"), ("leaf",), ("pipe",), ("dir",), ("missing",)):
        with pytest.raises(OSError):  # noqa: PT011 - which errno is the kernel's affair
            open_beneath(root, *parts)
    wrong: tuple[tuple[str, ...], ...] = (("..", "secret"), ("dir/file",), ("",), (), ("a\0b",))
    for bad in wrong:
        with pytest.raises(ValueError, match="name"):
            open_beneath(root, *bad)
