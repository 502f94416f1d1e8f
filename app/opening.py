"""What must hold before the service can begin: alone in its CCO_HOME, on a sound database, and known to GitHub."""

import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from app.github import GitHub
from app.github_identity import identity
from app.settings_model import Settings
from runner import restore
from runner.errors import TryLater
from runner.migrating import DatabaseRefused
from runner.store import Store, open_store
from runner.tasks import Actor


class CannotServe(Exception):
    """Sentences for the operator: why the service does not start, and what mends it."""


@contextmanager
def only_one(home: Path) -> Iterator[int]:
    """One service for each CCO_HOME: two would each start the same run. Yields the lock's descriptor."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise CannotServe(
                f"another service runs on CCO_HOME={home}. Stop that one first, or set another CCO_HOME."
            ) from exc
        yield descriptor
    finally:
        os.close(descriptor)


def finish_restoring(home: Path) -> None:
    """A restore that was cut off is finished, and the service starts with what it brought."""
    if restore.is_cut_off(home):
        restore.finish(home)
        raise CannotServe("a restore had been cut off, and is finished now. Start once more, with its settings")


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    """The store, or the sentences that say why it cannot be worked with."""
    async with AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(open_store(path))
        except DatabaseRefused as reason:
            raise CannotServe(str(reason)) from reason
        except (sqlite3.Error, OSError) as error:
            raise CannotServe(
                f"the database {path} cannot be opened now: {error}. Nothing in it is changed. "
                "Is the disk full, or does another program have it open?"
            ) from error
        yield store


async def who_we_are(github: GitHub, settings: Settings, home: Path) -> Actor:
    """The App's own user; remembered, so that a start needs no GitHub."""
    try:
        return await identity(github, settings.github, home / "identity.json")
    except TryLater as absence:
        raise CannotServe(
            f"GitHub has to be asked once who this App is, and it does not answer ({absence}). "
            f"Try again when {settings.github.api_url} can be reached from here."
        ) from absence
