"""What the client makes of Slack's answers, and what doctor finds in them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.slack import open_slack
from app.slack_calls import Rejected, Unusable
from app.slack_check import Checked, check, check_socket
from handlers.messages_slack import Message
from handlers.slack_rooms import Spot
from runner.errors import TryLater
from runner.tasks import TaskId
from tests.factories import NOON
from tests.fakes.slack import TOKEN, TWO_WAY, Channel, FakeSlack
from tests.fakes.slack_world import CHANNEL, MESSAGE, World, settings, until, world

__all__ = ["world"]


async def test_a_channel_may_be_given_by_name(world: World) -> None:
    """Its id is learnt from what Slack answers, and looked up where we look for our own."""
    async with open_slack(settings(world.slack.url, "#builds")) as named:
        spot = await named.post(MESSAGE, {"task": 1}, "#builds")

        assert spot.channel == CHANNEL
        assert await named.find({"task": 1}, NOON, "#builds") == spot
        assert await named.edit(spot, MESSAGE, {"task": 1})


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        ({"status": 503, "body": "no upstream"}, None),
        ({"status": 500, "error": "internal_error"}, None),
        ({"status": 200, "error": "internal_error"}, None),
        ({"status": 200, "body": "<html>Sign in to the guest network</html>"}, None),
        ({"status": 200, "body": "[]"}, None),
        ({"status": 429, "error": "ratelimited", "retry_after": "31"}, timedelta(seconds=31)),
        ({"status": 429, "error": "ratelimited", "retry_after": "soon"}, None),
        ({"status": 429, "error": "ratelimited", "retry_after": "999999999"}, timedelta(hours=1)),
        ({"delay": 60}, None),
        ({"after_effect": True}, None),
    ],
    ids=str,
)
async def test_all_weather_is_tried_later(world: World, fault: dict[str, Any], after: timedelta | None) -> None:
    """Whatever stands between us and Slack: never a crash, and never sent again on our own account."""
    world.slack.fail("chat.postMessage", **fault)

    with pytest.raises(TryLater) as caught:
        await world.client.post(MESSAGE, {"task": 1}, CHANNEL)

    assert not isinstance(caught.value, Unusable)
    assert caught.value.after == after
    assert len(world.slack.calls("chat.postMessage")) <= 1


async def test_a_limited_method_is_left_in_peace_until_it_is_over(world: World) -> None:
    """Another task's message does not go out to hear the same."""
    world.slack.fail("chat.postMessage", status=429, error="ratelimited", retry_after="30")
    for _ in range(3):
        with pytest.raises(TryLater):
            await world.client.post(MESSAGE, {"task": 1}, CHANNEL)
    assert len(world.slack.calls("chat.postMessage")) == 1

    world.clock.ahead += timedelta(seconds=31)

    assert await world.client.post(MESSAGE, {"task": 1}, CHANNEL)


async def test_a_short_limit_is_sat_out(world: World) -> None:
    """A second is not worth coming back for."""
    world.slack.fail("chat.postMessage", status=429, error="ratelimited", retry_after="0")

    assert await world.client.post(MESSAGE, {"task": 1}, CHANNEL)


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        ("account_inactive", "CCO_SLACK_BOT_TOKEN"),
        ("channel_not_found", "CCO_SLACK_CHANNEL"),
        ("not_in_channel", "/invite"),
        ("is_archived", "CCO_SLACK_CHANNEL"),
        ("missing_scope", "chat:write"),
    ],
)
async def test_what_only_an_operator_can_mend_says_how(
    world: World, caplog: pytest.LogCaptureFixture, error: str, mend: str
) -> None:
    """One line in the log however often it happens, and another look in five minutes."""
    world.slack.fail("chat.postMessage", 3, error=error)
    for _ in range(3):
        with pytest.raises(Unusable) as caught:
            await world.client.post(MESSAGE, {"task": 1}, CHANNEL)

    assert mend in caught.value.mend
    assert caught.value.after == timedelta(minutes=5)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_a_message_that_slack_does_not_take_is_a_bug(world: World, method: str) -> None:
    """It is no weather: trying again would not help, and the log must show it."""
    wrong = Message("hello", [{"type": "section", "text": {"type": "mrkdwn", "text": "a" * 3_001}}])
    spot = await world.client.post(MESSAGE, {"task": 1}, CHANNEL)

    with pytest.raises(Rejected, match=f"{method}: invalid_blocks .*3000 characters"):
        await (
            world.client.post(wrong, {"task": 1}, CHANNEL)
            if method == "chat.postMessage"
            else world.client.edit(spot, wrong, {"task": 1})
        )


async def test_a_name_that_no_channel_has(world: World) -> None:
    """Doctor says so; the other channels are not taken for it."""
    async with open_slack(settings(world.slack.url, "#bilds")) as misspelt:
        found = await check(misspelt)

    assert not found.ok
    assert "knows no channel #bilds" in found.detail


async def test_nobody_at_home_is_weather() -> None:
    """A port on which nothing listens."""
    async with open_slack(settings("http://127.0.0.1:9/api/")) as client:
        with pytest.raises(TryLater, match="cannot be reached"):
            await client.edit(Spot(CHANNEL, "1.0"), MESSAGE, {"task": 1})


async def test_doctor_finds_slack_in_order(world: World) -> None:
    """And posts nothing to see it."""
    assert await check(world.client) == Checked(True, "Slack knows us as cco in Stand-in, and we may write in #builds")
    assert world.slack.calls("chat.postMessage") == []


def _bad_token(fake: FakeSlack) -> None:
    fake.fail("auth.test", error="invalid_auth")


def _no_channel(fake: FakeSlack) -> None:
    fake.channels.clear()


def _not_invited(fake: FakeSlack) -> None:
    fake.channels[CHANNEL] = Channel(CHANNEL, "builds", is_member=False)


def _archived(fake: FakeSlack) -> None:
    fake.channels[CHANNEL] = Channel(CHANNEL, "builds", is_archived=True)


def _may_not_write(fake: FakeSlack) -> None:
    fake.scopes -= {"chat:write"}


def _down(fake: FakeSlack) -> None:
    fake.fail("auth.test", status=503, error="service_unavailable")


@pytest.mark.parametrize(
    ("spoil", "detail", "mend"),
    [
        (_bad_token, "does not accept the bot token (invalid_auth)", "CCO_SLACK_BOT_TOKEN"),
        (_no_channel, f"knows no channel {CHANNEL}", "CCO_SLACK_CHANNEL"),
        (_not_invited, "the bot is not in #builds", "/invite @cco in #builds"),
        (_archived, "#builds is archived", "unarchive"),
        (_may_not_write, "lacks the scope chat:write", "add chat:write under OAuth & Permissions"),
        (_down, "busy", "status.slack.com"),
    ],
)
async def test_doctor_names_what_is_wrong(
    world: World, spoil: Callable[[FakeSlack], None], detail: str, mend: str
) -> None:
    """What was seen, and what mends it."""
    spoil(world.slack)

    found = await check(world.client)

    assert not found.ok
    assert detail in found.detail
    assert mend in found.mend


async def test_doctor_says_what_it_cannot_see(world: World) -> None:
    """It works without leave to look, so that is no failure, but worth a line."""
    world.slack.scopes = {"chat:write"}

    found = await check(world.client)

    assert found.ok
    assert "channels:history" in found.mend


async def test_doctor_wants_what_hearing_needs_only_where_people_are_to_be_heard(world: World) -> None:
    """Each scope that is missing is named; with all of them it is well."""
    assert (await check(world.client)).ok
    found = await check(world.client, hears=True)
    assert not found.ok
    assert "commands, reactions:write, users:read, users:read.email" in found.mend

    world.slack.scopes = set(TWO_WAY)
    assert (await check(world.client, hears=True)).ok


async def test_doctor_looks_into_every_channel_that_is_set(world: World) -> None:
    """The bot has to be in each; it is heard nowhere else."""
    world.slack.channels["C2"] = Channel("C2", "hello", is_member=False)
    assert (await check(world.client, ["C2"])).mend == "write /invite @cco in #hello"
    world.slack.channels["C2"].is_member = True
    assert (await check(world.client, ["C2", CHANNEL])).detail.endswith("write in #builds and #hello")


async def test_doctor_opens_the_socket_to_see_whether_it_opens(world: World) -> None:
    """As far as the hello; a token that is not taken is named with what mends it, and nothing listens on."""
    found = await check_socket(world.client, world.slack.app_token)
    assert found == Checked(True, "people are heard by Socket Mode")
    wrong = await check_socket(world.client, "xapp-wrong")
    assert not wrong.ok
    assert "CCO_SLACK_APP_TOKEN" in wrong.mend
    world.slack.fail("apps.connections.open", status=503, error="service_unavailable")
    assert "cannot be opened" in (await check_socket(world.client, world.slack.app_token)).detail
    await until(lambda: world.slack.sockets == [])


async def test_what_goes_to_slack_is_json_without_the_token(world: World) -> None:
    """The token is in a header, and nowhere else."""
    await world.client.post(MESSAGE, {"task": 1}, CHANNEL)

    (call,) = world.slack.ledger
    assert TOKEN not in json.dumps(call.args)
    assert TaskId(1) == call.args["metadata"]["event_payload"]["task"]
