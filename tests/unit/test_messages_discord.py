"""What Discord is told of a task, read aloud; and that nothing in it calls out, hides, overflows or gives a secret."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.messages_discord import embed
from runner.events import InstructionGiven
from runner.tasks import RunState
from runner.view import TaskView
from tests.factories import run, view
from tests.fakes.discord import MENTION, words
from tests.fakes.discord import _wrong as refused
from tests.fakes.slack import TOKEN
from tests.unit.test_messages_slack import DASHBOARD, LATER, VIEWS, hostile, redact, same

GOLDEN = Path(__file__).parent / "golden" / "discord.txt"
TOLD = view(
    InstructionGiven("bob", "mind the shell", "u1", "Slack"),
    InstructionGiven("anna", "and the tests", "u2"),
    run=run(RunState.running),
)


def message(seen: TaskView, dashboard: str | None = DASHBOARD) -> dict[str, object]:
    return {"embeds": [embed(seen, same, dashboard, LATER)], "allowed_mentions": {"parse": []}}


def spoken() -> str:
    parts = []
    for name, seen in {**VIEWS, "told elsewhere": TOLD}.items():
        said = message(seen)
        parts.append(f"=== {name} #{embed(seen, same, None, None)['color']:06x}\n{words(said)}\n")
    return "\n".join(parts).replace("\u2060", "")


def test_what_is_said_reads_well() -> None:
    """Every message, word for word, as it was read aloud."""
    assert spoken() == GOLDEN.read_text()


def test_without_the_time_two_moments_look_the_same() -> None:
    """Elapsed time is no reason for an edit."""
    assert "4 min" not in json.dumps(embed(VIEWS["running"], same, None, None))
    assert "4 min" in json.dumps(embed(VIEWS["running"], same, None, LATER))


@pytest.mark.parametrize(
    "attack", ["@everyone", "<@123>", "<@&5>", "<#77>", "@here", "&lt;@1&gt;", "<!-- x -->@here", "**@everyone**"]
)
def test_nobody_is_called_out(attack: str) -> None:
    """Whatever a stranger or Claude writes, and wherever, nobody is notified: not even by what is left of it."""
    for seen in hostile(f"a {attack} b"):
        for text in _texts(seen):
            outside_code = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)  # where Discord reads no mention
            assert MENTION.search(outside_code.replace("\\<", "(")) is None, text


@pytest.mark.parametrize(
    ("written", "sent"),
    [("||hidden||", r"\|\|hidden\|\|"), (":skull:", r"\:skull:"), ("# loud", r"\# loud"), ("> quoted", r"\> quoted")],
)
def test_a_line_is_shown_as_it_was_written(written: str, sent: str) -> None:
    seen = view(task=replace(VIEWS["running"].task, subject=replace(VIEWS["running"].task.subject, title=written)))
    assert str(embed(seen, same, None, None)["description"]).split("\n")[0].endswith(f"** {sent}")


def test_a_secret_of_ours_is_not_said() -> None:
    """Not in any text; also with an invisible character, a comment or a star in it."""
    hidden = [TOKEN[:8] + inside + TOKEN[8:] for inside in ("\u200b", "<!-- -->", "&#8203;")]
    for seen in hostile(f"it is {TOKEN} or {' or '.join(hidden)}"):
        assert TOKEN not in json.dumps(embed(seen, redact, None, LATER)).replace("\\\\", "")


@given(st.text(alphabet=st.sampled_from("a<>&@`*_|#\n \u200b\U0001f600"), max_size=200), st.integers(1, 100))
def test_any_text_fits(text: str, times: int) -> None:
    """Discord's limits hold, and nothing that must be there is empty."""
    for seen in hostile(text * times):
        assert refused(message(seen)) == ""


def _texts(seen: TaskView) -> list[str]:
    said = embed(seen, same, DASHBOARD, LATER)
    return [said["title"], said["description"], *(one["value"] for one in said["fields"]), said["footer"]["text"]]
