"""Make text from strangers safe to show: in a pane, a log or a page."""

import re

# C0 without \n and \t, DEL, C1 (ESC and its 8-bit sisters are among them), the bidirectional controls that reorder
# what a reader sees, line and paragraph separators, and lone surrogates, which no encoder takes.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CSI = re.compile("(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\\\)?")


def clean(text: str) -> str:
    """The text without control characters; colours of a terminal go whole, line ends become \\n, tabs stay."""
    return _UNSAFE.sub("", _CSI.sub("", text.replace("\r\n", "\n")))


def one_line(text: str, limit: int) -> str:
    """The first line of `text` that says anything, clean, at most `limit` characters."""
    for line in clean(text[: 100 * limit]).split("\n"):
        words = " ".join(line.split())
        if words:
            return cut(words, limit)
    return ""


def cut(text: str, limit: int) -> str:
    """At most `limit` characters; what is cut is marked."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
