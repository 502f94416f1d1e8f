"""Ten thousand webhooks, doubled, shuffled, some never sent, the service killed again and again: one of everything."""

import asyncio
import os
import random
import signal
import time
from typing import Any

import aiohttp
import pytest

from app.demo.model import Script
from app.demo.replies import Hang
from tests.fakes.house import House, house, program
from tests.figures import Figure
from tests.soak.crowd import Crowd, Owed
from tests.soak.postman import Postman, failed

SERVICE = program("-m", "tests.soak.service")
SETTLED_SECONDS = 60.0
# One run holds the only slot; what no webhook told is looked for often.
ENVIRON = {"CCO_MAX_RUNS": "1", "CCO_RECONCILE_SECONDS": "5"}


async def test_some_hundred_deliveries_and_two_kills_lose_and_double_nothing(figure: Figure) -> None:
    await _soak(300, 130, figure, random.Random(1))


@pytest.mark.long
@pytest.mark.xdist_group("soak")
async def test_ten_thousand_deliveries_and_a_kill_every_five_hundred_lose_and_double_nothing(figure: Figure) -> None:
    await _soak(10_000, 500, figure, random.Random(2))


async def _soak(count: int, every: int, figure: Figure, dice: random.Random) -> None:
    """One run holds the only slot and the others wait in line: the agents are not what is tried here."""
    async with house(separate=True, starting=SERVICE, environ=ENVIRON, contracts=False) as it:
        it.world.limit, it.world.requests_per_hour = None, 10**9
        it.model.learn("", Script([[Hang()]]))
        postman, crowd = Postman(it, dice), Crowd(it, dice)
        started, kills = time.monotonic(), 0
        while len(it.world.deliveries) < count:
            for _ in range(every // 5):
                await crowd.act()
            await asyncio.sleep(0)
            await it.world.settled()
            await postman.deliver(keep=len(postman.bag) // 10)
            if postman.sent >= every * (kills + 1):
                kills += 1
                await asyncio.gather(postman.deliver(keep=len(postman.bag) // 2), _kill(it))
                await it.start()
        await it.world.settled()
        await postman.deliver()
        distinct = len(it.world.deliveries)
        unheard = len(failed(it.world))  # the service has to find what is in them
        intake = time.monotonic() - started

        owed = await _settled(crowd, it)
        settled = time.monotonic() - started - intake

        figure("deliveries", distinct, "distinct")
        figure("sent", postman.sent, "in all, shuffled")
        figure("sent twice", postman.duplicates, "")
        figure("never sent, or not acknowledged", unheard, "")
        figure("redelivered", sum(one.redelivery for one in it.world.deliveries.values()), "")
        figure("kills", kills, "")
        figure("asked for", len(crowd.asked), f"tasks, {len(crowd.commands)} commands")
        figure("lost", len(owed.lost), "")
        figure("doubled", len(owed.doubled), "")
        figure("intake", postman.sent / intake, "deliveries/s, restarts included")
        figure("settled after the last one", settled, "s")
        assert owed == Owed((), ())
        await it.end(it.services[-1], signal.SIGTERM)
        for pid in it.agents():
            os.kill(pid, signal.SIGKILL)


async def _kill(it: House) -> None:
    """In the middle of what comes in."""
    await asyncio.sleep(0.05)
    await it.end(it.services[-1], signal.SIGKILL)


async def _settled(crowd: Crowd, it: House) -> Owed:
    """Look until nothing is owed any more, or the time is up."""
    end = time.monotonic() + SETTLED_SECONDS
    while (owed := crowd.owed(await _tasks(it))).lost and time.monotonic() < end:
        await asyncio.sleep(0.5)
    return crowd.owed(await _tasks(it)) if not owed.lost else owed


async def _tasks(it: House) -> list[dict[str, Any]]:
    """All of them, page by page."""
    headers = {"Authorization": f"Bearer {(it.home / 'api-token').read_text().strip()}"}
    found: list[dict[str, Any]] = []
    before = ""
    async with aiohttp.ClientSession(headers=headers) as http:
        while True:
            async with http.get(f"{it.services[-1].base_url}/api/tasks?limit=200{before}") as answer:
                page = await answer.json()
            found += page["tasks"]
            if page["next"] is None:
                return found
            before = f"&before={page['next']}"
