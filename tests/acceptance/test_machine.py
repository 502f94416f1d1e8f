"""What befalls the machine and the processes on it: each run goes on once, or comes to a truthful end."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from app.demo.conversation import Request
from app.demo.github.model import Issue
from app.demo.replies import Step
from runner import attending, retry, spool
from tests.fakes.house import House, Service, commits, done, house, waits

AGAIN = [[done()], [done()]]  # a Claude that was cut off may have written its last call down, or not


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash it is tried again at once, in a service of this process."""
    monkeypatch.setattr(retry, "CRASH_WAIT", timedelta(seconds=0.2))


def kill(pids: Sequence[int], number: signal.Signals = signal.SIGKILL) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def of(it: House, words: str) -> list[int]:
    """The processes of this house that have these words in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                argv = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(it.home) in argv and words in argv:
                    found.append(int(entry.name))
    return found


def supervisors(it: House) -> list[int]:
    """By the locks they hold."""
    spools = [lock.parent for lock in it.home.glob("tasks/*/runs/*/launches/*/lock")]
    return [pid for pid in map(spool.holder, spools) if pid is not None]


async def freeze(it: House) -> list[int]:
    """The supervisors. tmux would wake them at once, so its server goes first."""
    server = of(it, "tmux.sock")
    kill(server)
    await it.until(lambda: not set(server) & set(of(it, "tmux.sock")))
    frozen = supervisors(it)
    kill(frozen, signal.SIGSTOP)
    return frozen


def calls(it: House) -> int:
    """Of tools, over all launches."""
    return sum(lines.read_bytes().count(b'"type":"tool_use"') for lines in it.home.glob("tasks/*/runs/**/events.jsonl"))


def screen(it: House, session: str) -> str:
    argv = ("tmux", "-S", str(it.home / "tmux.sock"), "capture-pane", "-p", "-t", f"={session}:")
    return subprocess.run(argv, check=False, capture_output=True, text=True).stdout


async def is_done_once(it: House, issue: Issue, path: str) -> None:
    """The end that it would have had: one pull request with one commit, one comment in each place, one session."""
    await it.says(issue, "Done")
    (pull,) = it.pulls(issue)
    assert pull.pull is not None
    assert not pull.pull.draft
    await it.says(pull, "Done")
    assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
    assert it.git("diff", "--name-only", f"main...{pull.pull.head_ref}").split() == [path]
    assert it.git("rev-list", "--count", f"main..{pull.pull.head_ref}").strip() == "1"
    assert len(list(it.home.glob("tasks/*/claude/projects/*/*.jsonl"))) == len(it.pulls(issue))
    assert it.most_agents == 1


def reboot(it: House, service: Service) -> None:
    """Everything is gone at once; what was on disk is there, locks of git's and the old socket among it."""
    (it.home / "tasks/1/vault.git/worktrees/worktree/index.lock").touch()
    kill([service.process.pid, *of(it, "")])


async def test_a_machine_that_loses_its_power_goes_on_where_it_was() -> None:
    async with house(separate=True) as it:
        issue = await it.ask("Survive a reboot", [commits("first.txt")], [waits()], *AGAIN)
        await it.until(lambda: it.pulls(issue) and len(it.agents()) == 1)

        reboot(it, it.services[0])
        await it.until(lambda: not of(it, "") and it.services[0].process.poll() is not None)
        assert (it.home / "tmux.sock").exists()

        await it.start()
        await it.says(issue, "trying again")
        await is_done_once(it, issue, "first.txt")


async def test_a_machine_that_shuts_down_in_order_has_stopped_nobody() -> None:
    """Every process gets SIGTERM first: that is no person's wish."""
    async with house(separate=True) as it:
        issue = await it.ask("Survive a shutdown", [commits("first.txt")], [waits()], *AGAIN)
        await it.until(lambda: it.pulls(issue) and len(it.agents()) == 1)

        kill([it.services[0].process.pid, *supervisors(it)], signal.SIGTERM)
        await it.until(lambda: it.services[0].process.poll() is not None and not it.agents())
        kill(of(it, ""))
        await it.until(lambda: not of(it, ""))

        await it.start()
        await is_done_once(it, issue, "first.txt")


async def test_a_run_that_lost_its_tmux_server_is_seen_again_and_others_can_start() -> None:
    async with house() as it:
        issue = await it.ask("Be seen", [commits("seen.txt"), waits("seen")], [done()])
        stopped = await it.ask("Be stopped", [waits("never")])
        await it.until(lambda: it.pulls(issue) and len(it.agents()) == 2)
        agents = it.agents()

        kill(of(it, "tmux.sock"))
        await it.until(lambda: it.sessions() == ["r1", "r2"])
        await it.until(lambda: "Be seen" in screen(it, "r1") and "seen.txt" in screen(it, "r1"))
        assert it.agents() == agents

        late = await it.ask("Come late", [commits("late.txt")], [done()])
        await it.says(late, "Done")
        await it.world.act("alice").unlabel(stopped, "claude")
        await it.says(stopped, "Stopped by alice")
        assert "until [ -e ~/never ]" in await it.until(lambda: screen(it, "r1") and "until [ -e ~/never ]")
        it.let_go("seen")
        await is_done_once_of_two(it, issue)


async def is_done_once_of_two(it: House, issue: Issue) -> None:
    await it.says(issue, "Done")
    assert len(it.pulls(issue)) == len(it.statuses(issue)) == 1
    await it.until(lambda: not it.sessions())


async def test_a_frozen_supervisor_is_told_of_and_a_stop_ends_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attending, "STALLED", timedelta(seconds=4))
    monkeypatch.setattr(attending, "DEAF", timedelta(seconds=4))
    async with house() as it:
        issue = await it.ask("Freeze", [commits("kept.txt"), waits()], [done()])
        await it.until(lambda: it.pulls(issue) and len(it.agents()) == 1)
        frozen = await freeze(it)
        await it.says(issue, "gives no sign of life", "`/claude stop` ends it now")
        kill(frozen, signal.SIGCONT)
        await it.until(lambda: "no sign of life" not in it.status(issue))
        assert "Claude is working on this" in it.status(issue)

        kill(frozen, signal.SIGSTOP)
        await it.world.act("alice").comment(issue, "/claude stop")
        await it.says(issue, "Stopped by alice", seconds=25)
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        assert it.file(pull.pull.head_ref, "kept.txt") == "Something new\n"
        await it.until(lambda: not of(it, "claude"))


async def test_a_supervisor_that_stays_frozen_is_ended_and_claude_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attending, "FROZEN", timedelta(seconds=6))
    async with house() as it:
        issue = await it.ask("Freeze for ever", [commits("kept.txt")], [waits()], *AGAIN)
        await it.until(lambda: it.pulls(issue) and len(it.agents()) == 1)

        await freeze(it)

        await is_done_once(it, issue, "kept.txt")


@pytest.mark.parametrize("who", ["claude", "supervisor"])
async def test_what_is_killed_again_and_again_resumes_its_session_and_does_nothing_twice(who: str) -> None:
    """Three times in a row would be its end; work that gets done in between begins the count anew."""
    async with house() as it:
        released = False

        def goes_on(_: Request) -> list[Step]:
            return [done()] if released else [waits()]

        issue = await it.ask("Stay alive", [commits("a.txt", message="A")], *[goes_on] * 12)
        await it.until(lambda: it.pulls(issue))
        for _ in range(4):
            called = calls(it)
            (agent,) = await it.until(it.agents)
            kill([agent] if who == "claude" else supervisors(it))
            await it.until(lambda gone=agent: gone not in it.agents())
            await it.until(lambda seen=called: calls(it) > seen)  # it works again
        released = True
        it.let_go()
        await is_done_once(it, issue, "a.txt")
        (cost,) = {match[1] for match in re.finditer(r"(less than \$0\.01|\$\d+\.\d\d)", it.status(issue))}
        assert cost != "$0.00"
