"""The process in the pane of a supervisor that lost its own: draw what it writes down, until it ends.

    python -P -m runner.onlooker SPOOL

It reads and does nothing else. Standard library only, as the supervisor.
"""

import sys
import time
from pathlib import Path

from runner import spool
from runner.launch import SHAPELESS
from runner.pane import MAX_WAITING_BYTES, Pane
from runner.transcript import Transcript

LOOK_SECONDS = 0.1


def main(arguments: list[str]) -> int:
    """From the beginning, so that whoever comes sees the whole."""
    directory = Path(arguments[0])
    pane = Pane(1)
    pane.hush()
    spec = spool.read_spec(directory)
    transcript = Transcript(spec.worktree)
    pane.show(transcript.header(spec, pane.width))
    offset, alive, behind = 0, True, False
    while alive or behind or pane.waiting_bytes:
        alive, behind = spool.is_alive(directory), False
        for line in spool.follow(directory, offset):
            offset = line.end
            try:
                pane.show(transcript.draw(line, pane.width))
            except SHAPELESS:
                pane.show(" (a line that cannot be shown)\n")
            behind = pane.waiting_bytes > MAX_WAITING_BYTES // 2
            if behind:
                break  # a long story: the terminal has to catch up first
        pane.flush()
        time.sleep(LOOK_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
