"""The supervisor's hand on events.jsonl: one line, one write(2), on disk before anything follows from it."""

import json
import os
import time
from pathlib import Path
from typing import Any

from runner.effects import effect
from runner.spool import CLAUDE, Line

MAX_RECORD_BYTES = 1024 * 1024
_TAIL_BYTES = 2 * MAX_RECORD_BYTES


class Journal:
    """Appends lines; numbers go on where an earlier writer of the same file stopped."""

    def __init__(self, spool: Path) -> None:
        self._file = os.open(spool / "events.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._seq = _last_seq(self._file)

    def write(self, kind: str, data: dict[str, Any]) -> Line:
        """Append one line and wait until the disk has it."""
        now = round(time.time(), 3)
        raw = self._encode(now, kind, data)
        if len(raw) > MAX_RECORD_BYTES:
            data = {"line": _shortened(data["line"])} if kind == CLAUDE else {"cut": True}
            raw = self._encode(now, kind, data)
        self._seq += 1
        with effect("file.line"):
            written = os.write(self._file, raw)
            while written < len(raw):  # a disk that is nearly full takes a part: finish the line or raise ENOSPC
                written += os.write(self._file, raw[written:])
            os.fdatasync(self._file)
        return Line(self._seq, now, kind, data, 0)

    def _encode(self, now: float, kind: str, data: dict[str, Any]) -> bytes:
        record = {"seq": self._seq + 1, "t": now, "kind": kind, "data": data}
        return (json.dumps(record, separators=(",", ":")) + "\n").encode()


def _last_seq(file: int) -> int:
    """The number of the last whole line; what stands behind it was cut off in the middle, and goes."""
    size = os.fstat(file).st_size
    start = max(0, size - _TAIL_BYTES)
    tail = os.pread(file, size - start, start)
    whole = tail.rfind(b"\n") + 1
    if whole < len(tail):
        os.ftruncate(file, start + whole)
    if not whole:
        return 0
    last = tail[:whole].rstrip(b"\n").rpartition(b"\n")[2]
    return int(json.loads(last)["seq"])


def _shortened(line: dict[str, Any]) -> dict[str, Any]:
    """A line that is too long to keep, without its bulk: an image, a huge output."""
    kept = {name: value for name, value in line.items() if len(json.dumps(value)) <= MAX_RECORD_BYTES // 16}
    return kept | {"cut": True}
