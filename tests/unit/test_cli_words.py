"""A task's record in a few words, and rows in columns."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.cli import words
from app.cli.table import Cell, columns, fit, render
from runner.tasks import Outcome

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def task(state: str = "running", **changes: Any) -> dict[str, Any]:
    """Task 17, as the API tells of it, four minutes after its run began."""
    run = {
        "number": 5,
        "state": state,
        "trigger": "label",
        "actor": "anna",
        "started_at": "2026-11-23T11:56:00Z",
        "ended_at": None,
        "outcome": None,
        "cost_usd": 0.12,
        "turns": 6,
    }
    run.update({name: changes.pop(name) for name in ("started_at", "ended_at", "outcome") if name in changes})
    return {"id": 17, "state": state, "runs": [run], "pull_request": None, "cost_usd": 0.12, **changes}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (task("queued", position=0), "queued, next in line"),
        (task("queued", position=3), "queued, 3 ahead of it"),
        (task("starting"), "starting"),
        (task("running"), "running"),
        (task("waiting", waiting_for="approval"), "waits for your yes or no"),
        (task("waiting", waiting_for="answer"), "waits for your answer"),
        (task("waiting", waiting_for="slot", position=2), "waits for a slot, 2 ahead of it"),
        (task("waiting", waiting_for="quota"), "waits for Claude's usage limit"),
        (task("waiting", waiting_for="weather"), "tries again soon"),
        (task("publishing"), "publishing"),
        (task("succeeded", ended_at="2026-11-23T12:00:00Z", outcome="delivered"), "done"),
        (task("failed", ended_at="2026-11-23T12:00:00Z", outcome="out_of_credit"), "failed: no credit left"),
        (task("stopped", ended_at="2026-11-23T12:00:00Z", outcome="stopped"), "stopped"),
    ],
)
def test_a_state_is_said_with_what_it_waits_for(record: dict[str, Any], said: str) -> None:
    assert words.state_of(record, NOON) == said


def test_a_wait_with_an_end_says_until_when() -> None:
    record = task("waiting", waiting_for="quota", waiting_until="2026-11-23T12:30:00Z")
    clock = datetime(2026, 11, 23, 12, 30, tzinfo=UTC).astimezone().strftime("%H:%M")
    assert words.state_of(record, NOON) == f"waits for Claude's usage limit until {clock}"


def test_another_day_is_said_with_its_date() -> None:
    assert words.at("2026-11-26T12:00:00Z", NOON).startswith("2026-11-26 ")


def test_every_outcome_has_words() -> None:
    assert set(words.OUTCOMES) == {outcome.value for outcome in Outcome}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0 s"), (42, "42 s"), (187, "3 min 07 s"), (7500, "2 h 05 min"), (273_600, "3 d 4 h")],
)
def test_a_duration_has_two_units(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_the_time_of_a_run_ends_with_it() -> None:
    record = task(ended_at="2026-11-23T11:57:30Z")
    assert words.elapsed(record["runs"][0], NOON) == "1 min 30 s"
    assert words.elapsed(task()["runs"][0], NOON) == "4 min 00 s"
    assert words.elapsed(task(started_at=None)["runs"][0], NOON) == "-"


@pytest.mark.parametrize(("amount", "said"), [(0.0, "$0.00"), (0.004, "<$0.01"), (0.128, "$0.13"), (12, "$12.00")])
def test_dollars(amount: float, said: str) -> None:
    assert words.dollars(amount) == said


def test_a_pull_request_is_said_with_its_state() -> None:
    assert words.pull_request(task()) == "-"
    assert words.pull_request(task(pull_request={"number": 43, "state": "open", "draft": True})) == "#43 draft"
    assert words.pull_request(task(pull_request={"number": 43, "state": "merged", "draft": False})) == "#43 merged"


def test_columns_line_up_whatever_is_in_them() -> None:
    rows = [
        [Cell("1"), Cell("é 漢字"), Cell("running")],
        [Cell("17"), Cell("e\u0301 plain"), Cell("done")],
    ]
    table = render(("ID", "WHAT", "STATE"), rows, 80, 1).split("\n")
    stripped = [line.replace("\x1b[90m", "").replace("\x1b[0m", "") for line in table]
    places = [
        columns(line[: line.index(word)]) for line, word in zip(stripped, ("STATE", "running", "done"), strict=True)
    ]
    assert len(set(places)) == 1


def test_one_column_gives_way_on_a_narrow_screen() -> None:
    rows = [[Cell("1"), Cell("a title that goes on and on and on"), Cell("running")]]
    line = render(("ID", "WHAT", "STATE"), rows, 30, 1).split("\n")[1]
    assert columns(line) <= 30
    assert "…" in line
    assert line.endswith("running")


def test_a_cut_never_halves_a_wide_character() -> None:
    assert fit("漢字漢字", 4) == "漢…"
    assert fit("漢字", 4) == "漢字"
    assert fit("plain", 9) == "plain"


def test_one_is_not_many() -> None:
    assert words.count(1, "commit") == "1 commit"
    assert words.count(0, "file") == "0 files"
