"""Other people's text made into HTML that cannot do anything: Markdown, and differences in colour."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
HTML = re.compile(r"<!--.*?(?:-->|\Z)|<[^<>]*>", re.DOTALL)
HARMLESS = re.compile(
    r"<(/?)(details|summary|sub|sup|kbd|br|b|i|em|strong|code|p|h[1-6]|table|tr|td|th|hr)(\s+open)?\s*/?>",
    re.IGNORECASE,
)
HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d{1,9})")
TASK = re.compile(r"\[([ xX])\]\s+")


def markdown(text: str) -> Markup:
    """Comments are hidden, a few harmless tags without attributes are let through, all other HTML is shown as text."""
    return Markup(_PARSER.render(CONTROL.sub("", text)))  # noqa: S704 - every rule below escapes or writes fixed words


@dataclass(slots=True)
class DiffFile:
    path: str
    added: int = 0
    deleted: int = 0
    lines: list[tuple[str, str, str]] = field(default_factory=list)


def diff_files(patch: str) -> list[DiffFile]:
    """`git diff` output as files of (kind, number on the new side, text); kinds are add, del, hunk, meta and same."""
    files: list[DiffFile] = []
    in_hunk = False
    number = 0
    for raw in patch.split("\n"):
        line = CONTROL.sub("", raw)
        if line.startswith("diff --git "):
            files.append(DiffFile(line.rpartition(" b/")[2].rstrip('"')))
            in_hunk = False
        elif not files:
            continue
        elif line.startswith("@@"):
            in_hunk = True
            start = HUNK.match(line)
            number = int(start[1]) if start else 0
            files[-1].lines.append(("hunk", "", line))
        elif not in_hunk:
            if line.startswith(("Binary", "new file", "deleted file", "rename", "old mode", "new mode")):
                files[-1].lines.append(("meta", "", line))
        elif line.startswith("+"):
            files[-1].added += 1
            files[-1].lines.append(("add", str(number), line))
            number += 1
        elif line.startswith("-"):
            files[-1].deleted += 1
            files[-1].lines.append(("del", "", line))
        elif line:
            files[-1].lines.append(("same", str(number), line))
            number += line[0] == " "
    return files


def _html(_: RendererHTML, tokens: Sequence[Token], idx: int, *__: Any) -> str:
    return _harmless(tokens[idx].content)


def _task_box(_: RendererHTML, tokens: Sequence[Token], idx: int, *__: Any) -> str:
    return f'<input type="checkbox" disabled{" checked" if tokens[idx].content else ""}> '


def _image(_: RendererHTML, tokens: Sequence[Token], idx: int, *__: Any) -> str:
    """A picture would be fetched from anywhere; its description is enough."""
    return f"<em>[picture: {escape(tokens[idx].content)}]</em>"


def _harmless(html: str) -> str:
    out, at = [], 0
    for found in HTML.finditer(html):
        out.append(escape(html[at : found.start()]))
        at = found.end()
        tag = HARMLESS.fullmatch(found[0])
        if tag:
            out.append(f"<{tag[1]}{tag[2].lower()}{' open' if tag[3] and not tag[1] else ''}>")
        elif not found[0].startswith("<!--"):
            out.append(escape(found[0]))
    return "".join(out) + escape(html[at:])


def _task_lists(state: StateCore) -> None:
    """`- [x] done` becomes a ticked box."""
    tokens = state.tokens
    for item, paragraph, token in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (item.type, paragraph.type, token.type) != ("list_item_open", "paragraph_open", "inline"):
            continue
        words = token.children or []
        box = TASK.match(words[0].content) if words and words[0].type == "text" else None
        if box:
            words[0].content = words[0].content[box.end() :]
            words.insert(0, Token("task_box", "", 0, content="" if box[1] == " " else "x"))
            item.attrJoin("class", "task")


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "breaks": True})
    parser.enable(["table", "strikethrough"])
    parser.core.ruler.push("task_lists", _task_lists)
    for name, rule in (("html_block", _html), ("html_inline", _html), ("task_box", _task_box), ("image", _image)):
        parser.add_render_rule(name, rule)
    return parser


_PARSER = _parser()
