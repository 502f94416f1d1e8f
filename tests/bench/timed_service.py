"""The real service, with stopwatches round its larger steps: `python -m tests.bench.timed_service FILE`.

Each step is a line of JSON in FILE: its name, and when it began and ended on the machine's monotonic clock, which all
processes share. Nothing else differs from `cco serve`.
"""

import asyncio
import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app import github, services, settings
from runner import conductor, engine, mirror, workspace

# What is timed: where the function is found, its name there, and what the step is called.
STEPS = (
    (services, "dispatch", "handlers"),
    (github.GitHub, "credential", "token for git"),
    (conductor.Conductor, "submit", "submit"),
    (mirror.Mirror, "fetch", "fetch"),
    (workspace, "prepare", "workspace"),
    (engine.Engine, "launch", "launch"),
)


def main() -> int:
    """Time everything, then serve."""
    with Path(sys.argv[1]).open("a", buffering=1) as file:
        for place, name, step in STEPS:
            setattr(place, name, timed(getattr(place, name), lambda *_, step=step: step, file.write))
        exchange = timed(github.Api._exchange, lambda _, method, url, *__: f"api {method} {url}", file.write)
        setattr(github.Api, "_exchange", exchange)  # noqa: B010  mypy: a method is not assigned to
        return asyncio.run(services.serve(settings.load()))


def timed(function: Callable[..., Any], step: Callable[..., str], write: Callable[[str], Any]) -> Callable[..., Any]:
    """The same coroutine function, timed."""

    @functools.wraps(function)
    async def measured(*args: Any, **kwargs: Any) -> Any:
        began = time.monotonic()
        try:
            return await function(*args, **kwargs)
        finally:
            span = {"step": step(*args), "began": began, "ended": time.monotonic()}
            write(json.dumps(span) + "\n")

    return measured


if __name__ == "__main__":
    sys.exit(main())
