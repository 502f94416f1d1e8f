"""The doors that people come in by: what was stored of GitHub, Jira and Slack goes to whom it concerns."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import orjson
from aiohttp import web
from gidgethub import sansio

from app import slack_door
from app.github import GitHub
from app.github_people import People
from app.inbox import Inbox
from app.jira_door import connected as connected_jira
from app.settings_model import Settings
from app.webhooks import JIRA, Receiver
from handlers.desk import Desk, House
from handlers.dispatch import dispatch
from handlers.github import repository_of
from handlers.reporting import Reporter
from runner.conductor import Conductor
from runner.deliveries import Delivery
from runner.store import Store

logger = logging.getLogger(__name__)

HandOn = Callable[[Delivery], Awaitable[None]]
Answered = Callable[[int, float], None]  # the status of an answer to a webhook, and the seconds it took


@dataclass(frozen=True, slots=True)
class Doors:
    """`heard` are the reporters of the places where people are heard, too; `loops` go on as long as the service."""

    inbox: Inbox
    heard: Mapping[str, Sequence[Reporter]]
    loops: Sequence[Callable[[], Awaitable[None]]]
    add_routes: Callable[[web.Application, Answered], None]


@asynccontextmanager
async def open_doors(
    settings: Settings,
    github: GitHub,
    people: People,
    conductor: Conductor,
    store: Store,
    house: House,
    now: Callable[[], datetime],
    forgotten: datetime | None,
) -> AsyncIterator[Doors]:
    """All that the settings ask for. Nothing is asked of anybody yet, so that a place being down delays no start.

    `forgotten`: since when we may have said what we know nothing of, after a restore.
    """
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(slack_door.opened(settings))
        jira = await stack.enter_async_context(connected_jira(settings, github.of, conductor, store, house, now))
        hand_on = _handing_on(
            {
                "github": _from_github(github, conductor, store, house),
                **jira.doors,
                **slack_door.hearing(workspace, settings, github, people, conductor, store, house),
            }
        )
        inbox = Inbox(store.deliveries, hand_on, partial(store.register.issue_of, house.host))
        heard = {"jira": jira.reporters}
        if workspace is not None:
            heard["slack"] = workspace.reporters(house, store.receipts, settings, now, forgotten)
        yield Doors(
            inbox,
            heard,
            [
                *(partial(loop, inbox) for loop in jira.loops),
                partial(slack_door.listening, workspace, settings.slack, inbox.put, store, now),
            ],
            partial(_add_routes, settings, inbox, store),
        )


def _add_routes(settings: Settings, inbox: Inbox, store: Store, app: web.Application, answered: Answered) -> None:
    def is_paused() -> bool:
        return store.pause.on

    secrets = [secret.get_secret_value() for secret in settings.github.webhook_secret]
    app.router.add_post("/webhooks/github", Receiver(secrets, inbox.put, answered, is_paused).receive)
    if settings.jira.url is not None and settings.jira.webhook_secret is not None:
        secrets = [settings.jira.webhook_secret.get_secret_value()]
        app.router.add_post("/webhooks/jira", Receiver(secrets, inbox.put, answered, is_paused, JIRA).receive)
    slack_door.add_route(app, settings.slack, inbox.put, store)


def _handing_on(doors: Mapping[str, HandOn]) -> HandOn:
    """From a stored delivery to the handlers of the place that it came from."""

    async def hand_on(delivery: Delivery) -> None:
        door = doors.get(delivery.source)
        if door is None:
            logger.info("a delivery of %s is left alone: that place is not connected any more", delivery.source)
            return
        await door(delivery)

    return hand_on


def _from_github(github: GitHub, conductor: Conductor, store: Store, house: House) -> HandOn:
    """With GitHub's API for the delivery's repository."""

    async def hand_on(delivery: Delivery) -> None:
        payload = orjson.loads(delivery.body)
        event = sansio.Event(payload, event=delivery.event, delivery_id=delivery.delivery_id)
        about = payload.get("repository")
        gh = github.of(repository_of(about, house)) if about else github.app
        await dispatch(event, Desk(gh, conductor, store, house))

    return hand_on
