"""GET /api/live: every event to every socket, in order, none skipped, each made into text once.

The store is the truth: a socket knows the last event it sent, and reads on from there when the doorbell rings. What
most sockets ask for, the latest few thousand, is kept here as text; one that is further behind reads from the store.
"""

import asyncio
import json
from bisect import bisect_right
from dataclasses import dataclass

from aiohttp import WSCloseCode, web

from app.api import whole
from runner.events import Recorded
from runner.feed import Feed
from runner.records import event_json
from runner.store import Store

PAGE = 500
KEPT = 4000
SLOW_SECONDS = 10.0  # a client that takes nothing for so long is let go: it comes back with after=
CLOSE_SECONDS = 1.0  # for the other side to say good-bye
HEARTBEAT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Line:
    """An event as it is sent."""

    id: int
    task: int
    text: str


class Live:
    """The latest events, and the sockets that listen."""

    def __init__(self, store: Store, slow_seconds: float = SLOW_SECONDS) -> None:
        self._store = store
        self._slow_seconds = slow_seconds
        self._lines: list[Line] = []
        self._floor = 0  # the last event that is not among them
        self._bell = Feed()
        self._ready = asyncio.Event()
        self._sockets: set[web.WebSocketResponse] = set()

    async def run(self) -> None:
        """Read what is new whenever the store rings, until cancelled."""
        self._floor = await self._store.last_event()
        self._ready.set()
        async for _ in self._store.feed.listen():
            while found := await self._store.events(self._lines[-1].id if self._lines else self._floor, limit=PAGE):
                self._lines += map(line_of, found)
                if len(self._lines) > 2 * KEPT:
                    self._floor = self._lines[-KEPT - 1].id
                    del self._lines[:-KEPT]
                self._bell.ring()

    @property
    def listeners(self) -> int:
        """How many sockets are open."""
        return len(self._sockets)

    async def close(self) -> None:
        """The service ends: say so to everyone."""
        await asyncio.gather(*(socket.close(code=WSCloseCode.GOING_AWAY) for socket in list(self._sockets)))

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        """One socket: events behind `after`, all or one task's (`task`), and then whatever comes."""
        after, task = whole(request, "after", None), whole(request, "task", None)
        await self._ready.wait()
        if after is None:
            after = self._lines[-1].id if self._lines else self._floor
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS, max_msg_size=4096, compress=False, timeout=CLOSE_SECONDS
        )
        await socket.prepare(request)
        self._sockets.add(socket)
        sender = asyncio.create_task(self._send(socket, after, task))
        try:
            async for _ in socket:
                pass  # what a client says is not our concern; that it leaves is
        finally:
            self._sockets.discard(socket)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        return socket

    async def _send(self, socket: web.WebSocketResponse, after: int, task: int | None) -> None:
        async for _ in self._bell.listen():
            while lines := await self._behind(after):
                for line in lines:
                    if task is not None and line.task != task:
                        continue
                    try:
                        async with asyncio.timeout(self._slow_seconds):
                            await socket.send_str(line.text)
                    except TimeoutError:
                        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow", drain=False)
                        return
                    except ConnectionError:
                        return
                after = lines[-1].id

    async def _behind(self, after: int) -> list[Line]:
        if after >= self._floor:
            start = bisect_right(self._lines, after, key=lambda line: line.id)
            return self._lines[start : start + PAGE]
        return [line_of(one) for one in await self._store.events(after, limit=PAGE)]


def line_of(recorded: Recorded) -> Line:
    """The text of an event, made once for everyone who listens."""
    return Line(
        recorded.id, recorded.task_id, json.dumps(event_json(recorded), ensure_ascii=False, separators=(",", ":"))
    )
