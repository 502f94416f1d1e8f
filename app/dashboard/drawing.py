"""Turn what Claude wrote into HTML: words, transcript, diff. Pure; whatever comes in, only text comes out."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from runner.text import clean

# An image would be fetched from wherever its author likes; as a link it waits until someone wants it.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")

_COLOUR = re.compile(r"\x1b\[([0-9;]{0,40})m")
_NAMED = {1: "b", 2: "d", 3: "i", 7: "r"}
_ENDED_BY = {22: ("b", "d"), 23: ("i",), 27: ("r",)}

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def markdown(text: str) -> Markup:
    """Markdown as HTML: what is HTML in it is shown as it is written, and a link leads to http, https or mailto."""
    tokens = _MARKDOWN.parse(clean(text))
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("rel", "noopener noreferrer nofollow")
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S704  the renderer escapes


def terminal(text: str) -> Markup:
    """Text with a terminal's colours as spans with classes; every other control character is gone."""
    pieces: list[Markup] = []
    style: dict[str, None] = {}
    start = 0
    for code in _COLOUR.finditer(text):
        pieces.append(_span(text[start : code.start()], style))
        style = _styled(style, code[1])
        start = code.end()
    pieces.append(_span(text[start:], style))
    return Markup("").join(pieces)


def _span(text: str, style: dict[str, None]) -> Markup:
    shown = escape(clean(text))
    return Markup('<span class="{}">{}</span>').format(" ".join(style), shown) if style and shown else shown


def _styled(style: dict[str, None], codes: str) -> dict[str, None]:
    """The classes after one colour code: b d i r, f0 to f15 in front, k0 to k7 behind."""
    for code in (int(part or 0) for part in codes.split(";")):
        if code == 0:
            style = {}
        elif code in _NAMED:
            style = {**style, _NAMED[code]: None}
        elif code in _ENDED_BY:
            style = {name: None for name in style if name not in _ENDED_BY[code]}
        elif 30 <= code <= 39 or 90 <= code <= 97:
            shade = code - 30 if code < 40 else code - 82
            style = {name: None for name in style if name[0] != "f"} | ({} if code in {38, 39} else {f"f{shade}": None})
        elif 40 <= code <= 49:
            style = {name: None for name in style if name[0] != "k"} | ({} if code > 47 else {f"k{code - 40}": None})
    return style


class DiffLine(NamedTuple):
    """`kind` is file, meta, hunk, added, removed or same."""

    kind: str
    text: str


def diff(text: str) -> Iterator[DiffLine]:
    """The lines of a unified diff. What is inside a hunk is counted, so that no line can pose as a header."""
    old = new = 0
    for line in text.split("\n"):
        mark = line[:1]
        if (old > 0 or new > 0) and mark in {"+", "-", " ", ""}:
            old -= mark != "+"
            new -= mark != "-"
            yield DiffLine({"+": "added", "-": "removed"}.get(mark, "same"), line)
        elif found := _HUNK.match(line):
            old, new = int(found[1] or 1), int(found[2] or 1)
            yield DiffLine("hunk", line)
        elif line.startswith("diff --git "):
            yield DiffLine("file", _file(line.removeprefix("diff --git ")))
        elif line and not line.startswith(("index ", "--- ", "+++ ")):
            yield DiffLine("meta", line)


def _file(names: str) -> str:
    """`a/src/x.py b/src/x.py` is one file; where the two differ, both are told."""
    half = (len(names) - 1) // 2
    old, new = names[:half], names[half + 1 :]
    return new[2:] if old[2:] == new[2:] and old[:2] == "a/" and new[:2] == "b/" else names


def duration(seconds: float) -> str:
    """The two largest units: 42 s, 3 min 07 s, 2 h 05 min. `static/dashboard.js` goes on counting in the same form."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    return f"{minutes} min {whole % 60:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
