"""Where a ticket is moved, and where it is left alone; and what its one comment says."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.reporters.jira import TicketStatus, choose, stage_of
from handlers.status import pull_request_words, status_comment
from handlers.tickets import Status
from runner.events import InstructionGiven, LaunchStarted
from runner.tasks import Outcome, RunState, Subject
from tests import factories
from tests.factories import NOON, PULL_REQUEST

NAMES = {"started": "In Progress", "in_review": "In Review", "done": "Done"}
ALL = {
    "To Do": "new",
    "In Progress": "indeterminate",
    "In Review": "indeterminate",
    "Blocked": "indeterminate",
    "Done": "done",
    "Won't Do": "done",
}
TICKET = Subject("jira", "jira.example/10007", "PROJ-7", "https://jira.example/browse/PROJ-7", "Paint the egg")


def offered(*names: str) -> list[dict[str, Any]]:
    return [
        {"id": name, "name": f"Go to {name}", "to": {"id": name, "name": name, "statusCategory": {"key": ALL[name]}}}
        for name in names or ALL
    ]


@pytest.mark.parametrize(
    ("stage", "stands", "by_a_person", "goes"),
    [
        ("started", "To Do", False, "In Progress"),
        ("started", "To Do", True, "In Progress"),
        ("started", "In Progress", False, None),  # it is there
        ("started", "In Review", True, None),  # further on, in our own order
        ("started", "Blocked", True, None),  # a person put it there since
        ("started", "Blocked", False, "In Progress"),  # it stood there before we began
        ("started", "Done", True, None),  # never back
        ("started", "Won't Do", False, None),  # the same, where cco.toml does not name it
        ("in_review", "In Progress", True, "In Review"),  # a status of ours that comes before
        ("in_review", "To Do", True, "In Review"),
        ("in_review", "Done", False, None),
        ("done", "In Review", False, "Done"),
        ("done", "Blocked", True, "Done"),  # merged is merged
    ],
)
def test_a_ticket_is_moved_forward_and_never_back(stage: Any, stands: str, by_a_person: bool, goes: str | None) -> None:
    status = Status("1", stands, ALL[stands])
    assert choose(stage, NAMES, status, offered(), moved_by_a_person=by_a_person) == goes


def test_what_the_workflow_does_not_offer_is_not_done() -> None:
    status = Status("1", "To Do", "new")
    assert choose("started", NAMES, status, offered("Blocked", "Done"), moved_by_a_person=False) is None
    assert choose("started", {"started": "in PROGRESS"}, status, offered(), moved_by_a_person=False) == "In Progress"
    assert choose("started", {"started": "Go to Blocked"}, status, offered(), moved_by_a_person=False) == "Blocked"


def test_the_stages_of_a_task() -> None:
    task = factories.task(subject=TICKET, pull_request=replace(PULL_REQUEST, draft=False))
    merged = factories.task(subject=TICKET, pull_request=replace(PULL_REQUEST, state="merged"))
    assert stage_of(factories.view(run=factories.run(RunState.queued))) is None
    assert stage_of(factories.view(run=factories.run())) == "started"
    assert stage_of(factories.view(run=factories.ended(Outcome.stopped))) is None
    assert stage_of(factories.view(run=factories.ended(Outcome.answered))) is None
    assert stage_of(factories.view(run=factories.ended(Outcome.delivered), task=task)) == "in_review"
    assert stage_of(factories.view(run=factories.ended(Outcome.delivered), task=merged)) == "done"


def test_a_ticket_of_long_ago_stays_where_it_is_when_transitions_are_written_down() -> None:
    task = factories.task(subject=TICKET, pull_request=replace(PULL_REQUEST, state="merged"))
    merged = factories.view(run=factories.ended(Outcome.delivered), task=task)
    jira: Any = SimpleNamespace(host="jira.example")
    assert TicketStatus(jira, NAMES, NOON + timedelta(hours=1)).wants(merged)
    assert not TicketStatus(jira, NAMES, NOON + timedelta(days=7)).wants(merged)
    assert not TicketStatus(jira, {"started": "x"}, NOON).wants(merged)
    elsewhere: Any = SimpleNamespace(host="other.example")
    assert not TicketStatus(elsewhere, NAMES, NOON).wants(merged)


def test_the_comment_says_what_was_said_in_other_places_and_hides_no_mark() -> None:
    view = factories.view(
        LaunchStarted(1, "bwrap"),
        InstructionGiven("ben", "use vinegar", "u1", ""),
        InstructionGiven("anna", "and salt", "u2", "Jira"),
        InstructionGiven("carl", "and pepper", "u3", "Slack"),
        task=factories.task(subject=TICKET, pull_request=PULL_REQUEST),
    )
    said = status_comment(view, "ticket", None, NOON)
    assert said.startswith("### Claude is working on this")
    assert "`ben` said on GitHub: use vinegar" in said
    assert "`carl` said in Slack: and pepper" in said
    assert "and salt" not in said
    assert "<!--" not in said
    assert f"[draft pull request #43]({PULL_REQUEST.url})" in said


def test_the_pull_request_carries_the_key() -> None:
    words = pull_request_words(factories.view(task=factories.task(subject=TICKET)), None)
    assert words.title == "PROJ-7: Paint the egg"
    assert "For [PROJ-7](https://jira.example/browse/PROJ-7)" in words.body
    assert "Closes" not in words.body
