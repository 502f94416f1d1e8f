"""Keep the service's own bare copy of each repository: fetch into it, import what a task made, push from it."""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from runner.effects import effect
from runner.errors import Refusal
from runner.git import ENVIRONMENT, GitFailed, git
from runner.remotes import (
    ASKPASS_PREFIX,
    BranchMissing,
    BranchMoved,
    Credential,
    PushRefused,
    Remote,
    answering,
    explain,
)

if TYPE_CHECKING:
    from git import Repo

BUNDLE_LIMIT_BYTES = 500 * 1000 * 1000
NEW_PREFIX = ".new-"
_HEADER_LIMIT_BYTES = 64 * 1024
_SHA = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_TALK_TIMEOUT = timedelta(hours=1)
_LOCK_POLL_SECONDS = 0.1
_STALE = ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "objects/??/tmp_obj_*", "objects/tmp_objdir-*")
_NOT_WHOLE = (
    "What came out of the sandbox was refused: {}. Nothing was pushed. Say `/claude retry` to have the work done again."
)

# What callers of a mirror meet; it is said in `remotes`.
__all__ = [
    "BranchMissing",
    "BranchMoved",
    "BundleRefused",
    "Commit",
    "Credential",
    "Mirror",
    "Mirrors",
    "Pushed",
    "Remote",
]


class BundleRefused(Refusal):
    """What came out of the sandbox is not a bundle we take; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """The branch on the remote stands at exactly this commit."""

    branch: str
    sha: str
    was_there: bool  # a push before this one had done it already


@dataclass(frozen=True, slots=True)
class Commit:
    """One line of a log."""

    sha: str
    subject: str
    author: str
    email: str


@dataclass(frozen=True, slots=True)
class Count:
    """How much lies between two commits. Binary files have no lines."""

    commits: int
    files: int
    insertions: int
    deletions: int


class Mirrors:
    """All mirrors beneath CCO_HOME, each made once, so that its lock is one lock."""

    def __init__(self, home: Path) -> None:
        self._root = home.resolve() / "mirrors"  # git records real paths
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for prefix in (ASKPASS_PREFIX, NEW_PREFIX):  # a kill while git was asking, or a mirror was made
            for leftover in self._root.glob(f"{prefix}*"):
                shutil.rmtree(leftover)
        self._mirrors: dict[tuple[str, str], Mirror] = {}

    def of(self, remote: Remote) -> "Mirror":
        """The mirror of this repository; nothing happens on disk before its first fetch."""
        key = (remote.host, remote.full_name)
        if key not in self._mirrors:
            self._mirrors[key] = Mirror(self._root, remote)
        return self._mirrors[key]


class Mirror:
    """One bare repository of ours. No agent can write here, so this is where the service may run git."""

    def __init__(self, root: Path, remote: Remote) -> None:
        self.remote = remote
        self.path = root / remote.host / f"{remote.full_name}.git"
        self._root = root
        self._lock = asyncio.Lock()
        self._begun = 0  # fetches
        self._fetched = 0  # the latest of them that ended well

    async def fetch(self, credential: Credential | None) -> None:
        """Bring every branch up to date, making the mirror first if need be.

        Raises RepositoryGone, CredentialsRefused or TryLater. An empty repository is fetched well: it has no heads.
        Those who wait for their turn at the same time are content with one fetch.
        """
        asked = self._begun
        async with self._alone() as lock:
            if self._fetched > asked:
                return  # it began after we asked, and ended well
            self._begun += 1
            number = self._begun
            # Pruning is limited to the one refspec on the command line: refs/tasks/ is ours and stays.
            argv = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
            with effect("git.fetch"):
                await self._talk(
                    *argv, "--", self.remote.url, "+refs/heads/*:refs/heads/*", credential=credential, lock=lock
                )
            self._fetched = number

    async def head(self, branch: str) -> str | None:
        """The commit a branch stood at when last fetched."""
        return await self._resolve(f"refs/heads/{branch}")

    async def base(self, branch: str) -> str:
        """The same for a branch that must be there; raises BranchMissing with the sentence for a person."""
        if sha := await self.head(branch):
            return sha
        if not await git("for-each-ref", "--count=1", "refs/heads/", cwd=self.path):
            raise BranchMissing(
                f"The repository {self.remote.full_name} is empty. Push a first commit (a README will do) to "
                f"`{branch}`, then say `/claude retry`."
            )
        raise BranchMissing(
            f"The repository {self.remote.full_name} has no branch `{branch}`. Name one that exists, or create it, "
            "then say `/claude retry`."
        )

    async def pin(self, task_id: int, sha: str, name: str = "base") -> None:
        """Keep a commit for a task, whatever becomes of the branches: `refs/tasks/<id>/<name>`."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a name for a pin: {name!r}")
        with effect("git.pin"):
            await git("update-ref", f"refs/tasks/{int(task_id)}/{name}", checked(sha), cwd=self.path)

    async def unpin(self, task_id: int) -> None:
        """Forget everything kept for a task."""
        if not self.path.exists():
            return
        async with self._alone() as lock:
            form = "--format=delete %(refname)"
            refs = await git("for-each-ref", form, f"refs/tasks/{int(task_id)}/", cwd=self.path)
            with effect("git.unpin"):
                await git("update-ref", "--stdin", cwd=self.path, stdin=refs, pass_fds=[lock])

    async def import_bundle(self, task_id: int, run_id: int, number: int, bundle: Path | int) -> str:
        """Take HEAD of a bundle into `refs/tasks/<id>/runs/<run>/<number>`; return its SHA.

        `git fetch` of a bundle checks nothing before git 2.46, so the pack is handed to index-pack, which refuses
        malformed objects. Whether we *want* what it holds is for `inspection`. Raises BundleRefused.
        """
        fd = os.open(bundle, os.O_RDONLY | os.O_NOFOLLOW) if isinstance(bundle, Path) else os.dup(bundle)
        with os.fdopen(fd, "rb") as file:
            size = os.fstat(fd).st_size
            if not stat.S_ISREG(os.fstat(fd).st_mode) or size > BUNDLE_LIMIT_BYTES:
                raise BundleRefused(
                    f"The work is too large to bring home: {size / 1e6:.0f} MB, and 500 MB is the limit. Leave "
                    "generated files and downloads out of the commits (`.gitignore`), then say `/claude retry`."
                )
            file.seek(0)
            header = file.read(_HEADER_LIMIT_BYTES)
            sha = _head_of(header)
            os.lseek(fd, header.index(b"\n\n") + 2, os.SEEK_SET)  # index-pack reads on from here
            async with self._alone() as lock:
                argv = ("index-pack", "--stdin", "--fix-thin", "--strict", f"--max-input-size={BUNDLE_LIMIT_BYTES}")
                try:
                    with effect("git.index-pack"):
                        await git(*argv, cwd=self.path, stdin=file, pass_fds=[lock])
                    # Everything it builds on must be here, or the mirror would hold a commit it cannot push.
                    await git("rev-list", "--objects", "--quiet", sha, "--not", "--all", "--", cwd=self.path)
                    if await git("cat-file", "-t", sha, cwd=self.path) != b"commit\n":
                        raise BundleRefused(_NOT_WHOLE.format("its HEAD is not a commit"))
                except GitFailed as failure:
                    raise BundleRefused(_NOT_WHOLE.format(_last_line(failure.stderr))) from failure
                ref = f"refs/tasks/{int(task_id)}/runs/{int(run_id)}/{int(number)}"
                with effect("git.import"):
                    await git("update-ref", ref, sha, cwd=self.path)
        return sha

    async def push(self, sha: str, branch: str, credential: Credential | None, expected: str | None) -> Pushed:
        """Put exactly this commit on a branch of the remote.

        `expected` is the commit we ourselves last pushed there; None means the branch must not exist. Commits that
        are not ours are only ever built upon, never replaced: then it is BranchMoved. A branch that is already at
        `sha` is success: a push cut off by a crash can be done again. So is one whose answer was lost, when more work
        has followed since: a commit that was imported here is ours, though nobody wrote down that it was pushed.
        Raises also RepositoryGone, CredentialsRefused, PushRefused, TryLater.
        """
        try:
            answer = await self._push_over(expected, checked(sha), branch, credential)
        except PushRefused:
            # git's HTTP sends a request again when its answer is lost with the connection: ours is in our own way then.
            if await self.remote_head(branch, credential) != sha:
                raise
            return Pushed(branch, sha, was_there=True)
        if answer is None:
            theirs = await self.remote_head(branch, credential)
            if theirs == sha:
                return Pushed(branch, sha, was_there=True)
            upon = expected is not None and theirs is not None and await self.contains(sha, theirs)
            if theirs is None or not (upon or await self._was_imported(theirs)):
                raise BranchMoved(branch, theirs)
            answer = await self._push_over(theirs, sha, branch, credential)
            if answer is None:  # and again, in this very moment
                raise BranchMoved(branch, await self.remote_head(branch, credential))
        return answer

    async def _was_imported(self, sha: str) -> bool:
        """Whether a task made this commit, and it came here in a bundle."""
        if await self._resolve(checked(sha)) is None:
            return False
        made = ("--count=1", f"--points-at={sha}", "refs/tasks/*/runs/*/*")
        return bool(await git("for-each-ref", *made, cwd=self.path))

    async def remote_head(self, branch: str, credential: Credential | None) -> str | None:
        """Where a branch stands on the remote now."""
        ref = f"refs/heads/{branch}"
        out = await self._talk("ls-remote", "--", self.remote.url, ref, credential=credential)
        rows = (line.partition("\t") for line in out.decode().splitlines())
        return next((sha for sha, _, name in rows if name == ref), None)

    async def contains(self, sha: str, ancestor: str) -> bool:
        """Whether `sha` descends from `ancestor` (or is it); False also when we do not have that commit."""
        if await self._resolve(checked(ancestor)) is None:
            return False
        try:
            await git("merge-base", "--is-ancestor", ancestor, checked(sha), cwd=self.path)
        except GitFailed as failure:
            if failure.exit_code == 1:
                return False
            raise
        return True

    async def diff(self, base: str, sha: str) -> str:
        """The patch from one commit to another, as a person reads it."""
        argv = ("diff-tree", "-p", "-M", "--stat", "--no-color", "--no-ext-diff", "--no-textconv")
        return (await git(*argv, checked(base), checked(sha), "--", cwd=self.path)).decode(errors="replace")

    async def log(self, base: str, sha: str) -> list[Commit]:
        """The commits in `sha` that are not in `base`, oldest first."""
        out = await git("rev-list", "--reverse", f"{checked(base)}..{checked(sha)}", "--", cwd=self.path)
        return await asyncio.to_thread(self._read_commits, out.decode().split())

    async def count(self, base: str, sha: str) -> Count:
        """Commits, files and lines from `base` to `sha`."""
        span = f"{checked(base)}..{checked(sha)}"
        commits = await git("rev-list", "--count", span, "--", cwd=self.path)
        argv = ("diff-tree", "-r", "-M", "--numstat", "--no-ext-diff", "--no-textconv")
        rows = (await git(*argv, checked(base), checked(sha), "--", cwd=self.path)).splitlines()
        lines = [[int(number) if number.isdigit() else 0 for number in row.split(b"\t")[:2]] for row in rows]
        return Count(int(commits), len(lines), sum(one[0] for one in lines), sum(one[1] for one in lines))

    async def read(self, sha: str, path: str) -> bytes | None:
        """A file as it is in a commit, or None; for the team's policy on the default branch, say."""
        return await asyncio.to_thread(self._read_file, checked(sha), path)

    async def changed(self, base: str, sha: str) -> bool:
        """Whether the files at `sha` differ from those at `base`; commits that cancel out change nothing."""
        out = await git("rev-parse", f"{checked(base)}^{{tree}}", f"{checked(sha)}^{{tree}}", cwd=self.path)
        return len(set(out.split())) > 1

    @contextlib.contextmanager
    def _objects(self) -> "Iterator[Repo]":
        """Our objects through GitPython: only to read, by full SHA, and closed again (it keeps a cat-file running)."""
        from git import Repo  # noqa: PLC0415 - where there is no git its import fails, before anyone could say what is missing

        with Repo(self.path) as repo:
            repo.git.update_environment(**ENVIRONMENT)
            yield repo

    def _read_commits(self, shas: list[str]) -> list[Commit]:
        with self._objects() as repo:
            found = [repo.commit(sha) for sha in shas]
            return [Commit(c.hexsha, str(c.summary), c.author.name or "", c.author.email or "") for c in found]

    def _read_file(self, sha: str, path: str) -> bytes | None:
        with self._objects() as repo:
            try:
                entry = repo.commit(sha).tree / path
            except KeyError:
                return None
            if entry.type != "blob" or stat.S_ISLNK(entry.mode):
                return None
            return bytes(entry.data_stream.read())

    async def _resolve(self, name: str) -> str | None:
        try:
            out = await git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", cwd=self.path)
        except GitFailed as failure:
            if failure.exit_code == 1:
                return None
            raise
        return out.decode().strip()

    async def _push_over(
        self, lease: str | None, sha: str, branch: str, credential: Credential | None
    ) -> Pushed | None:
        """Push if the remote's branch is exactly at `lease`; None when it is not."""
        ref = f"refs/heads/{branch}"
        await git("check-ref-format", ref)
        argv = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
        only_if = f"--force-with-lease={ref}:{lease or ''}"
        try:
            with effect("git.push"):
                out = await self._talk(*argv, only_if, "--", self.remote.url, f"{sha}:{ref}", credential=credential)
        except GitFailed as failure:
            rejected = re.search(r"^!\t\S+\t\[(?:remote )?rejected\] \((.*)\)$", failure.stdout, re.MULTILINE)
            if rejected is None:
                raise
            if rejected[1] == "stale info":
                return None
            raise PushRefused(
                f"{self.remote.host} refused the push to `{branch}`: {rejected[1]}. Change that rule or let "
                "the GitHub App past it, then say `/claude retry`."
            ) from failure
        return Pushed(branch, sha, was_there=re.search(rb"^=\t", out, re.MULTILINE) is not None)

    async def _talk(self, *argv: str, credential: Credential | None, lock: int | None = None) -> bytes:
        """Run git against the remote, and say what a failure means."""
        fds = [] if lock is None else [lock]
        with answering(self.remote, credential, self._root) as env:
            try:
                return await git(*argv, cwd=self.path, env=env, timeout=_TALK_TIMEOUT, pass_fds=fds)
            except GitFailed as failure:
                meaning = explain(failure, self.remote)
                if meaning is failure:
                    raise
                raise meaning from failure

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[int]:
        """Be the only one who writes here: within this process, and among what an earlier one left running.

        The lock's descriptor goes to git, so a git that outlived a killed service still holds it. Whoever has the
        lock may take away what git leaves behind when it is killed.
        """
        async with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                while True:
                    try:
                        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        await asyncio.sleep(_LOCK_POLL_SECONDS)
                if self.path.exists():
                    await asyncio.to_thread(self._sweep)
                else:
                    await self._create()
                yield fd
            finally:
                os.close(fd)

    def _sweep(self) -> None:
        for pattern in _STALE:
            for leftover in self.path.glob(pattern):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()

    async def _create(self) -> None:
        with tempfile.TemporaryDirectory(dir=self._root, prefix=NEW_PREFIX) as fresh:
            bare = Path(fresh, "bare.git")
            await git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", os.fspath(bare))
            with (bare / "config").open("a") as config:
                config.write("[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n")
            with effect("file.mirror"):
                os.replace(bare, self.path)  # noqa: PTH105 - whole or not at all; a rename does not block


def checked(sha: str) -> str:
    """A full SHA-1, or ValueError: nothing else of ours becomes a revision on git's command line."""
    if not _SHA.fullmatch(sha):
        raise ValueError(f"not a commit's name: {sha!r}")
    return sha


def _head_of(header: bytes) -> str:
    """What the bundle says HEAD is. Only the plain format is taken: a later one can ask for a filter."""
    lines = header.partition(b"\n\n")[0].decode(errors="replace").split("\n") if b"\n\n" in header else []
    heads = [line[:40] for line in lines[1:] if line[40:] == " HEAD" and _SHA.fullmatch(line[:40])]
    if not lines or lines[0] != "# v2 git bundle" or len(heads) != 1:
        raise BundleRefused(_NOT_WHOLE.format("it is not a bundle with one HEAD"))
    return heads[0]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["git did not say why"])[-1]
