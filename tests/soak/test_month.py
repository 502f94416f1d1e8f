"""Thirty days of office hours, outages, limits and restarts, in minutes: whoever asked for something got it, once."""

import asyncio
import os
import random
import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from app.demo.conversation import Request
from app.demo.github.ledger import Fault
from app.demo.github.model import Comment, Issue
from app.demo.replies import Fail, Quota, Step
from tests.fakes.house import House, commits, done, house, program, waits
from tests.figures import Figure
from tests.soak.clock import Clock

STEP = timedelta(hours=1)  # by which the clock is put forward while nothing is under way
QUIET_SECONDS = 30.0
AT_WORK = ("starting", "running", "publishing")


async def test_a_day_with_three_restarts_and_an_outage(figure: Figure, tmp_path: Path) -> None:
    await _live(1, 3, figure, tmp_path, random.Random(1))


@pytest.mark.long
@pytest.mark.xdist_group("soak")
async def test_thirty_days_with_a_hundred_restarts(figure: Figure, tmp_path: Path) -> None:
    await _live(30, 100, figure, tmp_path, random.Random(30))


async def _live(days: int, restarts: int, figure: Figure, tmp_path: Path, dice: random.Random) -> None:
    clock = Clock(tmp_path / "clock")
    service = program("-m", "tests.soak.service", str(clock.path))
    # Usage limits are of subscriptions, which have a token of their own.
    environ = {"CLAUDE_CODE_OAUTH_TOKEN": "the house's own", "CCO_MAX_RUNS": "2"}
    async with house(separate=True, starting=service, environ=environ, clock=clock) as it:
        it.world.limit, it.world.requests_per_hour = None, 10**9
        month = Month(it, clock, dice)
        began, started = clock(), time.monotonic()
        for day in range(days):
            await month.day(restarts * (day + 1) // days - month.restarts)
        await month.catch_up()

        wrong = month.wrong()
        figure("simulated", (clock() - began) / timedelta(days=1), "days")
        figure("restarts", month.restarts, f"({month.kills} killed, {month.deaths} of them with the whole machine)")
        figure("outages", month.outages, "of GitHub or the model")
        figure("requests", len(month.wishes), f"({sum(one.withdrawn for one in month.wishes)} withdrawn)")
        figure("commands", len(month.commands), "")
        figure("webhooks lost on the way", month.lost, "")
        figure("not served, or doubled", len(wrong), "")
        figure("took", time.monotonic() - started, "s")
        assert not wrong, wrong


@dataclass
class Wish:
    """What somebody asked for, and what is to come of it."""

    issue: Issue
    path: str | None  # of the file that is to be in the pull request; None where an answer is enough
    commits: int
    withdrawn: bool = False


@dataclass
class Month:
    """The people, the weather and the operator, in simulated time."""

    it: House
    clock: Clock
    dice: random.Random
    wishes: list[Wish] = field(default_factory=list)
    commands: list[tuple[Issue, Comment]] = field(default_factory=list)
    restarts: int = 0
    kills: int = 0
    deaths: int = 0
    outages: int = 0
    lost: int = 0
    limited_until: datetime | None = None
    overloaded_until: datetime | None = None

    def __post_init__(self) -> None:
        self._hand_over = self.it.world.post
        self.it.world.post = self._lose_some

    async def day(self, restarts: int) -> None:
        """What people do at the office, what goes wrong meanwhile, and a quiet night."""
        tomorrow = self.clock() + timedelta(days=1)
        deeds: list[Callable[[], object]] = [
            self.ask,
            self.ask,
            self.say_more,
            self.take_back,
            *[self.restart] * restarts,
        ]
        deeds += self.dice.sample([self.github_is_down, self.model_is_overloaded, self.limit_is_reached], k=1)
        self.dice.shuffle(deeds)
        for deed in deeds:
            await deed()  # type: ignore[misc]  # each is a coroutine function
            await self.goes_by(timedelta(minutes=self.dice.randint(1, 90)))
        await self.look_after()
        await self.goes_by(max(tomorrow - self.clock(), timedelta(hours=6)))

    # People

    async def ask(self) -> None:
        """For a change, or now and then for an answer."""
        number = len(self.wishes)
        title = f"Wish number {number}."
        if self.dice.random() < 0.2:
            wish = Wish(await self.it.ask(title, self._if_it_can([done()])), None, 0)
        else:
            path = f"wish-{number}.txt"
            turns = [commits(path)], [done()], [commits(path, "More\n", "Say more")], [done()]
            wish = Wish(await self.it.ask(title, *map(self._if_it_can, turns)), path, 1)
        self.wishes.append(wish)

    async def say_more(self) -> None:
        """A word more on something that is done: one more commit on the same pull request."""
        finished = [one for one in self.wishes if one.commits == 1 and not one.withdrawn and self._is_done(one)]
        if finished:
            wish = self.dice.choice(finished)
            wish.commits += 1
            await self._command(wish.issue, "/claude and say more about it")

    async def take_back(self) -> None:
        """Something that Claude is at work on, or would be if anything worked."""
        number = len(self.wishes)
        issue = await self.it.ask(f"Wish number {number}.", self._if_it_can([waits()]), [done()])
        self.wishes.append(Wish(issue, None, 0, withdrawn=True))
        await asyncio.sleep(self.dice.uniform(0, 2))
        match self.dice.randrange(3):
            case 0:
                await self.it.world.act("alice").unlabel(issue, "claude")
            case 1:
                await self.it.world.act("bob").close(issue)
            case _:
                await self.it.world.act("alice").unlabel(issue, "claude")
                await self._command(issue, "/claude stop")

    async def look_after(self) -> None:
        """What ended badly is asked for again, as the comment says."""
        for wish in self.wishes:
            if not wish.withdrawn and "/claude retry" in self.it.status(wish.issue) and not self._is_done(wish):
                await self._command(wish.issue, "/claude retry")

    async def _command(self, issue: Issue, text: str) -> None:
        self.commands.append((issue, await self.it.world.act("alice").comment(issue, text)))

    def _is_done(self, wish: Wish) -> bool:
        """As the living comment's headline has it."""
        return "\n### Done" in self.it.status(wish.issue)

    # The weather

    async def github_is_down(self) -> None:
        """For minutes or hours: every request, git's too. Nobody can do anything there meanwhile."""
        self.outages += 1
        fault = Fault(".*", ".*", 502, times=10**9)
        self.it.world.faults.append(fault)
        await self.goes_by(timedelta(minutes=self.dice.choice([5, 20, 90, 300])))
        self.it.world.faults.remove(fault)

    async def model_is_overloaded(self) -> None:
        self.outages += 1
        self.overloaded_until = self.clock() + timedelta(minutes=self.dice.choice([10, 90]))
        await self.ask()

    async def limit_is_reached(self) -> None:
        self.outages += 1
        self.limited_until = self.clock() + timedelta(minutes=self.dice.choice([30, 200]))
        await self.ask()

    def _if_it_can(self, steps: Sequence[Step]) -> Callable[[Request], Sequence[Step]]:
        """The turn, unless the model has its own trouble now."""

        def turn(_: Request) -> Sequence[Step]:
            if self.limited_until and self.clock() < self.limited_until:
                reached = Quota("rejected", int(self.limited_until.timestamp()))
                return [Fail(429, "rate_limit_error", "Try again later.", times=None, quota=reached)]
            if self.overloaded_until and self.clock() < self.overloaded_until:
                return [Fail(529, "overloaded_error", "Overloaded", times=None)]
            return steps

        return turn

    async def _lose_some(self, *letter: object) -> tuple[int, dict[str, str], str]:
        if self.dice.random() < 0.05:
            self.lost += 1
            raise OSError("lost on the way")
        assert self._hand_over is not None
        return await self._hand_over(*letter)  # type: ignore[arg-type]  # as it came

    # The operator

    async def restart(self) -> None:
        """By turns an upgrade, a crash, and the whole machine; at whatever moment, for a minute or an hour."""
        await asyncio.sleep(self.dice.uniform(0, 1.5))
        service, kind = self.it.services[-1], self.restarts % 3
        self.restarts += 1
        if kind == 0:
            assert await self.it.end(service, signal.SIGTERM) == 0, service.log.read_text()
        else:
            self.kills += 1
            await self.it.end(service, signal.SIGKILL)
        if kind == 2:
            self.deaths += 1
            for pid in self._processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.clock.forward(timedelta(minutes=self.dice.choice([1, 5, 60])))
        await self.it.start()

    def _processes(self) -> list[int]:
        """All that works for the house: agents, their supervisors, tmux."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal() and str(self.it.home).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return [pid for pid in found if pid != os.getpid()]

    # Time

    async def goes_by(self, time_: timedelta) -> None:
        """Hour by hour, each begun when all is quiet: agents do not live in simulated time."""
        end = self.clock() + time_
        while (left := end - self.clock()) > timedelta(seconds=1):
            await self._quiet()
            self.clock.forward(min(left, STEP))
        await self._quiet()

    async def _quiet(self) -> None:
        """Until no run is at work, and nobody talks to GitHub."""
        url = f"{self.it.services[-1].base_url}/metrics"
        end = time.monotonic() + QUIET_SECONDS
        seen = -1
        async with aiohttp.ClientSession() as http:
            while time.monotonic() < end:
                async with http.get(url) as answer:
                    said = await answer.text()
                at_work = any(re.search(rf'^cco_runs{{state="{state}"}} [^0]', said, re.MULTILINE) for state in AT_WORK)
                if not at_work and len(self.it.world.ledger) == seen:
                    return
                seen = len(self.it.world.ledger)
                await asyncio.sleep(0.06)

    async def catch_up(self) -> None:
        """Nothing goes wrong any more; people ask again for what failed, until all is served."""
        for _ in range(10):
            await self.goes_by(timedelta(hours=6))
            await self.look_after()
            if not self.wrong():
                return

    # What became of it

    def wrong(self) -> list[str]:
        """What is missing or there twice, judged by what is on GitHub and what runs on the machine."""
        found = [f"agents {self.it.agents()}"] if self.it.agents() else []
        found += [f"sessions {self.it.sessions()}"] if self.it.sessions() else []
        for wish in self.wishes:
            name = f"#{wish.issue.number}"
            statuses = self.it.statuses(wish.issue)
            if len(statuses) > 1 or (not statuses and not wish.withdrawn):
                found.append(f"{name} has {len(statuses)} status comments")
                continue
            if wish.withdrawn:
                # Where the webhook that says so was lost for long, it may have come to an end before we knew.
                if statuses and not any(f"\n### {end}" in statuses[0].body for end in ("Stopped", "Done", "Gave up")):
                    found.append(f"{name} has not ended: {statuses[0].body}")
                if pulls := self.it.pulls(wish.issue):
                    found.append(f"{name} was withdrawn and has {len(pulls)} pull requests")
            else:
                found += self._unserved(name, wish)
        for issue, comment in self.commands:
            marker = f"<!-- cco:answer={comment.id} -->"
            count = sum(one.body.startswith(marker) for one in issue.comments)
            if count != 1:
                found.append(f"#{issue.number} {comment.body} has {count} answers")
        return found

    def _unserved(self, name: str, wish: Wish) -> list[str]:
        if not self._is_done(wish):
            return [f"{name} is not done: {self.it.status(wish.issue)}"]
        pulls = self.it.pulls(wish.issue)
        if len(pulls) != (1 if wish.path else 0):
            return [f"{name} has {len(pulls)} pull requests"]
        if not pulls or pulls[0].pull is None:
            return []
        pull = pulls[0].pull
        problems = [f"{name} is a draft"] if pull.draft else []
        if len(self.it.statuses(pulls[0])) != 1:
            problems.append(f"{name} has {len(self.it.statuses(pulls[0]))} status comments on its pull request")
        count = self.it.git("rev-list", "--count", f"main..{pull.head_ref}").strip()
        files = self.it.git("diff", "--name-only", f"main...{pull.head_ref}").split()
        if (count, files) != (f"{wish.commits}", [wish.path]):
            problems.append(f"{name} has {count} commits on {files} and not {wish.commits}")
        return problems
