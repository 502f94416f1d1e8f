"""What the service does while everything is paused: it says so, takes nothing in, and notices the end of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import ParamSpec, TypeVar

from runner.errors import Refusal
from runner.store import Store

logger = logging.getLogger(__name__)

LOOK = timedelta(milliseconds=500)
SENTENCE = "everything is paused, by `cco panic`: nothing is taken in and nothing starts until `cco resume-all`"

P = ParamSpec("P")
T = TypeVar("T")


async def why(store: Store) -> str | None:
    """For /readyz."""
    return SENTENCE if store.pause.on else None


async def watch(store: Store) -> None:
    """Until cancelled. Others make the file and take it away; whoever reads the store is woken by either."""
    while True:
        if store.pause.look():
            logger.warning(SENTENCE if store.pause.on else "everything goes on, after `cco resume-all`")
        await asyncio.sleep(LOOK.total_seconds())


def unless_paused(store: Store, deed: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """The same deed, refused while everything is paused."""

    async def done(*arguments: P.args, **named: P.kwargs) -> T:
        if store.pause.on:
            raise Refusal("Everything is paused, by `cco panic`. To go on, first say `cco resume-all` on the machine.")
        return await deed(*arguments, **named)

    return done
