"""The doorbell: wakes whoever reads the store, and carries nothing. The store is the truth."""

import asyncio
from collections.abc import AsyncIterator


class Feed:
    """Rung after each commit. A listener that was busy meanwhile is woken once, not once for each ring."""

    def __init__(self) -> None:
        self._rings = 0
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Something was committed."""
        self._rings += 1
        self._bell.set()
        self._bell = asyncio.Event()

    async def listen(self) -> AsyncIterator[None]:
        """Yield at once, and then after every ring."""
        seen = -1
        while True:
            if seen == self._rings:
                await self._bell.wait()
            seen = self._rings
            yield
