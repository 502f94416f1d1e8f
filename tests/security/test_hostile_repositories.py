"""What an agent or a stranger plants in a repository neither runs in the service nor leaves it unseen."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from runner import inspection
from runner.exporting import Identity
from runner.git import ENVIRONMENT, git
from runner.inspection import Finding, inspect, is_inside, shown
from runner.mirror import BundleRefused, Mirror, Mirrors, Remote
from runner.workspace import Workspace, prepare
from tests.fakes.git_remote import CREDENTIAL, git_remote, run_git

TOKEN = "ghs_16C7e42F292c6912E7710c838347Ae178B4a"


class Scene:
    """One task, prepared; the agent may do what it likes in its vault and worktree."""

    def __init__(self, mirror: Mirror, workspace: Workspace, base: str, room: Path) -> None:
        self.mirror, self.workspace, self.base, self.room = mirror, workspace, base, room
        self.worktree = workspace.worktree

    def write(self, path: str, content: str) -> None:
        (self.worktree / path).parent.mkdir(parents=True, exist_ok=True)
        (self.worktree / path).write_text(content)

    def commit(self, message: str = "work") -> str:
        run_git(self.worktree, "-c", "core.hooksPath=/dev/null", "add", "-A")
        run_git(self.worktree, "-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", message)
        return run_git(self.worktree, "rev-parse", "HEAD")

    def commit_tree(self, tree: bytes) -> None:
        """A commit of a tree that no git would write."""
        argv = ("hash-object", "-t", "tree", "-w", "--stdin", "--literally")
        name = run_git(self.worktree, *argv, stdin=tree)
        run_git(
            self.worktree, "update-ref", "HEAD", run_git(self.worktree, "commit-tree", "-p", self.base, "-m", "", name)
        )

    async def bring_home(self) -> str:
        bundle = self.room / "bundle"
        run_git(self.worktree, "bundle", "create", "-q", str(bundle), f"{self.base}..HEAD")
        return await self.mirror.import_bundle(1, 1, 1, bundle)

    async def findings(self, *, upstream: tuple[str, ...] = ()) -> list[Finding]:
        return await inspect(self.mirror, self.base, await self.bring_home(), [TOKEN], upstream=upstream)


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    async with git_remote(tmp_path / "remote") as remote:
        address = remote.create(
            "octo/hello", {"README.md": "hi\n", ".github/workflows/ci.yml": "on: push\n", "d/e/f": "1"}
        )
        mirror = Mirrors(tmp_path / "home").of(Remote.of(address.url))
        await mirror.fetch(CREDENTIAL)
    base, root = await mirror.base("main"), tmp_path / "tasks/1"
    workspace = await prepare(
        mirror,
        root,
        task_id=1,
        branch="claude/x",
        base_sha=base,
        tip_sha=None,
        identity=Identity("bot", "bot@example.org"),
    )
    return Scene(mirror, workspace, base, tmp_path)


async def test_hooks_filters_monitors_and_repointing_run_nothing_in_the_service(scene: Scene) -> None:
    trap = scene.room / "trap"
    trap.write_text(f"#!/bin/sh\necho $0 >>'{scene.room}/ran'\ncat\n")
    trap.chmod(0o755)
    scene.write(".gitattributes", "* filter=evil diff=evil\n")
    scene.write("file", "1")
    scene.commit()
    vault = scene.workspace.vault
    (vault / "hooks").mkdir(exist_ok=True)
    for hook in ("post-checkout", "pre-push", "reference-transaction", "post-update", "pre-receive", "pre-auto-gc"):
        (vault / "hooks" / hook).symlink_to(trap)
    settings = ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "diff.external",
                "core.sshCommand", "core.pager", "core.alternateRefsCommand", "uploadpack.packObjectsHook")  # fmt: skip
    sha = await scene.bring_home()
    for setting in settings:
        run_git(vault, "config", setting, str(trap))
    (scene.worktree / ".git").unlink()
    (scene.worktree / ".git").write_text(f"gitdir: {scene.room}/elsewhere\n")
    assert await scene.mirror.import_bundle(1, 1, 2, scene.room / "bundle") == sha
    assert await inspect(scene.mirror, scene.base, sha, [TOKEN]) == []
    assert await scene.mirror.objects.diff(scene.base, sha)
    assert await scene.mirror.objects.log(scene.base, sha)
    await prepare(scene.mirror, scene.workspace.root, task_id=1, branch="claude/x", base_sha=scene.base, tip_sha=sha,
                  identity=Identity("a", "b"))  # fmt: skip
    assert not (scene.room / "ran").exists()


@pytest.mark.parametrize("name", [".git", ".GIT", "..", "."])
async def test_a_tree_entry_that_would_overwrite_git_is_refused(scene: Scene, name: str) -> None:
    blob = bytes.fromhex(run_git(scene.worktree, "rev-parse", "HEAD:README.md"))
    scene.commit_tree(b"100644 " + name.encode() + b"\0" + blob)
    with pytest.raises(BundleRefused, match="was refused"):
        await scene.bring_home()


async def test_a_bundle_without_its_objects_is_refused(scene: Scene) -> None:
    scene.commit_tree(b"100644 file\0" + b"\x11" * 20)
    bundle = scene.room / "bundle"
    head = run_git(scene.worktree, "rev-parse", "HEAD")
    listed = f"{head}\n{run_git(scene.worktree, 'rev-parse', 'HEAD^{tree}')}\n".encode()
    run_git(scene.room, "--git-dir", str(scene.workspace.vault), "pack-objects", "-q", "pack", stdin=listed)
    (pack,) = scene.room.glob("pack-*.pack")
    bundle.write_bytes(f"# v2 git bundle\n{head} HEAD\n\n".encode() + pack.read_bytes())
    with pytest.raises(BundleRefused, match="was refused"):
        await scene.mirror.import_bundle(1, 1, 1, bundle)


async def test_unrelated_history_waits_for_a_person(scene: Scene) -> None:
    run_git(scene.worktree, "checkout", "-q", "--orphan", "new")
    scene.commit()
    (found,) = await scene.findings()
    assert found.kind == "history"
    assert "does not build on the commit it began from" in found.sentence


@pytest.mark.parametrize("path", [".github/workflows/new.yml", ".github/workflows/ci.yml", ".github/Workflows/x.yml"])
async def test_a_workflow_change_waits_for_a_person(scene: Scene, path: str) -> None:
    scene.write(path, "on: issues\n")
    scene.commit()
    found = await scene.findings()
    assert {(f.kind, f.path) for f in found} == {("workflow", path)}
    assert f"`{path}`" in found[0].sentence


async def test_a_workflow_change_taken_back_still_counts(scene: Scene) -> None:
    scene.write(".github/workflows/ci.yml", "on: issues\n")
    scene.commit()
    run_git(scene.worktree, "revert", "--no-edit", "HEAD")
    assert [f.path for f in await scene.findings()] == [".github/workflows/ci.yml"]


async def test_a_deleted_workflow_waits_too(scene: Scene) -> None:
    (scene.worktree / ".github/workflows/ci.yml").unlink()
    scene.commit()
    assert [f.kind for f in await scene.findings()] == ["workflow"]


async def test_a_workflow_that_came_with_the_base_branch_passes(scene: Scene) -> None:
    run_git(scene.worktree, "checkout", "-q", "-b", "upstream")
    scene.write(".github/workflows/ci.yml", "on: [push, pull_request]\n")
    theirs = scene.commit()
    run_git(scene.worktree, "checkout", "-q", "claude/x")
    scene.write("mine", "1")
    scene.commit()
    run_git(scene.worktree, "merge", "-q", "--no-edit", "upstream")
    assert await scene.findings(upstream=(theirs,)) == []
    assert {f.kind for f in await scene.findings()} == {"workflow"}


async def test_a_merge_that_hides_a_change_is_seen(scene: Scene) -> None:
    run_git(scene.worktree, "checkout", "-q", "-b", "other")
    scene.write("other", "1")
    scene.commit()
    run_git(scene.worktree, "checkout", "-q", "claude/x")
    scene.write("mine", "1")
    scene.commit()
    run_git(scene.worktree, "merge", "-q", "--no-commit", "other")
    scene.write(".github/workflows/ci.yml", f"evil {TOKEN}\n")
    scene.commit("merge")
    assert {f.kind for f in await scene.findings()} == {"workflow", "secret"}


@pytest.mark.parametrize(
    ("path", "target"),
    [("link", "/etc/passwd"), ("link", "../x"), ("d/e/link", "../../../x"), ("link", "d/../../x"), ("link", "d/../x"),
     ("link", "x" * 5000), ("a b\n`", "/etc/\x1b[31m")],
)  # fmt: skip
async def test_a_symlink_out_of_the_tree_waits_for_a_person(scene: Scene, path: str, target: str) -> None:
    blob = run_git(scene.worktree, "hash-object", "-w", "--stdin", stdin=target.encode())
    run_git(scene.worktree, "update-index", "-z", "--index-info", stdin=f"120000 {blob}\t{path}\0".encode())
    run_git(scene.worktree, "commit", "-qm", "link")
    (found,) = await scene.findings()
    assert found.kind == "symlink"
    assert found.path == shown(path)
    assert found.sentence.isprintable()


@pytest.mark.parametrize(
    ("path", "target", "inside"),
    [("l", "README.md", True), ("d/e/l", "../../README.md", True), ("d/l", "./e/f", True), ("l", "", True),
     ("l", "..", False), ("d/l", "..", True), ("d/l", "../..", False), ("l", "a/..", False), ("l", "//x", False)],
)  # fmt: skip
def test_only_what_can_be_judged_counts_as_inside(path: str, target: str, inside: bool) -> None:
    assert is_inside(path, target) is inside


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c evil", "git://example.org/x", "http://example.org/x", "file:///etc", "../x", "git@github.com:a/b"],
)
async def test_a_submodule_that_is_not_https_waits_for_a_person(scene: Scene, url: str) -> None:
    scene.write(".gitmodules", f'[submodule "x"]\n\tpath = x\n\turl = {url}\n')
    scene.commit()
    (found,) = await scene.findings()
    assert (found.kind, found.path) == ("submodule", ".gitmodules")
    assert url in found.sentence


async def test_an_https_submodule_passes(scene: Scene) -> None:
    scene.write(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = https://example.org/x.git\n')
    scene.commit()
    assert await scene.findings() == []


async def test_gitmodules_that_cannot_be_read_wait_for_a_person(scene: Scene) -> None:
    scene.write(".gitmodules", "[submodule\nurl = ext::x\n")
    scene.commit()
    try:
        (found,) = await scene.findings()
    except BundleRefused:  # newer gits refuse it at the import
        return
    assert "cannot be read" in found.sentence


@pytest.mark.parametrize(
    "text",
    [TOKEN, base64.b64encode(TOKEN.encode()).decode(), base64.b64encode(b"xy" + TOKEN.encode()).decode(),
     base64.b64encode(b"x" + TOKEN.encode()).decode(), quote(TOKEN).replace("_", "_"), "x" * 65_520 + TOKEN],
    ids=["plain", "base64", "base64 + 2", "base64 + 1", "URL", "over a chunk's border"],
)  # fmt: skip
async def test_a_secret_in_a_file_is_not_pushed(scene: Scene, text: str) -> None:
    scene.write("notes/\u00e9 file", f"before {text} after")
    scene.commit()
    (found,) = await scene.findings()
    assert (found.kind, found.path) == ("secret", "notes/\u00e9 file")
    assert TOKEN not in found.sentence


async def test_a_secret_in_an_intermediate_commit_is_not_pushed(scene: Scene) -> None:
    scene.write("notes", TOKEN)
    scene.commit()
    (scene.worktree / "notes").unlink()
    scene.commit()
    assert [(f.kind, f.path) for f in await scene.findings()] == [("secret", "notes")]


async def test_a_secret_in_a_commit_message_or_a_name_is_not_pushed(scene: Scene) -> None:
    scene.commit(f"Use {TOKEN}")
    scene.write(f"dir/{TOKEN}", "1")
    scene.commit()
    found = await scene.findings()
    assert [f.kind for f in found] == ["secret", "secret"]
    assert not any(TOKEN in f.sentence + f.path for f in found)


async def test_a_file_too_large_for_github_waits_for_a_person(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "FILE_LIMIT_BYTES", 1000)
    scene.write("big.bin", "x" * 1001)
    scene.commit()
    (found,) = await scene.findings()
    assert (found.kind, found.path) == ("large file", "big.bin")


def test_a_path_is_shown_without_its_tricks() -> None:
    assert shown("a\x1b[2Jb\n\u202e`\udcff\\") == "a\\x1b[2Jb\\n\\u202e\\x60\\xff\\\\"
    assert shown("\u00fcn\u00efc\u00f6d\u00e9 name") == "\u00fcn\u00efc\u00f6d\u00e9 name"


async def test_our_git_sees_nothing_of_the_services_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-that-git-need-not-know")

    out = await git("-c", "alias.e=!env", "e", cwd=tmp_path)
    assert b"a-key-that" not in out
    assert b"GIT_CONFIG_COUNT" not in out
    assert set(ENVIRONMENT) <= {line.partition("=")[0] for line in out.decode().splitlines()}
