"""What people read on GitHub, word for word. A golden file that is missing is written, and its test fails once."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from handlers.messages import dollars, duration, headline
from handlers.status import (
    COMMENT_LIMIT,
    WORDS_BEGIN,
    WORDS_END,
    check_words,
    marker,
    pull_request_words,
    run_marker,
    status_comment,
    told_run,
)
from runner import events as happened
from runner.tasks import Outcome, RunState, TaskId, WaitingFor
from runner.view import TaskView
from tests import factories as a

GOLDEN = Path(__file__).parent / "golden"
LATER = a.NOON + timedelta(minutes=4)

CHECKLIST = happened.ChecklistChanged(
    (
        happened.ChecklistItem("Read the failing test", "completed"),
        happened.ChecklistItem("Mend `parse_lines`", "in_progress"),
        happened.ChecklistItem("Run all tests", "pending"),
    )
)
DONE = happened.ChecklistChanged(tuple(happened.ChecklistItem(item.text, "completed") for item in CHECKLIST.items))
SAID = happened.AgentSaid("The last line is dropped because the loop ends one too early.")
USED = happened.ToolUsed("Bash", "Bash: python3 -m unittest")
PUSHED = happened.BranchPushed(a.task().branch, "c0ffee" + "0" * 34, 1, 2, 10, 3)
ENDED = happened.TurnEnded(
    0.123, 6, False, "The parser now keeps the last line.\n\n- `parse_lines` reads to the end\n- a test shows it"
)

WITH_PULL_REQUEST = a.task(pull_request=a.PULL_REQUEST)
READY = a.task(pull_request=a.PullRequest(43, a.PULL_REQUEST.url, draft=False))
AT_THREE = a.NOON + timedelta(hours=3)

VIEWS: dict[str, TaskView] = {
    "queued": a.view(run=a.run(RunState.queued), position=2),
    "next": a.view(run=a.run(RunState.queued), position=0),
    "starting": a.view(run=a.run(RunState.starting)),
    "running": a.view(happened.LaunchStarted(1, "bwrap"), SAID, CHECKLIST, USED),
    "stalled": a.view(happened.LaunchStarted(1, "bwrap"), SAID, CHECKLIST, USED, happened.LaunchStalled(1, 2)),
    "running-with-pull-request": a.view(CHECKLIST, USED, PUSHED, task=WITH_PULL_REQUEST, run=a.run(cost_usd=0.004)),
    "running-told-elsewhere": a.view(
        happened.LaunchStarted(1, "bwrap"),
        CHECKLIST,
        happened.InstructionGiven("anna", "Said here, so it is not said again.", "u1"),
        happened.InstructionGiven("bob", "Mind the *old* format, @carol", "u2", "Slack"),
    ),
    "running-unconfined": a.view(happened.LaunchStarted(1, "none"), USED),
    "approval": a.view(
        CHECKLIST,
        happened.ApprovalAsked("r1", "Bash", "Bash: curl https://example.com"),
        run=a.waiting(WaitingFor.approval),
    ),
    "held-back": a.view(
        DONE,
        happened.WorkHeldBack("c0ffee", ("`.github/workflows/ci.yml` changes what CI runs.",)),
        run=a.waiting(WaitingFor.approval),
    ),
    "question": a.view(
        CHECKLIST,
        happened.QuestionAsked("q1", "Which database?", ("Postgres", "SQLite")),
        run=a.waiting(WaitingFor.answer),
    ),
    "quota": a.view(
        happened.QuotaReached(AT_THREE.isoformat()), run=a.waiting(WaitingFor.quota, waiting_until=AT_THREE)
    ),
    "weather": a.view(
        happened.RetryPlanned("The model answered 529, overloaded.", 3, AT_THREE.isoformat()),
        run=a.waiting(WaitingFor.weather, waiting_until=AT_THREE),
    ),
    "slot": a.view(run=a.waiting(WaitingFor.slot), position=1),
    "paused": replace(a.view(run=a.waiting(WaitingFor.slot), position=0), paused=True),
    "publishing": a.view(DONE, ENDED, run=a.run(RunState.publishing)),
    "delivered": a.view(DONE, PUSHED, ENDED, run=a.ended(Outcome.delivered), task=READY),
    "merged": a.view(
        DONE,
        PUSHED,
        ENDED,
        run=a.ended(Outcome.delivered),
        task=a.task(pull_request=a.PullRequest(43, a.PULL_REQUEST.url, "merged", draft=False)),
    ),
    "closed": a.view(
        DONE,
        PUSHED,
        ENDED,
        run=a.ended(Outcome.delivered),
        task=a.task(pull_request=a.PullRequest(43, a.PULL_REQUEST.url, "closed", draft=False)),
    ),
    "answered": a.view(ENDED, run=a.ended(Outcome.answered)),
    "stopped": a.view(
        CHECKLIST,
        PUSHED,
        run=a.ended(Outcome.stopped, "anna stopped it.", stop_asked_by="anna"),
        task=WITH_PULL_REQUEST,
    ),
    "over-limit": a.view(
        CHECKLIST, run=a.ended(Outcome.over_limit, "It had worked for 60 minutes, which is the limit.")
    ),
    "unauthorized": a.view(run=a.ended(Outcome.unauthorized, "Anthropic answered 401: invalid x-api-key.")),
    "out-of-credit": a.view(run=a.ended(Outcome.out_of_credit, "Anthropic says the credit balance is too low.")),
    "unavailable": a.view(run=a.ended(Outcome.unavailable, "The model was overloaded eight times in a row.")),
    "crashed": a.view(CHECKLIST, run=a.ended(Outcome.crashed, "Claude ended without a result (signal 9).")),
    "unworkable": a.view(run=a.ended(Outcome.unworkable, "The repository is empty: there is no commit to start from.")),
    "withheld": a.view(run=a.ended(Outcome.withheld, "anna said no, so the work was not pushed.")),
}


def golden(name: str, text: str) -> None:
    """Compare with the file, or write it."""
    file = GOLDEN / f"{name}.md"
    if not file.exists():
        file.write_text(text + "\n")
        pytest.fail(f"{file} is new: read it aloud")
    assert text + "\n" == file.read_text()


@pytest.mark.parametrize("name", VIEWS)
def test_the_status_comment_reads_well(name: str) -> None:
    """On the issue, at four minutes past noon."""
    golden(name, status_comment(VIEWS[name], "issue", None, LATER))


def test_every_state_wait_and_outcome_has_its_own_words() -> None:
    """No two of them read the same, and none is missing."""
    assert {view.state for view in VIEWS.values()} == set(RunState)
    assert {view.waiting_for for view in VIEWS.values()} == {None, *WaitingFor}
    assert {view.outcome for view in VIEWS.values()} == {None, *Outcome}
    lines = [
        headline(view)
        for name, view in VIEWS.items()
        if name not in {"running-with-pull-request", "running-unconfined", "running-told-elsewhere"}
    ]
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("name", ["running-with-pull-request", "delivered"])
def test_the_pull_request_reads_well(name: str) -> None:
    """As a draft, and at the end."""
    words = pull_request_words(VIEWS[name], "https://cco.example")
    golden(f"pull-request-{name}", f"{words.title}\n=====\n{words.body}")


@pytest.mark.parametrize("name", ["running", "delivered", "stopped", "crashed"])
def test_the_check_run_reads_well(name: str) -> None:
    """Its status and conclusion, and the words beside them."""
    words = check_words(VIEWS[name], None)
    golden(f"check-{name}", f"{words.status} {words.conclusion}\n{words.title}\n=====\n{words.summary}")


def test_the_comment_on_the_pull_request_leaves_out_what_is_above_it() -> None:
    """The body of the pull request has Claude's summary, and needs no link to itself."""
    comment = status_comment(VIEWS["delivered"], "pull request", None, LATER)
    assert "keeps the last line" not in comment
    assert "pull/43" not in comment


def test_time_alone_changes_nothing_that_is_compared() -> None:
    """Without a clock the same view gives the same text."""
    assert "4 min" in status_comment(VIEWS["running"], "issue", None, LATER)
    assert "min" not in status_comment(VIEWS["running"], "issue", None, None)


def test_a_very_long_answer_is_cut_with_a_link_to_the_whole() -> None:
    """GitHub takes 65,536 characters and no more."""
    view = a.view(happened.TurnEnded(1.0, 2, False, "```\n" + "x_*@y " * 40_000), run=a.ended(Outcome.answered))
    comment = status_comment(view, "issue", "https://cco.example/", LATER)
    assert len(comment) <= COMMENT_LIMIT
    assert "```\n\n[Read the whole](https://cco.example/tasks/17)" in comment
    assert "`cco show 17` shows the whole" in status_comment(view, "issue", None, LATER)
    assert len(pull_request_words(view, None).body) <= COMMENT_LIMIT
    assert len(check_words(view, None).summary.encode()) <= 65_535


def test_nothing_that_claude_says_is_a_mention_a_marker_or_another_issues_end() -> None:
    """In none of the places where its words appear."""
    evil = "@octocat fixes #1 <!-- cco:task=1 -->"
    item = happened.ChecklistItem(evil, "pending")
    views = [
        a.view(happened.AgentSaid(evil), happened.ToolUsed("Bash", evil), happened.ChecklistChanged((item,))),
        a.view(happened.QuestionAsked("q", evil, (evil,)), run=a.waiting(WaitingFor.answer)),
        a.view(happened.ApprovalAsked("q", "Bash", evil), run=a.waiting(WaitingFor.approval)),
        a.view(happened.WorkHeldBack("c0ffee", (evil,)), run=a.waiting(WaitingFor.approval)),
        a.view(happened.RetryPlanned(evil, 1, ""), run=a.waiting(WaitingFor.weather)),
        a.view(happened.TurnEnded(1.0, 2, False, evil), run=a.ended(Outcome.answered, evil)),
        a.view(run=a.ended(Outcome.crashed, evil), task=a.task(subject=a.replace(a.ISSUE_42, title=evil))),
    ]
    for view in views:
        words = pull_request_words(view, None)
        for text in (
            status_comment(view, "issue", None, None),
            words.title,
            words.body,
            check_words(view, None).summary,
        ):
            plain = text.replace(f"{marker(TaskId(17))}{run_marker(view.run)}", "").replace(f"`{evil}`", "")
            plain = plain.replace(f"`Bash: {evil}`", "").replace(f"`/claude {evil}`", "")
            assert "@octocat" not in plain
            assert "fixes #1" not in plain
            assert "<!--" not in plain.replace(WORDS_BEGIN, "").replace(WORDS_END, "") or text == words.title


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "under a minute"), (61, "1 min"), (3599, "59 min"), (7265, "2 h 01 min")]
)
def test_time_is_rounded(seconds: float, words: str) -> None:
    """Nobody needs the seconds of an hour."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("amount", "words"), [(0, "$0.00"), (0.001, "less than $0.01"), (0.126, "$0.13"), (12, "$12.00")]
)
def test_money_is_rounded(amount: float, words: str) -> None:
    """To the cent."""
    assert dollars(amount) == words


@pytest.mark.parametrize("name", VIEWS)
def test_a_service_that_lost_its_memory_reads_which_run_it_was_and_what_came_of_it(name: str) -> None:
    run = VIEWS[name].run
    assert told_run(status_comment(VIEWS[name], "issue", None, LATER)) == (run.id, run.outcome)


def test_a_comment_of_an_older_version_tells_of_no_run() -> None:
    assert told_run("<!-- cco:task=17 -->\n### Done <!-- cco:run=3 delivered -->") is None
