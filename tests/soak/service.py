"""The real service, for a soak: `python -m tests.soak.service [CLOCK]`.

It is `cco serve`, but that it writes to GitHub without a pause between two writes, gives back the memory that it does
not use at SIGUSR1, and, with a CLOCK, lives in the time of that file (see `tests.soak.clock`).
"""

import asyncio
import ctypes
import gc
import signal
import sys
from datetime import timedelta
from pathlib import Path

from app import services, settings
from runner import attending
from tests.soak import clock


def main() -> int:
    """Serve."""
    signal.signal(signal.SIGUSR1, lambda *_: _give_back_memory())
    if len(sys.argv) == 1:
        return asyncio.run(services.serve(settings.load(), timedelta(0)))
    # Hours go by in a moment here, and agents live in real time: their signs of life are not missed meanwhile.
    attending.STALLED = attending.FROZEN = timedelta(days=400)
    with clock.followed(Path(sys.argv[1])) as loop_factory, asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(services.serve(settings.load(), timedelta(0)))


def _give_back_memory() -> None:
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


if __name__ == "__main__":
    sys.exit(main())
