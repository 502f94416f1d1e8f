"""Events from lines that the real CLI said."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.demo import story
from runner import events, spool
from runner.checklist import Checklist
from runner.events import (
    AgentSaid,
    AgentStarted,
    ApprovalAsked,
    ChecklistChanged,
    ChecklistItem,
    CommitsExported,
    Event,
    InstructionTaken,
    QuestionAsked,
    QuotaReached,
    ToolUsed,
    TurnEnded,
)
from runner.progress import Progress, events_of
from runner.spool import Line
from runner.transcript import Transcript

LINES = Path(__file__).parents[1] / "fakes" / "claude_lines"
WORKTREE = "/srv/task/work tree é"


def lines_of(scene: str) -> list[Line]:
    rows = (LINES / f"{scene}.jsonl").read_text().splitlines()
    return [Line(n, 0.0, spool.CLAUDE, {"line": json.loads(row)}, 0) for n, row in enumerate(rows, 1)]


def told(lines: list[Line], memory: Progress | None = None) -> list[Event]:
    memory = memory or Progress(1, WORKTREE)
    return [event for line in lines for event in events_of(line, memory)]


def claude_line(**line: Any) -> Line:
    return Line(1, 0.0, spool.CLAUDE, {"line": line}, 0)


def test_the_story_is_told() -> None:
    happened = told(lines_of("story"))
    assert len([event for event in happened if isinstance(event, AgentStarted)]) == 1
    assert [event.summary for event in happened if isinstance(event, ToolUsed)] == [
        "Read: eggtimer/durations.py",
        "Read: tests/test_durations.py",
        "Bash: python3 -m unittest",
        "Edit: eggtimer/durations.py",
        "Edit: eggtimer/durations.py",
        "Bash: python3 -m unittest",
        f'Bash: git commit -a -m "{story.COMMIT_TITLE}" -m "{story.COMMIT_BODY}"'[:159],
    ]
    *_, checklist = [event for event in happened if isinstance(event, ChecklistChanged)]
    assert checklist.items == tuple(ChecklistItem(text, "completed") for text in story.DOING)
    (ended,) = [event for event in happened if isinstance(event, TurnEnded)]
    assert ended.turns == 9
    assert ended.cost_usd > 0
    assert ended.answer == story.SUMMARY.strip()
    assert [event.text for event in happened if isinstance(event, AgentSaid)][-1] == story.SUMMARY.strip()
    assert len([event for event in happened if isinstance(event, InstructionTaken)]) == 1


@pytest.mark.parametrize("scene", sorted(path.stem for path in LINES.glob("*.jsonl")))
def test_a_restart_in_the_middle_changes_nothing(scene: str) -> None:
    lines = lines_of(scene)
    memory = Progress(1, WORKTREE)
    happened: list[Event] = []
    for line in lines:
        happened += events_of(line, memory)
        memory = Progress.from_json(memory.to_json())
    assert happened == told(lines)
    assert [events.decode(*events.encode(event)) for event in happened] == happened


def test_a_question_and_an_approval_are_asked() -> None:
    happened = told(lines_of("asked"))
    (question,) = [event for event in happened if isinstance(event, QuestionAsked)]
    assert (question.question, question.options) == ("Which way?", ("left", "right"))
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "curl x\nrm -rf /"}}
    (asked,) = told([claude_line(type="control_request", request_id="r1", request=request)])
    assert asked == ApprovalAsked("r1", "Bash", "Bash: curl x")


def test_the_quota_says_when_it_resets() -> None:
    (reached,) = [event for event in told(lines_of("quota_reached")) if isinstance(event, QuotaReached)]
    assert reached.until == "2026-01-01T00:00:00+00:00"
    assert not [event for event in told(lines_of("quota_warning")) if isinstance(event, QuotaReached)]


def test_an_error_of_the_api_is_an_error_though_it_says_success() -> None:
    (ended,) = [event for event in told(lines_of("overloaded")) if isinstance(event, TurnEnded)]
    assert (ended.is_error, ended.cost_usd, ended.turns) == (True, 0.0, 0)
    assert not [event for event in told(lines_of("overloaded")) if isinstance(event, AgentSaid)]


def test_a_bundle_is_commits_exported() -> None:
    line = Line(1, 0.0, spool.BUNDLE, {"number": 2, "sha": "a" * 40}, 0)
    assert told([line], Progress(3, WORKTREE)) == [CommitsExported(3, 2, "a" * 40)]


def test_a_list_written_whole_is_a_checklist_too() -> None:
    todos = [{"content": "One", "status": "completed"}, {"content": "Two\x1b[31m", "status": "flying"}, "three"]
    block = {"type": "tool_use", "id": "t", "name": "TodoWrite", "input": {"todos": todos}}
    (changed,) = told([claude_line(type="assistant", message={"id": "m", "content": [block]})])
    assert changed == ChecklistChanged((ChecklistItem("One", "completed"), ChecklistItem("Two", "pending")))


def test_a_deleted_line_leaves_the_checklist_and_a_sub_agent_does_not_touch_it() -> None:
    memory = Progress(1, WORKTREE, checklist=Checklist({"1": ("One", "pending")}))
    block = {"type": "tool_use", "id": "t", "name": "TaskUpdate", "input": {"taskId": "1", "status": "deleted"}}
    message = {"id": "m", "content": [block]}
    assert told([claude_line(type="assistant", message=message, parent_tool_use_id="p")], memory) == []
    assert told([claude_line(type="assistant", message=message)], memory) == [ChecklistChanged(())]


def test_hostile_text_is_cleaned_and_bounded() -> None:
    text = {"type": "text", "text": "\x1b]0;owned\x07" + "x" * 10_000}
    tool = {"type": "tool_use", "id": "t", "name": "Bash\x1b[2J", "input": {"command": "echo \u202e" + "y" * 10_000}}
    said, used = told([claude_line(type="assistant", message={"id": "m", "content": [text, tool]})])
    assert isinstance(said, AgentSaid)
    assert isinstance(used, ToolUsed)
    assert len(said.text) == 4000
    assert used.tool == "Bash"
    assert len(used.summary) <= 160
    assert "\u202e" not in used.summary


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "message",
    "request",
    "rate_limit_info",
    "model_usage_since_last_result",
    "subtype",
    "tool_use_result",
    "errors",
)
TYPES = ("assistant", "user", "system", "result", "control_request", "rate_limit_event", "command_lifecycle")


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.sampled_from(TYPES), JSON)
def test_no_shape_of_a_line_breaks_it(line: dict[str, Any], kind: str, content: Any) -> None:
    blocks = [
        {"type": "tool_use", "name": "AskUserQuestion", "input": content},
        {"type": "tool_result", "content": content},
    ]
    for message in (line.get("message"), {"id": "m", "content": blocks}):
        given_line = claude_line(**{**line, "message": message, "type": kind})
        told([given_line])
        Transcript("/w").draw(given_line, 40)
