"""Claude's words, a transcript and a diff as HTML."""

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from app.dashboard import drawing

TAGS = {"p", "em", "strong", "code", "pre", "a", "ul", "ol", "li", "blockquote", "hr", "br", "s", "table", "thead"}
TAGS |= {"tbody", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6"}
# Pieces that mean something to Markdown, HTML or a terminal, so that their combinations do.
PIECES = [
    *"<>&\"'`*_[]()!#|~-+ \n\\",
    "\x1b[",
    "\x1b]0;",
    "\x9b",
    "31m",
    "0;1;4",
    "m",
    "script",
    "javascript:",
    "data:",
]
PIECES += ["<a href=", "onerror=", "](", "![", "https://x.example", "&lt;", "&#x6a;", "```", "|-|", "\u202e", "text"]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


class Elements(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(HOSTILE)
def test_markdown_makes_no_element_but_its_own_and_no_link_that_acts(text: str) -> None:
    for tag, attributes in Elements(drawing.markdown(text)).tags:
        assert tag in TAGS
        assert set(attributes) <= {"href", "title", "rel", "class", "start", "style"}
        assert re.fullmatch(r"(?:text-align:(?:left|right|center))?", attributes.get("style") or "")
        assert not re.match(r"\s*(javascript|data|vbscript|file):", attributes.get("href") or "", re.IGNORECASE)


@given(HOSTILE)
def test_a_terminals_text_becomes_spans_and_nothing_else(text: str) -> None:
    drawn = Elements(drawing.terminal(text))
    for tag, attributes in drawn.tags:
        assert tag == "span"
        assert set(attributes) == {"class"}
        assert re.fullmatch(r"(?:[bdir]|[fk]\d+)(?: (?:[bdir]|[fk]\d+))*", attributes["class"] or "")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", drawn.text)


def test_colours_add_up_until_they_are_reset() -> None:
    drawn = drawing.terminal("a\x1b[1mb\x1b[31mc\x1b[22md\x1b[0me\x1b[30;43mf\x1b[39;49mg\x1b[95mh\x1b[mi")
    assert drawn == (
        'a<span class="b">b</span><span class="b f1">c</span><span class="f1">d</span>e'
        '<span class="f0 k3">f</span>g<span class="f13">h</span>i'
    )


def test_what_is_in_a_hunk_cannot_pose_as_a_header() -> None:
    lines = drawing.diff(
        "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@ def f():\n--- a/y\n+++ b/y\n same\n"
        "diff --git a/old b/new\nsimilarity index 90%\n@@ -3 +3 @@\n-@@ -1 +1 @@\n+diff --git a/z b/z\n"
        "\\ No newline at end of file\n"
    )
    assert [tuple(line) for line in lines] == [
        ("file", "x"),
        ("hunk", "@@ -1,2 +1,2 @@ def f():"),
        ("removed", "--- a/y"),
        ("added", "+++ b/y"),
        ("same", " same"),
        ("file", "a/old b/new"),
        ("meta", "similarity index 90%"),
        ("hunk", "@@ -3 +3 @@"),
        ("removed", "-@@ -1 +1 @@"),
        ("added", "+diff --git a/z b/z"),
        ("meta", "\\ No newline at end of file"),
    ]


def test_a_duration_says_its_two_largest_units() -> None:
    assert [drawing.duration(seconds) for seconds in (-1, 0, 59.9, 61, 3599, 3600, 90_061)] == [
        "0 s", "0 s", "59 s", "1 min 01 s", "59 min 59 s", "1 h 00 min", "25 h 01 min",
    ]  # fmt: skip
