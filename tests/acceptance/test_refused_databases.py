"""A database that cannot be trusted is refused at the start, and is not written any more when that shows at work."""

import json
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.migrating import newest
from tests.fakes.house import House, commits, done, house, waits


def spoil(path: Path) -> None:
    """Every page but the first is something else from now on."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newest() + 1}")


async def refused(it: House) -> str:
    """Start it; what it says as it ends with 1."""
    service = it.spawn()
    await it.until(lambda: service.process.poll() is not None)
    assert service.process.returncode == 1
    said = service.log.read_text()
    assert "Traceback" not in said
    [line] = [line for line in said.splitlines() if line.startswith("cco serve: ")]
    return line


async def test_damage_that_appears_at_work_ends_all_writing_and_the_next_start_is_refused() -> None:
    async with house(separate=True) as it:
        issue = await it.ask("Work on", [commits(), waits()], [done()])
        await it.draft(issue)
        agents = it.agents()

        spoil(it.home / "cco.db")
        while "damaged" not in (wrong := json.loads((await it.get("/readyz"))[1])["wrong"].get("database", "")):
            await it.world.act("alice").comment(issue, "/claude status")
            await it.world.settled()
        assert "cco restore FILE" in wrong
        before = (it.home / "cco.db").read_bytes()
        other = await it.ask("Come too late", [commits()], [done()])
        await it.world.settled()
        assert [one.status_code for one in it.world.deliveries.values()][-1] == 503
        status, answer = await it.get("/livez")
        assert (status, json.loads(answer)) == (200, {"status": "alive"})
        assert it.agents() == agents  # what they do is kept in their spools
        assert (it.home / "cco.db").read_bytes() == before

        assert await it.end(it.services[0], signal.SIGTERM) == 0
        said = [await refused(it), await refused(it)]
        assert said[0] == said[1]
        assert "cco restore FILE" in said[0]
        copy = re.search(r"a copy is kept at (\S+)\.", said[0])
        assert copy is not None
        assert Path(copy[1]).read_bytes() == (it.home / "cco.db").read_bytes()
        assert it.agents() == agents
        assert not it.pulls(other)
        it.let_go()
        await it.until(lambda: not it.agents())


@pytest.mark.parametrize("harm", [spoil, make_newer], ids=lambda one: one.__name__)
async def test_a_start_that_is_refused_touches_nothing(harm: object) -> None:
    async with house(separate=True) as it:
        assert await it.end(it.services[0], signal.SIGTERM) == 0
        assert callable(harm)
        harm(it.home / "cco.db")
        before = (it.home / "cco.db").read_bytes()
        line = await refused(it)
        assert ("newer version" if harm is make_newer else "damaged") in line
        assert (it.home / "cco.db").read_bytes() == before
        copies = list(it.home.glob("cco.db-damaged-*"))
        assert [one.read_bytes() for one in copies] == ([] if harm is make_newer else [before])
