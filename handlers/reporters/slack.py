"""Keep one Slack thread per task: its first message up to date, and a reply for what someone must know."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from cachetools import LRUCache

from handlers.messages_slack import moment, reply
from handlers.quiet import Quiet
from handlers.slack_threads import KEPT, Threads, mark_of
from runner.effects import effect
from runner.receipts import Receipt
from runner.tasks import TaskId
from runner.view import TaskView

SHORTEST = timedelta(seconds=2)
EDIT = timedelta(seconds=1.3)  # Slack takes about fifty edits a minute from an app in a workspace
LONGEST_SLEEP = timedelta(minutes=1)  # in quiet hours: somebody may set the clock meanwhile


class SlackReporter:
    """The first message of each task's thread. Its reference is `channel/ts/`, by which the thread is found."""

    name = "slack"

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._at_work: set[TaskId] = set()

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (one pace for all)
        """The least time between two edits of a message: longer, the more of them share what Slack allows."""
        return max(SHORTEST, EDIT * len(self._at_work))

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  (one line for all)
        """One message at a time."""
        return self._threads.alone

    def wants(self, view: TaskView) -> bool:  # noqa: ARG002  (all of them)
        """Every task."""
        return True

    def digest(self, view: TaskView) -> str:
        """What is said of the task, in short. Elapsed time is not part of it."""
        return self._threads.digest(view)

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:  # noqa: ARG002  (the threads recall it)
        """Bring it up to date."""
        first = await self._threads.bring_up_to_date(view)
        if view.state.is_active:
            self._at_work.add(view.task.id)
        else:
            self._at_work.discard(view.task.id)
        return f"{first.channel}/{first.ts}/"


class SlackReplies:
    """The replies. In quiet hours they wait: what is still true at their end is said then, once."""

    name = "slack-replies"

    def __init__(
        self,
        threads: Threads,
        user_of: Callable[[str], Awaitable[str | None]],
        quiet: Quiet | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`user_of` gives the Slack user who has this login on GitHub, if we know one."""
        self._threads = threads
        self._user_of = user_of
        self._quiet = quiet
        self._sleep = sleep
        self._said: LRUCache[TaskId, str] = LRUCache(KEPT)  # what we said ourselves; empty: it may have been said

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (one pace for all)
        """The least time between two replies to one task."""
        return SHORTEST

    @asynccontextmanager
    async def turn(self, view: TaskView, is_news: bool) -> AsyncIterator[None]:  # noqa: ARG002  (nobody is called at night)
        """One message at a time, and none in quiet hours."""
        while self._quiet is not None and (end := self._quiet.until(now := self._threads.clock())) is not None:
            await self._sleep(min(end - now, LONGEST_SLEEP).total_seconds())
        async with self._threads.alone:
            yield

    def wants(self, view: TaskView) -> bool:
        """Whether there is something that someone must know."""
        return moment(view) is not None

    def digest(self, view: TaskView) -> str:
        """The name of what they must know."""
        return moment(view) or ""

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        """Say it, in a thread whose first message says the same."""
        now, task_id = self.digest(view), view.task.id
        thread = await self._threads.bring_up_to_date(view)
        said = self._said.get(task_id)
        if said == now:
            return f"{thread.channel}/{thread.ts}/{now}"
        doubt = (receipt is not None or self._threads.may_be_said(view)) if said is None else not said
        mark = mark_of(view) | {"said": now}
        if not (doubt and await self._threads.channel.find_reply(mark, thread)):
            requester = await self._user_of(view.run.actor.login)
            message = reply(view, self._threads.voice, self._threads.clock(), requester)
            self._said[task_id] = ""
            with effect("http.slack-reply"):
                await self._threads.channel.post(message, mark, thread.channel, thread)
        self._said[task_id] = now
        return f"{thread.channel}/{thread.ts}/{now}"
