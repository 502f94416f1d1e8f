"""Hear Slack by Socket Mode: a WebSocket that we open, so that no public address is needed."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from app.slack_calls import Calls, Rejected, Unusable
from runner.errors import TryLater
from runner.migrating import DatabaseRefused

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 20.0
LOOK_SECONDS = 0.5
GONE_SECONDS = 3.0  # so long without a connection, though the library makes a new one when Slack announces it
FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0

Take = Callable[[str, Mapping[str, Any]], Awaitable[None]]


class Socket:
    """Connected for as long as it runs. `connected` is called each time that a connection stands."""

    def __init__(self, calls: Calls, app_token: str, take: Take, connected: Callable[[], None]) -> None:
        self._calls = calls
        self._app_token = app_token
        self._take = take
        self._connected = connected
        self.is_up = False

    async def run(self) -> None:
        """Until cancelled. While it is not connected Slack keeps little: what was missed is looked for afterwards."""
        wait = FIRST_BACKOFF_SECONDS
        while True:
            try:
                await self._connection()
            except Unusable as exc:
                if self._calls.once(f"socket {exc.error}"):
                    logger.error("nobody is heard in Slack: %s", exc)  # noqa: TRY400  (a sentence, not a bug)
                wait = LONGEST_BACKOFF_SECONDS
            except (TryLater, Rejected) as exc:
                logger.info("Slack's socket cannot be opened yet: %s", exc)
                wait = max(wait, exc.after.total_seconds()) if isinstance(exc, TryLater) and exc.after else wait
            except Exception:  # the library's, or the network's: no reason to end the service
                logger.exception("Slack's socket broke, and is opened again")
            else:
                wait = FIRST_BACKOFF_SECONDS
                continue
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_BACKOFF_SECONDS)

    async def address(self) -> str:
        """Where to connect to, good for one connection. Raises Unusable where the app token is not taken."""
        return await address(self._calls, self._app_token)

    async def _connection(self) -> None:
        """One, from its beginning to its end."""
        url = await self.address()
        client = SocketModeClient(self._app_token, logger, self._web_client(), auto_reconnect_enabled=False)
        client.proxy = None
        client.socket_mode_request_listeners.append(self._listen)
        client.wss_uri = url
        try:
            await client.aiohttp_client_session.close()  # its own would not know this machine's proxies
            client.aiohttp_client_session = aiohttp.ClientSession(trust_env=True)
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.connect()  # type: ignore[no-untyped-call]  # the library gives no type
            self.is_up = True
            self._connected()
            gone = 0.0
            while gone < GONE_SECONDS:
                await asyncio.sleep(LOOK_SECONDS)
                gone = 0.0 if await client.is_connected() else gone + LOOK_SECONDS
        except TimeoutError as exc:
            raise TryLater("Slack's socket did not open in time") from exc
        finally:
            self.is_up = False
            await _closed(client)

    def _web_client(self) -> AsyncWebClient:
        """For the library, which asks for a new address when Slack announces that it will close this one."""
        ours = self._calls.client
        client = AsyncWebClient(base_url=ours.base_url, session=ours.session, timeout=ours.timeout)
        client.proxy = None
        return client

    async def _listen(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """Acknowledged once it is stored. What cannot be stored is not: Slack sends it again."""
        try:
            await self._take(request.type, request.payload)
        except (TimeoutError, TryLater, DatabaseRefused, sqlite3.Error, OSError) as exc:
            logger.warning(
                "what Slack sent cannot be stored, so it is not acknowledged: %s", exc or "it takes too long"
            )
            return
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))


async def address(calls: Calls, app_token: str) -> str:
    """Where to connect to, good for one connection."""
    try:
        answer = await calls.ask(
            "apps.connections.open", lambda: calls.client.apps_connections_open(app_token=app_token)
        )
    except Unusable as exc:
        raise Unusable(
            exc.error,
            f"Slack does not open a socket for the app token ({exc.error})",
            "copy an app-level token (xapp-…) with the scope connections:write into CCO_SLACK_APP_TOKEN, "
            "and switch Socket Mode on",
        ) from exc
    return str(answer["url"])


async def _closed(client: SocketModeClient) -> None:
    """It leaves its tasks cancelled and not ended."""
    await client.close()  # type: ignore[no-untyped-call]  # the same
    tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
    await asyncio.gather(*(one for one in tasks if one is not None), return_exceptions=True)
