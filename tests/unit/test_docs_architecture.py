"""The picture of a run is the table that the code runs on."""

import re
from pathlib import Path

from runner.tasks import ENDED, TRANSITIONS, RunState, WaitingFor

TEXT = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8")


def test_the_state_diagram_is_the_transition_table() -> None:
    drawn = set(re.findall(r"^ +(\S+) --> (\S+)$", TEXT, re.MULTILINE))
    table = {(now.value, to.value) for now, targets in TRANSITIONS.items() for to in targets}
    ends = {(state.value, "[*]") for state in ENDED}
    assert drawn == table | ends | {("[*]", RunState.queued.value)}


def test_every_wait_is_named() -> None:
    for what in WaitingFor:
        assert f"`{what.value}`" in TEXT
