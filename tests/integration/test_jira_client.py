"""The client for Jira against a Jira that limits, breaks, hangs, loses answers or is something else."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr

from app.jira import Jira, Rejected, Unusable, open_jira
from app.settings_model import JiraSettings
from runner.errors import TryLater
from tests.fakes.jira import FakeJira, Fault, jira


@pytest.fixture(params=["cloud", "data center"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[FakeJira]:
    async with jira(request.param == "cloud") as running:
        yield running
    assert running.violations == []


@asynccontextmanager
async def client_of(site: FakeJira, token: str = "", timeout_seconds: float = 5) -> AsyncIterator[Jira]:
    email = site.us.email if site.cloud else None
    settings = JiraSettings(url=site.url, email=email, token=SecretStr(token or site.token))
    async with open_jira(settings, timeout_seconds) as client:
        yield client


async def test_nothing_is_asked_before_it_is_needed_and_then_in_the_version_of_the_side(site: FakeJira) -> None:
    async with client_of(site) as client:
        assert site.ledger == []
        assert (await client.me())["displayName"] == "Cco"
        await client.me()
    version = 3 if site.cloud else 2
    assert [one.path for one in site.ledger] == ["/rest/api/2/serverInfo", f"/rest/api/{version}/myself"]


async def test_a_limit_is_obeyed_without_a_thread_that_waits(site: FakeJira) -> None:
    async with client_of(site) as client:
        ticket = await site.create("Busy")
        await client.me()
        site.faults.append(Fault("GET", "/issue/", 429, retry_after="120"))
        began = time.monotonic()
        with pytest.raises(TryLater) as first:
            await client.ticket(str(ticket.id))
        assert first.value.after == timedelta(seconds=120)
        asked = len(site.ledger)
        with pytest.raises(TryLater) as second:  # the same limit is for all that we ask
            await client.comments(str(ticket.id))
        assert second.value.after is not None
        assert timedelta(seconds=100) < second.value.after <= timedelta(seconds=120)
        assert len(site.ledger) == asked
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", "/issue/", 500),
        Fault("GET", "/issue/", 503, retry_after="soon"),
        Fault("GET", "/issue/", 200, delay=3.0),
        Fault("GET", "/issue/", 200, body="<html>Log in</html>", after_effect=False),
        Fault("GET", "/issue/", 200, after_effect=True),
    ],
    ids=["500", "503", "slow", "a page", "lost"],
)
async def test_weather_is_weather_and_is_not_tried_again_here(site: FakeJira, fault: Fault) -> None:
    async with client_of(site, timeout_seconds=0.5) as client:
        ticket = await site.create("Stormy")
        await client.me()
        site.faults.append(Fault(**{**fault.__dict__, "times": 1}))
        with pytest.raises(TryLater):
            await client.ticket(str(ticket.id))
        found = await client.ticket(str(ticket.id))
        assert found is not None
        assert found["key"] == ticket.key


async def test_nobody_there_is_weather_and_the_next_call_tries_anew(site: FakeJira) -> None:
    async with client_of(site) as client:
        site.away = True
        with pytest.raises(TryLater):
            await client.me()
        site.away = False
        assert await client.me()


async def test_a_comment_whose_answer_is_lost_is_posted_once(site: FakeJira) -> None:
    async with client_of(site) as client:
        ticket = await site.create("Lost")
        await client.me()
        site.faults.append(Fault("POST", "/comment$", 200, after_effect=True))
        with pytest.raises(TryLater):
            await client.comment(str(ticket.id), "Hello", {"answer": "1"})
        assert len(site.ours(ticket)) == 1


async def test_a_token_that_is_not_taken_is_the_operators_to_mend(
    site: FakeJira, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(site, token="another-one") as client:
        for _ in range(3):
            with pytest.raises(Unusable) as wrong:
                await client.me()
        assert "CCO_JIRA_TOKEN" in wrong.value.mend
        assert isinstance(wrong.value, TryLater)
    assert len([one for one in caplog.records if one.levelname == "ERROR"]) == 1
    assert "another-one" not in caplog.text


async def test_what_is_gone_is_none_and_what_is_not_ours_is_not_edited(site: FakeJira) -> None:
    async with client_of(site) as client:
        ticket = await site.create("Gone")
        theirs = await site.comment(ticket, "mine")
        assert await client.edit(str(ticket.id), str(theirs.id), "ours now") is False
        assert await client.edit(str(ticket.id), "999", "nothing") is False
        await site.delete(ticket)
        assert await client.ticket(str(ticket.id)) is None
        assert await client.updated(str(ticket.id)) is None
        assert await client.comments(str(ticket.id)) == []
        assert await client.comment(str(ticket.id), "Hello", {}) is None


async def test_a_user_who_may_not_comment_is_the_operators_to_mend(site: FakeJira) -> None:
    async with client_of(site) as client:
        ticket = await site.create("Silent")
        site.faults.append(Fault("POST", "/comment$", 403, body='{"errorMessages": ["No."]}'))
        with pytest.raises(Unusable, match="Add Comments"):
            await client.comment(str(ticket.id), "Hello", {})
        site.faults.append(Fault("GET", "/mypermissions$", 400, body='{"errorMessages": ["Really not."]}'))
        with pytest.raises(Rejected, match="Really not"):
            await client.permissions("PROJ", ["BROWSE_PROJECTS"])


async def test_everything_is_found_however_many_pages_it_takes(site: FakeJira) -> None:
    async with client_of(site) as client:
        for number in range(230):
            await site.create(f"Number {number}", labels=("claude",))
        found = await client.search('labels = "claude" ORDER BY updated ASC')
        assert len({one["id"] for one in found}) == 230
        ticket = next(iter(site.tickets.values()))
        for number in range(250):
            await site.comment(ticket, f"{number}")
            await site.label(ticket, f"l{number}")
        comments = await client.comments(str(ticket.id))
        assert [site.plain(one["body"]) for one in comments] == [f"{number}" for number in range(250)]
        raw = await client.ticket(str(ticket.id))
        assert raw is not None
        assert len(raw["changelog"]["histories"]) == 250


async def test_what_we_say_is_taken_as_it_was_meant_and_cut_where_it_is_too_long(site: FakeJira) -> None:
    async with client_of(site) as client:
        ticket = await site.create("Words")
        told = "### Done\n\n- [x] one\n\n| a |\n| --- |\n| b |\n\n" + "\n\n".join(["word *x* `y` [~z] {q} " * 40] * 80)
        comment = await client.comment(str(ticket.id), told, {"is": "status"})
        assert await client.edit(str(ticket.id), comment, told)
        (said,) = site.statuses(ticket)
        assert site.plain(said.body).endswith("…")


async def test_groups_and_transitions_and_links(site: FakeJira) -> None:
    async with client_of(site) as client:
        ticket = await site.create("Moved")
        number = str(ticket.id)
        assert await client.groups(site.users["carl"].json(site.cloud)) == ["developers"]
        assert await client.groups({"accountId": "nobody", "key": "nobody"}) == []
        offered = await client.transitions(number)
        review = next(one["id"] for one in offered if one["to"]["name"] == "In Review")
        assert await client.move(number, review)
        assert not await client.move(number, review)
        assert ticket.status.name == "In Review"
        for resolved in (False, True):
            assert await client.link(number, "cco:1", "https://e.example/1", "one", resolved=resolved)
        assert [one["object"]["status"] for one in ticket.links.values()] == [{"resolved": True}]
        assert await client.done_statuses() == {"10", "11"}
