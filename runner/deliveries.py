"""Webhooks as received, kept until they are handled."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runner.database import Database, from_text, to_text


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook, unique by (source, hook, delivery_id). `body` is exactly what was signed."""

    source: str
    hook: str
    delivery_id: str
    event: str
    body: bytes
    received_at: datetime
    id: int = 0


class Deliveries:
    """The durable part of the inbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Store them in one transaction; for each, whether it is new. Once this returns they survive anything."""
        new: list[bool] = []
        async with self._database.transaction("commit.put") as db:
            for one in deliveries:
                cursor = await db.execute(
                    "INSERT OR IGNORE INTO deliveries (source, hook, delivery_id, event, body, received_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (one.source, one.hook, one.delivery_id, one.event, one.body, to_text(one.received_at)),
                )
                new.append(cursor.rowcount == 1)
        return new

    async def pending(self, limit: int = 100, after: int = 0) -> list[Delivery]:
        """The oldest behind `after` that are not handled yet."""
        rows = await self._database.reader.execute_fetchall(
            "SELECT * FROM deliveries WHERE state = 'new' AND id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [_delivery(row) for row in rows]

    async def settle(self, delivery_id: int, error: str | None = None) -> None:
        """It was handled, or it is parked with the traceback that says why not."""
        async with self._database.transaction("commit.settle-delivery") as db:
            await db.execute(
                "UPDATE deliveries SET state = ?, error = ? WHERE id = ?",
                ("parked" if error else "done", error, delivery_id),
            )

    async def parked(self, limit: int = 100) -> list[tuple[Delivery, str]]:
        """The latest that could not be handled, each with its traceback."""
        rows = await self._database.reader.execute_fetchall(
            "SELECT * FROM deliveries WHERE state = 'parked' ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [(_delivery(row), row["error"]) for row in rows]

    async def replay(self, delivery_id: int) -> bool:
        """Hand a parked delivery out once more; False if there is no such parked one."""
        async with self._database.transaction("commit.replay") as db:
            cursor = await db.execute(
                "UPDATE deliveries SET state = 'new', error = NULL WHERE id = ? AND state = 'parked'", (delivery_id,)
            )
        return cursor.rowcount == 1

    async def known(self, delivery_ids: Sequence[str]) -> set[str]:
        """Those of them that came, by whatever hook."""
        rows = await self._database.reader.execute_fetchall(
            "SELECT delivery_id FROM deliveries WHERE source = 'github'"
            " AND delivery_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(delivery_ids)),),
        )
        return {row["delivery_id"] for row in rows}

    async def latest(self) -> datetime | None:
        """When the last one came from GitHub."""
        rows = await self._database.reader.execute_fetchall(
            "SELECT received_at FROM deliveries WHERE source = 'github' ORDER BY id DESC LIMIT 1"
        )
        return next((from_text(row["received_at"]) for row in rows), None)

    async def old(self, before: datetime) -> tuple[int, int]:
        """How many were handled that came before this, and their bytes."""
        rows = await self._database.reader.execute_fetchall(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM deliveries WHERE state = 'done' AND received_at < ?",
            (to_text(before),),
        )
        count, size = next(iter(rows))
        return int(count), int(size)

    async def forget(self, before: datetime) -> None:
        """Drop those, a few at a time: whoever stores a new one does not wait for it."""
        while True:
            async with self._database.transaction("commit.forget-deliveries") as db:
                cursor = await db.execute(
                    "DELETE FROM deliveries WHERE id IN"
                    " (SELECT id FROM deliveries WHERE state = 'done' AND received_at < ? LIMIT 500)",
                    (to_text(before),),
                )
            if cursor.rowcount < 500:
                return

    async def depth(self) -> int:
        """How many wait to be handled."""
        rows = await self._database.reader.execute_fetchall("SELECT count(*) FROM deliveries WHERE state = 'new'")
        return int(next(iter(rows))[0])

    async def oldest(self) -> datetime | None:
        """When the first of those that wait came."""
        rows = await self._database.reader.execute_fetchall(
            "SELECT received_at FROM deliveries WHERE state = 'new' ORDER BY id LIMIT 1"
        )
        return next((from_text(row["received_at"]) for row in rows), None)

    async def parked_count(self) -> int:
        """How many a bug of ours has stopped."""
        rows = await self._database.reader.execute_fetchall("SELECT count(*) FROM deliveries WHERE state = 'parked'")
        return int(next(iter(rows))[0])


def _delivery(row: sqlite3.Row) -> Delivery:
    return Delivery(
        source=row["source"],
        hook=row["hook"],
        delivery_id=row["delivery_id"],
        event=row["event"],
        body=row["body"],
        received_at=from_text(row["received_at"]),
        id=row["id"],
    )
