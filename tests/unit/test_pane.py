"""A terminal that is slow, flooded or gone."""

import os
import pty

from runner.pane import MAX_WAITING_BYTES, Pane


def test_a_slow_terminal_delays_and_a_flood_is_bounded() -> None:
    ours, theirs = pty.openpty()
    pane = Pane(theirs)
    pane.hush()
    for _ in range(100):
        pane.show("x" * 100_000)
    assert 0 < pane.waiting_bytes <= MAX_WAITING_BYTES + 100_000
    assert os.read(ours, 10) == b"x" * 10
    os.close(ours)
    os.close(theirs)


def test_a_terminal_that_is_gone_swallows() -> None:
    ours, theirs = pty.openpty()
    pane = Pane(theirs)
    assert pane.width >= 1
    os.close(ours)
    pane.show("a\n")
    pane.show("b\n")
    assert pane.waiting_bytes == 0
    os.close(theirs)


def test_line_ends_are_those_of_a_terminal() -> None:
    reader, writer = os.pipe()
    Pane(writer).show("a\nb\n")
    assert os.read(reader, 100) == b"a\r\nb\r\n"
    os.close(reader)
    os.close(writer)
