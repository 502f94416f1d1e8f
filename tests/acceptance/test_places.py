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
