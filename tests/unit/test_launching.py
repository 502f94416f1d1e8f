"""What a launch is told."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runner.launching import ANEW, CONTINUE, Rules, anew, environment, limits, messages, spec
from runner.spool import Limits, Message
from runner.tasks import Actor, RunId, RunState, TaskId, Trigger, TriggerKind
from tests.factories import ANNA, BOT, NOON, run, task

RULES = Rules(bot=BOT, claude=Path("/opt/claude"), confinement="bwrap", run_turns=50, run_dollars=5.0)
ROOT = Path("/home/cco/tasks/17")


def trigger(number: int, *, acknowledged: bool = False) -> Trigger:
    """What Anna said, numbered."""
    return Trigger(
        id=number,
        task_id=TaskId(17),
        run_id=RunId(5),
        kind=TriggerKind.command,
        actor=ANNA,
        instruction=f"wish {number}",
        said=f"wish {number}",
        uuid=f"uuid-{number}",
        joined=False,
        acknowledged=acknowledged,
        created_at=NOON,
    )


def test_the_first_launch_is_told_every_wish_and_nothing_else() -> None:
    told = messages(run(launch=1), [trigger(1), trigger(2)], [])
    assert [(one.uuid, one.text) for one in told] == [("uuid-1", "wish 1"), ("uuid-2", "wish 2")]


def test_a_later_launch_is_told_what_was_not_heard_and_asked_to_go_on() -> None:
    answer = Message("uuid-3", "You asked: which?\nanna answers: wish 3")
    told = messages(run(launch=2), [trigger(1, acknowledged=True), trigger(2), trigger(3)], [answer])
    assert [one.text for one in told] == ["wish 2", answer.text, CONTINUE]


def test_a_launch_that_is_told_again_is_told_under_the_same_ids() -> None:
    answer = Message("uuid-3", "yes")
    once, again, later = (messages(run(launch=n), [], [answer]) for n in (2, 2, 3))
    assert once == again
    assert {one.uuid for one in once} & {one.uuid for one in later} == {answer.uuid}  # the word to go on is a new one


def test_what_a_run_has_used_is_taken_off_its_limits() -> None:
    left = limits(RULES, run(cost_usd=4.0, turns=45), timedelta(minutes=90))
    assert left == Limits(seconds=1800.0, silence_seconds=1200.0, turns=5, dollars=1.0)


def test_a_run_that_is_over_its_limits_still_gets_a_moment_to_say_so() -> None:
    left = limits(RULES, run(cost_usd=9.0, turns=99), timedelta(hours=9))
    assert (left.seconds, left.turns, left.dollars) == (60.0, 1, 0.01)


def test_no_limit_is_no_limit() -> None:
    free = replace(RULES, run_time=None, run_silence=None, run_turns=None, run_dollars=None)
    assert limits(free, run(), timedelta(0)) == Limits()


def test_confined_claude_may_do_anything_and_unconfined_claude_may_not() -> None:
    prepared, told, left = task(base_sha="b" * 40), (), Limits()
    confined = spec(RULES, prepared, run(), ROOT, {}, ("bwrap",), told, (), left, None)
    free = spec(replace(RULES, confinement="none"), prepared, run(), ROOT, {}, (), told, (), left, None)
    assert (confined.permission_mode, confined.allowed_tools) == ("bypassPermissions", ())
    assert free.permission_mode == "acceptEdits"
    assert "Bash" not in free.allowed_tools


def test_the_bot_is_the_author_and_whoever_asked_is_co_author() -> None:
    told = spec(RULES, task(base_sha="b" * 40), run(), ROOT, {}, (), (), (), Limits(), None)
    assert told.author == "cco-test[bot] <99+cco-test[bot]@users.noreply.github.com>"
    assert told.co_author == "anna <7+anna@users.noreply.github.com>"


def test_whoever_has_no_account_is_nobodys_co_author() -> None:
    operator = run(actor=Actor("the operator"))
    assert spec(RULES, task(base_sha="b" * 40), operator, ROOT, {}, (), (), (), Limits(), None).co_author == ""


def test_a_task_without_a_base_is_a_bug() -> None:
    with pytest.raises(ValueError, match="never prepared"):
        spec(RULES, task(), run(RunState.starting), ROOT, {}, (), (), (), Limits(), None)


def test_the_environment_is_ours_and_holds_no_key() -> None:
    told = environment(replace(RULES, env={"PATH": "/usr/bin"}, key_variable="ANTHROPIC_API_KEY"), run(), ROOT)
    assert told["HOME"] == "/home/cco/tasks/17/home"
    assert told["CLAUDE_CONFIG_DIR"] == "/home/cco/tasks/17/claude"
    assert told["PATH"] == "/usr/bin"
    assert not [name for name in told if any(word in name for word in ("KEY", "TOKEN", "SECRET", "GITHUB", "SLACK"))]


def test_where_the_session_is_gone_claude_is_told_what_it_had_heard_and_what_the_task_began_with() -> None:
    first, heard, fresh = trigger(1, acknowledged=True), trigger(2, acknowledged=True), trigger(3)
    answer = Message("answer", "You asked: which?\nanna answers: this")
    told = anew(run(launch=2), first, [heard, fresh], [answer], before=True)
    assert [one.text for one in told] == [
        "wish 1",
        "wish 2",
        "wish 3",
        "You asked: which?\nanna answers: this",
        ANEW,
    ]
    assert [one.uuid for one in told][1:3] == ["uuid-2", "uuid-3"]  # heard under the ids they have


def test_a_task_that_never_worked_is_told_nothing_of_a_time_before() -> None:
    told = anew(run(launch=1), trigger(1), [trigger(1)], [], before=False)
    assert [one.text for one in told] == ["wish 1"]
