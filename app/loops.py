"""Keep the service's loops going for as long as it serves, and notice one that breaks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from runner.migrating import DatabaseRefused

logger = logging.getLogger(__name__)

# How long what is under way may take to end when the service is told to.
LEAVE = timedelta(seconds=4)


@asynccontextmanager
async def working(failed: asyncio.Future[None], *loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The loops, for as long as the block runs. One that ends by itself is a bug: `failed` hears of it."""

    async def kept(loop: Coroutine[Any, Any, None]) -> None:
        try:
            await loop
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            if _is_refused(exc):  # said where it was found, and in /readyz: we stay, and take no work
                return
            logger.exception("a part of the service broke")
            if not failed.done():
                failed.set_exception(exc)

    tasks = [asyncio.create_task(kept(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=LEAVE.total_seconds())
        if failed.done():
            failed.exception()  # seen by whoever waited for it; on the way out nobody does
        else:
            failed.cancel()


def _is_refused(exc: BaseException) -> bool:
    """Whether it is the database, and nothing else, that is not worked with any more."""
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(DatabaseRefused)[1] is None
    return isinstance(exc, DatabaseRefused)
