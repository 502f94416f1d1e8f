"""Agents that hang, hide, or resist, and supervisors that are killed or frozen: nothing of them is left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from app.demo.replies import Say
from runner import kin, spool
from runner.engine import Engine, Launch
from runner.spool import Cause
from runner.tasks import RunId, TaskId
from runner.tmux import Tmux
from tests import factories as a
from tests.integration import launches
from tests.integration.launches import Task, limited
from tests.integration.test_supervisor import DONE, WAIT, bash, processes_with, scripted

# In sessions of their own, without a terminal, twice removed, and holding on to what they were given.
HIDE = (
    "setsid -f sleep 300{mark} </dev/null >/dev/null 2>&1; setsid -f sleep 301{mark}; nohup sleep 302{mark} >/dev/null "
    "2>&1 & (sh -c 'sleep 303{mark} & exit' &) ; sleep 0.2"
)

# Each of two looks after the other, and neither listens.
TWINS = """\
trap '' TERM INT HUP QUIT
echo $$ > "$1.pid"
while :; do
    kill -0 "$(cat "$2.pid" 2>/dev/null)" 2>/dev/null || setsid -f sh "$0" "$2" "$1" </dev/null >/dev/null 2>&1
    sleep 0.1
done
"""


def marked(mark: str) -> list[int]:
    return [pid for number in range(300, 304) for pid in processes_with(f"sleep\0{number}{mark}")]


async def test_what_outlives_a_killed_supervisor_is_ended_before_the_next_launch(task: Task, tmux: Tmux) -> None:
    mark = f".{os.getpid()}"
    run = a.run(id=RunId(task.number), task_id=TaskId(task.number), launch=1)
    engine = Engine(task.home.resolve(), tmux)
    async with scripted([bash(HIDE.format(mark=mark))], [WAIT], *[[Say("Again.")]] * 3) as (_, url):
        launch = await launches.start(task, task.spec(url, confined=False), tmux)
        await launch.until(lambda: len(marked(mark)) == 4)
        bystander = subprocess.Popen(("sleep", f"309{mark}"), cwd=task.worktree)

        os.kill((await tmux.sessions())[run.id], signal.SIGKILL)
        await launch.until(lambda: not spool.is_alive(launch.directory))
        assert len(marked(mark)) == 4  # without a sandbox nothing ends them by itself
        (task.worktree / "go").touch()
        again = a.run(id=run.id, task_id=run.task_id, launch=2)
        await engine.launch(again, task.spec(url, confined=False))

        assert marked(mark) == []
        assert bystander.poll() is None  # somebody who only looks around in there is let be
        bystander.kill()
        bystander.wait()
        second = launches.Launch(launch.spec, engine.spool(again))
        ending = await second.exit()

    assert ending.cause is Cause.finished, second.explain()
    assert kin.of_task(task.root) == []


@pytest.mark.parametrize("confined", [True, False])
async def test_a_stop_ends_those_that_do_not_listen_within_the_promised_seconds(
    task: Task, tmux: Tmux, confined: bool
) -> None:
    mark = f".{os.getpid()}{confined:d}"
    twins = f"twins{mark}.sh"
    (task.worktree / twins).write_text(TWINS)
    wild = f"setsid -f sh {twins} a b >/dev/null 2>&1; {HIDE.format(mark=mark)}; trap '' TERM INT HUP; sleep 304{mark}"
    async with scripted([bash(wild)], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url, confined=confined), tmux)
        await launch.until(lambda: len(marked(mark)) == 4 and len(processes_with(f"{twins}\0b\0a")) == 1)

        began = time.monotonic()
        launch.send("stop", why="enough")
        ending = await launch.exit()
        seconds = time.monotonic() - began

    assert ending.cause is Cause.stopped
    assert not marked(mark)
    assert not processes_with(f"{twins}\0")
    assert seconds < 20, seconds  # five to say goodbye, three to listen to SIGTERM, the rest to bring the work home


async def test_a_claude_that_is_frozen_is_silent_and_ended(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], DONE) as (_, url):
        launch = await launches.start(task, limited(task.spec(url, confined=False), silence_seconds=3), tmux)
        await launch.tool("Bash")
        os.kill(launch.of(spool.STARTED)[0]["pid"], signal.SIGSTOP)
        ending = await launch.exit()

    assert ending.cause is Cause.silence
    await launch.until(lambda: not processes_with(str(task.worktree)))


async def test_a_supervisor_that_was_frozen_takes_its_own_absence_for_nobodys_silence(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], DONE) as (_, url):
        launch = await launches.start(task, limited(task.spec(url), seconds=6, silence_seconds=5), tmux)
        await launch.tool("Bash")
        pid = spool.holder(launch.directory)
        assert pid is not None
        # tmux wakes what is frozen in its panes, and the kernel once more when it is gone.
        asked = ["tmux", "-S", "t.sock", "display-message", "-p", "#{pid}"]
        server = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(["tmux", "-S", "t.sock", "kill-server"], check=True)
        await launch.until(lambda: not Path(f"/proc/{server}").exists())
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(7)
        assert spool.is_alive(launch.directory)
        os.kill(pid, signal.SIGCONT)
        (task.worktree / "go").touch()
        ending = await launch.exit()

    assert ending.cause is Cause.finished, ending
    assert ending.worked_seconds is not None
    assert ending.worked_seconds < 6


async def test_a_session_in_which_no_supervisor_comes_to_life_is_ended_by_force(task: Task, tmux: Tmux) -> None:
    run = a.run(id=RunId(task.number), task_id=TaskId(task.number), launch=1)
    engine = Engine(task.home.resolve(), tmux)
    spool.create(engine.spool(run), task.spec("http://127.0.0.1:9"))
    long = f"1000.{os.getpid()}"  # nobody else sleeps for just so long
    await tmux.launch(run.id, ["sleep", long], cwd=engine.spool(run), env={"PATH": os.environ["PATH"]})
    assert await engine.probe(run) is Launch.coming

    await engine.end_by_force(run)

    await launches.until(lambda: not processes_with(f"sleep\0{long}\0"))
    while run.id in await tmux.sessions():
        await asyncio.sleep(0.03)
    assert await engine.probe(run) is Launch.absent


async def test_a_session_that_only_shows_is_no_life(task: Task, tmux: Tmux) -> None:
    run = a.run(id=RunId(task.number), task_id=TaskId(task.number), launch=1)
    engine = Engine(task.home.resolve(), tmux)
    spool.create(engine.spool(run), task.spec("http://127.0.0.1:9"))
    await engine.show(run)
    assert await engine.in_sight() == set()  # nobody is alive, so there is nothing to show
    lock = spool.hold(engine.spool(run))
    assert lock is not None
    await engine.show(run)
    await engine.show(run)
    assert await engine.in_sight() == {run.id}
    assert await engine.probe(run) is Launch.alive

    os.close(lock)

    assert await engine.probe(run) is Launch.lost
    while await engine.in_sight():  # and what showed it leaves by itself
        await asyncio.sleep(0.03)


async def test_a_lock_that_a_file_server_kept_from_before_a_reboot_is_no_life(task: Task) -> None:
    directory = task.root / "spool"
    directory.mkdir()
    descriptor = spool.hold(directory)
    assert descriptor is not None
    assert (spool.is_alive(directory), spool.holder(directory)) == (True, os.getpid())
    with suppress(OSError):
        (directory / "lock").write_text('{"pid": 1, "boot": "another-life"}')
    assert (spool.is_alive(directory), spool.holder(directory)) == (False, None)
    os.close(descriptor)


async def test_a_look_at_the_lock_keeps_no_supervisor_out(task: Task) -> None:
    """Whoever probes holds the lock for a moment, and a supervisor may start in just that one."""
    directory = task.root / "spool"
    directory.mkdir()
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_SH); print(flush=True); input()"
    argv = (sys.executable, "-c", code, str(directory / "lock"))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as probing:
        assert probing.stdout is not None
        assert probing.stdin is not None
        probing.stdout.readline()
        taking = asyncio.create_task(asyncio.to_thread(spool.hold, directory))
        await asyncio.sleep(0.05)
        probing.stdin.close()
        descriptor = await taking
    assert descriptor is not None
    os.close(descriptor)


def test_the_last_beat_says_how_long_it_has_worked(tmp_path: Path) -> None:
    assert spool.last_beat(tmp_path) == (0, None)
    spool.beat(tmp_path, 61.7)
    moment, worked = spool.last_beat(tmp_path)
    assert (moment > 0, worked) == (True, 62.0)
