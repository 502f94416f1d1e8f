"""Lay rows out in columns that line up, in as many columns of the screen as there are."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import click

GAP = 2
NARROWEST = 12


class Cell(NamedTuple):
    """A word of a row, and its colour on a terminal."""

    text: str
    colour: str | None = None


def render(headings: Sequence[str], rows: Sequence[Sequence[Cell]], width: int, give_way: int) -> str:
    """The table as lines. Where the screen is too narrow, column `give_way` is cut."""
    widths = [
        max(columns(text) for text in (heading, *(row[number].text for row in rows)))
        for number, heading in enumerate(headings)
    ]
    over = sum(widths) + GAP * (len(widths) - 1) - width
    if over > 0:
        widths[give_way] = max(min(NARROWEST, widths[give_way]), widths[give_way] - over)
    lines = [_line([Cell(heading, "bright_black") for heading in headings], widths)]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: none for a combining mark, two for a wide character."""
    return sum(_columns(character) for character in text)


def fit(text: str, width: int) -> str:
    """The text, or its beginning with an ellipsis, in at most `width` columns."""
    if columns(text) <= width:
        return text
    taken = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > width - 1:
            return text[:index].rstrip() + "…"
    return text


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Cf", "Me", "Mn"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _line(cells: Sequence[Cell], widths: Sequence[int]) -> str:
    parts = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = fit(cell.text, width)
        padding = " " * (width - columns(text)) if number < len(widths) - 1 else ""
        parts.append((click.style(text, fg=cell.colour) if cell.colour else text) + padding)
    return (" " * GAP).join(parts)
