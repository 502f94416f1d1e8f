"""The supervisor's own hand on the spool."""

import json
from pathlib import Path

from runner import spool
from runner.journal import MAX_RECORD_BYTES, Journal


def test_numbers_go_on_where_an_earlier_writer_stopped(tmp_path: Path) -> None:
    Journal(tmp_path).write(spool.TROUBLE, {"what": "one"})
    Journal(tmp_path).write(spool.TROUBLE, {"what": "two"})
    assert [(line.seq, line.data["what"]) for line in spool.follow(tmp_path, 0)] == [(1, "one"), (2, "two")]


def test_a_line_cut_off_in_the_middle_goes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(spool.TROUBLE, {"what": "one"})
    journal.write(spool.TROUBLE, {"what": "two"})
    whole = (tmp_path / "events.jsonl").read_bytes()
    (tmp_path / "events.jsonl").write_bytes(whole[:-5])
    Journal(tmp_path).write(spool.TROUBLE, {"what": "three"})
    assert [(line.seq, line.data["what"]) for line in spool.follow(tmp_path, 0)] == [(1, "one"), (2, "three")]


def test_a_reader_goes_on_from_where_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(spool.TROUBLE, {"what": "one"})
    (first,) = spool.follow(tmp_path, 0)
    journal.write(spool.TROUBLE, {"what": "\u2028 é"})
    (second,) = spool.follow(tmp_path, first.end)
    assert second.data == {"what": "\u2028 é"}
    assert second.end == (tmp_path / "events.jsonl").stat().st_size


def test_a_line_that_is_still_being_written_is_left_for_the_next_time(tmp_path: Path) -> None:
    Journal(tmp_path).write(spool.TROUBLE, {"what": "one"})
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"seq":2,"t":1,"kind":"trouble","data":{}}')
    (first,) = spool.follow(tmp_path, 0)
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b"\n")
    (second,) = spool.follow(tmp_path, first.end)
    assert second.seq == 2


def test_what_is_too_long_to_keep_loses_its_bulk(tmp_path: Path) -> None:
    line = {"type": "user", "tool_use_result": "x" * MAX_RECORD_BYTES, "uuid": "u"}
    kept = Journal(tmp_path).write(spool.CLAUDE, {"line": line})
    assert kept.data == {"line": {"type": "user", "uuid": "u", "cut": True}}
    (row,) = (tmp_path / "events.jsonl").read_text().splitlines()
    assert json.loads(row)["data"] == kept.data
