"""Find what people wrote in the threads of tasks at work while nobody listened: Slack tells of it for a while only."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.slack import Slack
from app.slack_calls import Rejected
from handlers import slack_heard
from handlers.slack_rooms import Spot
from runner.errors import TryLater
from runner.store import Store

logger = logging.getLogger(__name__)

MARK = "slack/heard"
BEAT = timedelta(minutes=1)  # how often we note that we hear
CLOCKS_DIFFER = timedelta(minutes=1)
UNDER_WAY = timedelta(seconds=30)  # what is younger Slack itself is about to tell
AGAIN = timedelta(minutes=1)
APART_SECONDS = 1.3  # Slack takes about fifty such calls a minute

Take = Callable[[str, Mapping[str, Any]], Awaitable[None]]


class Missed:
    """Looks once, each time that we begin to hear. `hearing` says whether we do."""

    def __init__(
        self, speaking: Slack, store: Store, take: Take, hearing: Callable[[], bool], now: Callable[[], datetime]
    ) -> None:
        self._speaking = speaking
        self._store = store
        self._take = take
        self._hearing = hearing
        self._now = now

    async def run(self, begun: asyncio.Event) -> None:
        """Until cancelled. `begun` is set when we begin to hear, and each time that we do so again."""
        while True:
            wait = BEAT
            try:
                async with asyncio.timeout(wait.total_seconds()):
                    await begun.wait()
            except TimeoutError:
                if self._hearing():
                    await self._note()
                continue
            begun.clear()
            try:
                await self.look()
            except (TryLater, Rejected, TimeoutError, sqlite3.Error, OSError) as exc:
                logger.info("what was written in Slack meanwhile is looked for later: %s", exc or "it takes too long")
                asyncio.get_running_loop().call_later(AGAIN.total_seconds(), begun.set)

    async def look(self) -> int:
        """Take in what was written since we last heard; how many threads were looked at."""
        began, since = self._now(), await self._store.marks.at(MARK)
        looked = 0
        if since is not None:
            us = str((await self._speaking.identity())["user_id"])
            for task in await self._store.active_tasks():
                receipt = await self._store.receipts.of(task.id, "slack")
                if receipt is None:
                    continue
                channel, ts, _ = receipt.reference.split("/", 2)
                if looked:
                    await asyncio.sleep(APART_SECONDS)
                await self._look_at(Spot(channel, ts), since - CLOCKS_DIFFER, began - UNDER_WAY, us)
                looked += 1
        await self._store.marks.reached(MARK, began)
        return looked

    async def _look_at(self, thread: Spot, since: datetime, before: datetime, us: str) -> None:
        for message in await self._speaking.replies(thread, since):
            event = {**message, "channel": thread.channel}
            said = slack_heard.said(event)
            if said is None or not since <= said.at <= before or _is_looked_at(message, us):
                continue
            logger.info("a reply in Slack was missed, and is found")
            await self._take("events_api", {"event": event, "event_id": f"found/{thread.channel}/{message['ts']}"})

    async def _note(self) -> None:
        try:
            await self._store.marks.reached(MARK, self._now())
        except TryLater as exc:
            logger.info("how far we have heard in Slack is noted later: %s", exc)


def _is_looked_at(message: Mapping[str, Any], us: str) -> bool:
    """Our 👀 says that it was taken."""
    return any(one.get("name") == "eyes" and us in one.get("users", ()) for one in message.get("reactions") or ())
