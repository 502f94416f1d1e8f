"""What each reporter has said about each task, and what it has not said yet."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from runner import changes
from runner.database import Database, from_text, to_text
from runner.tasks import TaskId


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a reporter has said about a task, by digest, and where (`reference`: a comment id, a Slack timestamp)."""

    task_id: TaskId
    reporter: str
    digest: str
    reference: str
    at: datetime


class Receipts:
    """One for each task and reporter: what was said last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, receipt: Receipt) -> None:
        """Remember what was said. Readers are not woken: nothing happened to the task."""
        async with self._database.transaction("commit.receipt") as db:
            await db.execute(
                "INSERT OR REPLACE INTO receipts (task_id, reporter, digest, reference, at) VALUES (?, ?, ?, ?, ?)",
                (receipt.task_id, receipt.reporter, receipt.digest, receipt.reference, to_text(receipt.at)),
            )

    async def of(self, task_id: TaskId, reporter: str) -> Receipt | None:
        """What this reporter last said about the task."""
        row = await self._database.reader.one(
            "SELECT * FROM receipts WHERE task_id = ? AND reporter = ?", task_id, reporter
        )
        if row is None:
            return None
        return Receipt(task_id, reporter, row["digest"], row["reference"], from_text(row["at"]))

    async def task_at(self, reporter: str, place: str) -> TaskId | None:
        """The task that this reporter tells of at a place: what its reference begins with, up to a slash."""
        row = await self._database.reader.one(
            "SELECT task_id FROM receipts WHERE reporter = ? AND reference >= ? AND reference < ?",
            reporter,
            f"{place}/",
            f"{place}0",  # the character behind the slash
        )
        return TaskId(row["task_id"]) if row else None

    async def unsaid(self, reporter: str) -> list[TaskId]:
        """Tasks to which something may have happened since this reporter last spoke of them, the latest first.

        What it never spoke of, and may not want to, counts for a month. A receipt is written after what it is for was
        read, so one of the same minute proves nothing.
        """
        rows = await self._database.reader.all(
            "SELECT id FROM tasks LEFT JOIN receipts ON receipts.task_id = tasks.id AND reporter = ?"
            " WHERE CASE WHEN at IS NULL THEN updated_at > ?"
            " ELSE julianday(updated_at) > julianday(at) - 1.0 / 1440 END ORDER BY id DESC",
            reporter,
            to_text(changes.now() - timedelta(days=30)),
        )
        return [TaskId(row["id"]) for row in rows]

    async def in_line(self, reporter: str) -> list[TaskId]:
        """Tasks that this reporter has spoken of and whose run waits for a slot, the next one first."""
        rows = await self._database.reader.all(
            "SELECT runs.task_id FROM runs JOIN receipts ON receipts.task_id = runs.task_id AND reporter = ?"  # noqa: S608  (a constant)
            f" WHERE {changes.IN_LINE} ORDER BY runs.id",
            reporter,
        )
        return [TaskId(row["task_id"]) for row in rows]
