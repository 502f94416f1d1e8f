"""`kill -9` on both sides of every effect there is, one at a time; the list is read from the source."""

import random

import pytest

from tests.crash import source
from tests.crash.nursery import Nursery
from tests.crash.plan import Action, Strike
from tests.crash.recording import Recording, story_past
from tests.crash.trial import trial
from tests.figures import Figure

# No story passes these; what shows that they may be cut off is named here, and must be there.
ELSEWHERE = {
    "commit.replay": "tests/integration/test_inbox.py",
    "commit.rename": "tests/integration/test_our_pull_request.py",
    "commit.trial": "changes nothing: it is how readiness is asked",
    "file.session-aside": "tests/integration/test_supervisor.py",
    "file.remove-workspace": "tests/integration/test_workspace.py",
    "file.workspace-home": "tests/integration/test_workspace.py",
    "tmux.show": "tests/integration/test_leftovers.py",
    "process.end-by-force": "tests/integration/test_leftovers.py",
    "git.unpin": "tests/integration/test_workspace.py",
    "http.pull-request-without-draft": "tests/integration/test_our_pull_request.py",
}
POINTS = source.points()
OTHER_WAYS: list[tuple[str, Action]] = [
    (point, action) for point in POINTS if point.partition("/")[0] not in ELSEWHERE for action in ("raise", "freeze")
]
SAMPLE = random.Random(20261125).sample(OTHER_WAYS, 8)


@pytest.mark.parametrize("point", POINTS)
async def test_killed_here_there_is_one_of_everything(
    point: str, nursery: Nursery, recording: Recording, figure: Figure
) -> None:
    story = story_past(recording, point)
    if story is None:
        assert point.partition("/")[0] in ELSEWHERE, f"no story passes {point}: tell one in stories.py"
        return
    assert point.partition("/")[0] not in ELSEWHERE, "a story passes this: it is not elsewhere any more"
    ended = await trial(nursery.start, story, Strike(point))
    assert ended.fallen == 1
    figure("from the restart to the last word", ended.seconds, "s")


async def _fails(point: str, action: Action, nursery: Nursery, recording: Recording) -> None:
    story = story_past(recording, point)
    assert story is not None
    ended = await trial(nursery.start, story, Strike(point, action))
    assert ended.fallen == 1


@pytest.mark.parametrize(("point", "action"), SAMPLE)
async def test_failing_or_hanging_here_there_is_one_of_everything(
    point: str, action: Action, nursery: Nursery, recording: Recording
) -> None:
    """A sample of all: raised before, the effect failed; raised after, it happened and its answer was lost."""
    await _fails(point, action, nursery, recording)


@pytest.mark.long
@pytest.mark.parametrize(("point", "action"), [one for one in OTHER_WAYS if one not in SAMPLE])
async def test_the_same_in_every_other_place(
    point: str, action: Action, nursery: Nursery, recording: Recording
) -> None:
    await _fails(point, action, nursery, recording)
