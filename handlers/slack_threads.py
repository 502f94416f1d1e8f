"""Where each task's thread in Slack is, and its first message as it should read now."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from cachetools import LRUCache

from handlers.messages_slack import Message, Voice, first_message
from handlers.slack_rooms import Mark, Rooms, Spot
from runner.effects import effect
from runner.receipts import Receipt
from runner.tasks import TaskId
from runner.view import TaskView

KEPT = 2_000


class Channel(Protocol):
    """The channels to speak in; `app/slack.py` has those on Slack."""

    async def post(self, message: Message, mark: Mark, channel: str, thread: Spot | None = None) -> Spot:
        """Write to the channel, or in a thread there. After TryLater it may have been written all the same."""

    async def edit(self, spot: Spot, message: Message, mark: Mark) -> bool:
        """Write a message anew where it stands. False: it is there no more, or another app of Slack's wrote it."""

    async def find(self, mark: Mark, since: datetime, where: str) -> Spot | None:
        """The message with this mark, posted to the channel `where` after `since`."""

    async def find_reply(self, mark: Mark, thread: Spot) -> Spot | None:
        """The reply with this mark in the thread."""


@dataclass(frozen=True, slots=True)
class _Thread:
    """What we know of one. `digest` is what its first message says, as far as we said it ourselves.

    `doubt`: it may have been written without our knowing, so we look before we write.
    """

    first: Spot | None
    digest: str
    doubt: bool


class Threads:
    """Every effect is looked for before it is repeated. `alone`: one message at a time."""

    def __init__(
        self,
        channel: Channel,
        rooms: Rooms,
        voice: Voice,
        clock: Callable[[], datetime],
        recall: Callable[[TaskId], Awaitable[Receipt | None]],
        forgotten_since: datetime | None = None,
    ) -> None:
        """`recall` is the receipt of what was said first of a task.

        `forgotten_since`: what we said from then on may have been forgotten, because the database was restored.
        """
        self.channel = channel
        self.voice = voice
        self.clock = clock
        self.since = clock()
        self.alone = asyncio.Lock()
        self._rooms = rooms
        self._recall = recall
        self._forgotten_since = forgotten_since
        self._known: LRUCache[TaskId, _Thread] = LRUCache(KEPT)

    def digest(self, view: TaskView) -> str:
        """What the first message says, in short. Elapsed time is not part of it."""
        message = first_message(view, self.voice, None)
        return hashlib.sha256(json.dumps([message.text, message.blocks]).encode()).hexdigest()

    def may_be_said(self, view: TaskView) -> bool:
        """Whether something may have been said of the task that we know nothing of."""
        return view.task.created_at < self.since or self._forgotten_since is not None

    async def bring_up_to_date(self, view: TaskView) -> Spot:
        """The first message says what is true now; where it is."""
        known = self._known.get(view.task.id) or await self._remember(view)
        digest = self.digest(view)
        if known.first is not None and known.digest == digest:
            return known.first
        first = await self._say(view, known)
        self._known[view.task.id] = _Thread(first, digest, doubt=False)
        return first

    async def _remember(self, view: TaskView) -> _Thread:
        """What a restart leaves us: the receipt, and doubt, unless the task is younger than we are."""
        receipt = await self._recall(view.task.id)
        if receipt is not None:
            channel, ts, _ = receipt.reference.split("/", 2)
            return _Thread(Spot(channel, ts), "", doubt=True)
        return _Thread(None, "", doubt=self.may_be_said(view))

    async def _say(self, view: TaskView, known: _Thread) -> Spot:
        message, mark = first_message(view, self.voice, self.clock()), mark_of(view)
        if known.first is not None and await self._edit(known.first, message, mark):
            return known.first
        if known.first is not None or known.doubt:  # deleted, or written without our knowing
            since = min(view.task.created_at, self._forgotten_since or view.task.created_at)
            for where in self._rooms.where_to_look(view.task):
                found = await self.channel.find(mark, since, where)
                if found is not None and await self._edit(found, message, mark):
                    return found
        self._known[view.task.id] = replace(known, first=None, doubt=True)
        with effect("http.slack-thread"):
            first = await self.channel.post(message, mark, self._rooms.of(view.task))
        self._rooms.asked_in.pop(view.task.subject.identity, None)
        return first

    async def _edit(self, spot: Spot, message: Message, mark: Mark) -> bool:
        with effect("http.slack-edit"):
            return await self.channel.edit(spot, message, mark)


def mark_of(view: TaskView) -> dict[str, str | int]:
    """The subject is in it because another service may share the channel and count its tasks as we do."""
    return {"task": int(view.task.id), "subject": view.task.subject.identity}
