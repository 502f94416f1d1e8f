"""Write our Markdown as Jira's wiki text: the same said, nobody mentioned, every mark in people's words escaped."""

import re
from collections.abc import Callable, Sequence

from markdown_it.tree import SyntaxTreeNode

from handlers.markdown import fitted, rows_of, tree_of

LIMIT = 32_000  # Jira's own is 32,767 characters of a field, unless an administrator changed it

# What Data Center knows how to colour; of another language it says in red that it does not know it.
_LANGUAGES = frozenset(
    {"bash", "c", "c#", "c++", "css", "diff", "erlang", "go", "groovy", "haskell", "html", "java", "javascript", "json"}
) | {"lua", "objc", "perl", "php", "python", "r", "ruby", "scala", "sql", "swift", "visualbasic", "xml", "yaml"}
_LANGUAGE_OF = {"py": "python", "js": "javascript", "sh": "bash", "shell": "bash", "console": "bash", "yml": "yaml"}

_MARKS = re.compile(
    r"\\|[{}\[\]|]"
    r"|(?<![A-Za-z0-9])[*_+^~!-](?=\S)|(?<=\S)[*_+^~!-](?![A-Za-z0-9])"
    r"|\?\?|\((?=(?:[x/!?iyn+-]|on|off|\*[rgby]?)\))|[:;](?=[()DPp])"
)
_OPENS = re.compile(r"^(?P<mark>[*#-]+)(?=\s)|^(?P<word>h[1-6]|bq)\.(?=\s)", re.MULTILINE)
_CLOSES_CODE = re.compile(r"\{(?=code|noformat)")

_JOINER = "\u2060"  # a word joiner: shows nothing, and no word of Jira's has one


def write(markdown: str, limit: int = LIMIT) -> str:
    """Wiki text of Markdown. Longer than `limit`, it loses its end, at the end of a block."""
    return fitted(tree_of(markdown).children, _blocks, len, limit)


def escape(words: str) -> str:
    """Plain text that Jira shows as it is."""
    words = _MARKS.sub(lambda found: "&#92;" if found[0] == "\\" else f"\\{found[0]}", words)
    return _OPENS.sub(lambda found: f"\\{found['mark']}" if found["mark"] else f"{found['word']}{_JOINER}.", words)


def _blocks(nodes: Sequence[SyntaxTreeNode], between: str = "\n\n") -> str:
    parts = (_block(node) for node in nodes)
    return between.join(part for part in parts if part.strip())


def _block(node: SyntaxTreeNode) -> str:
    match node.type:
        case "heading":
            return f"h{node.tag[1]}. {_line(node)}"
        case "paragraph":
            return _text(node)
        case "bullet_list" | "ordered_list":
            return _list(node, "")
        case "fence" | "code_block":
            return _code(node)
        case "blockquote":  # one in another is not there in wiki text
            return f"{{quote}}\n{_blocks(_without_quotes(node.children))}\n{{quote}}"
        case "hr":
            return "----"
        case "table":
            return "\n".join(_row(row) for row in rows_of(node))
        case _:
            return ""


def _without_quotes(nodes: Sequence[SyntaxTreeNode]) -> list[SyntaxTreeNode]:
    found: list[SyntaxTreeNode] = []
    for node in nodes:
        found += _without_quotes(node.children) if node.type == "blockquote" else [node]
    return found


def _list(node: SyntaxTreeNode, above: str) -> str:
    marks = above + ("*" if node.type == "bullet_list" else "#")
    lines: list[str] = []
    for item in node.children:
        first = True
        for part in _without_quotes(item.children):
            if part.type in {"bullet_list", "ordered_list"}:
                lines += [f"{marks} "] * first + [_list(part, marks)]
            else:
                text = _block(part)
                lines.append(f"{marks} {text}" if first else text)
            first = False
    return "\n".join(lines)


def _code(node: SyntaxTreeNode) -> str:
    word = (node.info or "").strip().split(" ")[0].lower()
    language = _LANGUAGE_OF.get(word, word)
    content = _CLOSES_CODE.sub("{" + _JOINER, node.content.rstrip("\n"))
    if language in _LANGUAGES:
        return f"{{code:{language}}}\n{content}\n{{code}}"
    return f"{{noformat}}\n{content}\n{{noformat}}"


def _row(row: SyntaxTreeNode) -> str:
    mark = "||" if row.children and row.children[0].type == "th" else "|"
    cells = (_line(cell) or " " for cell in row.children)
    return f"{mark}{mark.join(f' {cell} ' for cell in cells)}{mark}"


def _line(node: SyntaxTreeNode) -> str:
    return " ".join(_text(node).split())


def _text(node: SyntaxTreeNode) -> str:
    return "".join(_spans(node.children)).strip()


def _spans(nodes: Sequence[SyntaxTreeNode]) -> list[str]:
    return [_SPANS[node.type](node) for node in nodes if node.type in _SPANS]


def _marked(mark: str) -> Callable[[SyntaxTreeNode], str]:
    def marked(node: SyntaxTreeNode) -> str:
        words = "".join(_spans(node.children))
        return f"{mark}{words.strip()}{mark}" if words.strip() and "\n" not in words.strip() else words

    return marked


def _link(node: SyntaxTreeNode) -> str:
    return _to(str(node.attrs.get("href", "")), "".join(_spans(node.children)))


def _to(address: str, words: str) -> str:
    if not re.match(r"(?:https?|mailto):", address, re.IGNORECASE):
        return words
    target = re.sub(r"[\[\]|{}\s\\]", lambda found: f"%{ord(found[0]) & 0xFF:02X}", address)
    words = " ".join(words.split())
    return f"[{words}|{target}]" if words else f"[{target}]"


def _mono(node: SyntaxTreeNode) -> str:
    words = escape(" ".join(node.content.split()))
    return f"{{{{{words}}}}}" if words else ""


_SPANS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "inline": lambda node: "".join(_spans(node.children)),
    "text": lambda node: escape(node.content),
    "text_special": lambda node: escape(node.content),
    "code_inline": _mono,
    "softbreak": lambda _: "\n",
    "hardbreak": lambda _: "\n",
    "strong": _marked("*"),
    "em": _marked("_"),
    "s": _marked("-"),
    "link": _link,
    "image": lambda node: _to(str(node.attrs.get("src", "")), "image"),
}
