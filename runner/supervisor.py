"""The process in the pane: drive one `claude` from its spool, record all it says, and prove how it ended.

    python -P -m runner.supervisor SPOOL

It lives on without its terminal, its tmux server and the service; the lock on its spool says that it lives.
"""

import contextlib
import os
import signal
import sys
import traceback
import uuid
from dataclasses import replace
from pathlib import Path
from types import FrameType

from runner import exports, kin, panic, spool
from runner.child import Child
from runner.effects import effect
from runner.launch import Launch
from runner.pane import Pane
from runner.space import is_full
from runner.spool import Cause, Exit, Message, Spec
from runner.text import clean

MERGE_FIRST = (
    "Others have pushed commits to this branch meanwhile, and they conflict with yours. Before anything else run "
    "`git merge {sha}`, resolve the conflicts so that both sides' intentions hold, and commit the merge."
)


def main(arguments: list[str]) -> int:
    """Hold the lock, carry the launch out, write the exit."""
    os.umask(0o077)
    directory = Path(arguments[0])
    if spool.hold(directory) is None:
        sys.stderr.write("This launch has a supervisor already.\n")
        return 1
    if spool.read_exit(directory) is not None:
        sys.stderr.write("This launch has ended already.\n")
        return 1
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, _unmoved)
    if panic.is_on_for(directory):  # only now: whoever pauses everything looks for us after this
        spool.write_exit(directory, Exit(Cause.paused, None, panic.WHY, None))
        return 0
    kin.adopt_orphans()
    pane = Pane(1)
    pane.hush()
    spool.reserve_exit(directory)
    launch = Launch(directory, spool.read_spec(directory), pane)

    def stop(_number: int, _frame: FrameType | None) -> None:
        launch.stop_signal = True

    signal.signal(signal.SIGTERM, stop)
    try:
        ending = carry_out(launch)
    except Exception as error:  # noqa: BLE001 - a bug of ours, or a full disk: it has one place to be told, and here it is
        kin.kill_all()
        with contextlib.suppress(OSError), (directory / "stderr.log").open("a") as log:
            traceback.print_exc(file=log)
        if is_full(error):
            ending = Exit(Cause.disk, None, clean(f"the disk is full: {error}")[:500], None)
        else:
            ending = Exit(Cause.crashed, None, clean(f"the supervisor failed: {error!r}")[:500], None)
    spool.write_exit(directory, replace(ending, worked_seconds=round(launch.worked, 1)))
    pane.flush()
    return 0


def _unmoved(_number: int, _frame: FrameType | None) -> None:
    """A handler and not SIG_IGN, which the repository's tools would inherit."""


def carry_out(launch: Launch) -> Exit:
    """Carry the launch out, to the end that is then written."""
    launch.pane.show(launch.transcript.header(launch.spec, launch.pane.width))
    resumed = _session_exists(launch.spec)
    if resumed:
        _clear_up(launch)
    _take_in_others_work(launch)
    child = Child(launch, resumed)
    code = child.drive()
    if child.refused_session and launch.ending is None:
        launch.trouble("Claude's session was cut off before its first word, and begins anew.")
        exports.set_session_aside(launch.spec, launch.breathe)
        child = Child(launch, resume=False)
        code = child.drive()
    with effect("process.kill-all"):
        left = kin.kill_all()
    if left:
        launch.trouble(f"processes that cannot be killed: {left}")
    launch.hand_over(leftovers=launch.ending is not Cause.paused)  # paused work goes on in this very worktree
    return _conclude(launch, code, child)


def _clear_up(launch: Launch) -> None:
    """What an earlier launch died with in its hand would be in Claude's way."""
    try:
        exports.unlock(launch.spec, launch.breathe)
    except (exports.ExportFailed, OSError) as error:
        launch.trouble(f"What an earlier launch left locked stays locked: {error}")


def _take_in_others_work(launch: Launch) -> None:
    """Merge what others pushed to the branch meanwhile; where that conflicts, Claude is asked to."""
    sha = launch.spec.merge_sha
    if sha is None:
        return
    try:
        merged = exports.take_in(launch.spec, sha, launch.breathe)
    except (exports.ExportFailed, OSError) as error:
        launch.trouble(f"What others pushed could not be merged: {error}")
        merged = False
    launch.record(spool.MERGED, {"sha": sha, "clean": merged})
    if not merged:
        asked = Message(str(uuid.uuid4()), MERGE_FIRST.format(sha=sha))
        told, anew = launch.spec.messages, launch.spec.anew
        launch.spec = replace(launch.spec, messages=(asked, *told), anew=(asked, *anew) if anew else ())


def _session_exists(spec: Spec) -> bool:
    """Effects are looked up, not remembered: Claude keeps a session in one file, named after it."""
    projects = Path(spec.claude_dir, "projects")
    try:
        return any((project / f"{spec.session_id}.jsonl").exists() for project in projects.iterdir())
    except OSError:
        return False


def _conclude(launch: Launch, code: int | None, child: Child) -> Exit:
    result = child.result
    subtype = (result or {}).get("subtype")
    if launch.ending is None and subtype == "error_max_turns":
        launch.ending, launch.detail = Cause.turns, "Claude Code reached the limit of turns"
    elif launch.ending is None and "budget" in str(subtype):
        launch.ending, launch.detail = Cause.dollars, "Claude Code reached the limit of dollars"
    elif launch.ending is None and result is None:
        launch.ending = Cause.crashed
        launch.detail = launch.detail or f"claude ended with {code} and no result: {child.last_words()}"
    cause = launch.ending or Cause.finished
    launch.record(spool.ENDED, {"cause": cause, "detail": clean(launch.detail)[:500]})
    return Exit(cause, code, clean(launch.detail)[:500], result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
