"""The transition table, by itself."""

from itertools import product

import pytest

from runner.tasks import ENDED, TRANSITIONS, IllegalTransition, Outcome, RunState, Subject, check_transition


def test_every_state_has_a_row_and_every_ended_one_is_final() -> None:
    assert set(TRANSITIONS) == set(RunState)
    assert {state for state, to in TRANSITIONS.items() if not to} == ENDED


def test_every_active_state_can_be_stopped_and_can_fail() -> None:
    for state in set(RunState) - ENDED:
        assert {RunState.stopped, RunState.failed} <= TRANSITIONS[state]


def test_every_state_can_be_reached_from_queued() -> None:
    reached, edge = {RunState.queued}, [RunState.queued]
    while edge:
        new = TRANSITIONS[edge.pop()] - reached
        reached |= new
        edge += new
    assert reached == set(RunState)


@pytest.mark.parametrize(("now", "to"), list(product(RunState, RunState)))
def test_the_check_agrees_with_the_table(now: RunState, to: RunState) -> None:
    if to in TRANSITIONS[now]:
        check_transition(now, to)
    else:
        with pytest.raises(IllegalTransition):
            check_transition(now, to)


def test_every_outcome_ends_a_run() -> None:
    assert {outcome.state for outcome in Outcome} == ENDED


@pytest.mark.parametrize(("key", "number"), [("octo/hello#42", 42), ("PROJ-7", None), ("octo/hello#x", None)])
def test_the_number_of_a_subject(key: str, number: int | None) -> None:
    assert Subject("s", "i", key, "u", "t").number == number
