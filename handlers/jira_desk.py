"""What is needed to work on a ticket: Jira, GitHub, the conductor, the store, and who and what cco.toml knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from handlers.desk import Desk, GitHubOf, House
from handlers.tickets import Json
from runner.store import Store
from runner.tasks import Repository

if TYPE_CHECKING:
    from runner.conductor import Conductor


class Tracker(Protocol):
    """Jira, as the user whose token we have; `app/jira.py` has the real one. Each call raises TryLater for the weather.

    Texts are Markdown, whatever Jira itself writes in. A mark is a property of a comment that nobody sees.
    """

    host: str
    url: str

    async def me(self) -> Json:
        """Our own account."""

    async def ticket(self, ticket_id: str) -> Json | None:
        """A ticket with its whole history; None where there is none that we may see."""

    async def comments(self, ticket_id: str) -> Sequence[Json]:
        """Its comments, the oldest first, with their properties; of a very long row only the last."""

    async def done_statuses(self) -> Set[str]:
        """The ids of all statuses that mean that nothing is left to do."""

    async def groups(self, user: Json) -> Sequence[str]:
        """The names of the groups that somebody is in; none where we may not know."""

    async def comment(self, ticket_id: str, text: str, mark: Mapping[str, str]) -> str | None:
        """A new comment; its id. None: there is no such ticket any more."""

    async def edit(self, ticket_id: str, comment_id: str, text: str) -> bool:
        """Write a comment of ours anew. False: it is gone, or not ours to edit."""

    async def link(self, ticket_id: str, global_id: str, url: str, title: str, *, resolved: bool) -> bool:
        """A link to something outside; there is one of each `global_id`. False: this Jira takes none."""

    async def transitions(self, ticket_id: str) -> Sequence[Json]:
        """What the workflow offers us now."""

    async def move(self, ticket_id: str, transition_id: str) -> bool:
        """Take a transition. False: the workflow does not let us after all."""


@dataclass(frozen=True, slots=True)
class Known:
    """What cco.toml says: who somebody is on GitHub, what a Jira user may do who is not there, where projects live."""

    people: Mapping[str, str]
    roles: Mapping[str, str]
    projects: Mapping[str, str]
    transitions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TicketDesk:
    """Where one ticket is worked on. `begun` is since when we listen: what was said before is not ours to answer."""

    jira: Tracker
    github_of: GitHubOf
    conductor: Conductor
    store: Store
    house: House
    known: Known
    begun: datetime

    def in_repository(self, repository: Repository) -> Desk:
        """The desk for the code."""
        return Desk(self.github_of(repository), self.conductor, self.store, self.house)
