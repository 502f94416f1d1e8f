"""What text from strangers loses on its way to Claude, and what it loses on its way to GitHub."""

import html
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from handlers.sanitize import neutralise, neutralise_line, visible, visible_line

J = "\u2060"


@pytest.mark.parametrize(
    "hidden",
    [
        "<!-- SECRET -->",
        "<!--\nSECRET\n\nSECRET\n-->",
        "<!-- SECRET",
        "[//]: # (SECRET)",
        '[x]: http://example.com "SECRET"',
        "[^note]: SECRET\n    SECRET",
        '<p title="a > SECRET"></p>',
        "<p title='SECRET\n",
        '<img src="x" alt="SECRET">',
        "![SECRET](http://example.com/x.png)",
        '[read](http://example.com "SECRET")',
        "<?SECRET?>",
        "<![CDATA[SECRET]]>",
        "```sh SECRET\nls\n```",
        "<div>\n`<!-- SECRET -->`\n</div>",
        "| ` | <!-- SECRET --> ` |\n|---|---|",
    ],
)
def test_what_a_reader_could_not_see_is_not_read_by_claude(hidden: str) -> None:
    """Each of these shows nothing on GitHub's page, between two paragraphs that do."""
    seen = visible(f"Before.\n\n{hidden}\n\nBehind.")
    assert "SECRET" not in seen
    assert seen.startswith("Before.")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain\u200b\u2066 te\u00adxt\U000e0041", "plain text"),
        ("a&#x200b;b &lt;!-- shown --&gt;", "ab <!-- shown -->"),
        ("\x1b[31mred\x07", "[31mred"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("<details><summary>Log</summary>\n\nline\n\n</details>", "Log\n\nline"),
        ("`<!-- code -->`", "`<!-- code -->`"),
        ("```html\n<!-- code -->\n```", "```html\n<!-- code -->\n```"),
        ("- a\n  - b\n- [x] c", "- a\n  - b\n- [x] c"),
        ("> q\n\n1. a\n2. b", "> q\n\n1. a\n2. b"),
        ("see [^1]\n\n[^1]: shown below", "see [^1]\n\n[^1]: shown below"),
    ],
)
def test_what_a_reader_saw_is_kept(written: str, read: str) -> None:
    """Nothing visible is lost, and nothing stays encoded."""
    assert visible(written) == read


def test_a_title_is_one_line() -> None:
    """GitHub shows a title as it is written, so nothing but what shows nothing is lost."""
    assert visible_line("# fix\n- the <b>*thing*</b>\u202e") == "# fix - the <b>*thing*</b>"


@pytest.mark.parametrize(
    ("said", "posted"),
    [
        ("thanks @octocat", f"thanks @{J}octocat"),
        ("&#64;octocat \\@octocat &commat;octocat", f"@{J}octocat @{J}octocat @{J}octocat"),
        ("&amp;#64;octocat", "&amp;#64;octocat"),
        ("**a**@octo/team", f"**a**@{J}octo/team"),
        ("mail a@example.com", "mail a@example.com"),
        ("`@dataclass`", "`@dataclass`"),
        ("``a`b @octocat``", "``a`b @octocat``"),
        ("```py\n@dataclass\n```", "```py\n@dataclass\n```"),
        ("    @octocat", "```\n@octocat\n```"),
        ("Fixes #12", f"Fix{J}es #12"),
        ("cl&#111;ses: octo/hello#3", f"clos{J}es: octo/hello#3"),
        ("resolved https://github.com/o/r/issues/3", f"resolv{J}ed https://github.com/o/r/issues/3"),
        ("Fix [#3](https://github.com/o/r/issues/3)", f"Fix{J} [#3](https://github.com/o/r/issues/3)"),
        ("I fixed the bug in #12", "I fixed the bug in #12"),
        ("<!-- cco:task=1 -->text", "text"),
        ("<b>bold</b> a < b && c[0] * d", "bold a \\< b && c\\[0\\] \\* d"),
        ("snake_case and https://example.com/@a/b_c_", "snake_case and https://example.com/@a/b_c_"),
        ("![x](https://evil.example/?k=1)", "[image](https://evil.example/?k=1)"),
        ("1986\\. A year", "1986\\. A year"),
        ("\\# no heading", "\\# no heading"),
    ],
)
def test_what_goes_to_github_mentions_and_closes_nothing(said: str, posted: str) -> None:
    """After entities and escapes are resolved; code stays as it is."""
    assert neutralise(said) == posted


@pytest.mark.parametrize(
    "opened", ["```\ncode", "<!-- open", "<details>", "> quote", "- item", "`tick", "~~~~\n```", "a\n==="]
)
def test_what_is_written_behind_it_stands_alone(opened: str) -> None:
    """Nothing that Claude leaves open swallows our own words."""
    tokens = MarkdownIt("commonmark").parse(f"{neutralise(opened)}\n\n---\n\n<!-- ours -->")
    assert [token.type for token in tokens if token.level == 0][-2:] == ["hr", "html_block"]


def test_nested_backticks_do_not_re_arm() -> None:
    """A fence inside a fence, and a span inside a span, end where they did."""
    posted = neutralise("````\n```\n@octocat\n```\n````\n\n` `` @octocat `` `")
    assert MarkdownIt().render(posted).count("@octocat") == 2
    assert f"@{J}" not in posted


def test_a_long_text_is_cut_and_stays_whole() -> None:
    """A cut in the middle of a code block closes it."""
    posted = neutralise("```\n" + "line of code\n" * 10_000, 5_000)
    assert len(posted) <= 5_000
    assert posted.endswith("…\n```")
    assert len(neutralise("*_@a" * 40_000)) <= 60_000
    assert len(neutralise_line("word " * 300, 80)) <= 80


@given(st.text(alphabet="@a#1 \n`~<>!-*_[]()&;x64/\\|:.\u200b", max_size=60))
def test_no_text_makes_a_mention_or_a_comment(text: str) -> None:
    """Rendered again as GitHub does, nothing but code holds an @ before a name."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(neutralise(text))
    assert "<!--" not in re.sub(r"<code.*?</code>", "", page, flags=re.DOTALL)
    words = html.unescape(re.sub(r"<[^>]*>", "\x00", re.sub(r"<code.*?</code>", "", page, flags=re.DOTALL)))
    assert not re.search(r"(?<![A-Za-z0-9/])@[A-Za-z0-9]", words)


@pytest.mark.parametrize(
    "evil", ["<a ", '<a "', "[", "*a _b", "> ", "`", "[^a]:\n", "<!--", "- ", "![[", "&#35;", "[a   ", "*a   "]
)
def test_hostile_text_takes_no_time(evil: str) -> None:
    """As long as GitHub allows an issue to be."""
    started = time.process_time()
    neutralise(evil * (65_536 // len(evil)))
    visible(evil * (65_536 // len(evil)))
    assert time.process_time() - started < 5
