"""What GitHub could not deliver is asked for again: what concerns us, until it is here, never more often than due."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.demo.github.ledger import Fault
from app.demo.github.model import Issue
from app.finds import Finds
from app.github import open_github
from app.redelivering import KEPT, MARK, Redelivering, gathered
from app.settings_model import GitHubSettings
from runner.deliveries import Delivery
from runner.errors import TryLater
from runner.store import Store, open_store
from tests.fakes.github_app import Ours

BEFORE = datetime.now(UTC) - timedelta(hours=1)


@dataclass
class Post:
    """Our App, whose hook answers what a test says, and the one who asks for what it missed."""

    ours: Ours
    store: Store
    finds: Finds
    redelivering: Redelivering

    async def label(self, answer: int) -> Issue:
        """Somebody labels an issue while the hook answers so."""
        self.ours.answer = answer
        alice = self.ours.world.act("alice")
        issue = await alice.open_issue("octo/hello", "Broken")
        await alice.label(issue, "claude")
        await self.ours.world.settled()
        self.ours.answer = 202
        return issue

    async def round(self, later: timedelta = timedelta(0), begun: datetime = BEFORE) -> list[str]:
        """One round, so much later; gives what came of it."""
        before = len(self.ours.events())
        await self.redelivering.round(datetime.now(UTC) + later, begun)
        await self.ours.world.settled()
        return self.ours.events()[before:]

    def asked(self) -> int:
        return len(self.ours.world.ledger.requests("POST", "/app/hook/deliveries/.*"))


@pytest.fixture
async def post(ours: Ours, tmp_path: Path) -> AsyncIterator[Post]:
    world = ours.world
    settings = GitHubSettings(
        url=world.base_url, api_url=world.api_url, app_id=str(ours.app.id), private_key=SecretStr(ours.pem)
    )
    async with open_github(settings) as github, open_store(tmp_path / "cco.db") as store:
        finds = Finds()
        yield Post(ours, store, finds, Redelivering(github, store, finds, timedelta(0)))


async def test_what_failed_comes_again_once_if_anything_here_listens_to_it(post: Post) -> None:
    """Opening an issue means nothing to us, so nobody asks for that again."""
    await post.label(503)
    assert await post.round() == ["issues.labeled"]
    assert post.finds.counts["delivery"] == 1
    assert await post.round() == []
    assert await post.round(timedelta(hours=2)) == []
    assert post.asked() == 1


async def test_what_arrived_is_left_alone(post: Post) -> None:
    await post.label(202)
    assert await post.round() == []


async def test_what_we_stored_although_github_never_heard_so_is_left_alone(post: Post) -> None:
    """Our answer was lost, or took too long."""
    await post.label(504)
    guid = next(one.guid for one in post.ours.world.deliveries.values() if one.action == "labeled")
    await post.store.deliveries.put([Delivery("github", "1", guid, "issues", b"{}", datetime.now(UTC))])
    assert await post.round() == []


async def test_what_fails_again_is_asked_for_ever_more_rarely(post: Post) -> None:
    """At once, after a minute, after two; and each time one attempt."""
    await post.label(503)
    post.ours.answer = 503
    assert len(await post.round()) == 1
    assert await post.round() == []
    assert len(await post.round(timedelta(minutes=1))) == 1
    assert await post.round(timedelta(minutes=1)) == []
    assert len(await post.round(timedelta(minutes=3))) == 1
    assert post.asked() == 3


async def test_an_attempt_that_has_no_answer_yet_is_waited_for(post: Post) -> None:
    await post.label(503)
    newest = list(post.ours.world.deliveries.values())[-1]
    newest.status, newest.status_code = "pending", 0
    assert await post.round() == []
    assert await post.round(timedelta(minutes=3)) == ["issues.labeled"]


async def test_what_was_before_our_time_is_not_ours(post: Post) -> None:
    """A new CCO_HOME answers for what comes from its first start on."""
    await post.label(503)
    assert await post.round(begun=datetime.now(UTC) + timedelta(seconds=5)) == []


async def test_the_list_is_read_no_further_than_need_be(post: Post) -> None:
    """All had arrived by the last time: there is one page to read. One is missing: all that came since is looked at."""
    world = post.ours.world
    long_ago = datetime.now(UTC) - timedelta(days=1)
    for _ in range(75):
        await post.label(202)
    for delivery in world.deliveries.values():
        delivery.delivered_at = long_ago
    missing = await post.label(503)
    await post.round(begun=long_ago - timedelta(hours=1))
    pages = len(world.ledger.requests("GET", "/app/hook/deliveries"))
    assert pages == 2
    await post.round()
    mark = await post.store.marks.at(MARK)
    assert mark is not None
    assert mark > long_ago
    await post.round()
    assert len(world.ledger.requests("GET", "/app/hook/deliveries")) == pages + 2
    assert missing.number


async def test_in_the_end_it_is_given_up_and_the_log_says_so(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    """GitHub forgets a delivery after three days."""
    await post.label(503)
    post.ours.answer = 503
    await post.round()
    with caplog.at_level(logging.INFO, "app.redelivering"):
        assert await post.round(KEPT - timedelta(minutes=30)) == []
        assert await post.round(KEPT - timedelta(minutes=29)) == []
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("gave up on issues.labeled (")


async def test_bad_weather_only_delays_it(post: Post) -> None:
    await post.label(503)
    post.ours.world.faults.append(Fault("POST", "/attempts$", 502))
    with pytest.raises(TryLater):
        await post.round()
    assert post.finds.counts["delivery"] == 0
    assert await post.round() == ["issues.labeled"]


def test_attempts_are_one_delivery_by_their_guid() -> None:
    """It arrived if any of them did; what is asked for again is the latest."""

    def item(number: int, code: int, minute: int) -> dict[str, object]:
        at = f"2026-11-25T12:{minute:02}:00Z"
        status = "OK" if code == 202 else "failed"
        return {
            "id": number,
            "guid": "a",
            "event": "issues",
            "action": "labeled",
            "delivered_at": at,
            "status_code": code,
            "status": status,
        }

    (one,) = gathered([item(3, 503, 9), item(2, 202, 5), item(1, 502, 1)])
    assert (one.latest_id, one.count, one.arrived, one.last_answer) == (3, 3, True, "503 failed")
    assert (one.first_at.minute, one.last_at.minute) == (1, 9)
