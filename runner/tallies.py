"""How many runs there are in each state, what they wait for, and what was spent on a day."""

import json
from collections.abc import Iterable

from runner.database import Database
from runner.rows import ACTIVE
from runner.tasks import Repository, RunState, WaitingFor

WITHIN = "(:within IS NULL OR tasks.host || '/' || tasks.repository_id IN (SELECT value FROM json_each(:within)))"


def numbers(repositories: Iterable[Repository] | None) -> str | None:
    """For WITHIN."""
    return None if repositories is None else json.dumps([f"{one.host}/{one.id}" for one in repositories])


class Tallies:
    """Counted anew at each look."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def states(self, within: Iterable[Repository] | None = None) -> dict[RunState, int]:
        """How many active runs there are in each state; in these repositories alone, where some are given."""
        rows = await self._database.reader.all(
            f"SELECT state, count(*) AS n FROM runs JOIN tasks ON tasks.id = runs.task_id"  # noqa: S608  (constants)
            f" WHERE {ACTIVE} AND {WITHIN} GROUP BY state",
            {"within": numbers(within)},
        )
        return {RunState(row["state"]): row["n"] for row in rows}

    async def waits(self) -> dict[WaitingFor, int]:
        """How many runs wait, by what they wait for."""
        rows = await self._database.reader.all(
            f"SELECT waiting_for, count(*) AS n FROM runs WHERE {ACTIVE} AND state = 'waiting' GROUP BY waiting_for"  # noqa: S608  (a constant)
        )
        return {WaitingFor(row["waiting_for"]): row["n"] for row in rows}

    async def spent(self, day: str) -> float:
        """Dollars spent over all runs on a UTC day (`2026-11-23`)."""
        row = await self._database.reader.one("SELECT usd FROM spending WHERE day = ?", day)
        return float(row["usd"]) if row else 0.0
