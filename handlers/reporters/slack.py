"""Keep one Slack thread per task: its first message up to date, a reply for what someone must know."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from handlers.messages_slack import Message, Voice, first_message, moment, reply
from handlers.slack_rooms import Mark, Rooms, Spot
from runner.effects import effect
from runner.receipts import Receipt
from runner.tasks import TaskId
from runner.view import TaskView

SHORTEST = timedelta(seconds=2)
EDIT = timedelta(seconds=1.3)  # Slack takes about fifty edits a minute from an app in a workspace
RECENT = timedelta(days=1)  # older tasks are left alone when Slack is connected to a service that has many


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
class Thread:
    """A task's thread as far as we know it: its first message, the last reply's name.

    `doubt`: something may have been written that we know nothing of, so we look before we write.
    """

    first: Spot | None
    said: str
    doubt: bool


class SlackReporter:
    """Says each task in its thread. Every effect is looked for before it is repeated."""

    name = "slack"

    def __init__(
        self,
        channel: Channel,
        rooms: Rooms,
        voice: Voice,
        clock: Callable[[], datetime],
        forgotten_since: datetime | None = None,
    ) -> None:
        """`forgotten_since`: what we said from then on may have been forgotten, because the database was restored."""
        self._channel = channel
        self._rooms = rooms
        self._voice = voice
        self._clock = clock
        self._since = clock()
        self._forgotten_since = forgotten_since
        self._threads: dict[TaskId, Thread] = {}
        self._at_work: set[TaskId] = set()
        self._alone = asyncio.Lock()

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (one pace for all)
        """The least time between two edits of a message: longer, the more of them share what Slack allows."""
        return max(SHORTEST, EDIT * len(self._at_work))

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  (one line for all)
        """One message at a time."""
        return self._alone

    def wants(self, view: TaskView) -> bool:
        """Whether the task is of today: at work, or changed not long before we came up."""
        return view.state.is_active or view.task.updated_at >= self._since - RECENT

    def digest(self, view: TaskView) -> str:
        """What is said of the task, in short. Elapsed time is not part of it."""
        message = first_message(view, self._voice, None)
        return hashlib.sha256(json.dumps([message.text, message.blocks, moment(view)]).encode()).hexdigest()

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        """Bring the thread up to date; where it is, and what was said last, is the reference."""
        thread = self._threads.get(view.task.id) or self._recall(view, receipt)
        thread = self._threads[view.task.id] = await self._say_first(view, thread)
        thread = await self._say_reply(view, thread)
        self._threads[view.task.id] = replace(thread, doubt=False)
        if view.state.is_active:
            self._at_work.add(view.task.id)
        else:
            self._at_work.discard(view.task.id)
            if receipt is not None:
                del self._threads[view.task.id]  # the receipt knows enough
        return _reference(thread)

    def _recall(self, view: TaskView, receipt: Receipt | None) -> Thread:
        """What a restart leaves us: the receipt, and doubt, unless the task is younger than we are."""
        if receipt is not None:
            channel, ts, said = receipt.reference.split("/", 2)
            return Thread(Spot(channel, ts), said, doubt=True)
        return Thread(None, "", doubt=view.task.created_at < self._since or self._forgotten_since is not None)

    async def _say_first(self, view: TaskView, thread: Thread) -> Thread:
        message = first_message(view, self._voice, self._clock())
        mark = _mark(view)
        if thread.first is not None and await self._edit(thread.first, message, mark):
            return thread
        if thread.first is not None or thread.doubt:  # deleted, or written without our knowing
            since = min(view.task.created_at, self._forgotten_since or view.task.created_at)
            for where in self._rooms.where_to_look(view.task):
                found = await self._channel.find(mark, since, where)
                if found is not None and await self._edit(found, message, mark):
                    return replace(thread, first=found)
        self._threads[view.task.id] = replace(thread, first=None, doubt=True)
        with effect("http.slack-thread"):
            return replace(thread, first=await self._channel.post(message, mark, self._rooms.of(view.task)))

    async def _edit(self, spot: Spot, message: Message, mark: Mark) -> bool:
        with effect("http.slack-edit"):
            return await self._channel.edit(spot, message, mark)

    async def _say_reply(self, view: TaskView, thread: Thread) -> Thread:
        now = moment(view)
        if now is None or now == thread.said or thread.first is None:
            return thread
        mark = _mark(view) | {"said": now}
        if not (thread.doubt and await self._channel.find_reply(mark, thread.first)):
            self._threads[view.task.id] = replace(thread, doubt=True)
            message = reply(view, self._voice, self._clock())
            with effect("http.slack-reply"):
                await self._channel.post(message, mark, thread.first.channel, thread.first)
        return replace(thread, said=now)


def _mark(view: TaskView) -> dict[str, str | int]:
    """The subject is in it because another service may share the channel and count its tasks as we do."""
    return {"task": int(view.task.id), "subject": view.task.subject.identity}


def _reference(thread: Thread) -> str:
    if thread.first is None:
        raise RuntimeError("a thread that was said has a first message")
    return f"{thread.first.channel}/{thread.first.ts}/{thread.said}"
