"""`kill -9` on both sides of every effect there is, one at a time; the list is read from the source."""

import pytest

from tests.crash import source
from tests.crash.nursery import Nursery
from tests.crash.plan import Strike
from tests.crash.recording import Recording, story_past
from tests.crash.trial import trial

# No story passes these; what shows that they may be cut off is named here, and must be there.
ELSEWHERE = {
    "commit.replay": "tests/integration/test_inbox.py",
    "commit.rename": "tests/integration/test_our_pull_request.py",
    "commit.trial": "changes nothing: it is how readiness is asked",
    "file.session-aside": "tests/integration/test_supervisor.py",
    "file.remove-workspace": "tests/integration/test_workspace.py",
    "file.workspace-home": "tests/integration/test_workspace.py",
    "git.unpin": "tests/integration/test_workspace.py",
    "http.pull-request-without-draft": "tests/integration/test_our_pull_request.py",
}


@pytest.mark.parametrize("point", source.points())
async def test_killed_here_there_is_one_of_everything_in_the_end(
    point: str, nursery: Nursery, recording: Recording
) -> None:
    story = story_past(recording, point)
    if story is None:
        assert point.partition("/")[0] in ELSEWHERE, f"no story passes {point}: tell one in stories.py"
        return
    assert point.partition("/")[0] not in ELSEWHERE, "a story passes this: it is not elsewhere any more"
    ended = await trial(nursery.start, story, Strike(point))
    assert ended.fallen == 1
