"""From the webhook to Claude's first API request, beside `git worktree add` + tmux + Claude's own start.

    python -m tests.bench.start [-n 20] [--latency MS]

Ours and the bare start take turns on the same machine, so that what else goes on there meets both.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from app.demo.github import Fault
from runner import spool
from runner.spool import Spec
from tests.bench.bare import Bare
from tests.bench.place import Place, place

Sample = dict[str, float]
OURS, BARE, CONFINED = "ours", "bare", "bare, in bwrap"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=20, help="how many of each (20)")
    parser.add_argument(
        "--latency", type=int, default=0, help="milliseconds that GitHub's API takes more for each call"
    )
    given = parser.parse_args()
    samples = asyncio.run(measure(given.n, timedelta(milliseconds=given.latency)))
    print(report(samples))  # noqa: T201  a command's answer


async def measure(count: int, latency: timedelta) -> dict[str, list[Sample]]:
    """Each kind of start `count` times, after one that warms mirror, tmux and the page cache."""
    samples: dict[str, list[Sample]] = defaultdict(list)
    async with place() as here:
        bare = Bare(here)
        try:
            await ours(here, "warm")
            spec = spool.read_spec(here.spools()[-1])
            for confined in (False, True):
                await beside(bare, f"warm-{confined}", spec, confined=confined)
            if latency:
                here.world.faults.append(Fault(".*", f"^{here.world.api_prefix}/", latency, times=1_000_000))
            for number in range(count):
                kinds = [OURS, BARE, CONFINED]
                for kind in kinds if number % 2 else reversed(kinds):
                    name = f"n{number}-{kinds.index(kind)}"
                    if kind == OURS:
                        sample = await ours(here, name)
                    else:
                        sample = await beside(bare, name, spec, confined=kind == CONFINED)
                    samples[kind].append(sample)
        finally:
            bare.close()
    return samples


async def beside(bare: Bare, name: str, spec: Spec, *, confined: bool) -> Sample:
    """One bare start, to its end."""
    sample = await bare.start(name, spec, confined=confined)
    await bare.over(name)
    return sample


async def ours(here: Place, name: str) -> Sample:
    """One start by the service, to the run's end; the seconds of each part, in the order in which they happen."""
    title = f"Issue {name} of the bench"
    issue = await here.ask(title, label=False)
    await here.quiet()
    await here.label(issue)
    await here.world.settled()
    began = here.hooks[-1]
    asked = await here.first_request(title)
    await here.over(title)
    steps = here.spans(began, asked)
    spans = {one["step"]: one for one in reversed(steps)}  # of each the first: later webhooks are told by ourselves
    calls = [one for one in steps if one["step"].startswith("api ") and one["ended"] < spans["fetch"]["began"]]
    directory = here.spools()[-1]
    started = started_at(directory)
    fetch, token = spans["fetch"], spans.get("token for git", spans["fetch"])
    seconds = {step: one["ended"] - one["began"] for step, one in spans.items()}
    return {
        "whole": asked - began,
        "fetch": fetch["ended"] - token["began"],
        "without the fetch": asked - began - (fetch["ended"] - token["began"]),
        "webhook stored, handler begins": spans["handlers"]["began"] - began,
        "looked up on GitHub": spans["submit"]["began"] - spans["handlers"]["began"],
        "submitted and claimed": token["began"] - spans["submit"]["began"],
        "workspace": seconds["workspace"],
        "spool and tmux": seconds["launch"],
        "between those": spans["launch"]["began"] - fetch["ended"] - seconds["workspace"],
        "supervisor's start": started - spans["launch"]["ended"],
        "claude": asked - started,
        "calls of GitHub's API, number": len(calls),
        "calls of GitHub's API, all": sum(one["ended"] - one["began"] for one in calls),
    }


def started_at(directory: Path) -> float:
    """When the supervisor had started Claude, on the monotonic clock."""
    offset = time.time() - time.monotonic()
    lines = map(json.loads, (directory / "events.jsonl").read_text().splitlines())
    return next(float(line["t"]) for line in lines if line["kind"] == spool.STARTED) - offset


def report(samples: dict[str, list[Sample]]) -> str:
    """A table in milliseconds, and the ratios between the medians and within the pairs."""
    lines = []
    for kind, found in samples.items():
        lines += [f"{kind} (ms){'':30}"[:36] + "median     min     max"]
        for part in found[0]:
            values = [one[part] for one in found]
            scale = 1 if part.endswith("number") else 1000
            low, middle, high = (scale * f(values) for f in (min, statistics.median, max))
            lines.append(f"  {part:32}{middle:8.0f}{low:8.0f}{high:8.0f}")
        lines.append("")
    for other in (CONFINED, BARE):
        for part in ("without the fetch", "whole"):
            lines.append(
                f"ours, {part}, to {other}: {_ratio(samples[OURS], part, samples[other]):.2f} x (medians), "
                f"{_paired(samples[OURS], part, samples[other]):.2f} x (median of the pairs)"
            )
    return "\n".join(lines)


def _ratio(ours: Sequence[Sample], part: str, theirs: Sequence[Sample]) -> float:
    return statistics.median(one[part] for one in ours) / statistics.median(one["whole"] for one in theirs)


def _paired(ours: Sequence[Sample], part: str, theirs: Sequence[Sample]) -> float:
    return statistics.median(one[part] / two["whole"] for one, two in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
