"""Slack's markup, read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import answers
from handlers.mrkdwn import markdown, mrkdwn, plain
from handlers.people import UNKNOWN
from handlers.sanitize import neutralise
from tests.fakes.slack_blocks import mentions


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("hello", "hello"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("&amp;lt;", "&lt;"),
        ("<@U123> look at <#C1|builds>", "@U123 look at #builds"),
        ("<@U123|anna>", "@anna"),
        ("<!here> and <!subteam^S1|@team>", "@here and @team"),
        ("<https://a.example/x>", "https://a.example/x"),
        ("<https://a.example/x|a.example/x>", "https://a.example/x"),
        ("<https://a.example/x|the page>", "the page (https://a.example/x)"),
        ("<mailto:a@b.example|a@b.example>", "mailto:a@b.example"),
        ("  \n", ""),
    ],
)
def test_what_a_person_wrote_is_read_as_they_see_it(written: str, seen: str) -> None:
    assert plain(written) == seen


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("**Done.** It is *good*", "*Done.* It is _good_"),
        ("`/claude stop` ends it", "`/claude stop` ends it"),
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("[#43](https://github.com/o/r/pull/43)", "<https://github.com/o/r/pull/43|#43>"),
        ("- one\n- two", "• one\n• two"),
        ("> quoted\n> twice", "> quoted\n> twice"),
        ("\\*not bold\\* and \\<here\\>", "*not bold* and &lt;here&gt;"),
        ("`a < b`", "`a &lt; b`"),
        ("```\nx = 1\n```", "```x = 1```"),
        ("| | |\n| --- | --- |\n| `stop` | stop it |", "• `stop` – stop it"),  # noqa: RUF001  (a dash)
        ("one\n\n---\n\ntwo", "one\n\n──────────\n\ntwo"),
        ("### Head", "*Head*"),
        ("~~gone~~", "~gone~"),
        ("@anna cannot", "@\u2060anna cannot"),
        ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@\u2060U1&gt;"),
        ("&lt;!here&gt;", "&lt;!here&gt;"),
        ("2 * 3 * 4", "2 * 3 * 4"),
    ],
)
def test_our_answers_are_shown_as_they_were_meant(said: str, shown: str) -> None:
    assert mrkdwn(said) == shown


def test_our_own_sentences_have_no_markdown_left_in_them() -> None:
    for sentence in (answers.helping("claude"), UNKNOWN, answers.STOPPING, answers.ASKED_IN_WORDS):
        shown = mrkdwn(sentence)
        assert "**" not in shown
        assert "](" not in shown
        assert "| ---" not in shown


def test_a_long_answer_is_cut_between_lines() -> None:
    shown = mrkdwn("\n".join(["a line of words"] * 400))
    assert len(shown) <= 3_000
    assert shown.endswith("a line of words\n…")


@given(st.text(alphabet=st.sampled_from("ab1 <>!@#&;\\`*_~[]()|-\n\ue000\ue001\ue002\u2060")))
def test_whatever_is_in_an_answer_calls_nobody(text: str) -> None:
    """Neither as it is, nor behind what our own Markdown does to it."""
    for said in (text, neutralise(text), f"`{text}`", f"<!here> {text} <@U123456>"):
        shown = mrkdwn(said)
        assert mentions({"text": shown, "blocks": []}) == []
        assert len(shown) <= 3_000


def test_what_looks_like_html_reaches_claude_and_code_is_left_alone() -> None:
    assert markdown("List<int> and `List<int>`") == "List\\<int> and `List<int>`"
