"""Read a length of time: "1h 30m", "45s", "2d"."""

import re

SECONDS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
PART = re.compile(r"(\d+)\s*([smhd])")


def parse(text: str) -> int:
    """The seconds in a length of time; a ValueError when there is none in it."""
    parts = PART.findall(text.lower())
    if not parts:
        raise ValueError(f"not a length of time: {text!r}")
    return sum(int(number) * SECONDS[unit] for number, unit in parts)
