"""A disk is full: nothing that was acknowledged is lost, nothing is done twice, and work goes on when there is room."""

import asyncio
import json
import random
import signal
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from app import services
from app.demo.github.webhooks import redeliver
from app.demo.replies import Use
from runner import conductor, retry
from tests.fakes.house import House, commits, done, fill, house, waits
from tests.fakes.people import free_port


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weather, in seconds."""

    class Loaded(random.Random):
        def random(self) -> float:
            return 0.5

    monkeypatch.setattr(services, "random", SimpleNamespace(Random=Loaded))
    monkeypatch.setattr(retry, "FIRST_WAIT", timedelta(seconds=1))
    monkeypatch.setattr(conductor, "AFTER_WEATHER", timedelta(seconds=1))


async def ready(it: House) -> dict[str, str]:
    status, text = await it.get("/readyz")
    answer = json.loads(text)
    assert status == (503 if answer["wrong"] else 200)
    return dict(answer["wrong"])


async def redeliver_failed(it: House) -> None:
    """What a person, or the reconciler, does with what got no 202."""
    for one in list(it.world.deliveries.values()):
        if one.status_code == 503:
            redeliver(it.world, one)
    await it.world.settled()


async def test_a_database_without_room_takes_nothing_loses_nothing_and_goes_on_when_there_is_room() -> None:
    async with house(separate=True, disks={"": 48}) as it:
        issue = await it.ask("Go on when there is room", [commits(), waits()], [done()])
        await it.draft(issue)
        agents = it.agents()
        assert "database" not in await ready(it)

        filler = fill(it.home)
        other = await it.ask("Ask while there is no room", [commits("other.txt")], [done()])
        await it.world.settled()
        failed = [one for one in it.world.deliveries.values() if one.status_code == 503]
        assert failed
        while "full" not in (await ready(it)).get("database", ""):
            await asyncio.sleep(0.1)
        assert it.services[0].process.poll() is None
        assert it.agents() == agents
        assert not it.pulls(other)

        filler.unlink()
        while "database" in await ready(it):
            await asyncio.sleep(0.1)
        it.let_go()
        await redeliver_failed(it)
        for one in (issue, other):
            await it.says(one, "Done")
            assert len(it.pulls(one)) == len(it.statuses(one)) == 1
        assert it.most_agents <= 2
        assert it.services[0].process.poll() is None
        assert "Traceback" not in it.services[0].log.read_text()


async def test_a_start_without_room_says_so_and_one_with_room_goes_on() -> None:
    async with house(separate=True, disks={"": 16}) as it:
        assert await it.end(it.services[0], signal.SIGTERM) == 0
        filler = fill(it.home)
        refused = it.spawn()
        await it.until(lambda: refused.process.poll() is not None)
        assert refused.process.returncode == 1
        said = refused.log.read_text()
        assert "cannot be opened now" in said
        assert "Is the disk full" in said
        assert "Traceback" not in said
        filler.unlink()
        await it.start()
        assert "database" not in await ready(it)


async def test_a_task_that_fills_its_disk_says_so_and_goes_on_when_there_is_room(short_waits: None) -> None:
    async with house(disks={"tasks": 48}) as it:
        eats = Use("Bash", {"command": "cat /dev/zero > ~/ballast; echo so far", "description": "Fill the disk"})
        issue = await it.ask("Eat everything", [eats, commits()], [done()])
        await it.says(issue, "Something outside is having trouble; trying again at", "is full")
        await it.until(lambda: not it.agents() and not it.sessions())
        assert not it.pulls(issue)

        for ballast in (it.home / "tasks").glob("*/home/ballast"):
            ballast.unlink()
        await it.says(issue, "Done")
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        assert it.git("rev-list", "--count", f"main..{pull.pull.head_ref}").strip() == "1"
        assert it.most_agents == 1


async def test_a_disk_without_room_for_a_workspace_is_waited_for(short_waits: None) -> None:
    async with house(disks={"tasks": 16}) as it:
        filler = fill(it.home / "tasks")
        issue = await it.ask("Find no room", [commits()], [done()])
        await it.says(issue, "Something outside is having trouble; trying again at", "is full")
        assert it.most_agents == 0
        filler.unlink()
        await it.says(issue, "Done")
        assert len(it.pulls(issue)) == len(it.statuses(issue)) == 1
        assert it.most_agents == 1


async def test_a_service_whose_log_has_no_room_works_and_ends_as_ever() -> None:
    async with house(separate=True) as it:
        await it.end(it.services[0], signal.SIGTERM)
        it.environ["CCO_PORT"] = str(free_port())
        it.world.apps[it.app_id].hook_url = f"http://127.0.0.1:{it.environ['CCO_PORT']}/webhooks/github"
        service = it.spawn(log=Path("/dev/full"))
        while not await alive(it):
            assert service.process.poll() is None
            await asyncio.sleep(0.1)

        issue = await it.ask("Work in silence", [commits()], [done()])
        await it.says(issue, "Done")
        assert await it.end(service, signal.SIGTERM) == 0
        it.services.remove(service)


async def alive(it: House) -> bool:
    try:
        return (await it.get("/livez"))[0] == 200
    except aiohttp.ClientConnectionError:
        return False
