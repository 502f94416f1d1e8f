"""An office with a Jira beside it: what a look at a ticket is tried in."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from app.jira import Jira, open_jira
from app.settings_model import JiraSettings
from handlers import jira as tickets
from handlers.jira_desk import Known, TicketDesk
from runner.tasks import Task
from runner.view import TaskView
from tests.fakes.desk import Office, idle_conductor
from tests.fakes.jira import FakeJira, Ticket
from tests.fakes.jira import jira as running_jira

KNOWN = Known(
    people={
        "anna@example.com": "anna",
        "JIRAUSER-anna": "anna",
        "5b10:ben": "rita",
        "ben": "rita",
        "5b10:zoe": "nobody-here",
        "zoe": "nobody-here",
    },
    roles={"developers": "write", "5b10:eve": "read", "eve": "read"},
    projects={"PROJ": "octo/hello"},
    transitions={},
)


@dataclass
class Bureau:
    """An office with a Jira beside it."""

    office: Office
    site: FakeJira
    client: Jira
    known: Known = KNOWN
    begun: datetime = datetime(2020, 1, 1, tzinfo=UTC)

    async def look(self, ticket: Ticket) -> None:
        store = self.office.store
        house, conductor = self.office.house, idle_conductor(store)
        desk = TicketDesk(self.client, self.office.github.of, conductor, store, house, self.known, self.begun)
        await tickets.bring_up_to_date(desk, str(ticket.id))

    async def say(self, ticket: Ticket, text: str, by: str = "anna") -> str:
        """Say something, and give what is answered; nothing, if nothing is."""
        said = await self.site.comment(ticket, text, by=by)
        await self.look(ticket)
        return "\n".join(self.site.answer_to(ticket, said.id))

    async def view(self) -> TaskView:
        (view,) = await self.office.store.views()
        return view

    async def tasks(self) -> list[Task]:
        return await self.office.tasks()

    async def instruction(self) -> str:
        return (await self.office.instructions())[-1]


@pytest.fixture(params=["cloud", "data center"])
async def bureau(request: pytest.FixtureRequest, office: Office) -> AsyncIterator[Bureau]:
    """One valid world for each Jira. At the end nothing that it does not take may have been said to it."""
    async with running_jira(request.param == "cloud") as site:
        email = site.us.email if site.cloud else None
        async with open_jira(JiraSettings(url=site.url, email=email, token=SecretStr(site.token))) as client:
            yield Bureau(office, site, client)
        assert site.violations == []
