"""The supervisor: real Claude CLI, real bubblewrap, real tmux, and a scripted model."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from app.demo import story
from app.demo.model import Model, Script, running
from app.demo.replies import Delay, Fail, Hang, Say, Step, Use
from runner import spool
from runner.events import CommitsExported, TurnEnded
from runner.exports import LEFTOVERS
from runner.progress import Progress, events_of
from runner.spool import Cause, Message, Spec
from runner.tasks import RunId
from runner.tmux import Tmux
from tests.integration import launches
from tests.integration.launches import Launch, Task, git, limited

WAIT = Use("Bash", {"command": "until [ -e go ]; do sleep 0.05; done", "description": "Wait for a file"})
DONE = (Say("Done."),)
QUESTION = {
    "question": "Which way?",
    "header": "Way",
    "multiSelect": False,
    "options": [{"label": "left", "description": "Left"}, {"label": "right", "description": "Right"}],
}


def write(task: Task, name: str, content: str = "new\n") -> Use:
    return Use("Write", {"file_path": str(task.worktree / name), "content": content})


def bash(command: str) -> Use:
    return Use("Bash", {"command": command, "description": "Do it"})


@asynccontextmanager
async def scripted(*turns: Sequence[Step]) -> AsyncIterator[tuple[Model, str]]:
    model = Model(default=Script(turns=turns), key=launches.KEY)
    async with running(model) as url:
        yield model, url


def last_bundle(launch: Launch) -> int:
    return int(launch.of(spool.BUNDLE)[-1]["number"])


def tip(task: Task, launch: Launch) -> str:
    """The last bundle, imported into the mirror as the service does it."""
    *_, last = launch.of(spool.BUNDLE)
    bundle = launch.directory / "bundles" / str(last["number"])
    git(task.mirror, "fetch", "-q", str(bundle), "+HEAD:refs/heads/imported")
    assert git(task.mirror, "rev-parse", "imported") == last["sha"]
    return str(last["sha"])


def processes_with(words: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                argv = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words.encode() in argv:
                found.append(int(entry.name))
    return found


def processes_in(directory: Path) -> list[int]:
    """Those that stand in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if directory in (there := (entry / "cwd").readlink()).parents or there == directory:
                    found.append(int(entry.name))
    return found


async def test_a_run_ends_with_its_commits_handed_over(task: Task, tmux: Tmux) -> None:
    model = Model([(story.PATTERN, story.script())], key=launches.KEY)
    async with running(model) as url:
        launch = await launches.start(task, task.spec(url), tmux)
        ending = await launch.exit()

    assert (ending.cause, ending.code) == (Cause.finished, 0), launch.explain()
    assert ending.result is not None
    assert ending.result["is_error"] is False
    tip(task, launch)
    assert git(task.mirror, "log", "-1", "--format=%s", "imported") == story.COMMIT_TITLE
    assert model.refused == []
    assert not launch.of(spool.TROUBLE)
    memory = Progress(1, str(task.worktree))
    happened = [event for line in launch.lines() for event in events_of(line, memory)]
    assert CommitsExported(1, last_bundle(launch), tip(task, launch)) in happened
    assert [event.is_error for event in happened if isinstance(event, TurnEnded)] == [False]
    assert [line.seq for line in launch.lines()] == list(range(1, len(launch.lines()) + 1))
    await launch.until(lambda: not processes_with(str(task.worktree)))


@pytest.mark.parametrize("confined", [True, False])
async def test_what_was_left_uncommitted_is_committed_whatever_the_hooks_say(
    task: Task, tmux: Tmux, confined: bool
) -> None:
    hook = "printf '#!/bin/sh\\nexit 1\\n' > $(git rev-parse --git-common-dir)/hooks/pre-commit && chmod +x $_"
    plant = f"mkdir -p $(git rev-parse --git-common-dir)/hooks && {hook}; touch $(git rev-parse --git-path index.lock)"
    async with scripted([write(task, "note é.txt"), bash(plant)], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url, confined=confined), tmux)
        ending = await launch.exit()

    assert ending.cause is Cause.finished
    sha = tip(task, launch)
    assert git(task.mirror, "log", "-1", "--format=%an <%ae>|%cn|%s", sha) == (
        f"cco[bot] <bot@example.org>|cco[bot]|{LEFTOVERS}"
    )
    assert "Co-authored-by: Ada <ada@example.org>" in git(task.mirror, "log", "-1", "--format=%B", sha)
    assert git(task.mirror, "show", f"{sha}:note é.txt") == "new"
    assert git(task.mirror, "rev-parse", f"{sha}^") == task.base


async def test_no_change_hands_nothing_over(task: Task, tmux: Tmux) -> None:
    async with scripted(DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        ending = await launch.exit()

    assert ending.cause is Cause.finished
    assert launch.of(spool.BUNDLE) == []
    assert list((launch.directory / "bundles").iterdir()) == []


async def test_commits_are_handed_over_while_claude_works_on(task: Task, tmux: Tmux) -> None:
    async with scripted([write(task, "a"), bash("git add a && git commit -qm A")], [WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.until(lambda: launch.of(spool.BUNDLE))
        assert spool.read_exit(launch.directory) is None
        (task.worktree / "go").touch()
        await launch.exit()

    first, last = launch.of(spool.BUNDLE)
    assert first["sha"] != last["sha"]  # the file `go` was left over
    tip(task, launch)


async def test_stop_ends_it_soon_and_keeps_the_work(task: Task, tmux: Tmux) -> None:
    async with scripted([write(task, "half.txt")], [WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        number = launch.send("stop", why="label removed", actor="alice")
        ending = await launch.until(lambda: spool.read_exit(launch.directory), 15)

    assert (ending.cause, ending.detail) == (Cause.stopped, "label removed")
    assert [taken["uuid"] for taken in launch.of(spool.TAKEN)] == [number]
    assert git(task.mirror, "show", f"{tip(task, launch)}:half.txt") == "new"
    await launch.until(lambda: not processes_with(str(task.worktree)))


async def test_sigterm_to_the_supervisor_is_a_stop(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        os.kill((await tmux.sessions())[RunId(task.number)], signal.SIGTERM)
        ending = await launch.exit()

    assert ending.cause is Cause.stopped


async def test_a_word_in_the_middle_reaches_claude_once(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], [Say("Heard.")], DONE) as (model, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        number = launch.send("steer", text="Turn left", actor="alice")
        spool.send(launch.directory, "steer", number, text="Turn left", actor="alice")
        await launch.until(lambda: launch.of(spool.TAKEN))
        (task.worktree / "go").touch()
        ending = await launch.exit()

    assert ending.cause is Cause.finished
    assert [taken["uuid"] for taken in launch.of(spool.TAKEN)] == [number]
    started = [line for line in launch.said("command_lifecycle") if line["command_uuid"] == number]
    assert [line["state"] for line in started].count("started") == 1
    assert [request.new_texts for request in model.requests][1] == ("Turn left",)


async def test_an_interrupt_ends_the_turn_and_the_next_word_begins_another(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], [Say("On we go.")]) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        launch.send("steer", text="Something else", actor="alice")
        launch.send("interrupt", actor="alice")
        ending = await launch.exit()

    assert ending.cause is Cause.finished
    assert ending.result is not None
    assert ending.result["result"] == "On we go."
    assert [taken["what"] for taken in launch.of(spool.TAKEN)] == ["steer", "interrupt"]


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_person_decides_about_a_tool(task: Task, tmux: Tmux, allowed: bool) -> None:
    async with scripted([bash("python3 -c \"open('made', 'w')\"")], DONE) as (_, url):
        spec = replace(limited(task.spec(url), seconds=40, silence_seconds=6), permission_mode="acceptEdits")
        launch = await launches.start(task, spec, tmux)
        (asked,) = await launch.until(lambda: launch.said("control_request"))
        await asyncio.sleep(7 if allowed else 0)  # longer than silence is allowed: a person may take their time
        assert spool.read_exit(launch.directory) is None
        launch.send("permit", request=asked["request_id"], allowed=allowed, text="", actor="alice")
        ending = await launch.exit()

    assert ending.cause is Cause.finished
    assert (task.worktree / "made").exists() is allowed


async def test_a_person_answers_a_question(task: Task, tmux: Tmux) -> None:
    async with scripted([Use("AskUserQuestion", {"questions": [QUESTION]})], DONE) as (model, url):
        launch = await launches.start(task, task.spec(url), tmux)
        (asked,) = await launch.until(lambda: launch.said("control_request"))
        launch.send("permit", request=asked["request_id"], allowed=True, text="right, then left", actor="alice")
        await launch.exit()

    assert "right, then left" in model.requests[-1].tool_results[-1]


async def test_time_runs_out(task: Task, tmux: Tmux) -> None:
    async with scripted([write(task, "a")], [WAIT], DONE) as (_, url):
        launch = await launches.start(task, limited(task.spec(url), seconds=8), tmux)
        ending = await launch.exit()

    assert ending.cause is Cause.time
    assert git(task.mirror, "show", f"{tip(task, launch)}:a") == "new"


async def test_silence_is_noticed(task: Task, tmux: Tmux) -> None:
    async with scripted([Hang()]) as (_, url):
        launch = await launches.start(task, limited(task.spec(url), silence_seconds=2), tmux)
        ending = await launch.exit()

    assert ending.cause is Cause.silence


async def test_turns_run_out(task: Task, tmux: Tmux) -> None:
    async with scripted(*([bash("echo again")] for _ in range(9)), DONE) as (model, url):
        launch = await launches.start(task, limited(task.spec(url), turns=3), tmux)
        ending = await launch.exit()

    assert ending.cause is Cause.turns
    assert len(model.requests) <= 4


async def test_dollars_run_out(task: Task, tmux: Tmux) -> None:
    async with scripted(*([bash("echo again")] for _ in range(9)), DONE) as (model, url):
        launch = await launches.start(task, limited(task.spec(url), dollars=0.0701), tmux)
        ending = await launch.exit()

    assert ending.cause is Cause.dollars, launch.explain()
    assert len(model.requests) < 10


async def test_a_killed_claude_is_a_crash(task: Task, tmux: Tmux) -> None:
    async with scripted([write(task, "a")], [WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url, confined=False), tmux)
        await launch.tool("Bash")
        os.kill(launch.of(spool.STARTED)[0]["pid"], signal.SIGKILL)
        ending = await launch.exit()

    assert (ending.cause, ending.code, ending.result) == (Cause.crashed, -9, None)
    assert git(task.mirror, "show", f"{tip(task, launch)}:a") == "new"
    await launch.until(lambda: not processes_in(task.worktree))


async def test_a_claude_that_does_not_exist_is_a_crash_that_says_so(task: Task, tmux: Tmux) -> None:
    spec = replace(task.spec("http://127.0.0.1:9", confined=False), claude="/nowhere/claude")
    launch = await launches.start(task, spec, tmux)
    ending = await launch.exit()

    assert (ending.cause, ending.code) == (Cause.crashed, None)
    assert "/nowhere/claude" in ending.detail


async def test_a_fault_of_the_supervisor_is_an_ending_too(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        (launch.directory / "control").rename(launch.directory / "gone")
        ending = await launch.exit()

    assert ending.cause is Cause.crashed
    assert "FileNotFoundError" in ending.detail
    assert "Traceback" in (launch.directory / "stderr.log").read_text()
    await launch.until(lambda: not processes_with(str(task.worktree)))


async def test_an_error_of_the_model_is_told_in_the_result(task: Task, tmux: Tmux) -> None:
    async with scripted([Fail(403, "permission_error", "no", times=None)]) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        ending = await launch.exit()

    assert (ending.cause, ending.code) == (Cause.finished, 1)
    assert ending.result is not None
    assert ending.result["api_error_status"] == 403


@pytest.mark.parametrize("confined", [True, False])
async def test_nobody_outlives_the_run(task: Task, tmux: Tmux, confined: bool) -> None:
    mark = f"{os.getpid()}.{confined:d}"
    async with scripted([bash(f"setsid -f sleep 300{mark} </dev/null >/dev/null 2>&1")], [WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url, confined=confined), tmux)
        await launch.until(lambda: processes_with(f"sleep\x00300{mark}"))
        (task.worktree / "go").touch()
        await launch.exit()

    assert processes_with(f"sleep\x00300{mark}") == []


async def test_it_goes_on_without_its_tmux_server(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], [write(task, "after")], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        subprocess.run(["tmux", "-S", "t.sock", "kill-server"], check=True)
        assert await tmux.sessions() == {}
        assert spool.is_alive(launch.directory)
        (task.worktree / "go").touch()
        ending = await launch.exit()

    assert ending.cause is Cause.finished
    assert git(task.mirror, "show", f"{tip(task, launch)}:after") == "new"


async def test_it_dies_with_everything_below_it_and_the_next_launch_goes_on(task: Task, tmux: Tmux) -> None:
    async with scripted([write(task, "a")], [WAIT], *[[Say("Here I am again.")]] * 2) as (model, url):
        spec = task.spec(url)
        launch = await launches.start(task, spec, tmux)
        await launch.tool("Bash")
        await asyncio.sleep(0.5)  # Claude writes its session a little later than its standard output
        os.kill((await tmux.sessions())[RunId(task.number)], signal.SIGKILL)
        await launch.until(lambda: not spool.is_alive(launch.directory))
        await launch.until(lambda: not processes_with(str(task.worktree)))
        assert spool.read_exit(launch.directory) is None

        again = await launches.start(task, replace(task.spec(url), messages=spec.messages), tmux)
        ending = await again.exit()

    assert ending.cause is Cause.finished, again.explain()
    assert again.of(spool.STARTED)[0]["resumed"] is True
    assert ending.result is not None
    assert ending.result["result"] == "Here I am again."
    assert [request.last_text for request in model.requests][-1].startswith("Your work was cut off")


async def test_the_next_run_resumes_the_session(task: Task, tmux: Tmux) -> None:
    async with scripted([Say("First.")], [Say("Second.")]) as (model, url):
        await (await launches.start(task, task.spec(url, "Begin"), tmux)).exit()
        await launches.until(lambda: not processes_with("runner.supervisor\0" + str(task.root)))
        second = await launches.start(task, task.spec(url, "Go on"), tmux)
        ending = await second.exit()

    assert ending.result is not None
    assert ending.result["result"] == "Second."
    assert model.requests[-1].user_texts == ("Begin", "Go on")


async def test_a_session_that_was_cut_off_before_its_first_word_begins_anew(task: Task, tmux: Tmux) -> None:
    (task.root / "claude" / "projects" / "somewhere").mkdir(parents=True)
    (task.root / "claude" / "projects" / "somewhere" / f"{task.session}.jsonl").touch()
    async with scripted(DONE, DONE) as (model, url):
        launch = await launches.start(task, task.spec(url, "Begin"), tmux)
        ending = await launch.exit()

    assert ending.cause is Cause.finished, launch.explain()
    assert [started["resumed"] for started in launch.of(spool.STARTED)] == [True, False]
    assert model.requests[-1].user_texts == ("Begin",)


async def test_keys_typed_in_the_pane_do_nothing(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        words = ["tmux", "-S", "t.sock", "send-keys", "-t", f"=r{task.number}:"]
        subprocess.run([*words, "typed", "C-c", "C-\\", "C-z", "C-s", "Enter"], check=True)
        launch.send("steer", text="Go on", actor="alice")  # drawn behind what was typed
        shown = ["tmux", "-S", "t.sock", "capture-pane", "-p", "-t", f"=r{task.number}:"]
        screen = ""

        def looked() -> bool:
            nonlocal screen
            screen = subprocess.run(shown, check=True, capture_output=True, text=True).stdout
            return "alice: Go on" in screen

        await launch.until(looked)
        (task.worktree / "go").touch()
        ending = await launch.exit()

    assert ending.cause is Cause.finished
    assert "typed" not in screen
    assert story.TITLE in screen


async def test_one_spool_has_one_supervisor(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        argv = (sys.executable, "-P", "-m", "runner.supervisor", str(launch.directory))
        env = {"PYTHONPATH": str(launches.ROOT)}
        second = await asyncio.to_thread(subprocess.run, argv, check=False, capture_output=True, env=env)
        assert (second.returncode, second.stderr) == (1, b"This launch has a supervisor already.\n")
        (task.worktree / "go").touch()
        await launch.exit()
        third = await asyncio.to_thread(subprocess.run, argv, check=False, capture_output=True, env=env)

    assert (third.returncode, third.stderr) == (1, b"This launch has ended already.\n")


async def test_the_repository_cannot_speak_for_itself(task: Task, tmux: Tmux) -> None:
    """Its settings, hooks and servers are code, and do not run; its CLAUDE.md is read."""
    trap = task.root / "home" / "sprung"
    (task.worktree / "json.py").write_text(f"open({str(trap)!r}, 'w')\n")
    (task.worktree / "CLAUDE.md").write_text("The eggs are SPECKLED.\n")
    (task.worktree / ".claude").mkdir()
    start = {"hooks": [{"type": "command", "command": f"touch '{trap}'"}]}
    hook = json.dumps({"hooks": {"SessionStart": [start]}, "env": {"X": "1"}})
    for settings in (task.worktree / ".claude" / "settings.json", task.root / "claude" / "settings.json"):
        settings.write_text(hook)
    (task.worktree / ".mcp.json").write_text(f'{{"mcpServers": {{"m": {{"command": "touch", "args": ["{trap}"]}}}}}}')
    async with scripted([bash("env")], DONE) as (model, url):
        launch = await launches.start(task, task.spec(url), tmux)
        ending = await launch.exit()

    assert ending.cause is Cause.finished
    assert "SPECKLED" in str(model.requests[0].body)
    assert not trap.exists()
    assert "X=1" not in launch.tool_results()[0].split("\n")


async def test_the_key_is_nowhere_that_the_agent_or_a_process_list_can_see(task: Task, tmux: Tmux) -> None:
    look = "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; timeout 1 cat /proc/[0-9]*/fd/[3-9]"
    async with scripted([bash(look + "; true")], [WAIT], DONE) as (model, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.until(launch.tool_results)
        listed = subprocess.run(["ps", "axwwe", "-o", "args"], check=True, capture_output=True, text=True).stdout
        (task.worktree / "go").touch()
        await launch.exit()

    assert {request.key for request in model.requests} == {launches.KEY}
    assert launches.KEY not in listed
    (seen, *_) = launch.tool_results()
    assert "CLAUDECODE=1" in seen
    for path in [*launch.directory.rglob("*"), *(task.root / "claude").rglob("*"), *(task.root / "home").rglob("*")]:
        assert not path.is_file() or launches.KEY.encode() not in path.read_bytes(), path


async def test_the_sandbox_holds(task: Task, tmux: Tmux) -> None:
    other = Task(task.home, number=8).prepare()
    (other.worktree / "secret").write_text("of another\n")
    inject = "import fcntl,termios,os;fd=os.open('/dev/tty',2);fcntl.ioctl(fd,termios.TIOCSTI,b'x');print('typed')"
    attempts = {
        "credentials": f"cat '{task.home}/credentials/key'",
        "home": f"ls '{task.home}/credentials' '{task.home}/cco.db'",
        "other": f"cat '{other.worktree}/secret'",
        "mirror": f"touch '{task.mirror}/objects/planted'",
        "refs": f"ls '{task.mirror}/refs'",
        "spool": f"ls '{task.root}/runs'",
        "tty": f'python3 -c "{inject}"',
        "etc": "cat /etc/shadow",
        "root": "ls /root/.bashrc",
    }
    command = "; ".join(f"( {attempt} ) >/dev/null 2>&1 && echo BROKEN {name}" for name, attempt in attempts.items())
    async with scripted([bash(command + "; git log -1 --format=%s; id -u")], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.exit()

    (result,) = launch.tool_results()
    assert result.split() == ["Base", "1000"]


def hostile(task: Task, script: str) -> Spec:
    """In Claude's place a program that speaks as no Claude does."""
    program = task.root / "home" / "claude.py"
    program.write_text(f"#!{sys.executable}\nimport sys, os, time, json\nout = sys.stdout.buffer\n{script}")
    program.chmod(0o755)
    return replace(task.spec("http://127.0.0.1:9", confined=False), claude=str(program), key_file=None)


async def test_a_line_without_an_end_is_skipped_in_bounded_memory(task: Task, tmux: Tmux) -> None:
    script = """
for _ in range(48): out.write(b'x' * (1 << 20))
out.write(b'\\n[1, 2]\\n' + b'[' * 100000 + b'\\n')
out.write(json.dumps({"type": "user", "message": {}, "fat": "y" * 3000000}).encode())
out.write(b'\\n{"type": "result", "model_usage_since_last_result": {"m": {"costUSD": "x"}}, "user_message_uuids": 7}')
out.write(b'\\n{"type": "result", "subtype": "success", "is_error": false}\\n'); out.flush()
sys.stdin.read()
"""
    launch = await launches.start(task, hostile(task, script), tmux)
    ending = await launch.exit()

    assert ending.cause is Cause.finished, launch.explain()
    assert any("was skipped" in trouble["what"] for trouble in launch.of(spool.TROUBLE))
    assert launch.said("user") == [{"type": "user", "message": {}, "cut": True}]
    assert (launch.directory / "events.jsonl").stat().st_size < 1 << 20


async def test_one_that_ignores_every_signal_but_the_last_is_ended(task: Task, tmux: Tmux) -> None:
    script = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: time.sleep(1); sys.stderr.write('e' * 100000)
"""
    launch = await launches.start(task, limited(hostile(task, script), seconds=0.5), tmux)
    ending = await launch.exit()

    assert (ending.cause, ending.code) == (Cause.time, -9)
    assert (launch.directory / "stderr.log").stat().st_size <= 512 * 1024


async def test_an_unreadable_control_message_does_not_end_the_run(task: Task, tmux: Tmux) -> None:
    async with scripted([WAIT], DONE) as (_, url):
        launch = await launches.start(task, task.spec(url), tmux)
        await launch.tool("Bash")
        (launch.directory / "control" / "0.json").write_text("{")
        launch.send("dance")
        launch.send("permit", request="nobody", allowed=True, text="", actor="alice")
        await launch.until(lambda: len(launch.of(spool.TROUBLE)) == 3)
        (task.worktree / "go").touch()
        ending = await launch.exit()

    assert ending.cause is Cause.finished
    assert launch.of(spool.TAKEN) == []


async def test_a_quiet_model_that_answers_in_time_is_no_silence(task: Task, tmux: Tmux) -> None:
    async with scripted([Delay(1.5), *DONE]) as (_, url):
        launch = await launches.start(task, limited(task.spec(url), silence_seconds=10), tmux)
        assert (await launch.exit()).cause is Cause.finished


async def test_nothing_to_say_on_a_new_session_still_ends(task: Task, tmux: Tmux) -> None:
    async with scripted(DONE) as (_, url):
        launch = await launches.start(task, replace(task.spec(url), messages=(Message("", ""),)[:0]), tmux)
        assert (await launch.exit()).cause is Cause.finished


def test_nothing_outside_the_standard_library_is_needed(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(launches.ROOT)!r}); import runner.supervisor"
    assert subprocess.run((sys.executable, "-I", "-S", "-c", code), check=False, cwd=tmp_path).returncode == 0
