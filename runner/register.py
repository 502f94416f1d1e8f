"""Find tasks by what the world calls them: a subject, a pull request, a branch, what people type."""

import json
from collections.abc import Iterable

from runner.database import Database
from runner.rows import task_of
from runner.tasks import Repository, Task


class Register:
    """Which task is meant. Repositories are known by host and number, which a rename leaves as they are."""

    def __init__(self, database: Database) -> None:
        self._reader = database.reader

    async def of_subject(self, source: str, identity: str) -> Task | None:
        """The task of a subject, if there is one."""
        row = await self._reader.one("SELECT * FROM tasks WHERE source = ? AND identity = ?", source, identity)
        return task_of(row) if row else None

    async def of_pull_request(self, host: str, repository_id: int, number: int) -> Task | None:
        """The task whose current pull request this is."""
        row = await self._reader.one(
            "SELECT * FROM tasks WHERE host = ? AND repository_id = ? AND pull_request_number = ?",
            host,
            repository_id,
            number,
        )
        return task_of(row) if row else None

    async def of_branch(self, host: str, repository_id: int, branch: str) -> Task | None:
        """The task that works on this branch."""
        row = await self._reader.one(
            "SELECT * FROM tasks WHERE host = ? AND repository_id = ? AND branch = ?", host, repository_id, branch
        )
        return task_of(row) if row else None

    async def issue_of(self, host: str, repository_id: int, number: int) -> int:
        """The issue that this pull request was made for; the number itself, if it is no pull request of ours."""
        task = await self.of_pull_request(host, repository_id, number)
        if task is None or task.subject.identity != f"{host}/{repository_id}/{task.subject.number}":
            return number
        return task.subject.number or number

    async def find(self, reference: str) -> Task | None:
        """By what people type: a task's id, `owner/repo#42` (the issue's number or the pull request's), `PROJ-7`."""
        if reference.isdecimal():
            row = await self._reader.one("SELECT * FROM tasks WHERE id = ?", int(reference))
        else:
            row = await self._reader.one("SELECT * FROM tasks WHERE key = ? COLLATE NOCASE ORDER BY id DESC", reference)
            repository, mark, number = reference.rpartition("#")
            if row is None and mark and number.isdecimal():
                row = await self._reader.one(
                    "SELECT * FROM tasks WHERE repository = ? COLLATE NOCASE AND pull_request_number = ?",
                    repository,
                    int(number),
                )
        return task_of(row) if row else None

    async def repositories(self) -> list[Repository]:
        """Each in which there is a task, as the latest of its tasks knows it."""
        rows = await self._reader.all(
            "SELECT * FROM tasks WHERE id IN (SELECT max(id) FROM tasks GROUP BY host, repository_id) ORDER BY id DESC"
        )
        return [task_of(row).repository for row in rows]

    async def names(self, host: str) -> dict[int, set[str]]:
        """What the tasks of each repository say it is called, by its number."""
        found: dict[int, set[str]] = {}
        for row in await self._reader.all("SELECT DISTINCT repository_id, repository FROM tasks WHERE host = ?", host):
            found.setdefault(row["repository_id"], set()).add(row["repository"])
        return found

    async def with_pull_request(self) -> list[Task]:
        """The tasks whose pull request may still change."""
        return [
            task_of(row)
            for row in await self._reader.all(
                "SELECT * FROM tasks WHERE pull_request_state IN ('open', 'closed') ORDER BY id"
            )
        ]

    async def known(self, task_ids: Iterable[int]) -> set[int]:
        """Those of these numbers that are tasks."""
        rows = await self._reader.all(
            "SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(?))", json.dumps(list(task_ids))
        )
        return {row["id"] for row in rows}
