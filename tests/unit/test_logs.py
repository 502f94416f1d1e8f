"""The log: one line a record, with its ids, without secrets, and without anything that acts on a terminal."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from aiohttp.http_exceptions import BadStatusLine

from app import logs
from runner.about import about


def redact(text: str) -> str:
    return text.replace("hunter2", "[redacted]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def logging_to(stream: io.StringIO, form: Literal["auto", "human", "json"]) -> Iterator[logging.Logger]:
    with logs.writing(form, "info", redact, stream):
        yield logging.getLogger("app.test")


def test_json_has_the_ids_and_no_secret() -> None:
    out = io.StringIO()
    with logging_to(out, "json") as log, about(delivery="guid-1"):
        with about(task=7, run=17):
            log.info("pushed with %s", "hunter2")
        log.warning("later")
        log.debug("not at this level")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["message"] == "pushed with [redacted]"
    assert (first["delivery"], first["task"], first["run"], first["level"]) == ("guid-1", "7", "17", "info")
    assert first["time"].endswith("Z")
    assert (second["delivery"], "task" in second) == ("guid-1", False)


def test_a_traceback_is_part_of_the_line_and_redacted_too() -> None:
    out = io.StringIO()
    with logging_to(out, "json") as log:
        log.error("it broke", exc_info=ValueError("the password is hunter2"))
    [line] = map(json.loads, out.getvalue().splitlines())
    assert "ValueError: the password is [redacted]" in line["exception"]


def test_people_get_colours_on_a_terminal_and_nothing_a_stranger_wrote_acts_on_it() -> None:
    out = Terminal()
    with logging_to(out, "auto") as log, about(task="7\x1b]0;owned\x07"):
        log.warning("title: \x1b[2Jgone\r\nfaked 12:00:00 info line \u202e\x9b31m")
    text = out.getvalue()
    assert "\x1b[33mwarning" in text
    assert "\x1b[2J" not in text
    assert not set(text) & set("\r\x07\u202e\x9b")
    assert "\x1b]" not in text
    assert "\n    faked" in text  # set off, so that it cannot be taken for a line of ours


def test_a_pipe_gets_json_without_being_asked() -> None:
    out = io.StringIO()
    with logging_to(out, "auto") as log:
        log.info("one\ntwo")
    assert json.loads(out.getvalue())["message"] == "one\ntwo"
    assert out.getvalue().count("\n") == 1


def test_broken_requests_are_a_line_a_minute_and_no_traceback() -> None:
    out = io.StringIO()
    with logging_to(out, "human"):
        server = logging.getLogger("aiohttp.server")
        for _ in range(100):
            server.error("Error handling request", exc_info=BadStatusLine("GET"))
        server.error("Error handling request", exc_info=KeyError("ours"))
    text = out.getvalue()
    assert text.count("a broken request was refused") == 1
    assert "BadStatusLine: " not in text
    assert "KeyError: 'ours'" in text


def test_what_is_held_back_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("app.logs.time.monotonic", lambda: now)
    sampled = logs.Sampled(60)
    assert [sampled.take("a"), sampled.take("a"), sampled.take("b"), sampled.take("a")] == [0, None, 0, None]
    now += 60
    assert sampled.take("a") == 2


def test_without_a_stream_it_goes_to_standard_error_and_afterwards_all_is_as_before() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogger("aiohttp.server").filters[:]
    with logs.writing("human", "warning", redact) as handler:
        assert isinstance(handler, logging.StreamHandler)
        assert handler.stream is sys.stderr
        assert root.handlers == [handler]
    assert (root.handlers[:], root.level, logging.getLogger("aiohttp.server").filters[:]) == before
