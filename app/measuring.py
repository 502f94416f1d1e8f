"""Where the numbers of /metrics come from: one function for each part of the house."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from app.finds import Finds
from app.github_lane import Traffic
from app.health import Pulse, Readiness
from app.metrics import Metrics, Numbers
from handlers.reporting import Reporting
from runner import leaks
from runner.store import Store
from runner.tasks import RunState, WaitingFor
from runner.tmux import Tmux

LOOK_SECONDS = 10.0  # at the process table, at most so often
RECOVERIES = ("taken_up", "lost", "bug")  # of Means.tally
LEAKS = ("session", "process", "lock", "directory")


def add_sources(
    metrics: Metrics,
    *,
    store: Store,
    tally: Counter[str],
    reporting: Reporting,
    tmux: Tmux,
    home: Path,
    pulse: Pulse,
    readiness: Readiness,
    finds: Finds,
    traffic: Callable[[], Mapping[str, Traffic]],
) -> None:
    """Everything that is asked at each look. A part with numbers of its own adds its function here."""
    leaking = _Leaks(store, tmux, home)

    async def inbox() -> Numbers:
        oldest = await store.deliveries.oldest()
        return {
            "cco_inbox_depth": float(await store.deliveries.depth()),
            "cco_inbox_oldest_seconds": _age(oldest),
            "cco_inbox_parked": float(await store.deliveries.parked_count()),
        }

    async def runs() -> Numbers:
        states, waits = await store.tallies.states(), await store.tallies.waits()
        return {
            "cco_runs": {one.value: float(states.get(one, 0)) for one in RunState if one.is_active},
            "cco_runs_waiting": {one.value: float(waits.get(one, 0)) for one in WaitingFor},
        }

    async def recoveries() -> Numbers:
        return {"cco_recoveries_total": {what: float(tally[what]) for what in RECOVERIES}}

    async def reports() -> Numbers:
        backlog = reporting.backlog()
        return {
            "cco_report_backlog": {one.reporter: float(one.tasks) for one in backlog},
            "cco_report_oldest_seconds": {one.reporter: one.oldest.total_seconds() for one in backlog},
        }

    async def machine() -> Numbers:
        return {
            "cco_disk_free_bytes": float(shutil.disk_usage(home).free),
            "cco_loop_lag_seconds": pulse.lag_seconds,
        }

    async def found() -> Numbers:
        return {"cco_reconciler_found_total": {what: float(n) for what, n in finds.counts.items()}}

    async def github() -> Numbers:
        lanes = traffic()
        return {
            "cco_github_waiting": {owner: float(lane.waiting) for owner, lane in lanes.items()},
            "cco_github_oldest_seconds": {owner: lane.oldest_seconds for owner, lane in lanes.items()},
            "cco_github_writes_last_hour": {owner: float(lane.writes_last_hour) for owner, lane in lanes.items()},
            "cco_github_closed_seconds": {owner: lane.closed_seconds for owner, lane in lanes.items()},
            "cco_github_rate_left": {
                owner: float(lane.rate_left) for owner, lane in lanes.items() if lane.rate_left is not None
            },
        }

    for source in (readiness.numbers, inbox, runs, recoveries, reports, machine, found, github, leaking.numbers):
        metrics.add(source)


class _Leaks:
    """Looked for at most every few seconds: it costs a walk over the process table."""

    def __init__(self, store: Store, tmux: Tmux, home: Path) -> None:
        self._store = store
        self._tmux = tmux
        self._home = home
        self._found: Mapping[str, float] = {}
        self._at = float("-inf")

    async def numbers(self) -> Numbers:
        if time.monotonic() - self._at >= LOOK_SECONDS:
            self._at = time.monotonic()
            found = await leaks.count(self._store, self._tmux, self._home)
            self._found = {what: float(found[what]) for what in LEAKS}
        return {"cco_leaks": self._found}


def _age(moment: datetime | None) -> float:
    return max(0.0, (datetime.now(UTC) - moment).total_seconds()) if moment else 0.0
