"""One task is told in every place, and a place that is away, slow or limiting holds nothing up."""

import asyncio
import signal
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from app import outgoing, places_check
from app.doctor import Check, examine, render
from handlers import reporting
from runner import confinement
from tests.fakes.discord import words
from tests.fakes.house import House, commits, done, house, waits


async def test_discord_has_one_message_that_ends_with_the_right_words() -> None:
    async with house(discord=True) as it:
        assert it.discord is not None
        discord = it.discord
        issue = await it.ask("Tell it in Discord", [commits()], [done("It is told.")])

        await it.says(issue, "Done")
        await it.until(lambda: discord.messages)
        (message,) = discord.messages.values()
        await it.until(lambda: "is ready for your review" in words(message))
        (pull,) = it.pulls(issue)
        said = words(message)
        assert f"[octo/eggtimer#{issue.number}]" in said
        assert f"Pull request: [#{pull.number}]" in said
        assert "It is told." in said
        assert "nothing is read in Discord" in said
        assert message["edits"] > 0
        assert message["allowed_mentions"] == {"parse": []}
        assert len(discord.calls("POST")) == 1
        assert [one.status for one in discord.ledger if one.status != 200] == []


async def test_a_plain_webhook_gets_signed_json_in_order_and_last_what_came_of_it() -> None:
    async with house(receiver=True) as it:
        assert it.receiver is not None
        receiver = it.receiver
        issue = await it.ask("Tell a program", [commits()], [done("It is told.")])

        await it.says(issue, "Done")
        await it.until(lambda: receiver.ledger and receiver.ledger[-1].json["event"] == "task.succeeded")
        assert {one.status for one in receiver.ledger} == {204}
        told = [one.json for one in receiver.ledger]
        assert [one.headers["X-CCO-Delivery"] for one in receiver.ledger] == [one["id"] for one in told]
        assert len({one["id"] for one in told}) == len(told)
        order = [one["task"]["last_event"] for one in told]
        assert order == sorted(order)
        last = told[-1]["task"]
        assert (last["state"], last["subject"]["key"]) == ("succeeded", f"octo/eggtimer#{issue.number}")
        (pull,) = it.pulls(issue)
        assert last["pull_request"]["number"] == pull.number
        assert last["answer"] == "It is told."


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same patience with places, in seconds."""
    monkeypatch.setattr(reporting, "FIRST_BACKOFF", timedelta(seconds=0.5))
    monkeypatch.setattr(reporting, "LONGEST_WEATHER", timedelta(seconds=1))
    monkeypatch.setattr(outgoing, "TIMEOUT_SECONDS", 1.0)


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("trouble", ["down", "hanging", "limiting"])
async def test_places_in_trouble_slow_no_run_and_end_with_the_right_words_once(trouble: str) -> None:
    """For the whole of the run; and each of them alone: GitHub hears of it meanwhile."""
    async with house(discord=True, receiver=True) as it:
        assert it.discord is not None
        assert it.receiver is not None
        discord, receiver = it.discord, it.receiver
        match trouble:
            case "down":
                discord.fail(1000, status=503)
                receiver.fail(1000, status=503)
            case "hanging":
                discord.fail(1000, delay=60.0, status=503)
                receiver.fail(1000, delay=60.0, status=503)
            case _:
                discord.limit(1.0, 1000)
                receiver.fail(1000, status=429, headers={"Retry-After": "1"})
        begun = time.monotonic()
        issue = await it.ask("Do it all the same", [commits()], [done()])
        await it.says(issue, "Done")
        took = time.monotonic() - begun
        assert discord.messages == {}
        assert receiver.taken() == []
        troubles = {one["name"]: one["trouble"] for one in await it.places()}
        assert troubles["discord"].startswith("Discord ")
        assert troubles["webhook-house"].startswith("the webhook house ")
        assert not troubles["github-issue"]
        _, metrics = await it.get("/metrics")
        assert 'cco_report_backlog{reporter="discord"} 1.0' in metrics
        assert 'cco_report_backlog{reporter="webhook-house"} 1.0' in metrics
        assert 'cco_report_oldest_seconds{reporter="discord"} 0.0' not in metrics

        discord.mend()
        receiver.mend()
        await it.until(lambda: discord.messages)
        (message,) = discord.messages.values()
        await it.until(lambda: "is ready for your review" in words(message))
        await it.until(lambda: receiver.taken() and receiver.taken()[-1]["event"] == "task.succeeded")
        assert len(discord.calls("POST", 200)) == 1
        while any(one["tasks"] for one in await it.places()):
            await asyncio.sleep(0.05)

    async with house() as alone:
        begun = time.monotonic()
        await alone.says(await alone.ask("Do it all the same", [commits()], [done()]), "Done")
        assert took < 3 * (time.monotonic() - begun) + 10  # a call that hangs takes a minute


async def test_killed_before_it_knows_what_it_posted_there_is_at_most_one_more_with_the_same_footer() -> None:
    """A webhook cannot look for its own messages. The later one goes on; a program knows what is twice by its id."""
    async with house(discord=True, receiver=True, separate=True) as it:
        assert it.discord is not None
        assert it.receiver is not None
        discord, receiver = it.discord, it.receiver
        discord.fail(1, method="POST", held=60.0)
        receiver.fail(1, held=60.0)
        issue = await it.ask("Say it at least once", [commits(), waits()], [done()])
        await it.until(lambda: discord.messages and receiver.taken())
        (lost,) = discord.messages.values()
        assert await it.end(it.services[0], signal.SIGKILL) == -signal.SIGKILL
        await it.start()
        await it.draft(issue)
        it.let_go()

        await it.says(issue, "Done")
        await it.until(lambda: any("Done" in words(one) for one in discord.messages.values()))
        await it.until(lambda: receiver.taken()[-1]["event"] == "task.succeeded")
        assert [one["embeds"][0]["footer"]["text"] for one in discord.messages.values()] == ["task 1, run 1"] * 2
        (other,) = [one for one in discord.messages.values() if one is not lost]
        assert "Done" in words(other)
        assert "Done" not in words(lost)
        order = [one["task"]["last_event"] for one in receiver.taken()]
        assert order == sorted(order)
        logged = "".join(one.log.read_text() for one in it.services)
        assert not [one for one in (discord.token, receiver.token, receiver.secret) if one in logged]


async def test_doctor_says_which_place_is_behind_for_how_long_why_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with house(discord=True, receiver=True) as it:
        assert it.discord is not None
        assert it.receiver is not None
        discord = it.discord
        assert (await _doctor(it))["backlog"].ok
        assert (await _doctor(it))["discord"].detail == "Discord knows the webhook as Claude"
        discord.fail(1000, method="POST", status=503)
        issue = await it.ask("Tell it later", [commits(), waits()], [done()])
        await it.draft(issue)
        await it.until(lambda: discord.calls("POST", 503))

        assert (await _doctor(it))["backlog"].ok  # for a moment, that is nothing
        monkeypatch.setattr(places_check, "BEHIND_IN_TROUBLE", timedelta(0))
        behind = (await _doctor(it))["backlog"]
        assert not behind.ok
        assert behind.detail.startswith("discord is behind: 1 task waits to be told there, the oldest for 0 min.")
        assert behind.detail.endswith("The last try: Discord is away: it answers 503")
        assert behind.mend == f"curl -I {discord.base}"
        discord.is_there = False
        gone = (await _doctor(it))["discord"]
        assert (gone.ok, gone.detail) == (False, "the webhook is gone")
        assert gone.mend.startswith("make a webhook in the channel's settings")
        it.let_go()
        await it.says(issue, "Done")


async def _doctor(it: House) -> dict[str, Check]:
    """What `cco doctor` says where the service runs, by name. What it says twice has something wrong."""
    port = urlsplit(str(it.world.apps[it.app_id].hook_url)).port
    checks = await examine(confinement.why_not, {**it.environ, "CCO_PORT": str(port)})
    assert it.discord is not None
    assert it.discord.token not in render(checks)
    return {one.name: one for one in checks}
