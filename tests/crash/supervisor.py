"""The supervisor, with a trial's strikes in it; otherwise as the service starts it."""

import sys
from pathlib import Path

from runner import supervisor
from tests.crash.plan import Plan

if __name__ == "__main__":
    Plan(Path(sys.argv[1])).arm("supervisor")
    sys.exit(supervisor.main(sys.argv[2:]))
