"""The points that each story passes, found once by telling it undisturbed, and shared by all test processes."""

import asyncio
import fcntl
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.crash.nursery import Nursery
from tests.crash.stories import STORIES, Story
from tests.crash.trial import Ended, trial

Recording = dict[str, dict[str, int]]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where the trials' services come from."""
    one = Nursery()
    yield one
    one.close()


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory, worker_id: str, nursery: Nursery) -> Recording:
    """By story: how often each point was passed."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    path = shared / "crash-recording.json"
    with Path(f"{path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            found = {story.name: dict(_told(nursery, story).passed) for story in STORIES}
            path.write_text(json.dumps(found))
        recorded: Recording = json.loads(path.read_text())
    return recorded


def _told(nursery: Nursery, story: Story) -> Ended:
    """In a thread, which has no event loop yet: the test that asks first may have one running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(trial(nursery.start, story))).result()


def story_past(recording: Recording, point: str) -> Story | None:
    """The first story that passes this point."""
    return next((story for story in STORIES if point in recording[story.name]), None)
