"""tmux sessions on our own socket, one for each run."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import libtmux

from runner.effects import effect
from runner.errors import TryLater
from runner.tasks import RunId

_NAME_PREFIX = "r"
_WORKS, _SHOWS = "works", "shows"  # what the pane does; names of windows
# What tmux itself needs, and nothing that a pane should not have: the server hands its environment to every pane.
_SERVER_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "HOME", "SHELL", "USER", "LOGNAME", "TMPDIR", "TZ")
_OPTIONS = (
    ("-s", "escape-time", "10"),
    ("-s", "set-clipboard", "off"),
    ("-g", "default-terminal", "tmux-256color"),
    ("-g", "mouse", "on"),
    ("-g", "history-limit", "50000"),
    ("-g", "remain-on-exit", "off"),
    ("-g", "window-size", "latest"),
    ("-g", "allow-rename", "off"),
    ("-g", "set-titles", "off"),
    ("-g", "update-environment", ""),
    ("-g", "status-style", "bg=default,fg=colour245"),
    ("-g", "status-left", " #S "),
    ("-g", "status-right", "%H:%M "),
    ("-g", "window-status-format", ""),
    ("-g", "window-status-current-format", ""),
)


@dataclass(frozen=True, slots=True)
class Pane:
    """The one pane of a session: its process, and whether that only shows what a supervisor elsewhere does."""

    pid: int
    only_shows: bool


class Tmux:
    """The sessions of one CCO_HOME. `socket` may be relative: the limit is 107 bytes, and the server keeps its path."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._lock = asyncio.Lock()

    async def launch(
        self, run_id: RunId, argv: Sequence[str], cwd: Path, env: Mapping[str, str], size: tuple[int, int] = (200, 50)
    ) -> None:
        """Start a detached session whose one pane runs `argv`. No shell is between, and nothing typed."""
        async with self._lock:  # two first sessions at once would race for the server
            with effect("tmux.launch"):
                await asyncio.to_thread(self._launch, run_id, argv, cwd, env, size, _WORKS)

    async def show(self, run_id: RunId, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        """The same for a process that only shows what is done elsewhere, unless the run has a session."""
        async with self._lock:
            if run_id not in await self.panes():
                with effect("tmux.show"):
                    await asyncio.to_thread(self._launch, run_id, argv, cwd, env, (200, 50), _SHOWS)

    async def panes(self) -> dict[RunId, Pane]:
        """The runs that have a session, with its pane; sessions of other names are not ours."""
        return await asyncio.to_thread(self._panes)

    async def sessions(self) -> dict[RunId, int]:
        """The runs that have a session, with the pid of its pane."""
        return {run_id: pane.pid for run_id, pane in (await self.panes()).items()}

    async def kill(self, run_id: RunId) -> None:
        """End the session of exactly this run; one that is gone is fine."""
        with effect("tmux.kill"):
            await asyncio.to_thread(self._kill, run_id)

    def attach_argv(self, run_id: RunId, *, read_only: bool) -> tuple[str, ...]:
        """The command that shows the session; a viewer does not resize the screen for others."""
        flags = ("-f", "read-only,ignore-size") if read_only else ()
        return ("tmux", "-S", str(self._socket), "attach-session", *flags, "-t", f"={_name(run_id)}")

    def _launch(
        self, run_id: RunId, argv: Sequence[str], cwd: Path, env: Mapping[str, str], size: tuple[int, int], does: str
    ) -> None:
        # The start directory is a format to tmux, and formats run commands; so is the environment part of its argv,
        # which anyone may read. The cwd goes through `env --chdir`, and secrets have no place in `env` at all.
        width, height = map(str, size)
        words = ["new-session", "-d", "-s", _name(run_id), "-n", does, "-x", width, "-y", height, "--"]
        words += ["/usr/bin/env", "-i", f"--chdir={cwd}", *(f"{key}={value}" for key, value in env.items()), *argv]
        settings: list[str] = []
        if not self._is_alive():
            settings = ["start-server", ";", "set-option", "-s", "exit-empty", "on", ";"]
        for scope, option, value in _OPTIONS:  # each time: systemd may have started the server, without them
            settings += ["set-option", scope, option, value, ";"]
        argv_safe = [word if not word.endswith(";") else f"{word[:-1]}\\;" for word in words]
        try:
            done = subprocess.run(
                ["tmux", "-S", str(self._socket), "-f", "/dev/null", *settings, *argv_safe],
                env={name: os.environ[name] for name in _SERVER_ENVIRONMENT if name in os.environ},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=30,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TryLater(f"tmux did not start session {_name(run_id)} within 30 seconds") from None
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise TryLater(f"tmux could not start session {_name(run_id)}: {said[:300]}")

    def _server(self) -> libtmux.Server:
        return libtmux.Server(socket_path=str(self._socket), config_file="/dev/null")

    def _is_alive(self) -> bool:
        """Whether a server listens; asked of the socket, because asking through tmux costs a process each time."""
        with socket.socket(socket.AF_UNIX) as ours:
            try:
                ours.connect(str(self._socket))
            except OSError:  # nothing there, or a file that a dead server left behind
                return False
        return True

    def _panes(self) -> dict[RunId, Pane]:
        if not self._is_alive():
            return {}
        listed = self._server().cmd("list-panes", "-a", "-F", "#{session_name} #{pane_pid} #{window_name}").stdout
        found: dict[RunId, Pane] = {}
        for row in listed:
            name, pid, does = [*row.split(" ", 2), "", ""][:3]
            if name.startswith(_NAME_PREFIX) and name[1:].isdecimal() and pid.isdecimal():
                found[RunId(int(name[1:]))] = Pane(int(pid), does == _SHOWS)
        return found

    def _kill(self, run_id: RunId) -> None:
        if self._is_alive():
            self._server().cmd("kill-session", "-t", f"={_name(run_id)}")


def _name(run_id: RunId) -> str:
    return f"{_NAME_PREFIX}{int(run_id)}"
