"""What Slack sends, read: who said or clicked what; and whatever else comes is nothing, and no error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.commands import Command, Verb, spoken
from handlers.slack_buttons import buttons, offered
from handlers.slack_heard import Clicked, Whisper, lane_of, meaning
from handlers.slack_rooms import Spot
from runner.events import ApprovalAsked
from runner.tasks import Outcome, RunState, WaitingFor
from tests.factories import ended, run, view, waiting

CLICK: dict[str, Any] = {
    "type": "block_actions",
    "user": {"id": "U1"},
    "container": {"type": "message", "message_ts": "5.0", "channel_id": "C1", "thread_ts": "4.0"},
    "actions": [{"action_id": "cco:approve", "value": "17/0123456789ab", "action_ts": "1795000000.5"}],
    "response_url": "https://hooks.slack.example/1",
}


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("use two eggs", Command(Verb.instruct, "use two eggs")),
        ("stop", Command(Verb.stop)),
        ("Stop!", Command(Verb.stop)),
        ("/claude stop", Command(Verb.stop)),
        ("`/claude stop`", Command(Verb.stop)),
        ("/claude use two eggs", Command(Verb.instruct, "use two eggs")),
        ("retry with salt", Command(Verb.retry, "with salt")),
        ("deny: use the other one", Command(Verb.deny, "use the other one")),
        ("status", Command(Verb.status)),
        ("status codes must be checked", Command(Verb.instruct, "status codes must be checked")),
        ("help the parser along", Command(Verb.instruct, "help the parser along")),
        ("why did you do that?", Command(Verb.instruct, "why did you do that?")),
        ("/claude why", Command(Verb.why)),
        ("one\n/claude stop", Command(Verb.instruct, "one\n/claude stop")),
    ],
)
def test_a_reply_is_an_instruction_unless_it_begins_with_a_command(text: str, command: Command) -> None:
    assert spoken(text) == command


def test_a_click_names_the_task_and_the_question() -> None:
    found = meaning("interactive", CLICK)
    assert isinstance(found, Clicked)
    assert (found.verb, found.task, found.request) == (Verb.approve, 17, "0123456789ab")
    assert found.where == Whisper("U1", "C1", "4.0", "https://hooks.slack.example/1")
    assert found.thread == Spot("C1", "4.0")
    assert found.key == "click/C1/5.0/1795000000.5"


@pytest.mark.parametrize(
    "more",
    [
        {"actions": []},
        {"actions": [{"action_id": "cco:open", "action_ts": "1.0"}]},
        {"actions": [{"action_id": "other:stop", "value": "17", "action_ts": "1.0"}]},
        {"actions": [{"action_id": "cco:stop", "value": "17; drop", "action_ts": "1.0"}]},
        {"actions": [{"action_id": "cco:stop", "value": "17", "action_ts": "nan"}]},
        {"container": {"type": "view"}},
        {"user": None},
        {"type": "view_closed"},
        {"type": "message_action", "callback_id": "another"},
    ],
)
def test_what_is_no_click_of_ours_is_nothing(more: dict[str, Any]) -> None:
    assert meaning("interactive", CLICK | more) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "event", "user", "channel", "actions", "container", "view", "ts", "thread_ts", "text"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(st.sampled_from(["events_api", "interactive", "slash_commands", "hello"]), JSON)
def test_whatever_comes_is_no_error(kind: str, payload: Any) -> None:
    if isinstance(payload, dict):
        meaning(kind, payload)
        lane_of(payload)


def test_a_thread_is_a_lane_for_its_messages_and_for_the_clicks_below_them() -> None:
    said = {"event": {"channel": "C1", "ts": "6.0", "thread_ts": "4.0"}}
    first = CLICK | {"container": {"message_ts": "4.0", "channel_id": "C1"}}
    assert lane_of(said) == lane_of(CLICK) == lane_of(first) == "C1/4.0"
    assert lane_of({"trigger_id": "t1"}) == "t1/alone"


def test_only_what_makes_sense_is_offered() -> None:
    asked = view(ApprovalAsked("a1", "Bash", "Bash: make"), run=waiting(WaitingFor.approval))
    assert offered(asked) == [Verb.approve, Verb.deny, Verb.stop]
    assert offered(view()) == [Verb.stop]
    assert offered(view(run=run(RunState.running, stop_asked_by="anna"))) == []
    assert offered(view(run=ended(Outcome.delivered))) == []
    assert offered(view(run=ended(Outcome.crashed))) == [Verb.retry]


def test_a_yes_names_its_question_and_another_question_has_another_name() -> None:
    first, second = (
        json.dumps(buttons(view(ApprovalAsked(name, "Bash", "x"), run=waiting(WaitingFor.approval))).to_dict())
        for name in ("a1", "a2")
    )
    assert first != second
