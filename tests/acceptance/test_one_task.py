"""One task, every place: asked for in Jira, watched and steered in Slack, reviewed on GitHub."""

import time

from app.demo.model import Script
from tests.acceptance.test_jira import TOML, says, tracker_of
from tests.acceptance.test_slack_two_way import told_to_claude, workspace
from tests.fakes.house import commits, done, house, waits
from tests.fakes.slack_blocks import words
from tests.figures import Figure

EVERYBODY = TOML.replace("[people]\n", '[people]\nUALICE = "alice"\n"bob@example.com" = "bob"\n')


async def test_a_ticket_is_steered_and_stopped_in_slack_and_every_place_knows(figure: Figure) -> None:
    async with house(slack=True, hears_slack="socket", jira="cloud", discord=True, toml=EVERYBODY) as it:
        jira, slack = tracker_of(it), workspace(it)
        turns = [commits("egg.txt"), waits()], [waits("never")], [done("Never.")]
        it.model.learn("Paint the egg", Script(turns))
        ticket = await jira.create("Paint the egg")
        await jira.label(ticket)
        await says(it, ticket, "Claude is working on this", "pull request #")
        (pull,) = it.world.pulls_of(it.repository)
        await it.says(pull, "Claude is working on this")
        await it.until(lambda: slack.threads() and "Claude is working" in words(slack.threads()[0]))
        thread = str(slack.threads()[0]["ts"])
        assert ticket.key in words(slack.threads()[0])

        slack.write("UBOB", "make it blue", thread)
        await says(it, ticket, "bob", "said in Slack: make it blue")
        await it.says(pull, "`bob` said in Slack: make it blue")
        it.let_go()
        await it.until(lambda: told_to_claude(it, "make it blue") == 1)

        clicked = time.monotonic()
        slack.click("UALICE", "stop", thread)
        await it.until(lambda: "Stopped by alice" in it.status(pull))
        figure("from the click in Slack to GitHub", time.monotonic() - clicked, "s")
        await it.until(lambda: "Stopped by alice" in jira.status(ticket))
        figure("from the click in Slack to Jira", time.monotonic() - clicked, "s")
        await it.until(lambda: "Stopped by alice" in words(slack.threads()[0]))
        assert it.discord is not None
        discord = it.discord
        await it.until(lambda: "Stopped by alice" in str(list(discord.messages.values())))

        assert len(jira.statuses(ticket)) == len(it.statuses(pull)) == 1
        assert len(slack.threads()) == len(discord.messages) == 1
        assert it.world.pulls_of(it.repository) == [pull]
        assert told_to_claude(it, "make it blue") == 1
