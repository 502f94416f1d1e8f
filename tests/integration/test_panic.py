"""Supervisors are found by evidence and ended with all that is beneath them; nothing else is hit."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from app.demo.model import Model, Script, running
from app.demo.replies import Say, Use
from runner import panic, spool
from runner.spool import Cause
from runner.store import open_store
from runner.tmux import Tmux
from tests.integration import launches
from tests.integration.launches import Launch, Task

STRAY = "setsid sh -c 'trap \"\" TERM HUP INT; touch stray; while :; do sleep 0.1; done' & sleep 1000"
FOREVER = Use("Bash", {"command": STRAY, "description": "Leave something behind"})


def in_sight(place: Path) -> list[str]:
    """Processes that work in a place, whatever they are called."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if (entry / "cwd").readlink().is_relative_to(place):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


def _tmux(task: Task, *words: str) -> str:
    argv = ("tmux", "-S", str(task.home / "tmux.sock"), *words)
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


async def at_work(task: Task, url: str, tmux: Tmux) -> Launch:
    launch = await launches.start(task, task.spec(url, confined=False), tmux)
    await launch.until((task.worktree / "stray").exists)
    return launch


async def test_a_supervisor_that_hangs_goes_and_so_does_a_stray_process_in_a_session_of_its_own(tmp_path: Path) -> None:
    async with running(Model(default=Script(turns=[[FOREVER], [Say("Done.")]]), key=launches.KEY)) as url:
        one, other = Task(tmp_path / "one").prepare(), Task(tmp_path / "other", number=8).prepare()
        tmux, others = Tmux(one.home / "tmux.sock"), Tmux(other.home / "tmux.sock")
        launch, untouched = await at_work(one, url, tmux), await at_work(other, url, others)
        (supervisor,) = panic.supervisors(one.home)
        assert (supervisor.task, supervisor.run, supervisor.spool) == (7, 7, launch.directory)
        # tmux would wake what is stopped in a pane, so it goes first; the supervisor lives on without it.
        server = _tmux(one, "display-message", "-p", "#{pid}").strip()
        _tmux(one, "kill-server")
        await launches.until(lambda: not Path(f"/proc/{server}").exists())
        os.kill(supervisor.pid, signal.SIGSTOP)

        begun = time.monotonic()
        panic.begin(one.home)
        ended = await asyncio.to_thread(panic.end_agents, one.home)
        assert time.monotonic() - begun < 5
        assert [(end.run, end.how) for end in ended] == [(7, "killed")]
        assert in_sight(one.worktree) == []
        ending = spool.read_exit(launch.directory)
        assert ending is not None
        assert ending.cause is Cause.paused
        assert not spool.is_alive(launch.directory)

        # Another CCO_HOME is another matter.
        assert spool.is_alive(untouched.directory)
        assert len(panic.supervisors(other.home)) == 1
        untouched.send("pause")
        assert (await untouched.exit()).cause is Cause.paused
        assert in_sight(other.worktree) == []


async def test_a_tmux_server_that_was_started_with_the_first_launch_is_no_supervisor(tmp_path: Path) -> None:
    async with running(Model(default=Script(turns=[[FOREVER], [Say("Done.")]]), key=launches.KEY)) as url:
        task = Task(tmp_path).prepare()
        tmux = Tmux(tmp_path / "tmux.sock")
        await at_work(task, url, tmux)
        keeper = ("tmux", "-S", str(tmp_path / "tmux.sock"), "new-session", "-d", "-s", "keeper", "sleep 1000")
        subprocess.run(keeper, check=True)
        try:
            ended = await asyncio.to_thread(panic.end_agents, tmp_path)
            assert [end.how for end in ended] == ["told"]
            sessions = ("tmux", "-S", str(tmp_path / "tmux.sock"), "has-session", "-t", "=keeper")
            assert subprocess.run(sessions, check=False).returncode == 0
        finally:
            subprocess.run(("tmux", "-S", str(tmp_path / "tmux.sock"), "kill-server"), check=True)


async def test_what_is_started_while_everything_is_paused_ends_before_it_begins(tmp_path: Path) -> None:
    model = Model(default=Script(turns=[[Say("Done.")]]), key=launches.KEY)
    async with running(model) as url:
        task = Task(tmp_path).prepare()
        panic.begin(tmp_path)
        launch = await launches.start(task, task.spec(url, confined=False), Tmux(tmp_path / "tmux.sock"))
        assert (await launch.exit()).cause is Cause.paused
        assert launch.lines() == []
        assert model.requests == []


def test_a_process_that_only_mentions_a_supervisor_is_not_one(tmp_path: Path) -> None:
    place = tmp_path / "tasks/1/runs/1/launches/1"
    place.mkdir(parents=True)
    words = ["-P", "-m", "runner.supervisor", str(place)]
    code = "import time; time.sleep(1000)"
    for argv in ([sys.executable, "-c", code, *words], [sys.executable, "-c", code, *words[2:]]):
        with subprocess.Popen(argv) as stranger:
            try:
                assert panic.supervisors(tmp_path) == []
                assert panic.end_agents(tmp_path) == []
                assert stranger.poll() is None
            finally:
                stranger.kill()


def test_pausing_twice_and_lifting_twice_is_fine(tmp_path: Path) -> None:
    assert not panic.is_on(tmp_path)
    panic.begin(tmp_path)
    panic.begin(tmp_path)
    assert panic.is_on(tmp_path)
    assert panic.is_on_for(tmp_path / "tasks/1/runs/1/launches/1")
    assert panic.lift(tmp_path)
    assert not panic.lift(tmp_path)
    assert not panic.is_on(tmp_path)


async def test_a_pause_that_was_over_before_anyone_looked_is_noticed_if_it_held_anything_back(tmp_path: Path) -> None:
    async with open_store(tmp_path / "cco.db") as store:
        assert not store.pause.look()
        panic.begin(tmp_path)
        assert store.pause.on  # somebody holds back because of it
        panic.lift(tmp_path)
        assert store.pause.look()
        assert not store.pause.look()

        panic.begin(tmp_path)
        assert store.pause.look()
        assert not store.pause.look()
        panic.lift(tmp_path)
        assert store.pause.look()
        assert not store.pause.look()
