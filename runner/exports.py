"""Run the export commands where the agent has been, inside the sandbox, and bring their output into the spool."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from runner import exporting
from runner.effects import effect
from runner.exporting import Identity
from runner.spool import Spec

MAX_BUNDLE_BYTES = 512 * 1024 * 1024
LEFTOVERS = "Commit what was left uncommitted"
_QUICK_SECONDS = 30.0
_LONG_SECONDS = 300.0
_NO_MERGE_TO_ABORT = 128
_BEAT_SECONDS = 1.0
_UNLOCK = 'vault=$(git rev-parse --git-common-dir) && find "$vault" -name "*.lock" -type f -delete'
_SET_ASIDE = 'for file in "$1"/projects/*/"$2".jsonl; do [ ! -e "$file" ] || mv -f -- "$file" "$file.cut"; done'


Beat = Callable[[], None]  # called every few seconds while a command runs, so that nobody takes us for dead


class ExportFailed(Exception):
    """A command failed in the sandbox; `str()` says which and why."""


def head(spec: Spec, beat: Beat) -> str:
    """The commit that the worktree stands on."""
    return _run(spec, beat, exporting.head_argv(), _QUICK_SECONDS).strip()


def commit_leftovers(spec: Spec, beat: Beat) -> None:
    """Commit what is uncommitted, if anything is. Every process of the agent is dead when this runs."""
    unlock(spec, beat)
    requester = identity(spec.co_author) if spec.co_author else None
    *first, last = exporting.commit_leftovers_argv(identity(spec.author), requester, LEFTOVERS)
    with effect("git.leftovers"):
        for argv in first:
            _run(spec, beat, argv, _LONG_SECONDS)
        _run(spec, beat, last, _LONG_SECONDS, fine=(0, exporting.NOTHING_TO_COMMIT))


def unlock(spec: Spec, beat: Beat) -> None:
    """Take git's locks away. Every process of the agent is dead when this runs: whoever made them will not be back."""
    with effect("file.unlock"):
        _run(spec, beat, ["sh", "-c", _UNLOCK], _QUICK_SECONDS)


def take_in(spec: Spec, sha: str, beat: Beat) -> bool:
    """Merge what others pushed; False, and nothing changed, where that needs someone who understands both."""
    try:
        with effect("git.merge"):
            _run(spec, beat, exporting.merge_argv(identity(spec.author), sha), _LONG_SECONDS)
    except ExportFailed:
        _run(spec, beat, exporting.abort_merge_argv(), _QUICK_SECONDS, fine=(0, _NO_MERGE_TO_ABORT))
        return False
    return True


def bundle(spec: Spec, target: Path, beat: Beat) -> None:
    """Write everything from the base to HEAD into `target`, whole or not at all."""
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        _run(spec, beat, exporting.bundle_argv(spec.base_sha), _LONG_SECONDS, stdout=file.fileno())
        os.fsync(file.fileno())
    with effect("file.bundle"):
        part.rename(target)


def set_session_aside(spec: Spec, beat: Beat) -> None:
    """Move the session's file out of the way: one without a word in it can be neither resumed nor begun again."""
    argv = ["sh", "-c", _SET_ASIDE, "sh", spec.claude_dir, spec.session_id]
    with effect("file.session-aside"):
        _run(spec, beat, argv, _QUICK_SECONDS)


def identity(words: str) -> Identity:
    """Of "Name <email>"."""
    name, _, email = words.rpartition("<")
    return Identity(name.strip(), email.rstrip("> "))


def _run(
    spec: Spec, beat: Beat, argv: list[str], seconds: float, stdout: int | None = None, fine: tuple[int, ...] = (0,)
) -> str:
    """Run it where the agent runs; the descriptor `stdout` takes at most MAX_BUNDLE_BYTES, else the text comes back."""
    if spec.sandbox:
        words, env = [*spec.sandbox, "--chdir", spec.worktree, *argv], {"PATH": os.defpath}
    else:
        words, env = argv, spec.env
    process = subprocess.Popen(
        words,
        cwd=spec.worktree,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        start_new_session=True,
        umask=0o022,
        preexec_fn=_limit_files,  # noqa: PLW1509 - one thread; the limit must hold for the command and not for us
    )
    until = time.monotonic() + seconds
    while True:
        beat()
        try:
            said, complaint = process.communicate(timeout=_BEAT_SECONDS)
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() < until:
                continue
            os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):  # something it started may hold its pipes
                process.communicate(timeout=_BEAT_SECONDS)
            raise ExportFailed(f"{_name(argv)} did not end within {seconds:.0f} seconds") from None
    if process.returncode not in fine:
        reason = complaint.decode(errors="replace").strip()[-500:]
        raise ExportFailed(f"{_name(argv)} ended with {process.returncode}: {reason}")
    return (said or b"").decode(errors="replace")


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BUNDLE_BYTES, MAX_BUNDLE_BYTES))


def _name(argv: list[str]) -> str:
    words = [word for word in argv if word in {"rev-parse", "add", "commit", "bundle"}]
    return f"git {words[0]}" if words else argv[0]
