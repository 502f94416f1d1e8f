"""The machine's clock is set forward and back by a day while runs work and wait: nobody has to wait for that day."""

from datetime import UTC, datetime, timedelta

import pytest

from app import services
from app.demo.replies import Fail
from runner import changes, retry
from tests.fakes.house import commits, done, house, waits


async def test_a_clock_that_jumps_ends_no_work_and_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = timedelta(0)

    def now() -> datetime:
        return datetime.now(UTC) + wrong

    monkeypatch.setattr(services, "_now", now)
    monkeypatch.setattr(changes, "now", now)
    monkeypatch.setattr(retry, "FIRST_WAIT", timedelta(seconds=1))
    overloaded = Fail(529, "overloaded_error", "Overloaded", times=4)  # Claude itself asks again three times
    async with house(environ={"CCO_LIMITS_MINUTES": "30"}) as it:
        issue = await it.ask("Do not mind the time", [commits("a.txt"), waits()], [overloaded, done()])
        await it.until(lambda: it.pulls(issue))

        wrong = timedelta(days=1)
        await it.command(issue, "/claude And mind your manners")
        await it.says(issue, "Claude is working on this")
        it.let_go()
        await it.until(lambda: "trying again" in it.status(issue) or "Done" in it.status(issue))
        wrong = timedelta(days=-2)

        await it.says(issue, "Done")
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        assert not pull.pull.draft
        assert len(it.statuses(issue)) == 1
        assert it.most_agents == 1
