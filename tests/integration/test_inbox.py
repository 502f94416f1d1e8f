"""The inbox: stored before it is acknowledged, handed on in order, parked or left for later, never lost."""

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.inbox import OF_ONE_REPOSITORY, Inbox, delay, lane_of, weather_in
from runner.deliveries import Deliveries, Delivery
from runner.errors import TryLater
from runner.store import Store, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "cco.db") as store:
        yield store


def delivery(guid: str, number: int = 1, repository: int = 7, hook: str = "1") -> Delivery:
    body = json.dumps({"repository": {"id": repository}, "issue": {"number": number}}).encode()
    return Delivery("github", hook, guid, "issues", body, datetime.now(UTC))


@asynccontextmanager
async def draining(inbox: Inbox) -> AsyncIterator[None]:
    task = asyncio.create_task(inbox.drain())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.01)


async def nothing(_: Delivery) -> None:
    raise AssertionError("nothing is dispatched here")


async def test_what_was_put_is_in_the_file_when_put_returns(store: Store, tmp_path: Path) -> None:
    inbox = Inbox(store.deliveries, nothing)
    assert await inbox.put(delivery("a"))
    with sqlite3.connect(tmp_path / "cco.db") as other:
        assert other.execute("SELECT delivery_id, state FROM deliveries").fetchall() == [("a", "new")]
    other.close()


async def test_puts_that_come_together_share_a_commit_and_each_learns_its_own_answer(store: Store) -> None:
    batches: list[int] = []

    class Counted(Deliveries):
        async def put(self, deliveries: object) -> list[bool]:
            batches.append(len(deliveries))  # type: ignore[arg-type]  # a sequence
            return await super().put(deliveries)  # type: ignore[arg-type]  # the same

    inbox = Inbox(Counted(store.deliveries._database), nothing)
    guids = [f"{number}" for number in range(50)] + ["0", "1"]
    answers = await asyncio.gather(*(inbox.put(delivery(guid)) for guid in guids))
    assert answers == [True] * 50 + [False] * 2
    assert len(batches) < 5
    assert sum(batches) == 52


ACKNOWLEDGE_AND_DIE = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from app.inbox import Inbox
from runner.deliveries import Delivery
from runner.store import open_store

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        inbox = Inbox(store.deliveries, None)
        count = 0
        async def put(number):
            nonlocal count
            await inbox.put(Delivery("github", "1", str(number), "issues", b"{}", datetime.now(UTC)))
            os.write(1, f"{number}\\n".encode())
            count += 1
            if count == 100:
                os.kill(os.getpid(), signal.SIGKILL)
        async def sender(first):
            for number in range(first, 10**9, 20):
                await put(number)
        await asyncio.gather(*map(sender, range(20)))

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_a_kill_in_the_middle(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ACKNOWLEDGE_AND_DIE, str(tmp_path / "cco.db"), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    acknowledged = set(said.decode().split())
    assert len(acknowledged) == 100
    async with open_store(tmp_path / "cco.db") as store:
        stored = {one.delivery_id for one in await store.deliveries.pending(limit=10_000)}
    assert acknowledged <= stored


async def test_the_same_guid_from_another_hook_is_another_delivery(store: Store) -> None:
    inbox = Inbox(store.deliveries, nothing)
    assert await inbox.put(delivery("a", hook="1"))
    assert await inbox.put(delivery("a", hook="2"))
    assert not await inbox.put(delivery("a", hook="1"))


async def test_a_put_that_cannot_be_stored_says_so_to_each_and_the_next_one_works(tmp_path: Path) -> None:
    async with open_store(tmp_path / "cco.db") as store:
        inbox = Inbox(store.deliveries, nothing)
        with sqlite3.connect(tmp_path / "cco.db") as other:
            other.execute("ALTER TABLE deliveries RENAME TO gone")
        answers = await asyncio.gather(inbox.put(delivery("a")), inbox.put(delivery("b")), return_exceptions=True)
        assert [type(answer) for answer in answers] == [sqlite3.OperationalError] * 2
        with sqlite3.connect(tmp_path / "cco.db") as other:
            other.execute("ALTER TABLE gone RENAME TO deliveries")
        other.close()
        assert await inbox.put(delivery("c"))


async def test_one_subject_in_order_and_another_meanwhile(store: Store) -> None:
    seen: list[str] = []
    first_may_end = asyncio.Event()

    async def dispatch(one: Delivery) -> None:
        if one.delivery_id == "a1":
            await first_may_end.wait()
        seen.append(one.delivery_id)

    inbox = Inbox(store.deliveries, dispatch)
    async with draining(inbox):
        for guid, number in (("a1", 1), ("a2", 1), ("b1", 2), ("a3", 1)):
            await inbox.put(delivery(guid, number))

        async def other_is_done() -> bool:
            return "b1" in seen

        await eventually(other_is_done)
        assert seen == ["b1"]
        first_may_end.set()
        await eventually(lambda: _empty(store))
    assert seen == ["b1", "a1", "a2", "a3"]


async def _empty(store: Store) -> bool:
    return await store.deliveries.depth() == 0


async def test_a_bug_parks_its_delivery_and_the_next_goes_on_until_it_is_replayed(store: Store) -> None:
    seen: list[str] = []
    broken = True

    async def dispatch(one: Delivery) -> None:
        if broken and one.delivery_id == "a":
            raise KeyError("sender")
        seen.append(one.delivery_id)

    inbox = Inbox(store.deliveries, dispatch)
    async with draining(inbox):
        await inbox.put(delivery("a"))
        await inbox.put(delivery("b"))
        await eventually(lambda: _empty(store))
        assert seen == ["b"]
        [(parked, error)] = await store.deliveries.parked()
        assert parked.delivery_id == "a"
        assert "KeyError: 'sender'" in error
        broken = False
        assert await inbox.replay(parked.id)
        await eventually(lambda: _empty(store))
    assert seen == ["b", "a"]
    assert await store.deliveries.parked() == []
    assert not await inbox.replay(parked.id)


async def test_weather_keeps_a_subject_waiting_in_order_and_parks_nothing(store: Store) -> None:
    seen: list[str] = []
    tries = 0

    async def dispatch(one: Delivery) -> None:
        nonlocal tries
        if one.delivery_id == "a" and tries < 2:
            tries += 1
            raise ExceptionGroup("two callbacks", [TryLater("GitHub is down", timedelta(0))])
        seen.append(one.delivery_id)

    inbox = Inbox(store.deliveries, dispatch)
    async with draining(inbox):
        await inbox.put(delivery("a"))
        await inbox.put(delivery("b"))
        await eventually(lambda: _empty(store))
    assert (seen, tries) == (["a", "b"], 2)
    assert await store.deliveries.parked() == []


async def test_weather_that_lasts_a_day_is_parked(store: Store) -> None:
    """A day of trying, by a clock that nobody sets: that the machine's says another year is no reason to give up."""
    tries, hours = 0, 0

    async def dispatch(_: Delivery) -> None:
        nonlocal tries, hours
        tries += 1
        hours = 25 if tries == 3 else hours
        raise TryLater("GitHub is down", timedelta(0))

    inbox = Inbox(store.deliveries, dispatch, clock=lambda: 3600.0 * hours)
    long_ago = Delivery("github", "1", "a", "issues", b"{}", datetime.now(UTC) - timedelta(days=400))
    async with draining(inbox):
        await inbox.put(long_ago)
        await eventually(lambda: has(store, parked=["a"]))
    assert tries == 4  # what is tried when it is over a day is the last attempt


async def has(store: Store, parked: list[str]) -> bool:
    return [one.delivery_id for one, _ in await store.deliveries.parked()] == parked


async def test_a_restart_goes_on_with_what_was_not_settled(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def hang(_: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    async with open_store(tmp_path / "cco.db") as store:
        inbox = Inbox(store.deliveries, hang)
        async with draining(inbox):
            await inbox.put(delivery("a"))
            await inbox.put(delivery("b"))
            await started.wait()
    seen: list[str] = []

    async def dispatch(one: Delivery) -> None:
        seen.append(one.delivery_id)

    async with open_store(tmp_path / "cco.db") as store, draining(Inbox(store.deliveries, dispatch)):
        await eventually(lambda: _empty(store))
    assert seen == ["a", "b"]


@pytest.mark.parametrize(
    ("payload", "lane"),
    [
        ({"repository": {"id": 7}, "issue": {"number": 3}}, "github/7/3"),
        ({"repository": {"id": 7}, "pull_request": {"number": 4}}, "github/7/4"),
        ({"repository": {"id": 7}, "check_run": {"pull_requests": [{"number": 5}]}}, "github/7/5"),
        ({"repository": {"id": 7}, "check_suite": {"pull_requests": []}}, "github/7/None"),
        ({"installation": {"id": 9}}, "github/installation/9"),
        ([], "github/installation/None"),
        ({"repository": "x", "issue": [1]}, "github/installation/None"),
    ],
)
def test_what_a_delivery_is_about(payload: object, lane: str) -> None:
    assert lane_of(Delivery("github", "1", "a", "x", json.dumps(payload).encode(), datetime.now(UTC))) == lane


@pytest.mark.parametrize(
    ("payload", "lane"),
    [
        ({"webhookEvent": "jira:issue_updated", "issue": {"id": "10007", "key": "PROJ-7"}}, "jira/10007"),
        (
            {
                "webhookEvent": "comment_created",
                "comment": {"self": "https://j.example/rest/api/2/issue/10007/comment/9"},
            },
            "jira/10007",
        ),
        ({"webhookEvent": "sprint_started", "sprint": {}}, "jira/None"),
        ([], "jira/None"),
    ],
)
def test_which_ticket_a_delivery_of_jira_is_about(payload: object, lane: str) -> None:
    assert lane_of(Delivery("jira", "0", "a", "x", json.dumps(payload).encode(), datetime.now(UTC))) == lane


def test_weather_is_seen_in_a_group_only_where_it_is_alone() -> None:
    short, long = TryLater("a", timedelta(seconds=1)), TryLater("b", timedelta(seconds=9))
    assert weather_in(ExceptionGroup("", [short, ExceptionGroup("", [long])])) is long
    assert weather_in(ExceptionGroup("", [short, ValueError()])) is None
    assert weather_in(ValueError()) is None


def test_the_wait_grows_and_ends_at_five_minutes() -> None:
    assert timedelta(seconds=1) <= delay(1, None) <= timedelta(seconds=2)
    assert timedelta(seconds=150) <= delay(1000, None) <= timedelta(seconds=300)
    assert timedelta(seconds=60) <= delay(1, timedelta(seconds=60)) <= timedelta(seconds=61)


async def test_a_busy_repository_leaves_room_for_the_others(store: Store) -> None:
    """Its deliveries wait, for their turn to write perhaps; another's is handled at once."""
    begun: list[str] = []
    go = asyncio.Event()

    async def dispatch(one: Delivery) -> None:
        begun.append(one.delivery_id)
        if one.delivery_id.startswith("busy"):
            await go.wait()

    inbox = Inbox(store.deliveries, dispatch)
    async with draining(inbox):
        for number in range(40):
            await inbox.put(delivery(f"busy-{number}", number + 1, repository=7))
        await inbox.put(delivery("calm", 1, repository=8))
        await eventually(lambda: _true("calm" in begun))
        assert len(begun) == 1 + OF_ONE_REPOSITORY
        go.set()
        await eventually(lambda: _true(len(begun) == 41))


async def test_a_place_that_hangs_keeps_no_other_place_from_being_heard(store: Store) -> None:
    """Slack answers nothing for a while; what GitHub tells is handled meanwhile."""
    go, done = asyncio.Event(), []

    async def dispatch(one: Delivery) -> None:
        if one.source == "slack":
            await go.wait()
        done.append(one.delivery_id)

    inbox = Inbox(store.deliveries, dispatch)
    async with draining(inbox):
        for number in range(40):
            body = json.dumps({"event": {"channel": f"C{number}", "thread_ts": "1.0"}}).encode()
            await inbox.put(Delivery("slack", "", f"Ev{number}", "events_api", body, datetime.now(UTC)))
        await inbox.put(delivery("from-github"))
        await eventually(lambda: _true(done == ["from-github"]))
        go.set()
        await eventually(lambda: _true(len(done) == 41))


async def _true(value: bool) -> bool:
    return value
