"""A CCO_HOME with one prepared task, and a tmux server of its own."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runner.tmux import Tmux
from tests.integration.launches import Task, until


@pytest.fixture
def task(tmp_path: Path) -> Task:
    home = tmp_path / "cco home é"
    home.mkdir()
    return Task(home).prepare()


@pytest.fixture
async def tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tmux]:
    """On a short relative path, as the service has it; whatever runs in it is told to end."""
    monkeypatch.chdir(tmp_path)
    server = Tmux(Path("t.sock"))
    yield server
    panes = await server.sessions()
    for pid in panes.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in panes.values()), 20)
    for run in await server.sessions():
        await server.kill(run)
