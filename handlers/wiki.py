"""Jira's wiki text, read into Markdown: headings, lists, tables, quotes, code, links and mentions."""

import re
from collections.abc import Callable, Iterator, Sequence

from handlers.markdown import escaped, link, table
from handlers.rewriting import code, code_block, shown

_TAG = re.compile(r"(?<!\\)\{(?P<name>code|noformat)(?::(?P<how>[^}\n]{0,200}))?\}")
_LANGUAGE = re.compile(r"(?:^|\|)(?:language=)?(?P<name>[\w+#.-]+)(?=\||$)")
_QUOTE = re.compile(r"(?<!\\)\{quote\}")
_PANEL = re.compile(r"(?<!\\)\{(?P<name>panel|info|note|warning|tip|expand)(?::(?P<how>[^}\n]{0,300}))?\}")
_TITLE = re.compile(r"(?:^|\|)title=(?P<title>[^|]*)")
_HEADING = re.compile(r"h(?P<level>[1-6])\.\s+(?P<words>.*)")
_RULE = re.compile(r"-{4,}")
_ITEM = re.compile(r"(?P<marks>[*#]{1,20}|-)\s+(?P<words>\S.*)")
_CELLS = re.compile(r"\|\|?")

_INNER = r"(?P<{name}>[^\s{mark}](?:[^{mark}\n]{{0,2000}}[^\s{mark}])?)"


def _around(name: str, mark: str) -> str:
    """Something between two marks, at the edges of words."""
    sign = re.escape(mark)
    return rf"(?<![\w{sign}]){sign}{_INNER.format(name=name, mark=sign)}{sign}(?![\w{sign}])"


_INLINE = re.compile(
    "|".join(
        (
            r"(?P<break>\\\\(?!\\))",
            r"\\(?P<escape>[^\w\s])",
            r"\{\{(?P<mono>[^\n]{1,500}?)\}\}",
            r"\[(?P<link>[^\[\]\n]{1,2000})\]",
            r"!(?P<image>[^\s!|][^!|\n]{0,500})(?:\|[^!\n]{0,500})?!",
            r"(?P<macro>\{(?:color|anchor|toc|section|column|div|span|status)(?::[^}\n]{0,500})?\})",
            _around("strong", "*"),
            _around("em", "_"),
            _around("struck", "-"),
            _around("plain_insert", "+"),
            _around("plain_sup", "^"),
            _around("plain_sub", "~"),
            r"\?\?(?P<cite>[^\s?][^?\n]{0,2000})\?\?",
            r"(?P<address>https?://[^\s\[\]{}|<>\"]+)",
        )
    )
)


def read(text: str) -> str:
    """Markdown of wiki text. It raises for nothing, however broken the text is."""
    parts = [
        code_block(part, language) if language is not None else _prose(part) for part, language in _pieces(shown(text))
    ]
    return "\n\n".join(part for part in parts if part.strip())


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Prose and code by turns; of code, its language. What is never closed is prose."""
    start = 0
    opened: re.Match[str] | None = None
    for tag in _TAG.finditer(text):
        if opened is None:
            if (text.find(f"{{{tag['name']}}}", tag.end())) < 0:
                continue
            yield text[start : tag.start()], None
            opened = tag
        elif tag["name"] == opened["name"] and tag["how"] is None:
            language = _LANGUAGE.search(opened["how"] or "")
            yield text[opened.end() : tag.start()].strip("\n"), language["name"] if language else ""
            start, opened = tag.end(), None
    yield text[opened.end() if opened is not None else start :], None


def _prose(text: str) -> str:
    """Quotations and what stands between them."""
    parts: list[str] = []
    for number, part in enumerate(_QUOTE.split(_PANEL.sub(_panel, text))):
        blocks = _blocks(part.split("\n"))
        if blocks:
            parts.append(_quoted(blocks) if number % 2 else blocks)
    return "\n\n".join(parts)


def _panel(found: re.Match[str]) -> str:
    title = _TITLE.search(found["how"] or "")
    return f"\n*{title['title'].strip()}*\n" if title and title["title"].strip() else "\n"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _blocks(lines: Sequence[str]) -> str:
    """Each line is a block, or goes on with the one before: of a list, of a table, of a paragraph."""
    blocks: list[tuple[str, list[str]]] = []

    def add(kind: str, line: str, *, goes_on: bool = False) -> None:
        if goes_on and blocks and blocks[-1][0] == kind:
            blocks[-1][1].append(line)
        else:
            blocks.append((kind, [line]))

    for whole in lines:
        line = whole.strip()
        if not line:
            add("nothing", "")
        elif heading := _HEADING.fullmatch(line):
            add("heading", f"{'#' * int(heading['level'])} {_inline(heading['words'])}")
        elif line.startswith("bq. "):
            add("quote", _quoted(_inline(line[4:])))
        elif _RULE.fullmatch(line):
            add("rule", "---")
        elif item := _ITEM.fullmatch(line):
            add("list", _item(item["marks"], item["words"]), goes_on=True)
        elif line.startswith("|") and len(line) > 1:
            add("table", line, goes_on=True)
        elif blocks and blocks[-1][0] == "list":
            blocks[-1][1].append(f"{_indent_of(blocks[-1][1][-1])}{_inline(line)}")
        else:
            add("text", _inline(line), goes_on=True)
    parts = [_table(found) if kind == "table" else "\n".join(found) for kind, found in blocks]
    return "\n\n".join(part for part in parts if part)


def _item(marks: str, words: str) -> str:
    indent = sum(3 if mark == "#" else 2 for mark in marks[:-1])
    return f"{' ' * indent}{'1.' if marks[-1] == '#' else '-'} {_inline(words)}"


def _indent_of(item: str) -> str:
    inner = item.lstrip(" ")
    mark = 3 if inner.startswith("1. ") else 2 if inner.startswith("- ") else 0
    return " " * (len(item) - len(inner) + mark)


def _table(lines: Sequence[str]) -> str:
    rows = [[_inline(cell.strip()) for cell in _cells(line)] for line in lines]
    has_header = lines[0].startswith("||")
    return table(rows if has_header else [[""] * len(rows[0]), *rows])


def _cells(line: str) -> list[str]:
    """The cells of a row. A bar in a link, in monospace or behind a backslash parts nothing."""
    held: list[str] = []

    def hold(found: re.Match[str]) -> str:
        held.append(found[0])
        return f"\x00{len(held) - 1}\x00"

    bare = re.sub(r"\[[^\[\]\n]*\]|\{\{[^\n]{1,500}?\}\}|\\\|", hold, line)
    cells = _CELLS.split(re.sub(r"\|\|?\s*$", "", re.sub(r"^\|\|?", "", bare)))
    return [re.sub("\x00(\\d+)\x00", lambda found: held[int(found[1])], cell) for cell in cells]


def _inline(text: str) -> str:
    parts: list[str] = []
    start = 0
    for found in _INLINE.finditer(text):
        kind = found.lastgroup or ""
        parts += [escaped(text[start : found.start()]), _WRITTEN[kind.partition("_")[0]](found[kind])]
        start = found.end()
    return "".join([*parts, escaped(text[start:])])


def _link(inner: str) -> str:
    words, _, target = (
        inner.rpartition("|") if inner.count("|") < 2 else (*inner.split("|")[:1], "", inner.split("|")[1])
    )
    target = target.strip()
    if target.startswith("~"):
        return f"@{escaped(target[1:].removeprefix('accountid:'))}"
    if target.startswith("^"):
        return escaped(words or target[1:])
    if re.match(r"(?:https?|mailto|ftp):", target, re.IGNORECASE):
        return link(target, _inline(words) if words else "")
    return escaped(words) if words and target.startswith("#") else escaped(f"[{inner}]")


_WRITTEN: dict[str, Callable[[str], str]] = {
    "break": lambda _: "\n",
    "escape": escaped,
    "mono": lambda words: code(re.sub(r"\\([^\w\s])", r"\1", words)),
    "link": _link,
    "image": lambda name: link(name, "image") if re.match("https?:", name) else escaped(f"(image: {name})"),
    "macro": lambda _: "",
    "strong": lambda words: f"**{_inline(words)}**",
    "em": lambda words: f"*{_inline(words)}*",
    "struck": lambda words: f"~~{_inline(words)}~~",
    "plain": _inline,
    "cite": lambda words: f"*{_inline(words)}*",
    "address": lambda address: link(address, ""),
}
