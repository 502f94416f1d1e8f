"""Whatever comes over the wire: never a 5xx, never more memory, and what GitHub sends in between is taken."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.fakes.house import House, house, program
from tests.figures import Figure
from tests.soak.malformed import Manner, Wire, request

AT_ONCE = 48
PATIENCE_SECONDS = 0.25  # for an answer to what may be half a request
ANSWER_SECONDS = 20.0  # for an answer to a whole one
SERVICE = program("-m", "tests.soak.service")
MEGABYTE = 1024 * 1024
MOST_GROWN = 5.0
AFTERWARDS_SECONDS = 40.0
LISTENING = 4  # sockets of a service at rest: the one that listens, the loop's own pair, and a connection to GitHub
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


async def test_what_nobody_should_send_breaks_nothing(figure: Figure) -> None:
    await _send(3_000, figure, warm_up=1_000)


@pytest.mark.long
@pytest.mark.xdist_group("soak")
async def test_a_hundred_thousand_requests_that_nobody_should_send(figure: Figure) -> None:
    await _send(100_000, figure, warm_up=10_000)


async def _send(count: int, figure: Figure, warm_up: int) -> None:
    async with house(separate=True, starting=SERVICE) as it:
        service = it.services[0]
        await _all(it, range(warm_up))
        before = await _memory(it)

        started = time.monotonic()
        answers = await _all(it, range(warm_up, warm_up + count))
        seconds = time.monotonic() - started

        # The service reads on for a while where a body was not wanted, also when nobody sends it any more.
        end = time.monotonic() + AFTERWARDS_SECONDS
        while (grown := (await _memory(it) - before) / MEGABYTE) >= MOST_GROWN and time.monotonic() < end:
            await asyncio.sleep(1)
        assert service.process.poll() is None
        figure("requests", count, "")
        figure("answered with 5xx", sum(n for status, n in answers.items() if status and status >= 500), "")
        figure("valid ones in between, all taken", answers[202], "")
        figure("memory grew by", grown, "MB")
        figure("rate", count / seconds, "requests/s")
        assert grown < MOST_GROWN, answers


async def _all(it: House, seeds: range) -> Counter[int | None]:
    """Send them all, some at a time; gives how often each status was the answer."""
    address = urlsplit(str(it.services[0].base_url))
    secret = it.environ["CCO_GITHUB_WEBHOOK_SECRET"].encode()
    left = iter(seeds)
    answers: Counter[int | None] = Counter()

    async def one_after_another() -> None:
        for seed in left:
            wire = request(secret, seed)
            status, answer = await _exchange(str(address.hostname), int(address.port or 0), wire)
            assert status is None or status < 500, (wire, answer)
            if wire.is_valid:
                assert status == 202, (wire, answer)
                assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"status": "accepted"}
            answers[status] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_another())
    return answers


async def _exchange(host: str, port: int, wire: Wire) -> tuple[int | None, bytes]:
    """Send it in its manner; gives the status, if there was an answer, and the answer's bytes."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        whole = wire.manner not in {Manner.leaves, Manner.resets}
        await _write(writer, wire.data if whole else wire.data[: wire.seed % len(wire.data)], wire.manner)
        if wire.manner is Manner.resets:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if not whole or wire.manner is Manner.deaf:
            return None, b""
        return await _answer(reader, ANSWER_SECONDS if wire.is_valid else PATIENCE_SECONDS)
    except ConnectionError:
        return None, b""
    finally:
        writer.transport.abort() if wire.manner is Manner.resets else writer.close()


async def _write(writer: asyncio.StreamWriter, data: bytes, manner: Manner) -> None:
    pieces = 1 if manner in {Manner.whole, Manner.deaf} else 7
    size = len(data) // pieces + 1
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await writer.drain()
        if pieces > 1:
            await asyncio.sleep(0.03 if manner is Manner.slowly else 0)


async def _answer(reader: asyncio.StreamReader, seconds: float) -> tuple[int | None, bytes]:
    """Until the other side closes, or says nothing for so long."""
    answer = b""
    try:
        while piece := await asyncio.wait_for(reader.read(65536), seconds):
            answer += piece
            seconds = PATIENCE_SECONDS
    except TimeoutError:
        pass
    found = re.match(rb"HTTP/\d\.\d (\d{3}) ", answer)
    assert found or not answer, answer
    return (int(found[1]) if found else None), answer


async def _memory(it: House) -> int:
    """Bytes of the service's own, when everything is handled, everybody gone, and nothing kept back unused."""
    await it.heard()
    pid = it.services[0].process.pid
    await it.until(lambda: _sockets(pid) <= 1 + LISTENING, 60)
    os.kill(pid, signal.SIGUSR1)
    async with aiohttp.ClientSession() as http, http.get(f"{it.services[0].base_url}/livez") as answer:
        assert answer.status == 200
    found = re.search(r"^Anonymous:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def _sockets(pid: int) -> int:
    found = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found += str(one.readlink()).startswith("socket:")
    return found
