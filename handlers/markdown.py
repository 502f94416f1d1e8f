"""Markdown on its way from and to places that write in another way: written of what they have, and read for them."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from handlers.rewriting import bounded

T = TypeVar("T")

_SYNTAX = re.compile(r"[\\`*\[\]<~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#|\w+;)")
_PARSER = bounded(MarkdownIt("commonmark").enable(["table", "strikethrough"]))
_BOX = re.compile(r"^(?P<before>\s*(?:[-*+]|\d{1,9}[.)]) )\[(?P<mark>[ xX])\] ", re.MULTILINE)
CUT = "…"


def escaped(words: str) -> str:
    """Plain text that Markdown reads as plain text."""
    return _SYNTAX.sub(lambda found: "&amp;" if found[0] == "&" else f"\\{found[0]}", words)


def link(address: str, words: str) -> str:
    """A link; its address is its text where there are no words."""
    address = re.sub(r"[\s<>]", lambda found: f"%{ord(found[0]) & 0xFF:02X}", address.strip())
    if not words or words == escaped(address):
        return f"<{address}>" if re.match(r"[A-Za-z][A-Za-z0-9+.-]{1,31}:", address) else escaped(address)
    return f"[{words}](<{address}>)"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first of them the header; short rows are filled up."""
    width = max((len(row) for row in rows), default=0)
    if not width:
        return ""
    lines = [f"| {' | '.join(_cell(cell) for cell in [*row, *[''] * (width - len(row))])} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def tree_of(markdown: str) -> SyntaxTreeNode:
    """What it means. Boxes of a list of tasks become signs, which every place can show."""
    signs = _BOX.sub(lambda found: f"{found['before']}{'☐' if found['mark'] == ' ' else '☑'} ", markdown)
    return SyntaxTreeNode(_PARSER.parse(signs, {}))


def rows_of(table: SyntaxTreeNode) -> list[SyntaxTreeNode]:
    """The rows of a table. Markdown cannot do without a header; where it says nothing, it is none."""
    rows = [row for part in table.children for row in part.children]
    says_something = any(one.content.strip() for one in rows[0].walk() if one.type == "inline") if rows else False
    return rows if says_something else rows[1:]


def fitted(
    nodes: Sequence[SyntaxTreeNode],
    written: Callable[[Sequence[SyntaxTreeNode]], T],
    size: Callable[[T], int],
    limit: int,
) -> T:
    """Write all of it, or as many blocks from the start as there is room for, with a sign that something is gone."""
    whole = written(nodes)
    if size(whole) <= limit:
        return whole
    cut = tree_of(CUT).children
    least, most = 0, len(nodes) - 1
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if size(written([*nodes[:middle], *cut])) <= limit else (least, middle - 1)
    return written([*nodes[:least], *cut])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
