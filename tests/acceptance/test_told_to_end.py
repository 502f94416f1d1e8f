"""SIGTERM: nothing new is taken, what was begun is written, agents go on, and it is over within ten seconds."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from urllib.parse import urlsplit

from app.demo.github.ledger import Fault
from tests.fakes.house import House, commits, done, house, waits

HANG = timedelta(seconds=25)


@asynccontextmanager
async def connected(it: House) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Somebody who speaks HTTP as badly as one can."""
    here = urlsplit(str(it.services[-1].base_url))
    reader, writer = await asyncio.open_connection(here.hostname, here.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def webhook(it: House, guid: str) -> tuple[bytes, bytes]:
    """A signed delivery: its head, and its body."""
    body = json.dumps({"zen": "Half measures are as bad as nothing at all.", "hook_id": 1}).encode()
    mac = hmac.new(it.environ["CCO_GITHUB_WEBHOOK_SECRET"].encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhooks/github HTTP/1.1\r\nHost: cco.example\r\nContent-Type: application/json\r\n"
        f"X-GitHub-Event: ping\r\nX-GitHub-Delivery: {guid}\r\nX-GitHub-Hook-ID: 1\r\n"
        f"X-Hub-Signature-256: sha256={mac}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


async def struck(fault: Fault) -> None:
    """Until somebody has run into it."""
    async with asyncio.timeout(60):
        while fault.times == 99:
            await asyncio.sleep(0.05)


async def test_whatever_hangs_it_ends_in_time_and_the_next_start_goes_on() -> None:
    async with house(separate=True) as it, AsyncExitStack() as stack:
        at_work = await it.ask("Be at work", [commits("a.txt"), waits()], [done()])
        await it.draft(at_work)
        agents = it.agents()

        fetching = Fault("POST", r"\.git/git-upload-pack$", HANG, times=99)
        it.world.faults.append(fetching)
        fetched = await it.ask("Fetch for ever", [commits("b.txt")], [done()])
        await struck(fetching)
        silent = Fault(".*", r"^(/api/v3)?/(repos|graphql)", HANG, times=99)
        it.world.faults.append(silent)
        await it.world.act("alice").comment(at_work, "/claude status")
        await struck(silent)
        _, arriving = await stack.enter_async_context(connected(it))
        head, body = webhook(it, str(uuid.uuid4()))
        arriving.write(head + body[:10])
        await arriving.drain()
        heard, listening = await stack.enter_async_context(connected(it))
        token = (it.home / "api-token").read_text().strip()
        key = base64.b64encode(os.urandom(16)).decode()
        listening.write(
            f"GET /api/live HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert b" 101 " in await heard.readline()

        assert await it.end(it.services[0], signal.SIGTERM, seconds=10) == 0
        assert "left behind" not in it.services[0].log.read_text()  # the last resort was not needed
        assert it.agents() == agents

        it.world.faults.clear()
        await it.start()
        it.let_go()
        for issue in (at_work, fetched):
            await it.says(issue, "Done")
            assert len(it.pulls(issue)) == len(it.statuses(issue)) == 1
        await it.heard()
        assert len([one for one in it.answers(at_work) if one]) == 1
        assert it.most_agents <= 2


async def test_a_webhook_that_is_arriving_is_stored_and_acknowledged() -> None:
    async with house(separate=True) as it:
        guid = str(uuid.uuid4())
        head, body = webhook(it, guid)
        async with connected(it) as (answer, arriving):
            arriving.write(head + body[:10])
            await arriving.drain()
            assert (await it.get("/livez"))[0] == 200  # what came before has reached it

            it.services[0].process.send_signal(signal.SIGTERM)
            while await is_listening(it):
                await asyncio.sleep(0.01)
            arriving.write(body[10:])
            assert b" 202 " in await answer.readline()
        await it.until(lambda: it.services[0].process.poll() is not None, 10)
        assert it.services[0].process.returncode == 0

        await it.start()
        async with connected(it) as (answer, again):
            again.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)
            assert b'{"status": "duplicate"}' in await answer.read()


async def is_listening(it: House) -> bool:
    try:
        async with connected(it):
            return True
    except ConnectionError:
        return False
