"""Take in what Slack sends, by whichever door: stored first, acknowledged then, worked on from the inbox."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from handlers import slack_heard
from runner.deliveries import Delivery
from runner.errors import TryLater

STORE_SECONDS = 2.5  # Slack waits three for the acknowledgement, and sends again


class Intake:
    """Both doors lead here. What is not meant for us, all that people say to each other, is not kept."""

    def __init__(self, put: Callable[[Delivery], Awaitable[bool]], paused: Callable[[], bool] = lambda: False) -> None:
        self._put = put
        self._paused = paused

    async def take(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Returns once it survives anything; the same thing again changes nothing. `kind` is as in Socket Mode."""
        name = slack_heard.id_of(kind, payload)
        if not name or slack_heard.is_below_others(payload) or slack_heard.meaning(kind, payload) is None:
            return
        if self._paused():
            raise TryLater("whoever runs this service has paused everything")
        kept = {key: value for key, value in payload.items() if key not in {"token", "authorizations"}}
        app, body = str(payload.get("api_app_id") or ""), orjson.dumps(kept)
        async with asyncio.timeout(STORE_SECONDS):
            await self._put(Delivery("slack", app, name, kind, body, datetime.now(UTC)))
