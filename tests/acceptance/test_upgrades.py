"""A new version takes over from the old one: its database is carried forward, and agents at work notice nothing."""

import re
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from runner.migrating import newest
from tests.fakes.house import CHECKOUT, commits, done, house, waits

COUNT = 5


def copied(to: Path) -> Path:
    """A checkout of its own."""
    for name in ("app", "handlers", "runner"):
        shutil.copytree(CHECKOUT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "app-manifest.yml", to)
    return to


def make_newer(checkout: Path) -> None:
    """With one more migration, and a supervisor that wants nothing to do with launches of the old version."""
    script = checkout / "runner" / "migrations" / f"{newest() + 1:04}_new.sql"
    script.write_text("CREATE TABLE of_the_new_version (x INTEGER) STRICT;\nDROP INDEX triggers_by_run;\n")
    supervisor = checkout / "runner" / "supervisor.py"
    text = supervisor.read_text()
    first = "    directory = Path(arguments[0])\n"
    assert first in text
    refusal = f"    if int(directory.parts[-3]) <= {COUNT}:\n        raise SystemExit('not mine')\n"
    supervisor.write_text(text.replace(first, first + refusal))


def wreck(checkout: Path) -> None:
    """Whatever is imported from here from now on breaks whoever imports it."""
    for path in checkout.rglob("*.py"):
        path.write_text("raise RuntimeError('imported too late')\n")
    for path in checkout.rglob("__pycache__"):
        shutil.rmtree(path)


async def test_a_new_version_follows_five_live_runs_of_the_old_one_to_their_end() -> None:
    async with house(separate=True) as it:
        assert await it.end(it.services[0], signal.SIGTERM) == 0
        old, new = copied(it.home.parent / "old"), copied(it.home.parent / "new")
        make_newer(new)
        service = await it.start(old)
        issues = [
            await it.ask(f"Outlive it, number {number}", [commits(f"{number}.txt"), waits()], [done()])
            for number in range(COUNT)
        ]
        for issue in issues:
            await it.draft(issue)
        await it.until(lambda: len(it.agents()) == COUNT)
        agents = set(it.agents())

        assert await it.end(service, signal.SIGTERM, seconds=10) == 0
        wreck(old)
        assert set(it.agents()) == agents
        assert len(it.sessions()) == COUNT

        await it.start(new)
        with closing(sqlite3.connect(it.home / "cco.db")) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (newest() + 1,)
        status, text = await it.get("/metrics")
        assert status == 200
        assert f'cco_recoveries_total{{what="taken_up"}} {COUNT}.0' in text
        assert set(it.agents()) == agents
        it.let_go()
        for issue in issues:
            await it.says(issue, "Done")
            (pull,) = it.pulls(issue)
            assert pull.pull is not None
            assert not pull.pull.draft
            assert it.git("rev-list", "--count", f"main..{pull.pull.head_ref}").strip() == "1"
            assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
        assert len(it.branches()) == COUNT
        assert len(it.model.requests) == 2 * COUNT  # nobody was asked anything twice
        assert it.most_agents == COUNT

        another = await it.ask("Come later", [commits("later.txt")], [done()])
        await it.says(another, "Done")
        assert len(it.pulls(another)) == 1
        for name, ended in (("taken_up", COUNT), ("lost", 0), ("bug", 0)):
            found = re.search(rf'cco_recoveries_total{{what="{name}"}} (\d+)', (await it.get("/metrics"))[1])
            assert found is not None
            assert int(found[1]) == ended
        assert "Traceback" not in it.services[-1].log.read_text()
