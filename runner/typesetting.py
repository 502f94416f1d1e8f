"""Fit text to a terminal: wrap it, cut it, colour it, by how wide a terminal shows it."""

import unicodedata
from collections.abc import Iterator

RESET, BOLD, DIM, ITALIC = "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[3m"
RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN = (f"\x1b[{code}m" for code in (31, 32, 33, 34, 35, 36))
REVERSED_YELLOW = "\x1b[30;43m"
WIDEST_TEXT = 100  # words in longer lines are hard to read, however wide the screen


def markdown(text: str, width: int, inner: str) -> Iterator[str]:
    """Claude's words, wrapped; code blocks stay as they are."""
    code = False
    for line in _paragraphs(text):
        if line.lstrip().startswith("```"):
            code = not code
            continue
        indent = line[: len(line) - len(line.lstrip())].expandtabs(4)[:20]
        if code:
            yield f"{DIM}{inner}{RESET}{BLUE}   {fit(line.expandtabs(4), width - len(inner) - 4)}{RESET}"
        elif line.startswith("#"):
            yield from wrapped(line.lstrip("# "), width, f"{inner} ", f"{inner} ", BOLD)
        else:
            hang = "  " if line.lstrip()[:2] in {"- ", "* "} else ""
            words = line.strip().replace("**", "").replace("`", "")
            yield from wrapped(words, width, f"{inner} {indent}", f"{inner} {indent}{hang}", "")


def _paragraphs(text: str) -> Iterator[str]:
    """The lines, with those that only a narrow screen broke put together again."""
    held, code = "", False
    for line in text.split("\n"):
        begins = (
            not line.strip()
            or line.lstrip()[:1] in set("#-*|>0123456789")
            or line.lstrip().startswith("```")
            or line.startswith("    ")
        )
        fence = line.lstrip().startswith("```")
        if held and not begins and not code:
            held = f"{held} {line.strip()}"
            continue
        if held:
            yield held
            held = ""
        code ^= fence
        if code or fence or not line.strip() or line.startswith("    "):
            yield line
        else:
            held = line
    if held:
        yield held


def wrapped(text: str, width: int, first: str, rest: str, colour: str) -> Iterator[str]:
    """Wrapped text: `first` before its first line, `rest` before the others."""
    room = min(width, WIDEST_TEXT) - 1
    prefix = first
    for paragraph in text.split("\n"):
        for line in wrap(paragraph, room - columns(prefix)):
            yield f"{colour}{prefix}{line}{RESET if colour else ''}".rstrip()
            prefix = rest


def wrap(text: str, room: int) -> Iterator[str]:
    """Lines of at most `room` columns, broken between words where there are any."""
    room = max(8, room)
    line, filled = "", 0
    for word in text.expandtabs(4).split(" "):
        wide = columns(word)
        if filled and filled + 1 + wide > room:
            yield line
            line, filled = "", 0
        while wide > room:
            head = fit(word, room, mark="")
            yield head
            word = word[len(head) :]  # noqa: PLW2901 - what is left of it
            wide = columns(word)
        line, filled = (f"{line} {word}", filled + 1 + wide) if line else (word, wide)
    yield line


def columns(text: str) -> int:
    """How wide a terminal shows it."""
    return len(text) if text.isascii() else sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Cf", "Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def fit(text: str, room: int, mark: str = "…") -> str:
    """As much as fits in `room` columns."""
    room = max(1, room)
    if columns(text[: 4 * room]) <= room and len(text) <= 4 * room:
        return text
    kept, filled = [], columns(mark)
    for character in text:
        filled += _columns(character)
        if filled > room:
            break
        kept.append(character)
    return "".join(kept) + mark if kept or mark else text[:1]


def pad(text: str, width: int) -> str:
    fitted = fit(text, width)
    return fitted + " " * (width - columns(fitted))
