"""Start git: the one place that does, with a fixed argv, an empty environment, and an end in sight."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

Input = bytes | IO[bytes] | None

# Whoever runs git runs the configuration it finds; ours finds none but the repository's own.
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "LC_ALL": "C",  # we read its messages
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:http:file",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}
_A_WHILE = timedelta(minutes=10)
_STDERR_BYTES = 4000
_GRACE_SECONDS = 2  # for git to take its lock files and half-written packs away


class GitFailed(Exception):
    """git ended badly; for the operator, who gets its argv, its exit code and the end of what it said."""

    def __init__(self, argv: Sequence[str], exit_code: int | None, stderr: str, stdout: str = "") -> None:
        self.argv = tuple(_without_userinfo(word) for word in argv)
        self.exit_code = exit_code
        self.stderr = stderr
        self.stdout = stdout  # `push --porcelain` says there what became of each branch
        how = "took too long and was stopped" if exit_code is None else f"exited {exit_code}"
        super().__init__(f"git {' '.join(self.argv)} {how}: {stderr.strip()}")


async def git(
    *argv: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Input = None,
    timeout: timedelta = _A_WHILE,  # noqa: ASYNC109 - the whole process group ends with it, which asyncio.timeout cannot do
    pass_fds: Sequence[int] = (),
) -> bytes:
    """Run git to its end and return its standard output; raise GitFailed unless it exits 0."""
    async with start(*argv, cwd=cwd, env=env, stdin=stdin, pass_fds=pass_fds) as process:
        given = stdin if isinstance(stdin, bytes) else None
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                out, err = await process.communicate(given)
        except TimeoutError:
            raise GitFailed(argv, None, f"no end after {timeout}") from None
    if process.returncode != 0:
        said, wrote = (text[-_STDERR_BYTES:].decode(errors="replace") for text in (err, out))
        raise GitFailed(argv, process.returncode, said, wrote)
    return out


@contextlib.asynccontextmanager
async def start(
    *argv: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Input = None,
    pass_fds: Sequence[int] = (),
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run git with pipes to talk through; whatever happens in the block, the process and its children end with it."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *argv,
        cwd=cwd,
        env={**ENVIRONMENT, **(env or {})},
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE if isinstance(stdin, bytes) else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a group of its own: git-remote-https and index-pack end with it
        pass_fds=pass_fds,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            await asyncio.shield(_end(process))


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):  # it was quicker than we
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
            return


def _without_userinfo(word: str) -> str:
    """A URL never holds a credential here; should one ever, it does not reach a log."""
    if "://" not in word:
        return word
    parts = urlsplit(word)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
