"""Whether the service can do its work: the checks behind /readyz, each a sentence where it is not well."""

import asyncio
import os
import shutil
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import gidgethub

from app.github import GitHub
from runner import confinement
from runner.errors import Refusal, TryLater
from runner.tmux import Tmux

DISK_FLOOR_BYTES = 1024**3
ANSWER_SECONDS = 5.0
BEAT_SECONDS = 0.5
REMEMBERED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """What is asked, and for how many seconds the answer holds: probes come often, and some questions cost something.

    `ask` gives None where all is well, else a sentence.
    """

    ask: Callable[[], Awaitable[str | None]]
    well_seconds: float = 5.0
    wrong_seconds: float = 2.0


class Readiness:
    """The checks, by name, with what each last said."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._said: dict[str, tuple[float, str | None]] = {}
        self._turn = asyncio.Lock()

    async def wrong(self) -> dict[str, str]:
        """What is not well, with its sentence."""
        return {name: sentence for name, sentence in (await self.all()).items() if sentence is not None}

    async def all(self) -> dict[str, str | None]:
        """Every check, with its sentence or None."""
        async with self._turn:  # whoever comes meanwhile gets the same answers
            await asyncio.gather(*(self._ask(name, check) for name, check in self._checks.items()))
            return {name: said for name, (_, said) in self._said.items()}

    async def numbers(self) -> dict[str, Mapping[str, float]]:
        """For /metrics."""
        return {"cco_ready": {name: float(sentence is None) for name, sentence in (await self.all()).items()}}

    async def _ask(self, name: str, check: Check) -> None:
        at, said = self._said.get(name, (float("-inf"), None))
        if time.monotonic() - at < (check.well_seconds if said is None else check.wrong_seconds):
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                said = await check.ask()
        except TimeoutError:
            said = f"it gave no answer within {ANSWER_SECONDS:.0f} seconds"
        self._said[name] = (time.monotonic(), said)


class Pulse:
    """How late the event loop is: what waits for it waits so long."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque()

    async def beat(self) -> None:
        """Until cancelled."""
        while True:
            due = time.monotonic() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            now = time.monotonic()
            self._late.append((now, now - due))
            while self._late[0][0] < now - REMEMBERED_SECONDS:
                self._late.popleft()

    @property
    def lag_seconds(self) -> float:
        """The longest in the last minute."""
        return max((late for _, late in self._late), default=0.0)


async def lock(home: Path, descriptor: int) -> str | None:
    """That the lock file is still the one we hold: else a second service could start beside us."""
    try:
        same = os.path.samestat((home / "lock").stat(), os.fstat(descriptor))
    except FileNotFoundError:
        same = False
    return None if same else "CCO_HOME/lock was removed: a second service could start; restart this one"


async def disk(home: Path) -> str | None:
    """Room for the database, mirrors and worktrees."""
    free = shutil.disk_usage(home).free
    if free >= DISK_FLOOR_BYTES:
        return None
    return f"only {free / 1024**2:.0f} MB are free where CCO_HOME is, and {DISK_FLOOR_BYTES / 1024**2:.0f} are wanted"


async def tmux(sessions: Tmux) -> str | None:
    """That it is there, and that its server answers if there is one."""
    if shutil.which("tmux") is None:
        return "it is not installed"
    await sessions.sessions()
    return None


async def github(client: GitHub) -> str | None:
    """That GitHub takes the App's key, without which there is no token."""
    try:
        await client.app.getitem("/app")
    except gidgethub.GitHubException as error:
        return f"GitHub does not take the App's credentials: {error}"
    except (Refusal, TryLater) as reason:
        return str(reason)
    return None


async def model(key_file: Path | None) -> str | None:
    """That Claude's key is where supervisors read it."""
    if key_file is not None and os.access(key_file, os.R_OK) and os.stat(key_file).st_size:  # noqa: PTH116  does not block
        return None
    return "the file with Claude's key is not in CCO_HOME/credentials any more: restart the service"


async def sandbox() -> str | None:
    """That agents can be confined."""
    return await confinement.why_not()
