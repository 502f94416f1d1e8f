"""Keep one message per task in Discord up to date. A webhook cannot find its own messages again: one may come twice."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol

from handlers.messages_discord import Redact, embed
from runner.effects import effect
from runner.receipts import Receipt
from runner.tasks import TaskId
from runner.view import TaskView

SHORTEST = timedelta(seconds=3)
EDIT = timedelta(seconds=2.2)  # Discord takes about thirty messages and edits a minute from a webhook


class Channel(Protocol):
    """The channel behind the webhook; `app/discord.py` has it."""

    async def free(self) -> None:
        """Until Discord's limits let us speak."""

    async def post(self, message: dict[str, Any]) -> str:
        """Write a message, and give back its id. After TryLater it may have been written all the same."""

    async def edit(self, message_id: str, message: dict[str, Any]) -> bool:
        """Write a message anew where it stands. False: it is there no more."""


class DiscordReporter:
    """Says each task in its message, at least once."""

    name = "discord"

    def __init__(self, channel: Channel, redact: Redact, dashboard: str | None, clock: Callable[[], datetime]) -> None:
        self._channel = channel
        self._redact = redact
        self._dashboard = dashboard
        self._clock = clock
        self._posted: dict[TaskId, str] = {}  # what no receipt may know yet: it could not be written
        self._at_work: set[TaskId] = set()
        self._alone = asyncio.Lock()

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (one pace for all)
        """Longer, the more tasks share what Discord allows."""
        return max(SHORTEST, EDIT * len(self._at_work))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._alone:
            await self._channel.free()
            yield

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  (one line for all)
        """One message at a time, and none before Discord wants one: what changes meanwhile is in it."""
        return self._turn()

    def wants(self, view: TaskView) -> bool:  # noqa: ARG002  (all of them)
        """Every task."""
        return True

    def digest(self, view: TaskView) -> str:
        """Of the whole embed but for the time."""
        said = embed(view, self._redact, self._dashboard, None)
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        """Edit the message that is there, or post it. The reference is its id."""
        message = {"embeds": [embed(view, self._redact, self._dashboard, self._clock())], "allowed_mentions": NOBODY}
        known = self._posted.get(view.task.id) or (receipt.reference if receipt else None)
        if known is None or not await self._edit(known, message):
            with effect("http.discord-post"):
                known = await self._channel.post(message)
        self._posted[view.task.id] = known
        if view.state.is_active:
            self._at_work.add(view.task.id)
        else:
            self._at_work.discard(view.task.id)
            if receipt is not None and receipt.reference == known:
                del self._posted[view.task.id]
        return known

    async def _edit(self, message_id: str, message: dict[str, Any]) -> bool:
        with effect("http.discord-edit"):
            return await self._channel.edit(message_id, message)


NOBODY: dict[str, list[str]] = {"parse": []}
