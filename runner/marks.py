"""How far we have looked outside: the labels we answered, the lists we read, the backup that we came out of."""

from dataclasses import dataclass
from datetime import datetime

from runner import changes
from runner.database import Database, from_text, to_text
from runner.tasks import Labelling


@dataclass(frozen=True, slots=True)
class Restored:
    """The database came out of a backup made at `made_at`. Until `looked`, its active runs are to be looked up."""

    made_at: datetime
    restored_at: datetime
    looked: bool


class Marks:
    """What was looked at and need not be looked at again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def answer(self, identity: str, labelling: Labelling) -> None:
        """The label was answered, by a run or by a refusal, this time and all times before."""
        async with self._database.transaction("commit.answer-labelling") as db:
            await changes.answer_labelling(db, identity, labelling)

    async def answered(self, identity: str) -> Labelling | None:
        """The last time that our label was put on this subject, as far as it was answered."""
        row = await self._database.reader.one("SELECT number, at FROM labellings WHERE identity = ?", identity)
        return Labelling(row["number"], from_text(row["at"])) if row else None

    async def reached(self, name: str, at: datetime) -> None:
        """Something outside was looked through up to then."""
        async with self._database.transaction("commit.mark") as db:
            await db.execute("INSERT OR REPLACE INTO marks (name, at) VALUES (?, ?)", (name, to_text(at)))

    async def at(self, name: str) -> datetime | None:
        """Up to when something outside was looked through."""
        row = await self._database.reader.one("SELECT at FROM marks WHERE name = ?", name)
        return from_text(row["at"]) if row else None

    async def looked_first(self) -> None:
        """Every run that was active in the backup was looked up; from here on we remember again."""
        async with self._database.transaction("commit.looked-first") as db:
            await db.execute("UPDATE restores SET looked_at = ? WHERE looked_at IS NULL", (to_text(changes.now()),))

    async def restored(self) -> Restored | None:
        """The latest backup that this database came out of, if it did."""
        row = await self._database.reader.one("SELECT * FROM restores ORDER BY id DESC LIMIT 1")
        if row is None:
            return None
        return Restored(from_text(row["made_at"]), from_text(row["restored_at"]), row["looked_at"] is not None)
