"""Tell of a task on its Jira ticket: a living comment, a link to the pull request, and where the ticket stands."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from handlers.desk import House
from handlers.jira_desk import Tracker
from handlers.sanitize import plain_line
from handlers.status import status_comment
from handlers.tickets import STATUS_MARK, Json, Status, is_same, remark_of, status_of, ticket_of
from runner.effects import effect
from runner.receipts import Receipt
from runner.tasks import Outcome
from runner.view import TaskView

# Between two edits that tell no change of state: everyone who watches a ticket is told of each.
INTERVAL = timedelta(seconds=15)

RECENT = timedelta(days=1)  # older tickets stay where they are when somebody writes transitions into cco.toml

Stage = Literal["started", "in_review", "done"]
STAGES: tuple[Stage, ...] = ("started", "in_review", "done")


def is_about_a_ticket(view: TaskView, host: str) -> bool:
    """Whether the task is about a ticket of this Jira."""
    return view.task.subject.source == "jira" and view.task.subject.identity.startswith(f"{host}/")


def ticket_id_of(view: TaskView) -> str:
    """Jira's number for it."""
    return view.task.subject.identity.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class TicketComment:
    """One comment that is edited as the task goes on. It is found again by a property that we gave it."""

    jira: Tracker
    house: House
    now: Callable[[], datetime]
    name: str = "jira"

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (the same for all)
        """As people can read it."""
        return INTERVAL

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  (there is no line)
        """At once: the client holds back by itself where Jira wants it."""
        return nullcontext()

    def wants(self, view: TaskView) -> bool:
        """A ticket of this Jira."""
        return is_about_a_ticket(view, self.jira.host)

    def digest(self, view: TaskView) -> str:
        """Of the whole text, but for the time."""
        return _digest(status_comment(view, "ticket", self.house.dashboard, None))

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        """Edit the comment that is there, or post it. The reference is its id."""
        ticket = ticket_id_of(view)
        text = self.house.redact(status_comment(view, "ticket", self.house.dashboard, self.now()))
        if receipt is not None and receipt.reference and await self._edit(ticket, receipt.reference, text):
            return receipt.reference
        found = await self._find(ticket)  # nobody knows yet, or somebody deleted it
        if found is not None and await self._edit(ticket, found, text):
            return found
        with effect("http.jira-comment"):
            posted = await self.jira.comment(ticket, text, {"is": STATUS_MARK})
        return posted or ""  # there is nobody to tell, if the ticket is gone

    async def _edit(self, ticket: str, comment: str, text: str) -> bool:
        with effect("http.jira-edit"):
            return await self.jira.edit(ticket, comment, text)

    async def _find(self, ticket: str) -> str | None:
        """Ours is the one with our property, if we wrote it: there is one on each ticket."""
        us = await self.jira.me()
        for remark in map(remark_of, await self.jira.comments(ticket)):
            if is_same(remark.author, us) and (remark.mark or {}).get("is") == STATUS_MARK:
                return remark.id
        return None


@dataclass(frozen=True, slots=True)
class PullRequestLink:
    """The ticket's link to the pull request. Jira keeps one for each name that we give, so saying it twice is once."""

    jira: Tracker
    name: str = "jira-link"

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (the same for all)
        """It hardly ever changes."""
        return INTERVAL

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  (there is no line)
        """At once."""
        return nullcontext()

    def wants(self, view: TaskView) -> bool:
        """A ticket with a pull request."""
        return is_about_a_ticket(view, self.jira.host) and view.pull_request is not None

    def digest(self, view: TaskView) -> str:
        """Of the address, and whether it is open."""
        return _digest(json.dumps(self._link(view)))

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:  # noqa: ARG002  (Jira knows it by its name)
        """The reference is the link's name."""
        name, url, title, resolved = self._link(view)
        with effect("http.jira-link"):
            await self.jira.link(ticket_id_of(view), name, url, title, resolved=resolved)
        return name

    def _link(self, view: TaskView) -> tuple[str, str, str, bool]:
        repository, pull_request = view.task.repository, view.pull_request
        if pull_request is None:
            raise ValueError(f"task {view.task.id} has no pull request")
        name = f"cco:{repository.host}/{repository.id}/pull/{pull_request.number}"
        title = plain_line(f"{repository.full_name}#{pull_request.number}: {view.task.subject.title}", 200)
        return name, pull_request.url, title, pull_request.state != "open"


@dataclass(frozen=True, slots=True)
class TicketStatus:
    """Moves the ticket through its workflow, as cco.toml says: forward only, and only where the workflow offers it."""

    jira: Tracker
    names: Mapping[str, str]
    since: datetime  # when we came up
    name: str = "jira-status"

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (the same for all)
        """It follows changes of state."""
        return INTERVAL

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  (there is no line)
        """At once."""
        return nullcontext()

    def wants(self, view: TaskView) -> bool:
        """A ticket that has come to a stage with a status of its own, and not long before we came up."""
        stage, is_of_today = stage_of(view), view.state.is_active or view.task.updated_at >= self.since - RECENT
        return is_about_a_ticket(view, self.jira.host) and stage in self.names and is_of_today

    def digest(self, view: TaskView) -> str:
        """Of the stage, and of the branch: what comes after a merge goes through all stages again."""
        return _digest(f"{view.task.branch} {stage_of(view)}")

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        """Move it, if it is not further on. The reference is `<branch> <stage>`, the furthest that was reached."""
        stage = stage_of(view)
        if stage is None:
            raise ValueError(f"task {view.task.id} is at no stage")
        branch, _, reached = (receipt.reference if receipt else "").partition(" ")
        if branch == view.task.branch and reached in STAGES and STAGES.index(reached) >= STAGES.index(stage):
            return f"{branch} {reached}"  # more work after a review does not take the ticket back
        raw = await self.jira.ticket(ticket_id_of(view))
        if raw is not None:
            ticket = ticket_of(raw, self.jira.url)
            offered = await self.jira.transitions(ticket.id)
            us = await self.jira.me()
            since = ticket.moved if ticket.moved and ticket.moved.at > view.task.created_at else None
            by_a_person = since is not None and not is_same(since.by, us)
            transition = choose(stage, self.names, ticket.status, offered, moved_by_a_person=by_a_person)
            if transition is not None:
                with effect("http.jira-move"):
                    await self.jira.move(ticket.id, transition)
        return f"{view.task.branch} {stage}"


def stage_of(view: TaskView) -> Stage | None:
    """How far the work is, as a workflow sees it. None: nothing that moves a ticket."""
    pull_request = view.pull_request
    if pull_request is not None and pull_request.state == "merged":
        return "done"
    if view.outcome is Outcome.delivered and pull_request is not None and pull_request.state == "open":
        return "in_review"
    return "started" if view.state.is_active and view.run.started_at is not None else None


def choose(
    stage: Stage, names: Mapping[str, str], status: Status, offered: Sequence[Json], *, moved_by_a_person: bool
) -> str | None:
    """The transition to take, if any: the one that leads to the stage's status, and not back.

    Between two statuses that Jira holds for equally far on, ours come in the order of the stages; where a person has
    moved the ticket to another one since we began, it stays.
    """
    wanted = names[stage].casefold()
    if status.name.casefold() == wanted:
        return None
    found = next((one for one in offered if str((one.get("to") or {}).get("name")).casefold() == wanted), None)
    found = found or next((one for one in offered if str(one.get("name")).casefold() == wanted), None)
    if found is None:
        return None
    to = status_of(found.get("to") or {})
    if status.is_beyond(to):
        return None
    if not to.is_beyond(status):
        ours = [names[one].casefold() for one in STAGES if one in names]
        at = ours.index(status.name.casefold()) if status.name.casefold() in ours else None
        if at is None and moved_by_a_person:
            return None
        if at is not None and at > ours.index(wanted):
            return None
    return str(found["id"])


def reporters(
    jira: Tracker, house: House, names: Mapping[str, str], now: Callable[[], datetime]
) -> list[TicketComment | PullRequestLink | TicketStatus]:
    """Everything that tells of tasks on Jira."""
    return [TicketComment(jira, house, now), PullRequestLink(jira), TicketStatus(jira, names, now())]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
