"""`kill -9` at any moment, drawn by lot: the service, a supervisor, Claude, the tmux server, all at once."""

import asyncio
import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.crash.nursery import Nursery
from tests.crash.plan import Plan
from tests.crash.stories import STORIES
from tests.crash.trial import trial
from tests.fakes.house import House

SEED = 20261125
LONGEST = 3.0  # seconds from the label to the blow; the story takes about as long


def _service(it: House) -> list[int]:
    return [it.services[-1].process.pid] if it.services else []


def _tmux(it: House) -> list[int]:
    return it.tmux_servers()


VICTIMS: dict[str, Callable[[House], list[int]]] = {
    "the service": _service,
    "the supervisor": House.supervisors,
    "Claude": House.agents,
    "the tmux server": _tmux,
    "everything": lambda it: [*_service(it), *_tmux(it), *it.supervisors(), *it.agents()],
}


async def _blow(victim: str, lot: random.Random, nursery: Nursery) -> None:
    story = lot.choice(STORIES)
    delay = lot.uniform(0, LONGEST)

    async def moment(it: House, _: Plan) -> None:
        await it.until(lambda: it.repository.issues)
        await asyncio.sleep(delay)
        for pid in VICTIMS[victim](it):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    await trial(nursery.start, story, moment=moment, agents_die=victim != "the service")


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_blow_at_any_moment_leaves_one_of_everything(victim: str, number: int, nursery: Nursery) -> None:
    await _blow(victim, random.Random(f"{SEED}/{victim}/{number}"), nursery)


@pytest.mark.long
@pytest.mark.parametrize("number", range(2, 40))
@pytest.mark.parametrize("victim", VICTIMS)
async def test_blows_at_many_moments(victim: str, number: int, nursery: Nursery) -> None:
    await _blow(victim, random.Random(f"{SEED}/{victim}/{number}"), nursery)
