"""Killed in two places of the main path, the second time while the first is being mended."""

import random

import pytest

from tests.crash import source
from tests.crash.nursery import Nursery
from tests.crash.plan import Strike
from tests.crash.recording import Recording
from tests.crash.stories import STORIES
from tests.crash.trial import trial

SEED = 20261125
SAMPLE = 10
MAIN = STORIES[0]


async def _both(first: str, second: str, nursery: Nursery) -> None:
    ended = await trial(nursery.start, MAIN, Strike(first), Strike(second))
    assert ended.fallen >= 1, (first, second)  # after the first, the second may be behind us


@pytest.mark.parametrize("number", range(SAMPLE))
async def test_a_pair_of_kills_leaves_one_of_everything(number: int, nursery: Nursery, recording: Recording) -> None:
    """Drawn by lot, the same lot each time."""
    first, second = random.Random(f"{SEED}/{number}").sample(sorted(recording[MAIN.name]), 2)
    await _both(first, second, nursery)


@pytest.mark.long
@pytest.mark.parametrize("first", source.points())
async def test_every_pair(first: str, nursery: Nursery, recording: Recording) -> None:
    passed = sorted(recording[MAIN.name])
    for second in passed if first in passed else ():
        if first != second:
            await _both(first, second, nursery)
