"""/readyz says what is wrong, each thing in a sentence, and asks what is costly seldom; /metrics has every metric."""

import asyncio
import json
import math
import re
import time

from prometheus_client.parser import text_string_to_metric_families

from app import measuring
from app.demo.github.ledger import Fault
from app.health import BEAT_SECONDS, Check, Pulse, Readiness
from app.metrics import FAMILIES
from tests.fakes.house import House, commits, done, house


async def ready(it: House) -> tuple[int, dict[str, str]]:
    status, text = await it.get("/readyz")
    return status, dict(json.loads(text)["wrong"])


async def test_what_is_wrong_has_its_name_and_its_sentence() -> None:
    async with house() as it:
        it.world.faults.append(Fault("GET", "/app$", 401))
        (it.home / "lock").unlink()
        (it.home / "credentials" / "model-key").unlink()
        status, wrong = await ready(it)
        assert status == 503
        assert wrong.pop("github").startswith("GitHub does not take the App's credentials")
        assert wrong == {
            "lock": "CCO_HOME/lock was removed: a second service could start; restart this one",
            "model": "the file with Claude's key is not in CCO_HOME/credentials any more: restart the service",
        }


async def test_a_service_that_is_well_is_ready_and_probes_cost_github_nothing() -> None:
    async with house() as it:
        assert [await ready(it) for _ in range(20)] == [(200, {})] * 20
        assert len(it.world.ledger.requests("GET", "/app")) == 2  # at the start, and once for all these
        assert await it.get("/livez") == (200, '{"status": "alive"}')


async def test_an_answer_holds_for_a_while_and_what_gives_none_is_wrong() -> None:
    asked = {"well": 0, "wrong": 0}

    async def well() -> str | None:
        asked["well"] += 1
        return None

    async def wrong() -> str | None:
        asked["wrong"] += 1
        return "it is not"

    readiness = Readiness({"well": Check(well, well_seconds=60), "wrong": Check(wrong, wrong_seconds=0)})
    for _ in range(3):
        assert await readiness.wrong() == {"wrong": "it is not"}
    assert asked == {"well": 1, "wrong": 3}
    assert await readiness.numbers() == {"cco_ready": {"well": 1.0, "wrong": 0.0}}


async def test_a_loop_that_was_stuck_is_seen_for_a_minute() -> None:
    pulse = Pulse()
    beating = asyncio.create_task(pulse.beat())
    await asyncio.sleep(0)
    time.sleep(BEAT_SECONDS + 0.3)  # what no part of the service may do
    async with asyncio.timeout(10):
        while pulse.lag_seconds < 0.3:
            await asyncio.sleep(0.05)
    beating.cancel()


async def test_every_metric_is_there_and_nothing_is_left_over_after_a_run() -> None:
    async with house() as it:
        issue = await it.ask("Be counted", [commits()], [done()])
        await it.says(issue, "Done")
        await it.until(lambda: not it.agents() and not it.sessions())
        await it.heard()

        measured = {one.name: one for one in text_string_to_metric_families((await it.get("/metrics"))[1])}
        for family in FAMILIES.values():
            found = measured[family.name.removesuffix("_total")]
            assert (found.type, found.documentation) == (family.kind, family.meaning), family.name
            labels = {label for sample in found.samples for label in sample.labels} - {"le"}
            assert labels == ({family.label} if family.label else set()), family.name

        def value(name: str, **labels: str) -> float:
            samples = [one for found in measured.values() for one in found.samples]
            return next(one.value for one in samples if (one.name, one.labels) == (name, labels))

        taken = sum(one.status_code == 202 for one in it.world.ledger.deliveries)
        assert value("cco_acknowledge_seconds_count") == value("cco_webhooks_total", status="202") == taken > 0
        assert value("cco_acknowledge_seconds_bucket", le="+Inf") == taken
        assert {what: value("cco_leaks", what=what) for what in measuring.LEAKS} == dict.fromkeys(measuring.LEAKS, 0.0)
        assert value("cco_inbox_depth") == value("cco_inbox_oldest_seconds") == 0
        assert all(sample.value == 0 for sample in measured["cco_runs"].samples)
        assert value("cco_disk_free_bytes") > 0
        assert not math.isnan(value("process_resident_memory_bytes"))


async def test_what_is_not_told_yet_is_counted_with_its_age_until_it_is_told() -> None:
    async with house() as it:
        it.world.faults.append(Fault("POST", r"/issues/\d+/comments", 503, times=2))
        issue = await it.ask("Be told late", [commits()], [done()])
        await it.until(lambda: it.world.faults[0].times < 2)
        assert (await backlog(it))[0] == 1
        before = (await backlog(it))[1]
        assert (await backlog(it))[1] > before > 0
        await it.says(issue, "Done")
        while await backlog(it) != (0.0, 0.0):
            await asyncio.sleep(0.05)


async def backlog(it: House) -> tuple[float, float]:
    text = (await it.get("/metrics"))[1]
    found = [float(one) for one in re.findall(r'^cco_report_\w+\{reporter="github-issue"\} (.+)$', text, re.MULTILINE)]
    return found[0], found[1]
