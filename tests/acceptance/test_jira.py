"""Work that is asked for, watched and steered on a Jira ticket, in Cloud and in Data Center."""

import random
import re

import pytest

from app.demo.model import Script, Turn
from tests.fakes.house import House, commits, done, house, waits
from tests.fakes.jira import FakeJira, Fault, Ticket

TOML = """\
[people]
"anna@example.com" = "alice"
"anna" = "alice"
"5b10:ben" = "bob"
"ben" = "bob"
"eve@example.com" = "mallory"
"JIRAUSER-eve" = "mallory"

[jira]
poll_seconds = 0.5

[jira.projects]
PROJ = "octo/eggtimer"

[jira.roles]
developers = "write"

[jira.transitions]
started = "In Progress"
in_review = "In Review"
done = "Done"
"""
KINDS = ("cloud", "data center")


def tracker_of(it: House) -> FakeJira:
    assert it.tracker is not None
    return it.tracker


async def ask(it: House, title: str, *turns: Turn, label: bool = True, by: str = "anna") -> Ticket:
    """A ticket that the model knows an answer to."""
    it.model.learn(re.escape(title), Script(turns))
    ticket = await tracker_of(it).create(title, by=by)
    if label:
        await tracker_of(it).label(ticket, by=by)
    return ticket


async def says(it: House, ticket: Ticket, *words: str) -> None:
    await it.until(lambda: all(word in tracker_of(it).status(ticket) for word in words))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_label_on_a_ticket_becomes_a_pull_request_that_jira_links(kind: str) -> None:
    async with house(jira=kind, toml=TOML) as it:  # type: ignore[arg-type]  # one of two words
        jira = tracker_of(it)
        ticket = await ask(it, "Paint the egg", [commits("egg.txt"), waits()], [done("Painted it *blue*.")])
        await says(it, ticket, "Claude is working on this", "pull request #")
        await it.until(lambda: ticket.status.name == "In Progress")
        it.let_go()

        await says(it, ticket, "is ready for your review", "Painted it")
        (pull,) = it.world.pulls_of(it.repository)
        assert pull.title == f"{ticket.key}: Paint the egg"
        assert pull.pull is not None
        assert pull.pull.head_ref == f"claude/{ticket.key.lower()}-paint-the-egg"
        assert f"[{ticket.key}]({jira.url}/browse/{ticket.key})" in pull.body
        await it.until(lambda: ticket.status.name == "In Review")
        await it.until(lambda: len(ticket.links) == 1)
        (link,) = ticket.links.values()
        assert link["object"]["url"].endswith(f"/pull/{pull.number}")
        assert len(jira.statuses(ticket)) == 1
        assert len(jira.ours(ticket)) == 1

        await it.world.act("alice").merge(pull)
        await says(it, ticket, "Merged")
        await it.until(lambda: ticket.status.name == "Done")
        assert len(it.model.requests) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_commands_in_a_ticket_are_each_answered_once_and_stop_stops(kind: str) -> None:
    async with house(jira=kind, toml=TOML) as it:  # type: ignore[arg-type]  # one of two words
        jira = tracker_of(it)
        ticket = await ask(it, "Fry the egg", [commits("egg.txt")], [waits()], [commits("pan.txt")], [done("Fried.")])
        await it.until(lambda: it.branches() and len(it.model.requests) > 1)

        assert "Claude is working on this" in await command(it, ticket, "/claude status")
        assert "not there yet" in await command(it, ticket, "Well…\n/claude undo it all")
        assert "cannot" in await command(it, ticket, "/claude stop", by="eve")
        assert "I do not know who you are on GitHub" in await command(it, ticket, "/claude stop", by="zoe")
        robot = await jira.comment(ticket, "/claude stop", by="robot")
        assert "Stopping" in await command(it, ticket, "/claude stop")
        await says(it, ticket, "Stopped by alice")
        await it.until(lambda: not it.agents() and not it.sessions())
        assert len(jira.answer_to(ticket, robot.id)) == (0 if jira.cloud else 1)  # Data Center tells of no robots

        (pull,) = it.world.pulls_of(it.repository)
        await it.says(pull, "Stopped by alice")
        it.let_go()
        assert await command(it, ticket, "/claude retry") == "On it."
        await says(it, ticket, "is ready for your review")
        assert len(jira.statuses(ticket)) == 1


async def test_a_stop_on_github_shows_in_jira_and_one_in_jira_shows_on_github() -> None:
    async with house(jira="cloud", toml=TOML) as it:
        ticket = await ask(it, "Poach the egg", [commits("egg.txt")], [waits()], [commits("b.txt")], [done()])
        await it.until(lambda: it.world.pulls_of(it.repository))
        (pull,) = it.world.pulls_of(it.repository)
        await it.says(pull, "Claude is working")
        assert "Passed on" in await command(it, ticket, "/claude use vinegar", by="ben")
        await it.says(pull, "bob", "said in Jira: use vinegar")
        assert "said in Jira" not in tracker_of(it).status(ticket)

        assert "Stopping" in await it.command(pull, "/claude stop", by="bob")
        await says(it, ticket, "Stopped by bob")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_no_webhook_told_is_found_by_looking(kind: str) -> None:
    async with house(jira=kind, toml=TOML) as it:  # type: ignore[arg-type]  # one of two words
        jira = tracker_of(it)
        jira.sending = False
        turns = [commits("egg.txt")], [waits()], [commits("nest.txt")], [done()]
        ticket = await ask(it, "Look for the egg", *turns)
        await says(it, ticket, "Claude is working on this")
        await jira.unlabel(ticket)
        await says(it, ticket, "Stopped by Anna")
        it.let_go()
        await jira.label(ticket)
        await says(it, ticket, "is ready for your review")
        assert len(it.world.pulls_of(it.repository)) == 1


async def test_the_same_webhooks_doubled_and_shuffled_make_one_of_everything() -> None:
    async with house(jira="cloud", toml=TOML.replace("0.5", "600")) as it:
        jira = tracker_of(it)
        jira.copies, jira.shuffle = 3, random.Random(3)
        ticket = await ask(it, "Scramble the egg", [commits("egg.txt")], [waits()], [done()])
        said = await jira.comment(ticket, "/claude add salt", by="ben")
        await it.until(lambda: jira.answer_to(ticket, said.id))
        await it.until(lambda: "Now: Bash" in jira.status(ticket))
        it.let_go()
        await says(it, ticket, "is ready for your review")
        await jira.settled()
        await jira.send_again()
        await it.heard()
        assert len(it.world.pulls_of(it.repository)) == 1
        assert len(jira.statuses(ticket)) == 1
        assert len(jira.answer_to(ticket, said.id)) == 1
        assert len(jira.ours(ticket)) == 2
        assert len(ticket.links) == 1
        assert len({text for one in it.model.requests for text in one.user_texts if "add salt" in text}) == 1


async def test_a_jira_that_is_away_slows_nobody_and_ends_with_one_right_comment() -> None:
    async with house(jira="cloud", toml=TOML) as it:
        jira = tracker_of(it)
        ticket = await ask(
            it, "Chill the egg", [commits("egg.txt"), waits()], [commits("more.txt")], [done("Chilled.")]
        )
        await says(it, ticket, "Claude is working on this")
        jira.away = True
        it.let_go()
        await it.until(lambda: [one for one in it.world.pulls_of(it.repository) if one.pull and not one.pull.draft])
        await it.until(lambda: not it.agents() and not it.sessions())
        jira.away = False
        jira.faults.append(Fault("PUT", r"/comment/", 429, times=1, retry_after="1"))
        await says(it, ticket, "is ready for your review", "Chilled.")
        await it.until(lambda: ticket.status.name == "In Review")
        assert len(jira.statuses(ticket)) == 1
        assert len(jira.ours(ticket)) == 1


async def test_a_comment_whose_answer_was_lost_is_found_again() -> None:
    async with house(jira="data center", toml=TOML) as it:
        jira = tracker_of(it)
        jira.faults.append(Fault("POST", r"/comment$", times=1, after_effect=True))
        jira.faults.append(Fault("POST", r"/transitions$", times=1, after_effect=True))
        jira.faults.append(Fault("POST", r"/remotelink$", times=1, after_effect=True))
        ticket = await ask(it, "Lose the egg", [commits("egg.txt")], [done("Lost and found.")])
        await says(it, ticket, "is ready for your review", "Lost and found.")
        await it.until(lambda: ticket.status.name == "In Review")
        assert not [one for one in jira.faults if one.times]
        assert len(jira.ours(ticket)) == 1
        assert len(ticket.links) == 1


async def test_a_ticket_that_names_no_repository_is_asked_about_and_the_answer_starts_it() -> None:
    async with house(jira="cloud", toml=TOML) as it:
        jira = tracker_of(it)
        it.model.learn("Which egg", Script([[commits("egg.txt")], [done("That one.")]]))
        ticket = await jira.create("Which egg", project="OPS")
        await jira.label(ticket)
        await it.until(lambda: jira.answers(ticket))
        (question,) = jira.answers(ticket)
        assert "Which repository is this about?" in question
        assert "GitHub" in await command(it, ticket, "/claude repo octo/nothing-here")
        assert await command(it, ticket, "/claude octo/eggtimer") == "On it."
        await says(it, ticket, "is ready for your review")
        (pull,) = it.world.pulls_of(it.repository)
        assert pull.title == f"{ticket.key}: Which egg"
        assert "a ticket has one repository" in await command(it, ticket, "/claude repo octo/other")


async def command(it: House, ticket: Ticket, text: str, by: str = "anna") -> str:
    """Give a command, and wait for its one answer."""
    jira = tracker_of(it)
    said = await jira.comment(ticket, text, by=by)
    await it.until(lambda: jira.answer_to(ticket, said.id))
    await it.heard()
    (answer,) = jira.answer_to(ticket, said.id)
    return answer
