"""Read what is in a bare repository of ours: commits, files and changes, by full SHA, never by a name from outside."""

import asyncio
import contextlib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.git import ENVIRONMENT, GitFailed, git

if TYPE_CHECKING:
    from git import Repo

SHA = re.compile(r"[0-9a-f]{40}")


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


class Objects:
    """The objects of the repository at `path`. Nothing is changed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def has(self, sha: str) -> bool:
        """Whether this commit is here; it may not be where the mirror is new, or was removed and made again."""
        return self._path.exists() and await self.resolve(checked(sha)) is not None

    async def resolve(self, name: str) -> str | None:
        """The commit that a name stands for, if there is one."""
        try:
            out = await git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", cwd=self._path
            )
        except GitFailed as failure:
            if failure.exit_code == 1:
                return None
            raise
        return out.decode().strip()

    async def contains(self, sha: str, ancestor: str) -> bool:
        """Whether `sha` descends from `ancestor` (or is it); False also when we do not have that commit."""
        if await self.resolve(checked(ancestor)) is None:
            return False
        try:
            await git("merge-base", "--is-ancestor", ancestor, checked(sha), cwd=self._path)
        except GitFailed as failure:
            if failure.exit_code == 1:
                return False
            raise
        return True

    async def diff(self, base: str, sha: str) -> str:
        """The patch from one commit to another, as a person reads it."""
        argv = ("diff-tree", "-p", "-M", "--stat", "--no-color", "--no-ext-diff", "--no-textconv")
        return (await git(*argv, checked(base), checked(sha), "--", cwd=self._path)).decode(errors="replace")

    async def log(self, base: str, sha: str) -> list[Commit]:
        """The commits in `sha` that are not in `base`, oldest first."""
        out = await git("rev-list", "--reverse", f"{checked(base)}..{checked(sha)}", "--", cwd=self._path)
        return await asyncio.to_thread(self._read_commits, out.decode().split())

    async def count(self, base: str, sha: str) -> Count:
        """Commits, files and lines from `base` to `sha`."""
        span = f"{checked(base)}..{checked(sha)}"
        commits = await git("rev-list", "--count", span, "--", cwd=self._path)
        argv = ("diff-tree", "-r", "-M", "--numstat", "--no-ext-diff", "--no-textconv")
        rows = (await git(*argv, checked(base), checked(sha), "--", cwd=self._path)).splitlines()
        lines = [[int(number) if number.isdigit() else 0 for number in row.split(b"\t")[:2]] for row in rows]
        return Count(int(commits), len(lines), sum(one[0] for one in lines), sum(one[1] for one in lines))

    async def read(self, sha: str, path: str) -> bytes | None:
        """A file as it is in a commit, or None; for the team's policy on the default branch, say."""
        return await asyncio.to_thread(self._read_file, checked(sha), path)

    async def changed(self, base: str, sha: str) -> bool:
        """Whether the files at `sha` differ from those at `base`; commits that cancel out change nothing."""
        out = await git("rev-parse", f"{checked(base)}^{{tree}}", f"{checked(sha)}^{{tree}}", cwd=self._path)
        return len(set(out.split())) > 1

    @contextlib.contextmanager
    def _opened(self) -> "Iterator[Repo]":
        """Our objects through GitPython: only to read, by full SHA, and closed again (it keeps a cat-file running)."""
        from git import Repo  # noqa: PLC0415 - where there is no git its import fails, before anyone could say what is missing

        with Repo(self._path) as repo:
            repo.git.update_environment(**ENVIRONMENT)
            yield repo

    def _read_commits(self, shas: list[str]) -> list[Commit]:
        with self._opened() as repo:
            found = [repo.commit(sha) for sha in shas]
            return [Commit(c.hexsha, str(c.summary), c.author.name or "", c.author.email or "") for c in found]

    def _read_file(self, sha: str, path: str) -> bytes | None:
        with self._opened() as repo:
            try:
                entry = repo.commit(sha).tree / path
            except KeyError:
                return None
            if entry.type != "blob" or stat.S_ISLNK(entry.mode):
                return None
            return bytes(entry.data_stream.read())


def checked(sha: str) -> str:
    """A full SHA-1, or ValueError: nothing else of ours becomes a revision on git's command line."""
    if not SHA.fullmatch(sha):
        raise ValueError(f"not a commit's name: {sha!r}")
    return sha
