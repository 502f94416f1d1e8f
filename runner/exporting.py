"""Git where the agent has been, inside the sandbox: find HEAD, commit leftovers, bundle."""

import os
import resource
import signal
import subprocess
from pathlib import Path

from runner.spool import Spec

MAX_BUNDLE_BYTES = 512 * 1024 * 1024
LEFTOVERS = "Commit what was left uncommitted"
_QUICK_SECONDS = 30.0
_LONG_SECONDS = 300.0
# The repository's own hooks, monitors and signing keys are the agent's by now; none of them may block or change this.
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "advice.addEmbeddedRepo=false",
)
_GIT = ("git", *(word for setting in _SETTINGS for word in ("-c", setting)))


class ExportFailed(Exception):
    """A git command failed in the sandbox; `str()` says which and why."""


def head(spec: Spec) -> str:
    """The commit that the worktree stands on."""
    return _run(spec, [*_GIT, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"], _QUICK_SECONDS).strip()


def commit_leftovers(spec: Spec) -> bool:
    """Commit what is uncommitted, with hooks off; whether there was anything."""
    if not _run(spec, [*_GIT, "status", "--porcelain", "--untracked-files=normal"], _LONG_SECONDS).strip():
        return False
    # Every process of the agent is dead when this runs: a lock that still stands is left over from one of them.
    unlock = 'rm -f -- "$(git rev-parse --git-path index.lock)" "$(git rev-parse --git-path HEAD.lock)"'
    _run(spec, ["sh", "-c", unlock], _QUICK_SECONDS)
    _run(spec, [*_GIT, "add", "--all"], _LONG_SECONDS)
    name, _, email = spec.author.rpartition(" ")
    identity = [
        f"{variable}_{part}={value}"
        for variable in ("GIT_AUTHOR", "GIT_COMMITTER")
        for part, value in (("NAME", name), ("EMAIL", email.strip("<>")))
    ]
    message = f"{LEFTOVERS}\n\nCo-authored-by: {spec.co_author}\n" if spec.co_author else LEFTOVERS
    commit = ["commit", "--quiet", "--no-verify", "--allow-empty", "--message", message]
    _run(spec, ["env", *identity, *_GIT, *commit], _LONG_SECONDS)
    return True


def bundle(spec: Spec, target: Path) -> None:
    """Write everything from the base to HEAD into `target`, whole or not at all."""
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        _run(spec, [*_GIT, "bundle", "create", "--quiet", "-", f"{spec.base_sha}..HEAD"], _LONG_SECONDS, file.fileno())
        os.fsync(file.fileno())
    part.rename(target)


def _run(spec: Spec, argv: list[str], seconds: float, stdout: int | None = None) -> str:
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
        preexec_fn=_limit_files,  # noqa: PLW1509 - one thread; the limit must hold for the command and not for us
    )
    try:
        said, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise ExportFailed(f"{_name(argv)} did not end within {seconds:.0f} seconds") from None
    if process.returncode != 0:
        reason = complaint.decode(errors="replace").strip()[-500:]
        raise ExportFailed(f"{_name(argv)} ended with {process.returncode}: {reason}")
    return (said or b"").decode(errors="replace")


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BUNDLE_BYTES, MAX_BUNDLE_BYTES))


def _name(argv: list[str]) -> str:
    words = [word for word in argv if word in {"rev-parse", "status", "add", "commit", "bundle", "sh"}]
    return f"git {words[0]}" if words else argv[0]
