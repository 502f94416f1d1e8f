"""The places where tasks are told of: one table, from the settings to the reporters."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from app.discord import Discord
from app.github import GitHub
from app.outgoing import Outgoing, open_outgoing
from app.settings_model import Settings
from app.slack import open_slack
from handlers.desk import House
from handlers.reporters.discord import DiscordReporter
from handlers.reporters.github import reporters as github_reporters
from handlers.reporters.slack import SlackReporter
from handlers.reporters.webhooks import PlainWebhook
from handlers.reporting import Reporter


@dataclass(frozen=True, slots=True)
class Given:
    """What a place is made of. `stack` closes what it opens; `forgotten` is since when we may have said things that we
    know nothing of, because the database was restored."""

    settings: Settings
    github: GitHub
    house: House
    outgoing: Outgoing
    stack: AsyncExitStack
    now: Callable[[], datetime]
    forgotten: datetime | None


Place = Callable[[Given], Awaitable[Iterable[Reporter]]]


async def _github(given: Given) -> Iterable[Reporter]:
    return github_reporters(given.github.of, given.github.turn, given.house, given.now)


async def _slack(given: Given) -> Iterable[Reporter]:
    if given.settings.slack.bot_token is None:
        return []
    channel = await given.stack.enter_async_context(open_slack(given.settings.slack))
    return [SlackReporter(channel, given.house.redact, given.house.dashboard, given.now, given.forgotten)]


async def _discord(given: Given) -> Iterable[Reporter]:
    url = given.settings.discord.webhook_url
    if url is None:
        return []
    channel = Discord(given.outgoing, url.get_secret_value())
    return [DiscordReporter(channel, given.house.redact, given.house.dashboard, given.now)]


async def _webhooks(given: Given) -> Iterable[Reporter]:
    hooks = given.settings.webhooks
    return [
        PlainWebhook(
            title=title,
            post=given.outgoing.posting(f"the webhook {title}", hook.url.get_secret_value()),
            secret=hook.secret.get_secret_value(),
            repositories=hook.repositories,
            redact=given.house.redact,
            now=given.now,
        )
        for title, hook in hooks.items()
    ]


# Each is nothing where its settings are missing. docs/extending.md shows how one is added.
PLACES: Mapping[str, Place] = {"github": _github, "slack": _slack, "discord": _discord, "webhooks": _webhooks}


@asynccontextmanager
async def open_places(
    settings: Settings, github: GitHub, house: House, now: Callable[[], datetime], forgotten: datetime | None
) -> AsyncIterator[list[Reporter]]:
    """All that the settings ask for. Nothing is said yet, so that a place being down delays no start."""
    async with AsyncExitStack() as stack:
        outgoing = await stack.enter_async_context(open_outgoing())
        given = Given(settings, github, house, outgoing, stack, now, forgotten)
        yield [reporter for place in PLACES.values() for reporter in await place(given)]
