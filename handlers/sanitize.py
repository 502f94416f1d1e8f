"""Text from strangers on its way to Claude, and text on its way to GitHub: what each loses."""

import re
from collections.abc import Callable

from handlers.rewriting import rewrite, rewrite_line, shown

_JOINER = "\u2060"  # a word joiner: shows nothing, and breaks no line

_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9_])")
_CLOSING = re.compile(
    r"\b(?P<first>clos|fix|resolv)(?P<rest>e[sd]?|es|ed|ing)?(?=\s*:?\s*(?:#|gh-|https?:|[\w.-]+/[\w.-]+#|$))",
    re.IGNORECASE | re.MULTILINE,
)
_ADDRESS = re.compile(r"https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::\d+)?(?:[/?#][^\s<>`\[\]\\*|]*)?")
_SYNTAX = re.compile(r"[\\`*\[\]<~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#|\w+;)")
_BOX = re.compile(r"\[[ xX]\] ")


def visible(text: str) -> str:
    """What someone who read the page saw, for Claude to read: nothing hidden, nothing encoded."""
    return rewrite(text, lambda words: words)


def visible_line(text: str) -> str:
    """The same for a title, which GitHub shows as it is written."""
    return " ".join(shown(text).split())


def neutralise(text: str, limit: int = 60_000) -> str:
    """Markdown that GitHub shows as it was meant, but that mentions nobody, closes nothing and hides nothing.

    It ends within itself: no fence, quotation or comment of it reaches what is written behind it. Longer than `limit`,
    it loses its end.
    """
    return neutralise_and_tell(text, limit)[0]


def neutralise_and_tell(text: str, limit: int) -> tuple[str, bool]:
    """The same, and whether it lost its end."""
    return within(limit, text, lambda part: rewrite(part, _harmless))


def neutralise_line(text: str, limit: int = 300) -> str:
    """The same for one line: a step of a plan, a sentence."""
    return within(limit, text, lambda part: rewrite_line(part, _harmless))[0]


def plain_line(text: str, limit: int = 120) -> str:
    """One line for places that take no Markdown: the title of a pull request, which becomes a commit's."""
    words = _breaking(visible_line(text))
    return words if len(words) <= limit else f"{words[: limit - 2].rstrip()} …"


def within(limit: int, text: str, written: Callable[[str], str]) -> tuple[str, bool]:
    """As `written` writes it, cut until it fits, and whether it was."""
    keep = min(limit, len(text))
    whole = keep == len(text)
    said = written(text if whole else text[:keep].rstrip() + " …")
    while len(said) > limit:
        keep = int(keep * min(0.9, limit / len(said)))
        said, whole = written(text[:keep].rstrip() + " …"), False
    return said, not whole


def around_addresses(words: str, plain: Callable[[str], str]) -> str:
    """Plain text through `plain`, but for the addresses in it, which stay as they are."""
    parts, start = [], 0
    for address in _ADDRESS.finditer(words):
        parts += [plain(words[start : address.start()]), address[0]]
        start = address.end()
    return "".join([*parts, plain(words[start:])])


def _harmless(words: str) -> str:
    """Plain text, so written that Markdown reads it as plain text and GitHub links nobody to it."""
    words = _CLOSING.sub(_break_closing, words)
    box = _BOX.match(words)
    start = box.end() if box else 0
    return words[:start] + around_addresses(words[start:], _plain)


def _breaking(words: str) -> str:
    return _MENTION.sub(f"@{_JOINER}", _CLOSING.sub(_break_closing, words))


def _break_closing(found: re.Match[str]) -> str:
    return f"{found['first']}{_JOINER}{found['rest'] or ''}"


def _plain(words: str) -> str:
    words = _SYNTAX.sub(lambda found: "&amp;" if found[0] == "&" else f"\\{found[0]}", words)
    return _MENTION.sub(f"@{_JOINER}", words)
