"""The service, with a trial's strikes in it and its long waits cut short; otherwise as `cco serve` runs it."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

from app import services, settings
from handlers import reporting
from runner import conductor, engine, retry
from tests.crash.plan import DIRECTORY, Plan


def main() -> int:
    directory = Path(os.environ.pop(DIRECTORY))
    engine.SUPERVISOR = ("tests.crash.supervisor", str(directory))
    conductor.AFTER_A_BUG = timedelta(seconds=0.3)
    reporting.FIRST_BACKOFF = timedelta(seconds=0.3)
    retry.FIRST_WAIT = timedelta(seconds=0.5)
    retry.CRASH_WAIT = timedelta(seconds=0.5)
    Plan(directory).arm("service")
    return asyncio.run(services.serve(settings.load(), write_interval=timedelta(0)))


if __name__ == "__main__":
    sys.exit(main())
