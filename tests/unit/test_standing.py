"""How the label stands, from an issue's events; and what there is to do about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.differences import Begin, End, Follow, Known, Seen, decide
from handlers.dispatch import concerns_us
from handlers.standing import ISSUE_CLOSED, LABEL_REMOVED, Withdrawn, standing_of
from runner.tasks import Labelling, PullRequest, RunState
from tests import factories

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
OPEN = {"state": "open", "labels": [{"name": "Claude"}]}
CLOSED = {**OPEN, "state": "closed"}


def events(*what: str) -> list[dict[str, Any]]:
    """These, a minute apart, by Anna; those with a colon are about that label."""
    return [
        {
            "id": 100 + number,
            "event": one.partition(":")[0],
            "created_at": (NOON + timedelta(minutes=number)).isoformat(),
            "actor": {"login": "anna", "id": 7, "type": "User"},
            "label": {"name": one.partition(":")[2]},
        }
        for number, one in enumerate(what)
    ]


@pytest.mark.parametrize(
    ("what", "in_force"),
    [
        (["labeled:claude"], 100),
        (["labeled:CLAUDE", "labeled:bug", "unlabeled:bug", "assigned:"], 100),
        (["labeled:claude", "unlabeled:claude"], None),
        (["labeled:claude", "unlabeled:claude", "labeled:claude"], 102),
        (["labeled:claude", "closed:", "reopened:"], None),
        (["closed:", "labeled:claude", "reopened:"], 101),
        (["labeled:bug"], None),
        ([], None),
    ],
)
def test_which_label_counts(what: list[str], in_force: int | None) -> None:
    """The last one, unless it was withdrawn since; in whatever order the events are listed."""
    for listed in (events(*what), events(*what)[::-1]):
        found = standing_of(listed, "claude").in_force
        assert (found.labelling.number if found else None) == in_force


def test_who_withdrew_it_and_how() -> None:
    """The last time."""
    assert standing_of(events("labeled:claude", "closed:", "unlabeled:claude"), "claude").withdrawn == Withdrawn(
        102, NOON + timedelta(minutes=2), "anna", LABEL_REMOVED
    )


def known(answered: int | None = None, asked: int | None = None, **changes: Any) -> Known:
    """A task whose label was answered up to that number, with a run asked for in that minute."""
    labelling = Labelling(answered, NOON + timedelta(minutes=answered - 100)) if answered else None
    run = factories.run(RunState.running) if asked is not None else None
    at = NOON + timedelta(minutes=asked) if asked is not None else None
    return Known(factories.task(**changes), run, at, labelling)


def seen(*what: str, issue: dict[str, Any] | None = None, **more: Any) -> Seen:
    return Seen(issue or OPEN, standing_of(events(*what), "claude"), **more)


def test_a_label_that_was_answered_is_not_answered_again() -> None:
    """It begins a run once; the next one begins the next."""
    assert [type(step) for step in decide(known(), seen("labeled:claude"), "claude")] == [Begin]
    assert decide(known(answered=100), seen("labeled:claude"), "claude") == []
    again = seen("labeled:claude", "unlabeled:claude", "labeled:claude")
    assert [type(step) for step in decide(known(answered=100), again, "claude")] == [Begin]


def test_what_was_answered_before_it_was_written_down_counts_by_its_time() -> None:
    """A database from before: all up to then was answered."""
    answered = Known(factories.task(), None, None, Labelling(0, NOON))
    assert decide(answered, seen("labeled:claude"), "claude") == []
    later = seen("labeled:claude", "unlabeled:claude", "labeled:claude")
    assert [type(step) for step in decide(answered, later, "claude")] == [Begin]


@pytest.mark.parametrize(("asked", "ends"), [(0, True), (1, False), (2, False)])
def test_a_withdrawal_ends_only_what_was_asked_for_before_it(asked: int, ends: bool) -> None:
    """In the same second GitHub's own numbers decide, where the label asked."""
    steps = decide(known(answered=102, asked=asked), seen("labeled:claude", "closed:", "labeled:claude"), "claude")
    assert steps == ([End(101, "anna", ISSUE_CLOSED)] if ends else [])


def test_a_run_that_is_being_stopped_is_not_stopped_again() -> None:
    stopping = Known(factories.task(), factories.run(stop_asked_by="anna"), NOON, Labelling(100, NOON))
    assert decide(stopping, seen("labeled:claude", "unlabeled:claude"), "claude") == []


def test_a_pull_request_is_followed_and_what_ran_for_it_ends() -> None:
    """Merged: the record first, then the end, then the label that was put on again."""
    merged = PullRequest(43, factories.PULL_REQUEST.url, "merged", draft=False)
    over = Withdrawn(101, NOON + timedelta(minutes=1), "bob", "the pull request was merged")
    now = seen("labeled:claude", "closed:", "labeled:claude", pull_request=merged, pull_request_over=over)
    steps = decide(known(answered=100, asked=0, pull_request=factories.PULL_REQUEST), now, "claude")
    assert steps[:2] == [Follow(merged), End(101, "bob", "the pull request was merged")]
    assert isinstance(steps[2], Begin)


def test_of_a_closed_pull_request_draft_or_not_is_all_one() -> None:
    ours = PullRequest(43, factories.PULL_REQUEST.url, "closed", draft=True)
    now = seen(pull_request=PullRequest(43, ours.url, "closed", draft=False))
    assert decide(known(pull_request=ours), now, "claude") == []


def test_what_concerns_us_is_what_something_listens_to() -> None:
    """The list of failed deliveries is read by this."""
    assert concerns_us("issues", "labeled")
    assert concerns_us("issue_comment", "created")
    assert concerns_us("pull_request", "closed")
    assert not concerns_us("issues", "opened")
    assert not concerns_us("issue_comment", "edited")
    assert not concerns_us("push", None)
