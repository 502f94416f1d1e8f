"""One trial: a story is told while something falls on the service or its supervisors, and somebody starts it again.

Judged from outside alone: what the stand-ins were asked, the pushed branch, the process table, the directories.
"""

import asyncio
import os
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.crash.plan import DIRECTORY, Plan, Strike
from tests.crash.stories import Story
from tests.fakes.house import BOT, House, Service, Start, house

RESTARTS_AT_MOST = 12
LOOK_SECONDS = 0.03
PEOPLE = '[people]\nUALICE = "alice"\nUBOB = "bob"\n'

Moment = Callable[[House, Plan], Awaitable[None]]


@dataclass(frozen=True)
class Ended:
    """What a trial was like. `seconds` lie between the last start of the service and the story's last word."""

    passed: Counter[str]
    fallen: int
    restarts: int
    seconds: float


async def trial(
    start: Start, story: Story, *strikes: Strike, moment: Moment | None = None, agents_die: bool = False
) -> Ended:
    """Tell the story and judge it. `moment` does something to the house meanwhile (`agents_die`: to an agent)."""
    with tempfile.TemporaryDirectory(prefix="cco-plan-") as scratch:
        plan = Plan(Path(scratch, "plan"))
        plan.write(strikes)
        environ = {DIRECTORY: str(plan.directory), "CCO_RECONCILE_SECONDS": "1"}
        async with house(
            slack=True,
            discord=True,
            receiver=True,
            jira=story.jira,
            hears_slack="socket" if story.in_slack else None,
            toml=story.toml or (PEOPLE if story.in_slack else ""),
            separate=True,
            starting=start,
            started=False,
            watched=False,
            contracts=False,
            environ=environ,
        ) as it:
            guardian = asyncio.create_task(_guard(it, plan))
            troubles = [asyncio.create_task(moment(it, plan))] if moment else []
            told = asyncio.create_task(story.act(it))
            try:
                await asyncio.wait({guardian, told}, return_when=asyncio.FIRST_COMPLETED)
                if guardian.done():
                    guardian.result()
                await told
                ended = time.monotonic()
                await asyncio.gather(*troubles)
                cut = agents_die or plan.fell_in("supervisor") > 0
                await story.judge(it, cut)
                await it.heard()
                await it.until(lambda: not it.agents() and not it.sessions())
            finally:
                for task in (guardian, told, *troubles):
                    task.cancel()
                await asyncio.gather(guardian, told, *troubles, return_exceptions=True)
            _one_of_everything(it)
            if not cut:
                _each_agent_started_once(it)
            _no_directory_is_left(it)
            fallen = sum(plan.fallen(one).exists() for one in strikes)
            _at_most_one_more(it, fallen)
            return Ended(plan.passed(), fallen, len(it.services) - 1, ended - it.services[-1].started_at)


async def _guard(it: House, plan: Plan) -> None:
    """Somebody who starts the service whenever it is gone, and ends what hangs: systemd, with a watchdog."""
    while True:
        assert len(it.services) <= RESTARTS_AT_MOST, f"it does not stay up:\n{it.told()}"
        service, is_known = it.spawn(), False
        while service.process.poll() is None:
            if service.base_url and not is_known:
                is_known, it.world.apps[it.app_id].hook_url = True, f"{service.base_url}/webhooks/github"
                if it.tracker is not None:
                    it.tracker.hook_url = f"{service.base_url}/webhooks/jira"
            _end_what_hangs(it, plan, service)
            await asyncio.sleep(LOOK_SECONDS)


def _end_what_hangs(it: House, plan: Plan, service: Service) -> None:
    if not any(one.action == "freeze" and plan.fallen(one).exists() for one in plan.strikes()):
        return
    for pid in [service.process.pid, *it.supervisors()]:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state == "T":
            os.kill(pid, signal.SIGKILL)


def _one_of_everything(it: House) -> None:
    for place in it.repository.issues.values():
        ours = [one.body for one in place.comments if one.user.login == BOT]
        markers = Counter(match[0] for body in ours if (match := re.match(r"<!-- cco:[^>]*-->", body)))
        assert set(markers.values()) <= {1}, ours
        assert len(ours) == sum(markers.values()), ours
        for one in [place, *place.comments]:
            assert set(Counter((r.user.login, r.content) for r in one.reactions).values()) <= {1}
    heads = Counter(place.pull.head_ref for place in it.repository.issues.values() if place.pull)
    assert set(heads.values()) <= {1}, heads
    assert set(heads) == set(it.branches())
    checks = Counter((one.head_sha, one.external_id) for one in it.repository.check_runs)
    assert set(checks.values()) <= {1}, checks
    assert it.slack is not None
    for thread in it.slack.threads():
        ours = [one["metadata"]["event_payload"] for one in it.slack.replies(thread["ts"]) if "bot_id" in one]
        said = [str(one.get("said") or one["answers"]) for one in ours]
        assert len(said) == len(set(said)), said
    tasks = [one["metadata"]["event_payload"]["task"] for one in it.slack.threads()]
    assert len(tasks) == len(set(tasks)), tasks


def _at_most_one_more(it: House, fallen: int) -> None:
    """In Discord nothing can be found again: each time that something falls there may be one more, with the same id."""
    assert it.discord is not None
    assert it.receiver is not None
    tasks = Counter(one["embeds"][0]["footer"]["text"].partition(",")[0] for one in it.discord.messages.values())
    assert set(tasks) <= {"task 1"}
    assert tasks["task 1"] <= len(it.services) + fallen, it.discord.messages
    assert [one.status for one in it.discord.ledger if one.status not in {200, 429}] == []
    order = [one["task"]["last_event"] for one in it.receiver.taken()]
    assert order == sorted(order)
    assert {one.status for one in it.receiver.ledger} <= {204}


def _each_agent_started_once(it: House) -> None:
    asked = Counter((one.conversation, one.turn) for one in it.model.requests)
    assert set(asked.values()) == {1}, asked


def _no_directory_is_left(it: House) -> None:
    assert all(path.name.isdecimal() for path in (it.home / "tasks").iterdir())
    assert not [path for path in (it.home / "mirrors").iterdir() if path.name.startswith(".")]
