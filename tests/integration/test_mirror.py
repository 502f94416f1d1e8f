"""A mirror brings home what the remote has, keeps what is ours, and pushes exactly what it is told."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from runner.errors import TryLater
from runner.git import GitFailed, git
from runner.mirror import BranchMissing, BranchMoved, BundleRefused, Credential, Mirror, Mirrors, Remote
from runner.remotes import CredentialsRefused, PushRefused, RepositoryGone, answering
from tests.fakes.git_remote import CREDENTIAL, GitRemote, git_remote, run_git

HELLO = "octo/hello"


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[GitRemote]:
    async with git_remote(tmp_path / "remote") as served:
        served.create(HELLO, {"README.md": "hello\n"})
        yield served


@pytest.fixture
async def mirror(remote: GitRemote, tmp_path: Path) -> Mirror:
    fetched = Mirrors(tmp_path / "home").of(Remote.of(f"http://{remote.host}/{HELLO}.git"))
    await fetched.fetch(CREDENTIAL)
    return fetched


async def work(mirror: Mirror, where: Path, files: dict[str, str], *, on: str | None = None) -> str:
    """A commit that is in the mirror only, as an import leaves it."""
    if not where.exists():
        await git("clone", "--quiet", "--", str(mirror.path), str(where))
    run_git(where, "checkout", "-q", "--detach", on or await mirror.base("main"))
    for path, content in files.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_text(content)
    run_git(where, "add", "-A")
    run_git(where, "commit", "-qm", "work")
    bundle = where.parent / "bundle"
    bundle.write_bytes(b"")
    run_git(where, "bundle", "create", "-q", str(bundle), f"{await mirror.base('main')}..HEAD")
    return await mirror.import_bundle(1, 1, 1, bundle)


async def test_a_mirror_follows_the_branches_and_keeps_our_own_refs(remote: GitRemote, mirror: Mirror) -> None:
    first = await mirror.base("main")
    remote.commit(HELLO, "old", {"old": "1"})
    await mirror.fetch(CREDENTIAL)
    await mirror.pin(7, await mirror.base("old"))
    run_git(remote.path(HELLO), "branch", "-D", "old")
    second = remote.commit(HELLO, "main", {"README.md": "more\n"})
    await mirror.fetch(CREDENTIAL)
    assert await mirror.head("old") is None
    assert await mirror.head("main") == second != first
    assert run_git(mirror.path, "for-each-ref", "--format=%(refname)", "refs/tasks") == "refs/tasks/7/base"
    await mirror.unpin(7)
    assert run_git(mirror.path, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


async def test_many_who_ask_at_once_are_served_by_one_fetch(remote: GitRemote, mirror: Mirror) -> None:
    remote.requests.clear()
    await mirror.fetch(CREDENTIAL)
    one = len(remote.requests)
    tip = remote.commit(HELLO, "main", {"README.md": "more\n"})
    remote.requests.clear()
    await asyncio.gather(*(mirror.fetch(CREDENTIAL) for _ in range(5)))
    assert await mirror.head("main") == tip
    assert len(remote.requests) <= one + 1  # there is something to bring home this time


async def test_what_was_pushed_before_we_asked_is_never_missed(remote: GitRemote, mirror: Mirror) -> None:
    """A fetch that is under way may have looked already: whoever asks now gets another."""
    remote.requests.clear()
    under_way = asyncio.create_task(mirror.fetch(CREDENTIAL))
    async with asyncio.timeout(20):
        while not remote.requests:
            await asyncio.sleep(0.001)
    tip = remote.commit(HELLO, "main", {"README.md": "more\n"})
    await asyncio.gather(*(mirror.fetch(CREDENTIAL) for _ in range(3)))
    assert await mirror.head("main") == tip
    await under_way


async def test_a_fetch_that_failed_serves_nobody(remote: GitRemote, mirror: Mirror) -> None:
    wrong = Credential("x-access-token", "made-up")
    tip = remote.commit(HELLO, "main", {"README.md": "more\n"})
    first, second = await asyncio.gather(mirror.fetch(wrong), mirror.fetch(CREDENTIAL), return_exceptions=True)
    assert isinstance(first, CredentialsRefused)
    assert second is None
    assert await mirror.head("main") == tip


async def test_no_token_is_left_behind_or_visible(remote: GitRemote, mirror: Mirror, tmp_path: Path) -> None:
    assert remote.requests
    held = [p for p in (tmp_path / "home").rglob("*") if p.is_file() and CREDENTIAL.password.encode() in p.read_bytes()]
    assert held == []
    assert CREDENTIAL.password not in repr(CREDENTIAL)
    assert list((tmp_path / "home/mirrors").glob(".*")) == []


async def test_another_host_is_told_nothing(remote: GitRemote, tmp_path: Path) -> None:
    """The remote asks as 127.0.0.1, the credential is for localhost: git gets no answer."""
    elsewhere = Remote.of(f"http://localhost:{remote.host.split(':')[1]}/{HELLO}.git")
    with answering(elsewhere, CREDENTIAL, tmp_path) as env:
        with pytest.raises(GitFailed, match="could not read Username"):
            await git("ls-remote", f"http://{remote.host}/{HELLO}.git", env=env)
        assert await git("ls-remote", elsewhere.url, env=env)


async def test_two_fetches_at_once(remote: GitRemote, tmp_path: Path) -> None:
    """Also from two services: the second waits for what the first left running."""
    address = Remote.of(f"http://{remote.host}/{HELLO}.git")
    one, other = Mirrors(tmp_path / "home").of(address), Mirrors(tmp_path / "home").of(address)
    for number in range(3):
        sha = remote.commit(HELLO, "main", {"n": str(number)})
        await asyncio.gather(*(each.fetch(CREDENTIAL) for each in (one, one, other, other)))
        assert await one.head("main") == sha


async def test_a_lock_left_by_a_killed_git_is_swept_away(remote: GitRemote, mirror: Mirror) -> None:
    sha = remote.commit(HELLO, "main", {"a": "b"})
    for name in ("refs/heads/main.lock", "packed-refs.lock", "objects/pack/tmp_pack_1"):
        (mirror.path / name).touch()
    await mirror.fetch(CREDENTIAL)
    assert await mirror.head("main") == sha
    assert not (mirror.path / "objects/pack/tmp_pack_1").exists()


async def test_an_empty_repository_asks_for_a_first_commit(remote: GitRemote, tmp_path: Path) -> None:
    empty = Mirrors(tmp_path / "home").of(remote.create("octo/empty"))
    await empty.fetch(CREDENTIAL)
    with pytest.raises(BranchMissing, match="is empty\\. Push a first commit"):
        await empty.base("main")


async def test_a_missing_branch_is_named(mirror: Mirror) -> None:
    with pytest.raises(BranchMissing, match="has no branch `nope`"):
        await mirror.base("nope")


async def test_a_deleted_repository_is_gone(remote: GitRemote, mirror: Mirror) -> None:
    sha = await mirror.base("main")
    shutil.rmtree(remote.path(HELLO))
    with pytest.raises(RepositoryGone, match="octo/hello cannot be found"):
        await mirror.fetch(CREDENTIAL)
    with pytest.raises(RepositoryGone):
        await mirror.push(sha, "claude/x", CREDENTIAL, None)
    assert await mirror.base("main") == sha


async def test_a_wrong_token_is_refused(mirror: Mirror) -> None:
    for credential in (Credential("x-access-token", "ghs_wrong"), None):
        with pytest.raises(CredentialsRefused, match="GitHub App is still installed"):
            await mirror.fetch(credential)


async def test_a_remote_that_is_down_is_weather(tmp_path: Path) -> None:
    down = Mirrors(tmp_path).of(Remote.of("http://127.0.0.1:1/octo/hello.git"))
    with pytest.raises(TryLater):
        await down.fetch(CREDENTIAL)


@pytest.mark.parametrize("page", ["<!DOCTYPE html>Unicorn!", "<html>\n<title>Unicorn</title>\n</html>\n"])
async def test_a_page_in_place_of_git_is_weather_and_no_empty_repository(
    remote: GitRemote, mirror: Mirror, tmp_path: Path, page: str
) -> None:
    """git itself is content with it: it finds no branches there, and takes ours away."""
    before = await mirror.base("main")
    for pages in (1, 4):
        remote.instead = [web.Response(text=page, content_type="text/html") for _ in range(pages)]
        with pytest.raises(TryLater):
            await mirror.fetch(CREDENTIAL)
        remote.instead = []
        await mirror.fetch(CREDENTIAL)
        assert await mirror.base("main") == before
    sha = await work(mirror, tmp_path / "work", {"a": "1"})
    remote.instead = [web.Response(text=page, content_type="text/html") for _ in range(4)]
    with pytest.raises(TryLater):
        await mirror.push(sha, "claude/x", CREDENTIAL, None)
    remote.instead = [web.Response(text=page, content_type="text/html") for _ in range(4)]
    with pytest.raises(TryLater):
        await mirror.remote_head("main", CREDENTIAL)
    remote.instead = []
    assert (await mirror.push(sha, "claude/x", CREDENTIAL, None)).sha == sha


async def test_a_remote_that_hangs_is_weather(
    remote: GitRemote, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.mirror._STALLED", ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=1"))
    remote.hangs = True
    with pytest.raises(TryLater):
        await mirror.fetch(CREDENTIAL)


async def test_a_push_puts_exactly_that_commit_and_can_be_repeated(
    remote: GitRemote, mirror: Mirror, tmp_path: Path
) -> None:
    sha = await work(mirror, tmp_path / "w", {"new": "1"})
    pushed = await mirror.push(sha, "claude/issue-1", CREDENTIAL, None)
    assert (pushed.sha, pushed.was_there) == (sha, False)
    assert remote.head(HELLO, "claude/issue-1") == sha
    again = await mirror.push(sha, "claude/issue-1", CREDENTIAL, None)
    assert again.was_there
    later = await work(mirror, tmp_path / "w", {"new": "2"}, on=sha)
    await mirror.push(later, "claude/issue-1", CREDENTIAL, sha)
    assert remote.head(HELLO, "claude/issue-1") == later


async def test_our_own_commits_may_be_rewritten(remote: GitRemote, mirror: Mirror, tmp_path: Path) -> None:
    sha = await work(mirror, tmp_path / "w", {"new": "1"})
    await mirror.push(sha, "claude/x", CREDENTIAL, None)
    amended = await work(mirror, tmp_path / "w", {"new": "better"})
    await mirror.push(amended, "claude/x", CREDENTIAL, sha)
    assert remote.head(HELLO, "claude/x") == amended


async def test_a_branch_that_exists_with_other_commits_is_left_alone(
    remote: GitRemote, mirror: Mirror, tmp_path: Path
) -> None:
    theirs = remote.commit(HELLO, "claude/x", {"person": "1"})
    sha = await work(mirror, tmp_path / "w", {"new": "1"})
    with pytest.raises(BranchMoved) as moved:
        await mirror.push(sha, "claude/x", CREDENTIAL, None)
    assert moved.value.theirs == theirs == remote.head(HELLO, "claude/x")


async def test_a_colleagues_commits_are_built_upon_never_replaced(
    remote: GitRemote, mirror: Mirror, tmp_path: Path
) -> None:
    ours = await work(mirror, tmp_path / "w", {"new": "1"})
    await mirror.push(ours, "claude/x", CREDENTIAL, None)
    theirs = remote.commit(HELLO, "claude/x", {"person": "1"})
    later = await work(mirror, tmp_path / "w", {"new": "2"}, on=ours)
    with pytest.raises(BranchMoved, match="nothing was pushed over them"):
        await mirror.push(later, "claude/x", CREDENTIAL, ours)
    assert remote.head(HELLO, "claude/x") == theirs
    await mirror.fetch(CREDENTIAL)
    run_git(tmp_path / "w", "fetch", "-q", "origin", "claude/x")
    upon = await work(mirror, tmp_path / "w", {"new": "2"}, on=theirs)
    await mirror.push(upon, "claude/x", CREDENTIAL, ours)
    assert remote.head(HELLO, "claude/x") == upon


async def test_a_deleted_branch_is_not_brought_back(remote: GitRemote, mirror: Mirror, tmp_path: Path) -> None:
    ours = await work(mirror, tmp_path / "w", {"new": "1"})
    await mirror.push(ours, "claude/x", CREDENTIAL, None)
    run_git(remote.path(HELLO), "branch", "-D", "claude/x")
    later = await work(mirror, tmp_path / "w", {"new": "2"}, on=ours)
    with pytest.raises(BranchMoved, match="was deleted"):
        await mirror.push(later, "claude/x", CREDENTIAL, ours)
    assert remote.head(HELLO, "claude/x") is None


async def test_a_push_that_a_rule_refuses_says_which(remote: GitRemote, mirror: Mirror, tmp_path: Path) -> None:
    hook = remote.path(HELLO) / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    sha = await work(mirror, tmp_path / "w", {"new": "1"})
    with pytest.raises(PushRefused, match="hook declined"):
        await mirror.push(sha, "claude/x", CREDENTIAL, None)


async def test_a_moved_base_changes_nothing_for_a_task_that_began(
    remote: GitRemote, mirror: Mirror, tmp_path: Path
) -> None:
    base = await mirror.base("main")
    await mirror.pin(1, base)
    sha = await work(mirror, tmp_path / "w", {"new": "1"})
    remote.commit(HELLO, "main", {"README.md": "moved\n"})
    await mirror.fetch(CREDENTIAL)
    await mirror.push(sha, "claude/x", CREDENTIAL, None)
    assert await mirror.objects.contains(sha, base)
    assert not await mirror.objects.contains(sha, await mirror.base("main"))


async def test_the_work_can_be_read(mirror: Mirror, tmp_path: Path) -> None:
    base = await mirror.base("main")
    sha = await work(mirror, tmp_path / "w", {"dir/n\u00e9w file": "1\n"})
    assert [(c.subject, c.email) for c in await mirror.objects.log(base, sha)] == [("work", "author@example.org")]
    assert "+1" in await mirror.objects.diff(base, sha)
    assert await mirror.objects.changed(base, sha)
    assert not await mirror.objects.changed(base, base)
    assert await mirror.objects.read(sha, "dir/n\u00e9w file") == b"1\n"
    assert await mirror.objects.read(base, "dir/n\u00e9w file") is None
    assert await mirror.objects.read(sha, "dir") is None


@pytest.mark.parametrize("content", [b"", b"# v2 git bundle\n\n", b"# v3 git bundle\n@filter=blob:none\n\n", b"x" * 99])
async def test_what_is_no_bundle_is_refused(mirror: Mirror, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BundleRefused):
        await mirror.import_bundle(1, 1, 1, tmp_path / "b")
    assert run_git(mirror.path, "for-each-ref", "refs/tasks") == ""


async def test_a_bundle_over_the_limit_is_refused_unread(mirror: Mirror, tmp_path: Path) -> None:
    with (tmp_path / "b").open("wb") as sparse:
        sparse.truncate(500_000_001)
    with pytest.raises(BundleRefused, match="500 MB is the limit"):
        await mirror.import_bundle(1, 1, 1, tmp_path / "b")


async def test_a_bundle_that_lies_about_its_head_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    await work(mirror, tmp_path / "w", {"new": "1"})
    await mirror.unpin(1)
    head = run_git(tmp_path / "w", "rev-parse", "HEAD")
    for lie in ("1" * 40, run_git(tmp_path / "w", "rev-parse", "HEAD^{tree}")):
        bundle = (tmp_path / "bundle").read_bytes().replace(f"{head} HEAD".encode(), f"{lie} HEAD".encode())
        (tmp_path / "lie").write_bytes(bundle)
        with pytest.raises(BundleRefused, match="was refused"):
            await mirror.import_bundle(1, 1, 1, tmp_path / "lie")
    assert run_git(mirror.path, "for-each-ref", "refs/tasks") == ""


async def test_a_git_that_is_cancelled_ends_with_its_children(tmp_path: Path) -> None:
    script = tmp_path / "wait"
    script.write_text("#!/bin/sh\necho $$ >pid.new && mv pid.new pid\nsleep 1000\n")
    script.chmod(0o755)
    run_git(tmp_path, "init", "-q", str(tmp_path))
    running = asyncio.create_task(git("-c", f"alias.wait=!{script}", "wait", cwd=tmp_path))
    while not (tmp_path / "pid").exists():
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    pid = int((tmp_path / "pid").read_text())
    ended = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False).stdout.strip()
    assert ended in {b"", b"Z"}


async def test_no_credential_shaped_url_reaches_a_log() -> None:
    with pytest.raises(GitFailed) as failed:
        await git("ls-remote", "nope://user:password@example.org/")
    assert "password" not in " ".join(failed.value.argv)
    assert "password" not in str(failed.value).split(":", 1)[0]


@pytest.mark.parametrize(
    "url",
    ["https://u:p@github.com/a/b", "ssh://github.com/a/b", "https://github.com/a/..", "https://github.com/-a/b",
     "https://github.com/a", "https://../a/b", "https://github.com/a/b/c"],
)  # fmt: skip
def test_only_plain_addresses_become_directories(url: str) -> None:
    with pytest.raises(ValueError, match="not a repository's address"):
        Remote.of(url)
