"""`cco attach` in a real terminal, with a real tmux server on the socket of CCO_HOME; and colour on a terminal."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.tasks import Outcome, RunState
from tests.fakes.service import Service, invoke, until

ROOT = Path(__file__).parents[2]
# Makes the terminal its own, so that Ctrl-C arrives, and becomes the command.
IN_A_TERMINAL = (
    "import fcntl, os, sys, termios;"
    "os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
DETACH = b"\x02d"


class Terminal:
    """A command in a terminal of its own, 80 columns wide."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.master, other_end = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, "-m", "app", *arguments],
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment},
        )
        os.close(other_end)
        self.seen = b""

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read_until(self, expected: bytes) -> None:
        end = time.monotonic() + 20
        while expected not in self.seen:
            assert time.monotonic() < end, self.seen
            assert self._read(), self.seen

    def code(self) -> int:
        """Its exit code, once it has ended by itself."""
        while self._read():
            pass
        return self.process.wait(timeout=20)

    def close(self) -> None:
        """End it, if it has not ended."""
        os.close(self.master)
        self.process.kill()
        self.process.wait()

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 20)
        assert ready, self.seen
        try:
            part = os.read(self.master, 4096)
        except OSError:  # the other end is closed
            return False
        self.seen += part
        return bool(part)


@pytest.fixture
def session(served: Service, cco_home: Path) -> Iterator[Service]:
    """Task 1 at work, in the session r1; r10 is there to be mistaken for it."""
    submission = served.submit()
    served.move(submission, RunState.starting, RunState.running)
    for name in ("r10", "r1"):
        _tmux(
            cco_home, "-f", "/dev/null", "new-session", "-d", "-s", name, "--", "sh", "-c", f"echo this is {name}; cat"
        )
    _tmux(cco_home, "set-option", "-g", "assume-paste-time", "0")  # we type fast
    server = int(_tmux(cco_home, "display-message", "-p", "-t", "=r1", "#{pid}"))
    yield served
    os.kill(server, signal.SIGTERM)
    until(lambda: not Path(f"/proc/{server}").exists() or _is_zombie(server))


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Opens terminals, and sees to it that all of them end."""
    opened: list[Terminal] = []

    def open_one(*arguments: str, **environment: str) -> Terminal:
        opened.append(Terminal(*arguments, **environment))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _tmux(home: Path, *arguments: str) -> str:
    return subprocess.run(
        ["tmux", "-S", "tmux.sock", *arguments], cwd=home, check=True, capture_output=True, text=True
    ).stdout.strip()


def _screen(home: Path, name: str) -> str:
    return _tmux(home, "capture-pane", "-p", "-t", f"={name}:")


def test_a_running_task_is_entered_spoken_to_and_left(
    terminal: Callable[..., Terminal], session: Service, cco_home: Path
) -> None:
    opened = terminal("attach", "1")
    opened.read_until(b"this is r1")
    opened.type(b"typed by a person\r")
    until(lambda: _screen(cco_home, "r1").count("typed by a person") == 2)  # the echo, and what cat says
    opened.type(DETACH)
    assert opened.code() == 0
    assert "typed" not in _screen(cco_home, "r10")
    _tmux(cco_home, "has-session", "-t", "=r1")


def test_a_viewer_sees_and_cannot_type_or_resize(
    terminal: Callable[..., Terminal], session: Service, cco_home: Path
) -> None:
    before = _tmux(cco_home, "display-message", "-p", "-t", "=r1", "#{window_width}x#{window_height}")
    opened = terminal("attach", "octo/hello#42", "--read-only")
    opened.read_until(b"this is r1")
    opened.type(b"typed by a viewer\r" + DETACH)
    assert opened.code() == 0
    assert "typed" not in _screen(cco_home, "r1")
    assert _tmux(cco_home, "display-message", "-p", "-t", "=r1", "#{window_width}x#{window_height}") == before


def test_inside_tmux_it_says_so(terminal: Callable[..., Terminal], session: Service) -> None:
    opened = terminal("attach", "1", TMUX="/tmp/tmux-0/default,1,0")
    assert opened.code() == 1
    assert b"inside tmux already" in opened.seen
    assert b"cco logs -f 1" in opened.seen


def test_without_a_terminal_it_says_so(session: Service) -> None:
    result = invoke("attach", "1")
    assert result.exit_code == 1
    assert "attach needs a terminal" in result.stderr


def test_without_tmux_it_says_so(terminal: Callable[..., Terminal], session: Service) -> None:
    opened = terminal("attach", "1", PATH="/nowhere")
    assert opened.code() == 1
    assert b"tmux is not installed" in opened.seen


def test_an_ended_task_points_to_its_transcript(served: Service) -> None:
    submission = served.submit()
    served.wait(served.store.settle(submission.run.id, Outcome.stopped, "Someone stopped it."))
    result = invoke("attach", "1")
    assert result.exit_code == 1
    assert "not running (stopped)" in result.stderr
    assert "cco logs 1" in result.stderr


def test_a_task_in_the_queue_has_no_session_yet(terminal: Callable[..., Terminal], served: Service) -> None:
    served.submit()
    opened = terminal("attach", "1")
    assert opened.code() == 1
    assert b"no session now (queued, next in line)" in opened.seen


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_that_want_it(
    terminal: Callable[..., Terminal], session: Service, no_color: str, coloured: bool
) -> None:
    opened = terminal("ls", NO_COLOR=no_color)
    assert opened.code() == 0
    assert b"running" in opened.seen
    assert (b"\x1b[36m" in opened.seen) is coloured
    assert all(len(line) <= 80 for line in opened.seen.decode().splitlines() if "\x1b" not in line)


def test_control_c_leaves_a_follower_without_a_trace(terminal: Callable[..., Terminal], session: Service) -> None:
    session.parts = ["so far\n"]
    opened = terminal("logs", "-f", "1")
    opened.read_until(b"so far")
    until(lambda: session.marks.count("1") >= 2)
    opened.type(b"\x03")
    assert opened.code() == 0
    assert b"Traceback" not in opened.seen
    assert session.done == []


def test_a_diff_is_in_colour_line_by_line(session: Service, terminal: Callable[..., Terminal]) -> None:
    session.changed = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same\n"
    opened = terminal("diff", "1")
    assert opened.code() == 0
    assert b"\x1b[32m+new\x1b[0m" in opened.seen
    assert b"\x1b[31m-old\x1b[0m" in opened.seen
    assert b"\x1b[1m+++ b/x\x1b[0m" in opened.seen
    assert b"\r\n same\r\n" in opened.seen
