"""What is measured, for Prometheus: every metric stands in one table, and every number has one source."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runner.errors import TryLater
from runner.migrating import DatabaseRefused

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# What a source gives: a number, or one for each value of the metric's label.
Numbers = Mapping[str, float | Mapping[str, float]]
Source = Callable[[], Awaitable[Numbers]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. docs/operations.md lists each with what to alert on, and is tested against this table."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    meaning: str
    label: str | None = None


FAMILIES = {
    one.name: one
    for one in (
        Family("cco_ready", "gauge", "1 where a check of /readyz is well, 0 where it is not.", "check"),
        Family("cco_inbox_depth", "gauge", "Deliveries that are stored and not yet handled."),
        Family("cco_inbox_oldest_seconds", "gauge", "Age of the oldest delivery that is not yet handled."),
        Family("cco_inbox_parked", "gauge", "Deliveries that a bug of ours kept from being handled."),
        Family("cco_acknowledge_seconds", "histogram", "From a webhook's request to its 202."),
        Family("cco_webhooks_total", "counter", "Webhooks, by the status they were answered with.", "status"),
        Family("cco_runs", "gauge", "Runs that have not ended, by state.", "state"),
        Family("cco_runs_waiting", "gauge", "Waiting runs, by what they wait for.", "for"),
        Family("cco_recoveries_total", "counter", "What did not go as planned, and went on.", "what"),
        Family("cco_report_backlog", "gauge", "Tasks of which something is not told yet.", "reporter"),
        Family("cco_report_oldest_seconds", "gauge", "For how long the oldest of these waits.", "reporter"),
        Family("cco_reconciler_found_total", "counter", "What no webhook told us of, and we found.", "what"),
        Family("cco_github_waiting", "gauge", "Writes that wait for their turn at GitHub.", "owner"),
        Family("cco_github_oldest_seconds", "gauge", "For how long the oldest of these waits.", "owner"),
        Family("cco_github_writes_last_hour", "gauge", "Writes to GitHub in the last hour, of 400.", "owner"),
        Family("cco_github_closed_seconds", "gauge", "For how long GitHub wants nothing more of us.", "owner"),
        Family("cco_github_rate_left", "gauge", "What is left of GitHub's own hourly limit.", "owner"),
        Family("cco_leaks", "gauge", "What is on this machine without a run that it belongs to.", "what"),
        Family("cco_disk_free_bytes", "gauge", "Room on the disk that holds CCO_HOME."),
        Family("cco_loop_lag_seconds", "gauge", "The longest that the event loop was late in the last minute."),
    )
}


class Metrics(Collector):
    """The registry. Whoever has numbers adds a source; what is counted as it happens is counted here."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which nobody asks for
        self.registry = CollectorRegistry(auto_describe=False)
        told = FAMILIES["cco_acknowledge_seconds"]
        self.acknowledged = Histogram(told.name, told.meaning, buckets=BUCKETS, registry=self.registry)
        told = FAMILIES["cco_webhooks_total"]
        self.webhooks = Counter(told.name, told.meaning, [str(told.label)], registry=self.registry)
        ProcessCollector(registry=self.registry)
        self.registry.register(self)
        self._sources: list[Source] = []
        self._gathered: Sequence[Metric] = ()

    def add(self, source: Source) -> None:
        """Ask this one too, at each look."""
        self._sources.append(source)

    def answered(self, status: int, seconds: float) -> None:
        """A webhook was answered."""
        self.webhooks.labels(str(status)).inc()
        if status == 202:
            self.acknowledged.observe(seconds)

    async def text(self) -> bytes:
        """All of it, in Prometheus' text format. A source that cannot say anything now is left out."""
        gathered: list[Metric] = []
        for source in self._sources:
            try:
                gathered += [_family(name, value) for name, value in (await source()).items()]
            except (TryLater, DatabaseRefused, OSError) as reason:
                log.info("some numbers are missing from /metrics: %s", reason)
        self._gathered = gathered
        return generate_latest(self.registry)

    def collect(self) -> Iterable[Metric]:
        """What the sources said."""
        return self._gathered


def _family(name: str, value: float | Mapping[str, float]) -> Metric:
    family = FAMILIES[name]
    labels = [family.label] if family.label else []
    kind = GaugeMetricFamily if family.kind == "gauge" else CounterMetricFamily
    metric = kind(name, family.meaning, labels=labels)
    for label, number in value.items() if isinstance(value, Mapping) else [(None, value)]:
        metric.add_metric([] if label is None else [label], number)
    return metric
