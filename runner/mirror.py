"""Keep the service's own bare copy of each repository: fetch into it, import what a task made, push from it."""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from runner.effects import effect
from runner.errors import Refusal, TryLater
from runner.git import GitFailed, git
from runner.objects import SHA, Objects, checked
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

BUNDLE_LIMIT_BYTES = 500 * 1000 * 1000
NEW_PREFIX = ".new-"
_HEADER_LIMIT_BYTES = 64 * 1024
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_TALK_TIMEOUT = timedelta(hours=1)
_STALLED = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=120")  # a remote that says nothing is not there
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


class Mirrors:
    """All mirrors beneath CCO_HOME, each made once, so that its lock is one lock."""

    def __init__(self, home: Path, *, alone: bool = True) -> None:
        """`alone`: no other process uses them, so what a killed one left is taken away."""
        self._root = home.resolve() / "mirrors"  # git records real paths
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A kill while git was asking, or a mirror was made.
        for prefix in (ASKPASS_PREFIX, NEW_PREFIX) if alone else ():
            for leftover in self._root.glob(f"{prefix}*"):
                shutil.rmtree(leftover)
        self._mirrors: dict[tuple[str, str], Mirror] = {}

    def of(self, remote: Remote) -> "Mirror":
        """The mirror of this repository; nothing happens on disk before its first fetch."""
        key = (remote.host, remote.full_name)
        if key not in self._mirrors:
            self._mirrors[key] = Mirror(self._root, remote)
        return self._mirrors[key]

    def all(self) -> "list[Mirror]":
        """Those that are on this disk, by where they lie; what they were fetched from is in the tasks."""
        places = sorted(path.relative_to(self._root).with_suffix("").parts for path in self._root.glob("[!.]*/*/*.git"))
        remotes = [
            Remote(f"https://{host}/{owner}/{name}.git", host, f"{owner}/{name}") for host, owner, name in places
        ]
        return [self._mirrors.get((one.host, one.full_name)) or Mirror(self._root, one) for one in remotes]


class Mirror:
    """One bare repository of ours. No agent can write here, so this is where the service may run git."""

    def __init__(self, root: Path, remote: Remote) -> None:
        self.remote = remote
        self.path = root / remote.host / f"{remote.full_name}.git"
        self.objects = Objects(self.path)
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
            if not await self._has_branches() and await self._listed("refs/heads/*", credential):
                raise self._was_no_git()
            self._fetched = number

    async def head(self, branch: str) -> str | None:
        """The commit a branch stood at when last fetched."""
        return await self.objects.resolve(f"refs/heads/{branch}")

    async def base(self, branch: str) -> str:
        """The same for a branch that must be there; raises BranchMissing with the sentence for a person."""
        if sha := await self.head(branch):
            return sha
        if not await self._has_branches():
            raise BranchMissing(
                f"The repository {self.remote.full_name} is empty. Push a first commit (a README will do) to "
                f"`{branch}`, then say `/claude retry`."
            )
        raise BranchMissing(
            f"The repository {self.remote.full_name} has no branch `{branch}`. Name one that exists, or create it, "
            "then say `/claude retry`."
        )

    async def fork_point(self, branch: str, sha: str) -> str | None:
        """Where `sha` leaves a branch; None where they have nothing in common."""
        try:
            out = await git("merge-base", checked(await self.base(branch)), checked(sha), cwd=self.path)
        except GitFailed as failure:
            if failure.exit_code == 1:
                return None
            raise
        return out.decode().strip()

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

    async def serves(self) -> set[int]:
        """The tasks that something is kept for here."""
        out = await git("for-each-ref", "--format=%(refname)", "refs/tasks/", cwd=self.path)
        return {int(name.split("/")[2]) for name in out.decode().split()}

    async def set_aside(self, where: Path, allowed: AbstractAsyncContextManager[bool]) -> bool:
        """Move the whole mirror away, if nobody uses it and it is allowed still; the next fetch makes it anew."""
        async with self._alone(), allowed as is_allowed:
            if is_allowed and not await self.serves():
                with effect("file.mirror-aside"):
                    os.replace(self.path, where)  # noqa: PTH105 - a rename does not block
                return True
        return False

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
        `sha` is success: a push cut off by a crash can be done again. So is one that has gone on from `sha`: more was
        pushed than we remember, and `Pushed.sha` says how much. So is one whose answer was lost, when more work
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
            if theirs is not None and await self.objects.has(theirs) and await self.objects.contains(theirs, sha):
                return Pushed(branch, theirs, was_there=True)
            upon = expected is not None and theirs is not None and await self.objects.contains(sha, theirs)
            if theirs is None or not (upon or await self._was_imported(theirs)):
                raise BranchMoved(branch, theirs)
            answer = await self._push_over(theirs, sha, branch, credential)
            if answer is None:  # and again, in this very moment
                raise BranchMoved(branch, await self.remote_head(branch, credential))
        return answer

    async def _has_branches(self) -> bool:
        return bool(await git("for-each-ref", "--count=1", "refs/heads/", cwd=self.path))

    async def _listed(self, pattern: str, credential: Credential | None) -> dict[str, str]:
        """The remote's refs, by name. To git a page ("down for maintenance") is a repository that has none, and it is
        content: so a list counts only if it came in packets, as a repository talks.
        """
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".heard-") as directory:
            heard = Path(directory, "packets")
            out = await self._talk("ls-remote", "--", self.remote.url, pattern, credential=credential, trace=heard)
            if not await asyncio.to_thread(heard.exists):
                raise self._was_no_git()
        rows = (line.split("\t") for line in out.decode().splitlines())
        return {name: sha for sha, name in rows}

    def _was_no_git(self) -> TryLater:
        return TryLater(f"{self.remote.host} answered git for {self.remote.full_name} with something else")

    async def _was_imported(self, sha: str) -> bool:
        """Whether a task made this commit, and it came here in a bundle."""
        if await self.objects.resolve(checked(sha)) is None:
            return False
        made = ("--count=1", f"--points-at={sha}", "refs/tasks/*/runs/*/*")
        return bool(await git("for-each-ref", *made, cwd=self.path))

    async def remote_head(self, branch: str, credential: Credential | None) -> str | None:
        """Where a branch stands on the remote now."""
        ref = f"refs/heads/{branch}"
        return (await self._listed(ref, credential)).get(ref)

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

    async def _talk(
        self, *argv: str, credential: Credential | None, lock: int | None = None, trace: Path | None = None
    ) -> bytes:
        """Run git against the remote, and say what a failure means. What it hears in packets is written to `trace`."""
        fds = [] if lock is None else [lock]
        hearing = {} if trace is None else {"GIT_TRACE_PACKET": os.fspath(trace)}
        with answering(self.remote, credential, self._root) as answers:
            env = {**answers, **hearing}
            try:
                return await git(*_STALLED, *argv, cwd=self.path, env=env, timeout=_TALK_TIMEOUT, pass_fds=fds)
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


def _head_of(header: bytes) -> str:
    """What the bundle says HEAD is. Only the plain format is taken: a later one can ask for a filter."""
    lines = header.partition(b"\n\n")[0].decode(errors="replace").split("\n") if b"\n\n" in header else []
    heads = [line[:40] for line in lines[1:] if line[40:] == " HEAD" and SHA.fullmatch(line[:40])]
    if not lines or lines[0] != "# v2 git bundle" or len(heads) != 1:
        raise BundleRefused(_NOT_WHOLE.format("it is not a bundle with one HEAD"))
    return heads[0]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["git did not say why"])[-1]
