"""What Slack is told of a task, read aloud; and that nothing in it calls out, links away or gives a secret."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.messages_slack import Message, Voice, first_message, moment, reply
from runner.events import (
    ApprovalAsked,
    BranchPushed,
    ChecklistChanged,
    ChecklistItem,
    InstructionGiven,
    LaunchStarted,
    QuestionAsked,
    TurnEnded,
    WorkHeldBack,
)
from runner.tasks import Outcome, RunState, WaitingFor
from runner.view import TaskView
from tests.factories import ISSUE_42, NOON, PULL_REQUEST, ended, run, task, view, waiting
from tests.fakes.slack import TOKEN
from tests.fakes.slack_blocks import mentions, words

GOLDEN = Path(__file__).parent / "golden" / "slack.txt"
LATER = NOON + timedelta(minutes=4)
DASHBOARD = "https://cco.example.com/"

STEPS = ChecklistChanged(
    (
        ChecklistItem("Reproduce it with a test", "completed"),
        ChecklistItem("Keep the last line", "completed"),
        ChecklistItem("Run all the tests", "in_progress"),
        ChecklistItem("Write it into the changelog", "pending"),
    )
)
PUSHED = BranchPushed("claude/issue-42", "a" * 40, 2, 3, 10, 2)
ANSWER = TurnEnded(0.1, 6, False, "The last line is kept now.\n\nI added a test that fails without the change.")
HELD = WorkHeldBack("b" * 40, ("`.github/workflows/ci.yml` would change a workflow.",))
QUESTION = QuestionAsked("q1", "Which format should the export have?", ("CSV", "JSON"))

DRAFTED = task(pull_request=PULL_REQUEST)
READY = task(pull_request=replace(PULL_REQUEST, draft=False))

VIEWS = {
    "queued": view(run=run(RunState.queued), position=2),
    "running": view(STEPS, run=run(cost_usd=0.0712), task=DRAFTED),
    "pushed": view(STEPS, PUSHED, run=run(cost_usd=0.0712), task=DRAFTED),
    "told on GitHub": view(
        InstructionGiven("bob", "And mind the *last* line, @anna", "u1"),
        InstructionGiven("anna", "I do", "u2", "Slack"),
        run=run(),
    ),
    "without a sandbox": view(LaunchStarted(1, "none")),
    "limit reached": view(run=waiting(WaitingFor.quota, waiting_until=NOON + timedelta(hours=3))),
    "question": view(STEPS, QUESTION, run=waiting(WaitingFor.answer)),
    "permission": view(ApprovalAsked("a1", "Bash", "Bash: make `deploy`"), run=waiting(WaitingFor.approval)),
    "held back": view(HELD, run=waiting(WaitingFor.approval)),
    "ready": view(STEPS, PUSHED, ANSWER, run=ended(Outcome.delivered), task=READY),
    "answered": view(ANSWER, run=ended(Outcome.answered)),
    "failed": view(run=ended(Outcome.crashed, "Claude ended without a result, three times.")),
    "stopped": view(run=ended(Outcome.stopped, "label removed", stop_asked_by="anna")),
    "merged": view(ANSWER, run=ended(Outcome.delivered), task=task(pull_request=replace(PULL_REQUEST, state="merged"))),
}


def same(text: str) -> str:
    return text


def everything(seen: TaskView) -> list[Message]:
    messages = [first_message(seen, Voice(same, DASHBOARD, hears=True), LATER)]
    return [*messages, reply(seen, Voice(same, DASHBOARD, hears=True), LATER)] if moment(seen) else messages


def spoken() -> str:
    parts = []
    for name, seen in VIEWS.items():
        for kind, message in zip(("message", "reply"), everything(seen), strict=False):
            shown = words({"blocks": message.blocks})
            parts.append(f"=== {name}: {kind}\n({message.text})\n{shown}\n")
    return "\n".join(parts).replace("\u2060", "")


def test_what_is_said_reads_well() -> None:
    """Every message and reply, word for word, as it was read aloud."""
    assert spoken() == GOLDEN.read_text()


def test_only_what_someone_must_know_has_a_name() -> None:
    """A person is called when it is their turn, and when it is over; not for the weather, and not for progress."""
    silent = {name for name, seen in VIEWS.items() if moment(seen) is None}
    assert silent == {"queued", "running", "pushed", "told on GitHub", "without a sandbox", "limit reached"}


def test_a_second_question_is_news_and_progress_is_not() -> None:
    """The name stands for one question, whatever else goes on meanwhile."""
    first = VIEWS["question"]
    more = replace(first, checklist=(), cost_usd=2.0)
    second = view(replace(QUESTION, request="q2"), run=waiting(WaitingFor.answer))
    assert moment(first) == moment(more) != moment(second)


def test_without_the_time_two_moments_look_the_same() -> None:
    """Elapsed time is no reason for an edit."""
    assert first_message(VIEWS["running"], Voice(same, None, hears=True), None) == first_message(
        VIEWS["running"], Voice(same, None, hears=True), None
    )
    assert "4 min" not in json.dumps(first_message(VIEWS["running"], Voice(same, None, hears=True), None).blocks)
    assert "4 min" in json.dumps(first_message(VIEWS["running"], Voice(same, None, hears=True), LATER).blocks)


@pytest.mark.parametrize("attack", ["<!channel>", "<@U024BE7LH>", "@here", "<!subteam^S1|x>", "<#C1>", "&lt;!here&gt;"])
def test_nobody_is_called_out(attack: str) -> None:
    """Whatever a stranger or Claude writes, and wherever, Slack notifies nobody because of it."""
    everywhere = hostile(f"a {attack} b <https://evil.example|octo/hello#42>")
    for seen in everywhere:
        for message in everything(seen):
            assert mentions({"text": message.text, "blocks": message.blocks}) == []
            assert "<https://evil.example" not in json.dumps(message.blocks)


def test_a_secret_of_ours_is_not_said() -> None:
    """Not in a title, a step, a question, a finding, a reason or an answer; also with an invisible character in it."""
    hidden = TOKEN[:8] + "\u200b" + TOKEN[8:]
    for seen in hostile(f"it is {TOKEN} or {hidden}"):
        for message in (
            first_message(seen, Voice(redact, None, hears=True), LATER),
            *([reply(seen, Voice(redact, None, hears=True), LATER)] if moment(seen) else []),
        ):
            assert TOKEN not in json.dumps([message.text, message.blocks])


@given(st.text(alphabet=st.sampled_from("a<>&@`*_\n \u200b\U0001f600"), max_size=200), st.integers(1, 100))
def test_any_text_fits(text: str, times: int) -> None:
    """Slack's limits hold: 3,000 characters a text, 8,000 a message; a message is never empty."""
    for seen in hostile(text * times):
        for message in everything(seen):
            texts = [t for b in message.blocks for t in [b.get("text"), *b.get("elements", [])] if t and "text" in t]
            texts = [one["text"] if isinstance(one["text"], dict) else one for one in texts]
            assert all(1 <= len(text["text"]) <= 3_000 for text in texts)
            assert sum(len(text["text"]) for text in texts) <= 8_000
            assert 1 <= len(message.text) <= 1_000


def redact(text: str) -> str:
    return text.replace(TOKEN, "[redacted]")


def hostile(text: str) -> list[TaskView]:
    """Views in which everything that someone else writes is this text."""
    subject = task(subject=replace(ISSUE_42, title=text), pull_request=PULL_REQUEST)
    steps = ChecklistChanged((ChecklistItem(text, "in_progress"),) * 30)
    return [
        view(steps, task=subject),
        view(steps, *[InstructionGiven(text, text, f"u{number}", text) for number in range(3)], task=subject),
        view(QuestionAsked("q", text, (text,) * 30), run=waiting(WaitingFor.answer), task=subject),
        view(ApprovalAsked("a", "Bash", text), run=waiting(WaitingFor.approval), task=subject),
        view(WorkHeldBack("c" * 40, (text,) * 30), run=waiting(WaitingFor.approval), task=subject),
        view(TurnEnded(0.1, 1, False, text), run=ended(Outcome.delivered), task=subject),
        view(run=ended(Outcome.crashed, text), task=subject),
        view(run=ended(Outcome.stopped, text, stop_asked_by=text), task=subject),
    ]
