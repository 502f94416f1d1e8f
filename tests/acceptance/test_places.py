"""One task is told in every place, and a place that is away, slow or limiting holds nothing up."""

from tests.fakes.discord import words
from tests.fakes.house import commits, done, house


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
