"""What comes from Jira, by webhook or because we looked: which ticket it is about, and the look at that ticket."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.inbox import Inbox
from app.jira import Jira, open_jira
from app.settings_model import Settings
from handlers import jira as tickets
from handlers.desk import GitHubOf, House
from handlers.jira_desk import Known, TicketDesk
from handlers.reporters.jira import reporters
from handlers.reporting import Reporter
from handlers.tickets import ticket_told_of
from runner.conductor import Conductor
from runner.deliveries import Delivery
from runner.errors import TryLater
from runner.store import Store

HOOK = "poller"
LOOKED = "looked"  # the event of our own deliveries; Jira has none of that name
BEGUN = "jira/begun"
POLLED = "jira/polled"

# Jira's index is behind its tickets by some seconds, and its clock is not ours.
OVERLAP = timedelta(minutes=5)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Connected:
    """What the service does with Jira: what it hears, what it says, and what it looks for. Nothing, without a Jira."""

    doors: Mapping[str, Callable[[Delivery], Awaitable[None]]]
    reporters: Sequence[Reporter]
    loops: Sequence[Callable[[Inbox], Awaitable[None]]]


class Door:
    """From a stored delivery to the handlers of tickets."""

    def __init__(
        self, jira: Jira, github_of: GitHubOf, conductor: Conductor, store: Store, house: House, known: Known
    ) -> None:
        self._jira = jira
        self._github_of = github_of
        self._conductor = conductor
        self._store = store
        self._house = house
        self._known = known

    async def hand_on(self, delivery: Delivery) -> None:
        """Look at the ticket that it tells of, unless it only tells us what we did ourselves."""
        payload = orjson.loads(delivery.body)
        ticket = ticket_told_of(payload)
        if ticket is None:
            return
        if await self._jira.is_ours(_doer(payload)):
            return
        begun = await begun_at(self._store, delivery.received_at)
        desk = TicketDesk(self._jira, self._github_of, self._conductor, self._store, self._house, self._known, begun)
        await tickets.bring_up_to_date(desk, ticket)


class Poller:
    """Looks for tickets that changed: all there is without a public address, and what webhooks lost with one."""

    def __init__(
        self,
        jira: Jira,
        store: Store,
        label: str,
        every: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._jira = jira
        self._store = store
        self._label = label
        self._every = every
        self._now = now

    async def run(self, inbox: Inbox) -> None:
        """Until cancelled: a look at the start, then one every so often. What goes wrong is looked at again."""
        await begun_at(self._store, self._now())
        while True:
            wait = self._every
            if not self._store.pause.on:
                try:
                    await self.round(inbox)
                except TryLater as weather:
                    log.warning("looking at Jira is left for later: %s", weather)
                    wait = max(wait, weather.after or wait)
                except Exception:
                    log.exception("looking at Jira for what no webhook told us went wrong")
            await asyncio.sleep(wait.total_seconds())

    async def round(self, inbox: Inbox) -> None:
        """Hand on every ticket that changed since the last look, and every one that is worked on."""
        now = self._now()
        mark = await self._store.marks.at(POLLED)
        for found in await self._jira.search(self._jql(now - mark if mark else None)):
            await self._hand_on(inbox, str(found["id"]), str(found["fields"]["updated"]))
        for task in await self._store.active_tasks():
            host, _, ticket = task.subject.identity.rpartition("/")
            if task.subject.source == "jira" and host == self._jira.host:
                updated = await self._jira.updated(ticket)
                await self._hand_on(inbox, ticket, updated or f"gone/{now:%Y-%m-%dT%H}")
        await self._store.marks.reached(POLLED, now)

    def _jql(self, ago: timedelta | None) -> str:
        """The first time, all open tickets with the label. Times are relative: others would be in the user's zone."""
        label = f'labels = "{_quoted(self._label)}"'
        if ago is None:
            return f"{label} AND statusCategory != Done ORDER BY updated ASC"
        minutes = math.ceil((ago + OVERLAP).total_seconds() / 60)
        return f'updated >= "-{minutes}m" AND ({label} OR comment ~ "claude") ORDER BY updated ASC'

    async def _hand_on(self, inbox: Inbox, ticket: str, updated: str) -> None:
        """Once for each change: a second delivery of that name changes nothing."""
        body = orjson.dumps({"webhookEvent": LOOKED, "issue": {"id": ticket}})
        if await inbox.put(Delivery("jira", HOOK, f"{ticket}/{updated}", LOOKED, body, self._now())):
            log.debug("looking at ticket %s", ticket)


async def begun_at(store: Store, now: datetime) -> datetime:
    """Since when this CCO_HOME listens to Jira. What was said before is not ours to answer; a label is."""
    begun = await store.marks.at(BEGUN)
    if begun is None:
        begun = now
        await store.marks.reached(BEGUN, begun)
    return begun


def _doer(payload: Mapping[str, Any]) -> object:
    """Who did what a webhook tells of; nobody, in our own deliveries."""
    comment = payload.get("comment")
    if isinstance(comment, Mapping):
        return comment.get("updateAuthor") or comment.get("author")
    return payload.get("user")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@asynccontextmanager
async def connected(
    settings: Settings,
    github_of: GitHubOf,
    conductor: Conductor,
    store: Store,
    house: House,
    now: Callable[[], datetime],
) -> AsyncIterator[Connected]:
    """As the settings have it. Nothing is asked of Jira yet, so that its absence delays no start."""
    if settings.jira.url is None:
        yield Connected({}, (), ())
        return
    transitions = {str(stage): name for stage, name in settings.jira.transitions.items()}
    known = Known(settings.people, settings.jira.roles, settings.jira.projects, transitions)
    async with open_jira(settings.jira) as jira:
        door = Door(jira, github_of, conductor, store, house, known)
        every = timedelta(seconds=settings.jira.poll_seconds)
        poller = Poller(jira, store, settings.trigger_label, every, now)
        yield Connected({"jira": door.hand_on}, reporters(jira, house, transitions, now), (poller.run,))
