"""Sessions on a tmux server of our own."""

import os
import subprocess
from pathlib import Path

import pytest

from runner.errors import TryLater
from runner.tasks import RunId
from runner.tmux import Tmux
from tests.integration import launches

SLEEP = ("sleep", "600")


def tmux_says(*words: str) -> str:
    return subprocess.run(["tmux", "-S", "t.sock", *words], check=True, capture_output=True, text=True).stdout


async def test_sessions_are_named_for_their_runs_and_killed_exactly(tmux: Tmux, tmp_path: Path) -> None:
    assert await tmux.sessions() == {}
    for run in (1, 10):
        await tmux.launch(RunId(run), SLEEP, tmp_path, {"PATH": "/usr/bin"})
    sessions = await tmux.sessions()
    assert set(sessions) == {1, 10}
    assert Path(f"/proc/{sessions[RunId(1)]}").exists()
    await tmux.kill(RunId(1))
    assert set(await tmux.sessions()) == {10}
    await tmux.kill(RunId(1))  # gone already, which is fine, and r10 is not r1
    assert set(await tmux.sessions()) == {10}
    await tmux.kill(RunId(10))
    assert await tmux.sessions() == {}


async def test_a_name_that_is_taken_is_refused(tmux: Tmux, tmp_path: Path) -> None:
    await tmux.launch(RunId(1), SLEEP, tmp_path, {"PATH": "/usr/bin"})
    with pytest.raises(TryLater, match="duplicate session"):
        await tmux.launch(RunId(1), SLEEP, tmp_path, {"PATH": "/usr/bin"})


async def test_no_word_is_a_format_a_shell_or_a_command_of_tmux(tmux: Tmux, tmp_path: Path) -> None:
    place = tmp_path / "#(touch sprung) $(touch sprung);"
    place.mkdir()
    argv = ("sh", "-c", 'printf "%s\\n" "$PWD" "$@" > out; exec sleep 600', "sh", "#(touch sprung)", ";", "a;", "$HOME")
    await tmux.launch(RunId(1), argv, place, {"PATH": "/usr/bin:/bin"})
    await launches.until(lambda: (place / "out").exists() and (place / "out").read_text().endswith("$HOME\n"))
    assert (place / "out").read_text().splitlines() == [str(place), "#(touch sprung)", ";", "a;", "$HOME"]
    assert list(tmp_path.rglob("sprung")) == []


async def test_the_pane_has_the_given_environment_and_the_server_no_secret(
    tmux: Tmux, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "made-up")
    monkeypatch.setenv("CCO_GITHUB_WEBHOOK_SECRET", "made-up")
    await tmux.launch(
        RunId(1), ("sh", "-c", "env > out; exec sleep 600"), tmp_path, {"PATH": "/usr/bin:/bin", "A": "1"}
    )
    await launches.until(lambda: (tmp_path / "out").exists() and "A=1" in (tmp_path / "out").read_text())
    names = {line.partition("=")[0] for line in (tmp_path / "out").read_text().splitlines()}
    assert names <= {"PATH", "A", "PWD", "SHLVL", "_", "OLDPWD", "TERM"}
    assert "made-up" not in tmux_says("show-environment", "-g")
    (server,) = tmux_says("display-message", "-p", "-t", "=r1:", "#{pid}").split()
    assert b"made-up" not in Path(f"/proc/{server}/environ").read_bytes()


async def test_the_options_are_ours_and_no_persons_file_is_read(
    tmux: Tmux, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".tmux.conf").write_text("set -g mouse off\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    await tmux.launch(RunId(1), SLEEP, tmp_path, {"PATH": "/usr/bin"}, (90, 30))
    options = tmux_says("show-options", "-g")
    assert "mouse on" in options
    assert "history-limit 50000" in options
    assert tmux_says("display-message", "-p", "-t", "=r1:", "#{window_width}x#{window_height}").strip() == "90x30"


def test_a_viewer_does_not_type_or_resize() -> None:
    argv = Tmux(Path("tmux.sock")).attach_argv(RunId(17), read_only=True)
    assert argv == ("tmux", "-S", "tmux.sock", "attach-session", "-f", "read-only,ignore-size", "-t", "=r17")
    assert "-f" not in Tmux(Path("tmux.sock")).attach_argv(RunId(17), read_only=False)


async def test_a_stale_socket_is_an_empty_server(tmux: Tmux, tmp_path: Path) -> None:
    await tmux.launch(RunId(1), SLEEP, tmp_path, {"PATH": "/usr/bin"})
    (server,) = tmux_says("display-message", "-p", "-t", "=r1:", "#{pid}").split()
    (pane,) = (await tmux.sessions()).values()
    os.kill(int(server), 9)
    os.kill(pane, 9)
    await launches.until(lambda: not Path(f"/proc/{server}").exists())
    assert await tmux.sessions() == {}
    await tmux.launch(RunId(2), SLEEP, tmp_path, {"PATH": "/usr/bin"})
    assert set(await tmux.sessions()) == {2}
