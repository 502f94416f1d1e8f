"""`kill -9` on both sides of every effect there is, one at a time; the list is read from the source."""

import random

import pytest

from tests.crash import source
from tests.crash.nursery import Nursery
from tests.crash.plan import Action, Strike
from tests.crash.recording import Recording, story_past
from tests.crash.stories import Story
from tests.crash.trial import Ended, trial
from tests.figures import Figure

# No story passes these. Each is cut off, or fails, in a test of its own, where the whole is not at stake.
INTEGRATION, ACCEPTANCE = "tests/integration", "tests/acceptance"
ELSEWHERE = {
    **dict.fromkeys(
        ("file.backup", "file.restoring", "file.restore-leftover", "file.restore-bundle", "file.restored"),
        f"{INTEGRATION}/test_backup.py",
    ),
    **dict.fromkeys(("file.move-aside", "file.put-in-place"), f"{INTEGRATION}/test_backup.py"),
    "commit.looked-first": f"{INTEGRATION}/test_looking_first.py",
    **dict.fromkeys(("file.panic", "file.resume-all", "process.kill-agent"), f"{INTEGRATION}/test_panic.py"),
    **dict.fromkeys(("file.sweep", "file.set-aside", "file.mirror-aside"), f"{INTEGRATION}/test_sweeping.py"),
    **dict.fromkeys(
        ("commit.at-rest", "commit.repository-at-rest", "commit.forget-deliveries"), f"{INTEGRATION}/test_sweeping.py"
    ),
    **dict.fromkeys(
        ("file.keep-before-migrating", "file.remove-half-copy", "file.remove-old-copy"),
        f"{INTEGRATION}/test_migrating.py",
    ),
    "file.keep-damaged": f"{ACCEPTANCE}/test_refused_databases.py",
    **dict.fromkeys(("file.exit-into-reserve", "file.remove-half-written"), f"{INTEGRATION}/test_full_spool.py"),
    **dict.fromkeys(("file.github-writes", "file.github-writes-shortened"), "tests/unit/test_github_lane.py"),
    "commit.replay": f"{INTEGRATION}/test_inbox.py",
    "commit.rename": f"{INTEGRATION}/test_reconciling.py",
    "file.session-aside": f"{INTEGRATION}/test_supervisor.py",
    **dict.fromkeys(("file.remove-workspace", "file.workspace-home"), f"{INTEGRATION}/test_workspace.py"),
    "git.unpin": f"{INTEGRATION}/test_workspace.py",
    **dict.fromkeys(("tmux.show", "process.end-by-force"), f"{INTEGRATION}/test_leftovers.py"),
    "http.slack-whisper": f"{INTEGRATION}/test_slack_hearing.py",
    "http.pull-request-without-draft": f"{INTEGRATION}/test_our_pull_request.py",
}
TIMES = 4
POINTS = source.points()
OTHER_WAYS: list[tuple[str, Action]] = [
    (point, action) for point in POINTS if point.partition("/")[0] not in ELSEWHERE for action in ("raise", "freeze")
]
SAMPLE = random.Random(20261125).sample(OTHER_WAYS, 8)


def test_what_no_story_passes_has_a_test_of_its_own() -> None:
    assert set(ELSEWHERE) <= set(source.effects())
    assert [path for path in ELSEWHERE.values() if not (source.ROOT / path).is_file()] == []


@pytest.mark.parametrize("point", POINTS)
async def test_killed_here_there_is_one_of_everything(
    point: str, nursery: Nursery, recording: Recording, figure: Figure
) -> None:
    story = story_past(recording, point)
    if story is None:
        assert point.partition("/")[0] in ELSEWHERE, f"no story passes {point}: tell one in stories.py"
        return
    assert point.partition("/")[0] not in ELSEWHERE, "a story passes this: it is not elsewhere any more"
    ended = await _struck(nursery, story, Strike(point))
    figure("from the restart to the last word", ended.seconds, "s")


async def _struck(nursery: Nursery, story: Story, strike: Strike) -> Ended:
    """Told until it passes there: who is the faster one decides which way a story goes. Each time it must end well."""
    for _ in range(TIMES):
        ended = await trial(nursery.start, story, strike)
        if ended.fallen:
            return ended
    raise AssertionError(f"told {TIMES} times, and it passed {strike.point} no more")


async def _fails(point: str, action: Action, nursery: Nursery, recording: Recording) -> None:
    story = story_past(recording, point)
    assert story is not None
    await _struck(nursery, story, Strike(point, action))


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
