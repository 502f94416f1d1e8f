"""Everything by which people are heard in Slack, put together: the doors, the inbox's way on, and the hands."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import aiohttp
import orjson
from aiohttp import web

from app.github import GitHub
from app.github_people import People
from app.settings_model import Settings, SlackSettings
from app.slack import TIMEOUT_SECONDS, Slack, open_slack
from app.slack_hands import Hands
from app.slack_intake import Intake
from app.slack_missed import Missed
from app.slack_socket import Socket
from app.slack_webhooks import Receiver
from handlers import slack, slack_heard, slack_office
from handlers.desk import Desk, House
from handlers.messages_slack import Voice
from handlers.quiet import Quiet
from handlers.reporters.slack import SlackReplies, SlackReporter
from handlers.reporting import Reporter
from handlers.slack_rooms import Rooms
from handlers.slack_threads import Threads
from runner.conductor import Conductor
from runner.deliveries import Delivery
from runner.receipts import Receipt, Receipts
from runner.store import Store
from runner.tasks import Repository, TaskId


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator["Workspace | None"]:
    """Slack, if tasks are told of there."""
    if settings.slack.bot_token is None or settings.slack.channel is None:
        yield None
        return
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with (
        open_slack(settings.slack) as speaking,
        aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
    ):
        rooms = Rooms(settings.slack.channel, settings.slack.channels)
        yield Workspace(speaking, rooms, Hands(speaking, session, time.monotonic), hears=settings.slack.hears)


class Workspace:
    """One Slack: where tasks are told of, and where people are heard."""

    def __init__(self, speaking: Slack, rooms: Rooms, hands: Hands, *, hears: bool) -> None:
        self.speaking = speaking
        self.rooms = rooms
        self.hands = hands
        self.hears = hears

    def reporters(
        self,
        house: House,
        receipts: Receipts,
        settings: Settings,
        now: Callable[[], datetime],
        forgotten_since: datetime | None,
    ) -> list[Reporter]:
        """Those that tell of tasks here."""

        async def recall(task_id: TaskId) -> Receipt | None:
            return await receipts.of(task_id, SlackReporter.name)

        async def user_of(login: str) -> str | None:
            return await self.hands.user_of(settings.people, login)

        hours, zone = settings.slack.quiet_hours, settings.slack.time_zone
        voice = Voice(house.redact, house.dashboard, self.hears)
        threads = Threads(self.speaking, self.rooms, voice, now, recall, forgotten_since)
        replies = SlackReplies(threads, user_of, Quiet.of(hours, zone) if hours is not None else None)
        return [SlackReporter(threads), replies]


def add_route(
    server: web.Application, settings: SlackSettings, put: Callable[[Delivery], Awaitable[bool]], store: Store
) -> None:
    """POST /webhooks/slack, where a signing secret is set."""
    if settings.bot_token is not None and settings.signing_secret is not None:
        receiver = Receiver(settings.signing_secret.get_secret_value(), Intake(put, lambda: store.pause.on).take)
        server.router.add_post("/webhooks/slack", receiver.receive)


async def listening(
    workspace: Workspace | None,
    settings: SlackSettings,
    put: Callable[[Delivery], Awaitable[bool]],
    store: Store,
    now: Callable[[], datetime],
) -> None:
    """Keep the socket open, if there is to be one, and look for what was missed, until cancelled."""
    if workspace is None or not workspace.hears:
        await asyncio.Event().wait()
        return
    intake, begun = Intake(put, lambda: store.pause.on), asyncio.Event()
    if settings.app_token is None:  # Slack sends requests, and we are there
        begun.set()
        await Missed(workspace.speaking, store, intake.take, lambda: True, now).run(begun)
        return
    socket = Socket(workspace.speaking.calls, settings.app_token.get_secret_value(), intake.take, begun.set)
    missed = Missed(workspace.speaking, store, intake.take, lambda: socket.is_up, now)
    async with asyncio.TaskGroup() as both:
        both.create_task(socket.run())
        both.create_task(missed.run(begun))


def hearing(
    workspace: Workspace | None,
    settings: Settings,
    github: GitHub,
    people: People,
    conductor: Conductor,
    store: Store,
    house: House,
) -> dict[str, Callable[[Delivery], Awaitable[None]]]:
    """From a stored delivery to what is done about it, by source."""
    if workspace is None:
        return {}

    def desk_of(repository: Repository) -> Desk:
        return Desk(github.of(repository), conductor, store, house)

    office = slack_office.Office(
        hands=workspace.hands,
        rooms=workspace.rooms,
        people=settings.people,
        store=store,
        house=house,
        desk_of=desk_of,
        repositories=github.repositories,
        visible=people.visible,
    )

    async def hand_on(delivery: Delivery) -> None:
        heard = slack_heard.meaning(delivery.event, orjson.loads(delivery.body))
        if heard is not None:
            await slack.hear(office, heard, delivery.received_at)

    return {"slack": hand_on}
