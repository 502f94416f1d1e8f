"""Tell any program of a task: its JSON, signed, to a plain webhook. What comes twice has the same id."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runner.effects import effect
from runner.receipts import Receipt
from runner.records import task_json, time
from runner.view import TaskView

# Posts a body with these headers, and returns once it was taken; TryLater if it was not, or nobody knows.
Post = Callable[[bytes, Mapping[str, str]], Awaitable[None]]

INTERVAL = timedelta(seconds=5)
AT_ONCE = 4  # posts that are under way to one receiver

# This changes all the time, and is told with what does not.
IN_PASSING = frozenset({"doing", "said", "last_event", "updated_at"})


@dataclass(frozen=True, slots=True)
class PlainWebhook:
    """One receiver. `repositories`: only of these; none are all."""

    title: str
    post: Post
    secret: str = field(repr=False)
    repositories: tuple[str, ...]
    redact: Callable[[str], str]
    now: Callable[[], datetime]
    line: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @property
    def name(self) -> str:
        """Of its receipts."""
        return f"webhook-{self.title}"

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (the same for all)
        """As programs can take it."""
        return INTERVAL

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  (one line for all)
        """A few at a time, so that a receiver that hangs does not hold a connection for every task."""
        return self.line

    def wants(self, view: TaskView) -> bool:
        """Tasks of its repositories."""
        here = view.task.repository.full_name.casefold()
        return not self.repositories or here in {one.casefold() for one in self.repositories}

    def digest(self, view: TaskView) -> str:
        """Of what is worth a call."""
        return _digest({name: value for name, value in task_json(view).items() if name not in IN_PASSING})

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:  # noqa: ARG002  (there is nothing to edit)
        """Post the task as it stands. The id is the same for the same JSON, and it is the reference."""
        task = _redacted(task_json(view), self.redact)
        delivery = _digest(task)[:32]
        told = {"id": delivery, "event": f"task.{view.state}", "at": time(self.now()), "task": task}
        body = json.dumps(told, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "X-CCO-Delivery": delivery,
            "X-CCO-Signature-256": signature(self.secret, body),
        }
        with effect("http.webhook"):
            await self.post(body, headers)
        return delivery


def signature(secret: str, body: bytes) -> str:
    """By this the receiver knows that it is from us: HMAC-SHA-256 over the body as it was sent."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def _digest(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Piece by piece: what is taken out of a whole JSON text may leave none."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {name: _redacted(one, redact) for name, one in value.items()}
        case list() | tuple():
            return [_redacted(one, redact) for one in value]
        case _:
            return value
