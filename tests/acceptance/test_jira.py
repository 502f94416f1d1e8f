"""Work that is asked for, watched and steered on a Jira ticket, in Cloud and in Data Center."""

import re

import pytest

from app.demo.model import Script, Turn
from tests.fakes.house import House, commits, done, house, waits
from tests.fakes.jira import FakeJira, Ticket

TOML = """\
[people]
"anna@example.com" = "alice"
"5b10:ben" = "bob"
"ben" = "bob"
"eve@example.com" = "mallory"

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
    async with house(jira=kind, configured=TOML) as it:  # type: ignore[arg-type]  # one of two words
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
