"""The service's log: JSON or for people, with delivery, task and run ids, and without secrets or control characters."""

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, TextIO

from runner.about import matter

FIELDS = ("delivery", "task", "run", "request")
SAMPLE_SECONDS = 60.0
COLOURS = {"DEBUG": "2", "INFO": "0", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}
# C0 but tab and newline, DEL, C1, and what turns the direction of text: a log line must not act on a terminal.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Written(logging.Formatter):
    """A record as one line of JSON, or as lines for people."""

    def __init__(self, form: Literal["json", "human"], redact: Callable[[str], str], *, colour: bool = False) -> None:
        super().__init__()
        self._form = form
        self._redact = redact
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        message = self._clean(record.getMessage())
        trouble = self._clean(self.formatException(record.exc_info)) if record.exc_info else ""
        fields = {name: self._clean(value) for name, value in matter().items() if name in FIELDS}
        moment = datetime.fromtimestamp(record.created, UTC)
        if self._form == "json":
            line = {
                "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": message,
                **fields,
                **({"exception": trouble} if trouble else {}),
            }
            return json.dumps(line, ensure_ascii=False)
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        level = f"{record.levelname.lower():7}"
        if self._colour:
            level = f"\x1b[{COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
            told = f"\x1b[2m{told}\x1b[0m" if told else ""
        head = f"{moment.astimezone():%H:%M:%S} {level} {message}" + (f"  {told}" if told else "")
        return (f"{head}\n{trouble}" if trouble else head).replace("\n", "\n    ")

    def _clean(self, text: str) -> str:
        return CONTROL.sub("\N{REPLACEMENT CHARACTER}", self._redact(text))


class BadRequests(logging.Filter):
    """What aiohttp says of broken requests: no traceback, and not more than one line a minute.

    Whoever reaches the port could fill the disk otherwise.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sampled = Sampled()

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or type(error).__module__.split(".")[0] != "aiohttp":
            return True
        held_back = self._sampled.take(type(error).__name__)
        if held_back is None:
            return False
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = (
            "a broken request was refused: %s (%d like it before)",
            (error.__class__.__name__, held_back),
        )
        return True


class Sampled:
    """Lets one of each kind through a minute, and counts the others."""

    def __init__(self, seconds: float = SAMPLE_SECONDS) -> None:
        self._seconds = seconds
        self._last: dict[str, tuple[float, int]] = {}

    def take(self, kind: str) -> int | None:
        """None: hold this one back. Else it may pass, and so many were held back since the last."""
        now = time.monotonic()
        since, held_back = self._last.get(kind, (-self._seconds, 0))
        if now - since < self._seconds:
            self._last[kind] = (since, held_back + 1)
            return None
        self._last[kind] = (now, 0)
        return held_back


@contextmanager
def writing(
    form: Literal["auto", "human", "json"],
    level: str,
    redact: Callable[[str], str],
    stream: TextIO | None = None,
) -> Iterator[logging.Handler]:
    """Send everything that is logged to `stream` (standard error), written as asked; afterwards all is as before."""
    out = stream if stream is not None else sys.stderr
    terminal = out.isatty()
    handler = logging.StreamHandler(out)
    written: Literal["json", "human"] = ("human" if terminal else "json") if form == "auto" else form
    handler.setFormatter(Written(written, redact, colour=terminal))
    root, broken, database = logging.getLogger(), logging.getLogger("aiohttp.server"), logging.getLogger("aiosqlite")
    before = root.handlers[:], root.level, database.level
    bad_requests = BadRequests()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    broken.addFilter(bad_requests)
    database.setLevel(logging.WARNING)  # it logs every statement, with its values
    try:
        yield handler
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        database.setLevel(before[2])
        logging.captureWarnings(capture=False)
        broken.removeFilter(bad_requests)
