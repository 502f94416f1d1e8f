"""Wait until GitHub was asked what happened since the backup, where the database came out of one; then go on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import gidgethub

from handlers.looking_first import LookFirst
from runner.errors import TryLater
from runner.marks import Restored

logger = logging.getLogger(__name__)

AGAIN = timedelta(seconds=15)


async def looking(looked: asyncio.Event, restored: Restored | None, first: LookFirst) -> None:
    """Sets `looked`: at once, unless the database was restored and nothing was looked up yet. Then until cancelled."""
    if restored is not None and not restored.looked:
        logger.warning(
            "the database was restored from a backup of %s: GitHub is asked first what happened since",
            restored.made_at.isoformat(timespec="minutes"),
        )
        while True:
            try:
                await first.look()
                break
            except (TryLater, gidgethub.GitHubException) as reason:
                logger.warning("nothing is started yet, because GitHub cannot be asked: %s", reason)
                await asyncio.sleep(AGAIN.total_seconds())
        logger.info("what happened since the backup is known; work goes on")
    looked.set()
    await asyncio.Event().wait()


async def after(looked: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """The work, once that was done."""
    await looked.wait()
    await work()
