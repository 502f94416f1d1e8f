"""Runs at work: what they weigh, how soon people see what Claude says, and five that begin together.

python -m tests.bench.running [--words 200]
"""

import argparse
import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from app.demo.model import Script, Turn
from app.demo.replies import Delay, Hang, Say, Use
from runner import spool
from tests.bench.place import Place, place, processes, until

TOGETHER = 5


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=200, help="how many events are followed to /api/live (200)")
    given = parser.parse_args()
    for line in (*asyncio.run(together()), *asyncio.run(live(given.words))):
        print(line)  # noqa: T201  a command's answer


async def together() -> list[str]:
    """One run alone, then five labelled at the same moment; each waits for a model that never answers."""
    async with place(script=Script(((Hang(),),))) as here:
        await _begin(here, ["the first"])  # it makes the mirror
        await _end(here)
        alone = await _begin(here, ["one alone"])
        service = _pss(here.service.pid)
        supervisor, claude = await _weigh(here, 1)
        await _end(here)
        five = await _begin(here, [f"number {n}" for n in range(TOGETHER)])
        supervisors, claudes = await _weigh(here, TOGETHER)
    return [
        f"the service: {service:.0f} MB PSS",
        f"one run alone: supervisor {supervisor[0]:.0f} MB PSS, Claude with its sandbox {claude[0]:.0f} MB PSS",
        f"{TOGETHER} at once, each: supervisor {statistics.median(supervisors):.0f} MB PSS, "
        f"Claude with its sandbox {statistics.median(claudes):.0f} MB PSS",
        f"webhook to first API request, alone: {alone[0] * 1000:.0f} ms",
        f"webhook to first API request, {TOGETHER} at once: {_spread(five)} ms; "
        f"the last is {max(five) / alone[0]:.1f} x alone",
    ]


async def live(words: int) -> list[str]:
    """From the supervisor's reading of a line of Claude's to the event on a WebSocket."""
    turns: list[Turn] = [
        (Say(f"word {n}."), Delay(0.02 + n % 7 / 50), Use("Bash", {"command": "true", "description": f"word {n}"}))
        for n in range(words)
    ]
    async with place(script=Script([*turns, (Say("The end."),)])) as here:
        arrived: dict[str, float] = {}
        url = f"{here.url.replace('http', 'ws', 1)}/api/live"
        async with here.api.ws_connect(url) as socket:
            await here.ask("Say many words")
            while True:
                event = json.loads(await socket.receive_str(timeout=120))
                if event["kind"] == "AgentSaid":
                    arrived[event["data"]["text"]] = time.time()
                if event["kind"] == "RunSettled":
                    break
        (directory,) = here.spools()
        said = _said(directory)
    took = [arrived[text] - at for text, at in said.items() if text.startswith("word ")]
    hundredths = statistics.quantiles(took, n=100)
    return [
        f"Claude's line to /api/live, {len(took)} events: p50 {hundredths[49] * 1000:.0f} ms, "
        f"p99 {hundredths[98] * 1000:.0f} ms"
    ]


async def _begin(here: Place, titles: Sequence[str]) -> list[float]:
    """Label all of them at once; the seconds from each webhook to its first request."""
    issues = [await here.ask(title, label=False) for title in titles]
    await here.quiet()
    before = len(here.hooks)
    for issue in issues:
        await here.label(issue)
    asked = [await here.first_request(title) for title in titles]
    return [at - sent for at, sent in zip(asked, here.hooks[before:], strict=False)]


async def _end(here: Place) -> None:
    """Stop what is at work."""
    for issue in (one for one in here.repository.issues.values() if one.labels):
        await here.world.act("alice").unlabel(issue, "claude")
    await until(lambda: not _agents(here))
    await here.quiet()


async def _weigh(here: Place, count: int) -> tuple[list[float], list[float]]:
    """Megabytes of each supervisor, and of each sandbox with all that is in it."""
    agents = await until(lambda: found if len(found := _agents(here)) == count else None)
    return [_pss(pid) for pid in agents], [sum(map(_pss, _below(pid))) for pid in agents]


def _agents(here: Place) -> list[int]:
    """The supervisors. (tmux's server keeps the words of its first session as its own.)"""
    found = processes(str(here.home)).items()
    return [pid for pid, argv in found if "runner.supervisor" in argv and argv[0] == sys.executable]


def _below(pid: int) -> list[int]:
    """All processes below this one."""
    with suppress(OSError):
        children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [*children, *(below for child in children for below in _below(child))]
    return []


def _pss(pid: int) -> float:
    """Megabytes: what is shared is divided among those who share it."""
    with suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def _said(directory: Path) -> dict[str, float]:
    """What Claude said, and when the supervisor had read it."""
    found = {}
    for line in spool.follow(directory, 0):
        said = line.data.get("line", {})
        if line.kind == spool.CLAUDE and said.get("type") == "assistant":
            for block in said["message"]["content"]:
                if block["type"] == "text":
                    found[block["text"]] = line.t
    return found


def _spread(values: Sequence[float]) -> str:
    return ", ".join(f"{value * 1000:.0f}" for value in sorted(values))


if __name__ == "__main__":
    main()
