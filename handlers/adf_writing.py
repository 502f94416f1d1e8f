"""Write our Markdown as a document of Jira Cloud's (Atlassian Document Format): the same said, and nobody mentioned."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markdown_it.tree import SyntaxTreeNode

from handlers.markdown import fitted, rows_of, tree_of

LIMIT = 32_000  # Jira's own is 32,767 characters of a field; what it counts is not told, so we count all of it

Node = dict[str, Any]
Marks = tuple[Mapping[str, Any], ...]

_SIMPLE = {"strong": "strong", "em": "em", "s": "strike"}


def write(markdown: str, limit: int = LIMIT) -> Node:
    """A document of Markdown. Longer than `limit`, it loses its end, at the end of a block."""
    return fitted(tree_of(markdown).children, _document, lambda document: len(json.dumps(document)), limit)


def _document(nodes: Sequence[SyntaxTreeNode]) -> Node:
    return {"type": "doc", "version": 1, "content": list(_blocks(nodes)) or [_paragraph([])]}


def _blocks(nodes: Sequence[SyntaxTreeNode], *, only_simple: bool = False) -> Iterator[Node]:
    """`only_simple`: inside a list's item or a quotation, where Jira takes text, lists and code and nothing else."""
    for node in nodes:
        match node.type:
            case "paragraph":
                if content := _text(node):
                    yield _paragraph(content)
            case "heading" if only_simple:
                yield _paragraph(_text(node, ({"type": "strong"},)))
            case "heading":
                yield {"type": "heading", "attrs": {"level": int(node.tag[1])}, "content": _text(node)}
            case "bullet_list" | "ordered_list":
                kind = "bulletList" if node.type == "bullet_list" else "orderedList"
                yield {"type": kind, "content": [_item(item) for item in node.children]}
            case "fence" | "code_block":
                yield _code(node)
            case "blockquote" if only_simple:
                yield from _blocks(node.children, only_simple=True)
            case "blockquote":
                yield {
                    "type": "blockquote",
                    "content": list(_blocks(node.children, only_simple=True)) or [_paragraph([])],
                }
            case "hr" if not only_simple:
                yield {"type": "rule"}
            case "table" if only_simple:
                for row in rows_of(node):
                    yield _paragraph(_between([_text(cell) for cell in row.children]))
            case "table":
                yield {"type": "table", "content": [_row(row) for row in rows_of(node)]}
            case _:
                pass


def _item(item: SyntaxTreeNode) -> Node:
    content = list(_blocks(item.children, only_simple=True))
    if not content or content[0]["type"] not in {"paragraph", "codeBlock"}:
        content.insert(0, _paragraph([]))
    return {"type": "listItem", "content": content}


def _row(row: SyntaxTreeNode) -> Node:
    kinds = {"th": "tableHeader", "td": "tableCell"}
    cells = [{"type": kinds[cell.type], "attrs": {}, "content": [_paragraph(_text(cell))]} for cell in row.children]
    return {"type": "tableRow", "content": cells}


def _between(cells: Sequence[list[Node]]) -> list[Node]:
    found: list[Node] = []
    for number, cell in enumerate(cells):
        found += [{"type": "text", "text": " · "}, *cell] if number else cell
    return found


def _code(node: SyntaxTreeNode) -> Node:
    word = re.match(r"[\w+#.-]+", (node.info or "").strip())
    code: Node = {"type": "codeBlock"}
    if word:
        code["attrs"] = {"language": word[0]}
    if text := node.content.rstrip("\n"):
        code["content"] = [{"type": "text", "text": text}]
    return code


def _paragraph(content: list[Node]) -> Node:
    return {"type": "paragraph", "content": content}


def _text(node: SyntaxTreeNode, marks: Marks = ()) -> list[Node]:
    found = list(_spans(node.children, marks))
    while found and found[-1]["type"] == "hardBreak":
        found.pop()
    return found


def _spans(nodes: Sequence[SyntaxTreeNode], marks: Marks) -> Iterator[Node]:
    for node in nodes:
        match node.type:
            case "inline":
                yield from _spans(node.children, marks)
            case "text" | "text_special":
                yield from _said(node.content, marks)
            case "code_inline":  # code goes with a link and with no other mark
                links = tuple(one for one in marks if one["type"] == "link")
                yield from _said(node.content, (*links, {"type": "code"}))
            case "softbreak" | "hardbreak":
                yield {"type": "hardBreak"}
            case "strong" | "em" | "s":
                yield from _spans(node.children, _with(marks, {"type": _SIMPLE[node.type]}))
            case "link":
                yield from _spans(node.children, _linked(marks, str(node.attrs.get("href", ""))))
            case "image":
                yield from _said("image", _linked(marks, str(node.attrs.get("src", ""))))
            case _:
                pass


def _with(marks: Marks, mark: Mapping[str, Any]) -> Marks:
    return marks if any(one["type"] == mark["type"] for one in marks) else (*marks, mark)


def _linked(marks: Marks, address: str) -> Marks:
    if not re.match(r"(?:https?|mailto):", address, re.IGNORECASE):
        return marks
    return _with(marks, {"type": "link", "attrs": {"href": address}})


def _said(text: str, marks: Marks) -> Iterator[Node]:
    if text:
        node: Node = {"type": "text", "text": text}
        if marks:
            node["marks"] = [dict(one) for one in marks]
        yield node
