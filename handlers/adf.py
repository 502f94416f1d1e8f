"""Jira Cloud's documents (Atlassian Document Format), read into Markdown: what they show, and no more."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from handlers.markdown import escaped, link, table
from handlers.rewriting import code, code_block, shown

DEEPEST = 40  # levels that are read; nobody writes so many

Node = Mapping[str, Any]


def read(document: Node) -> str:
    """Markdown of a document. It raises for nothing, however broken the document is."""
    return _blocks(_inside(document), 0)


def _inside(node: Node) -> list[Node]:
    content = node.get("content")
    return [one for one in content if isinstance(one, Mapping)] if isinstance(content, list) else []


def _attr(node: Node, name: str) -> str:
    attrs = node.get("attrs")
    value = attrs.get(name) if isinstance(attrs, Mapping) else None
    return shown(str(value)) if isinstance(value, str | int | float) else ""


def _blocks(nodes: Sequence[Node], depth: int) -> str:
    parts: list[str] = []
    line: list[Node] = []
    for node in [*nodes, None]:
        if node is not None and str(node.get("type")) in _IN_LINE:
            line.append(node)
            continue
        if line:
            parts.append(_line(line))
            line = []
        if node is not None and depth < DEEPEST:
            parts.append(_block(node, depth))
    return "\n\n".join(part for part in parts if part.strip())


def _block(node: Node, depth: int) -> str:
    inside = _inside(node)
    match node.get("type"):
        case "paragraph":
            return _line(inside)
        case "heading":
            level = _attr(node, "level")
            return f"{'#' * (int(level) if level in '123456' and level else 3)} {' '.join(_line(inside).split())}"
        case "bulletList" | "taskList" | "decisionList":
            return _list(inside, lambda _: "- ", depth)
        case "orderedList":
            first = int(_attr(node, "order")) if _attr(node, "order").isdecimal() else 1
            return _list(inside, lambda number: f"{min(first, 10**6) + number}. ", depth)
        case "codeBlock":
            language = _attr(node, "language").split(" ")[0].strip("`")
            return code_block(shown("".join(str(one.get("text") or "") for one in inside)), language)
        case "blockquote":
            return "\n".join(f"> {text}".rstrip() for text in _blocks(inside, depth + 1).split("\n"))
        case "rule":
            return "---"
        case "table":
            return _table(inside, depth)
        case "expand" | "nestedExpand":
            title = escaped(_attr(node, "title"))
            return "\n\n".join(part for part in (f"**{title}**" if title else "", _blocks(inside, depth + 1)) if part)
        case "blockCard" | "embedCard":
            return link(_attr(node, "url"), "") if _attr(node, "url") else ""
        case "media" | "mediaInline":
            return escaped(f"(attachment: {_attr(node, 'alt') or 'an image or a file'})")
        case _:
            return _blocks(inside, depth + 1) if inside else escaped(shown(str(node.get("text") or "")))


def _list(items: Sequence[Node], mark: Callable[[int], str], depth: int) -> str:
    lines: list[str] = []
    number = 0
    for item in items:
        if item.get("type") in {"taskList", "bulletList", "orderedList"}:  # Cloud nests lists of tasks without an item
            lines += [f"  {line}".rstrip() for line in _block(item, depth + 1).split("\n")] if depth < DEEPEST else []
            continue
        first = mark(number)
        number += 1
        if item.get("type") == "taskItem":
            first += "[x] " if _attr(item, "state") == "DONE" else "[ ] "
        indent = " " * (len(first) - (4 if item.get("type") == "taskItem" else 0))
        text = (
            _blocks(_inside(item), depth + 1).replace("\n\n", "\n")
            if _is_tight(item)
            else _blocks(_inside(item), depth + 1)
        )
        for at, line in enumerate(text.split("\n")):
            lines.append(f"{indent if at else first}{line}".rstrip())
    return "\n".join(lines)


def _is_tight(item: Node) -> bool:
    return all(one.get("type") in {"paragraph", "bulletList", "orderedList", *_IN_LINE} for one in _inside(item))


def _table(rows: Sequence[Node], depth: int) -> str:
    found = [[_blocks(_inside(cell), depth + 2) for cell in _inside(row)] for row in rows]
    found = [row for row in found if row]
    if not found:
        return ""
    has_header = any(cell.get("type") == "tableHeader" for cell in _inside(rows[0]))
    return table(found if has_header else [[""] * len(found[0]), *found])


def _line(nodes: Sequence[Node]) -> str:
    return "".join(_spans(nodes)).strip()


def _spans(nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes:
        match node.get("type"):
            case "text":
                yield _text(node)
            case "hardBreak":
                yield "\n"
            case "mention":
                yield f"@{escaped((_attr(node, 'text') or _attr(node, 'id')).lstrip('@'))}"
            case "emoji":
                yield escaped(_attr(node, "text") or _attr(node, "shortName"))
            case "inlineCard":
                yield link(_attr(node, "url"), "") if _attr(node, "url") else ""
            case "date":
                yield _date(_attr(node, "timestamp"))
            case "status" | "placeholder":
                yield escaped(_attr(node, "text"))
            case "mediaInline":
                yield escaped(f"(attachment: {_attr(node, 'alt') or 'a file'})")
            case _:
                yield escaped(shown(str(node.get("text") or "")))


def _text(node: Node) -> str:
    words = shown(str(node.get("text") or ""))
    found = node.get("marks")
    marks = {str(one.get("type")): one for one in found if isinstance(one, Mapping)} if isinstance(found, list) else {}
    if not words.strip():
        return words
    before, after = words[: len(words) - len(words.lstrip())], words[len(words.rstrip()) :]
    said = code(words) if "code" in marks else escaped(words.strip())
    for mark, sign in (("strong", "**"), ("em", "*"), ("strike", "~~")):
        if mark in marks:
            said = f"{sign}{said}{sign}"
    if "link" in marks and (href := _attr(marks["link"], "href")):
        said = link(href, said)
    return f"{before}{said}{after}"


def _date(timestamp: str) -> str:
    try:
        return f"{datetime.fromtimestamp(int(timestamp) / 1000, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return ""


_IN_LINE = frozenset(
    {"text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status", "placeholder", "mediaInline"}
)
