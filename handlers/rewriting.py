"""Write Markdown again from what it means, so that only what a reader of the page would see is left of it.

HTML, link titles, alt text, unused definitions and invisible characters are gone; what is left is well formed, so that
nothing in it reaches beyond its own end. Entities and escapes are resolved before `say` sees the text.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# Reading nested brackets and stars takes time that grows with their square: so many in one paragraph nobody meant.
MOST_MARKS = 3_000
TOO_MANY_MARKS = "(A paragraph was left out: it holds too many brackets and other marks.)"
_MARK = re.compile(r"[\[*_~`<]")

Say = Callable[[str], str]

# A footnote nobody refers to is not shown. It ends at a blank line that no indented line follows.
_FOOTNOTE = re.compile(r"^ {0,3}\[\^(?P<label>[^\]\s]+)\]:.*(?:\n.*\S.*)*(?:\n+(?: {4}|\t).*)*", re.MULTILINE)

# What HTML does not show: comments, instructions, declarations, tags with all their attributes, also unfinished ones.
_NOT_SHOWN = re.compile(
    r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)"
    r"""|</?[a-zA-Z!](?:"[^"]*"|'[^']*'|[^'"<>])*(?:>|\Z)|<[/a-zA-Z!?][^<>]*>?""",
    re.DOTALL,
)

# Characters that show nothing though their category does not say so: fillers, joiners, variation selectors, tags.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
_NEWLINE = re.compile("\r\n?|[\u2028\u2029\x85\x0b\x0c]")

# A line that would open a block, though it is plain text.
_OPENS_A_BLOCK = re.compile(r"(?P<number>\d{1,9})(?=[.)](?:\s|$))|(?=#{1,6}(?:\s|$)|>|[-+](?:\s|$)|~~~|[-=|: ]+$)")


def bounded(parser: MarkdownIt) -> MarkdownIt:
    """The same parser, which leaves out a paragraph that would take it too long."""
    parser.core.ruler.before("inline", "bound", _bound)
    return parser


def _bound(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and len(_MARK.findall(token.content)) > MOST_MARKS:
            token.content = TOO_MANY_MARKS


_PARSER = bounded(MarkdownIt("commonmark").enable(["table", "strikethrough"]))


def shown(text: str) -> str:
    """Without characters that show nothing or turn the text around: controls, zero-width, bidi, tags, surrogates."""
    text = _NEWLINE.sub("\n", text)
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    return _BLANK.sub("", text)


def rewrite(text: str, say: Say) -> str:
    """The same page in other words: every piece of text through `say`, code as it is."""
    text = shown(text)
    for footnote in list(_FOOTNOTE.finditer(text)):
        if text.count(f"[^{footnote['label']}]") == 1:
            text = text.replace(footnote[0], "")
    return _blocks(_PARSER.parse(text, {}), say)


def rewrite_line(text: str, say: Say) -> str:
    """The same for a single line, in which nothing opens a block."""
    (token,) = _PARSER.parseInline(" ".join(shown(text).split()), {})
    return _inline(token, say)


def code(text: str) -> str:
    """One line as a code span, whatever backticks are in it."""
    text = " ".join(shown(text).split())
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}" if text else ""


def code_block(text: str, language: str = "") -> str:
    """Lines as a code block, whatever fences are in them."""
    ticks = "`" * max(3, _longest_run(text) + 1)
    return f"{ticks}{language}\n{text.rstrip(chr(10))}\n{ticks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _blocks(tokens: Sequence[Token], say: Say, between: str = "\n\n") -> str:
    parts = (_block(opening, inner, say) for opening, inner in _siblings(tokens))
    return between.join(part for part in parts if part.strip())


def _siblings(tokens: Sequence[Token]) -> Iterator[tuple[Token, Sequence[Token]]]:
    """Each block on this level, with what is inside it."""
    start = 0
    while start < len(tokens):
        end = start
        if tokens[start].nesting == 1:
            end = next(i for i in range(start + 1, len(tokens)) if tokens[i].level == tokens[start].level)
        yield tokens[start], tokens[start + 1 : end]
        start = end + 1


def _block(opening: Token, inner: Sequence[Token], say: Say) -> str:
    match opening.type:
        case "heading_open":
            return f"{'#' * int(opening.tag[1])} {_inline(inner[0], say).replace(chr(10), ' ')}"
        case "paragraph_open":
            return "\n".join(
                _OPENS_A_BLOCK.sub(r"\g<number>\\", line, count=1) if _OPENS_A_BLOCK.match(line) else line
                for line in _inline(inner[0], say).split("\n")
            )
        case "blockquote_open":
            return _behind("> ", "> ", _blocks(inner, say))
        case "bullet_list_open" | "ordered_list_open":
            return _list(inner, say)
        case "table_open":
            return _table(inner, say)
        case "fence" | "code_block":
            language = re.match(r"[\w+#.-]*", opening.info.strip())
            return code_block(opening.content, language[0] if language else "")
        case "html_block":
            return say(shown(html.unescape(_NOT_SHOWN.sub("", opening.content))).strip())
        case "hr":
            return "---"
        case _:
            return ""


def _behind(first: str, later: str, text: str) -> str:
    """Set lines behind a prefix, as quotations and list items are."""
    lines = text.split("\n")
    return "\n".join(f"{later if number else first}{line}".rstrip() for number, line in enumerate(lines))


def _list(tokens: Sequence[Token], say: Say) -> str:
    tight = all(
        token.hidden for token in tokens if token.type == "paragraph_open" and token.level == tokens[0].level + 1
    )
    between = "\n" if tight else "\n\n"
    items = []
    for opening, inner in _siblings(tokens):
        mark = f"{opening.info}. " if opening.info else "- "
        items.append(_behind(mark, " " * len(mark), _blocks(inner, say, between)))
    return between.join(items)


def _table(tokens: Sequence[Token], say: Say) -> str:
    rows = []
    for section, lines in _siblings(tokens):
        for _, cells in _siblings(lines):
            texts = [_inline(inner[0], say).replace("|", "\\|").replace("\n", " ") for _, inner in _siblings(cells)]
            rows.append(f"| {' | '.join(texts)} |")
            if section.type == "thead_open":
                rows.append("|" + " --- |" * len(texts))
    return "\n".join(rows)


def _inline(token: Token, say: Say) -> str:
    parts: list[str] = []
    for child in token.children or []:
        match child.type:
            case "text" | "text_special":
                parts.append(say(shown(child.content)))
            case "code_inline":
                parts.append(code(child.content))
            case "softbreak":
                parts.append("\n")
            case "hardbreak":
                parts.append("\\\n")
            case "em_open" | "em_close" | "strong_open" | "strong_close" | "s_open" | "s_close":
                parts.append({"em": "*", "strong": "**", "s": "~~"}[child.type.partition("_")[0]])
            case "link_open":
                parts.append("[")
                link = str(child.attrs.get("href", ""))
            case "link_close":
                parts.append(f"]({_target(link)})")
            case "image":
                parts.append(f"[image]({_target(str(child.attrs.get('src', '')))})")
            case _:
                pass
    return "".join(parts).strip()


def _target(address: str) -> str:
    return f"<{address}>" if re.search(r"[\s()<>]", address) else address
