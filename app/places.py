"""The places where tasks are told of: one table, from the settings to the reporters."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from app.discord import Discord
from app.github import GitHub
from app.outgoing import Outgoing, open_outgoing
from app.settings_model import Settings
from handlers.desk import House
from handlers.reporters.discord import DiscordReporter
from handlers.reporters.github import reporters as github_reporters
from handlers.reporters.webhooks import PlainWebhook
from handlers.reporting import Reporter


@dataclass(frozen=True, slots=True)
class Given:
    """What a place is made of. `heard` are the reporters of places that hear people, too: their doors make them."""

    settings: Settings
    house: House
    now: Callable[[], datetime]
    outgoing: Outgoing
    github: GitHub
    heard: Mapping[str, Sequence[Reporter]]


# Nothing is made where the settings ask for nothing.
Place = Callable[[Given], Sequence[Reporter]]


def _github(given: Given) -> Sequence[Reporter]:
    return github_reporters(given.github.of, given.github.turn, given.house, given.now)


def _slack(given: Given) -> Sequence[Reporter]:
    return given.heard.get("slack", ())


def _jira(given: Given) -> Sequence[Reporter]:
    return given.heard.get("jira", ())


def _discord(given: Given) -> Sequence[Reporter]:
    url = given.settings.discord.webhook_url
    if url is None:
        return []
    channel = Discord(given.outgoing, url.get_secret_value())
    return [DiscordReporter(channel, given.house.redact, given.house.dashboard, given.now)]


def _webhooks(given: Given) -> Sequence[Reporter]:
    return [
        PlainWebhook(
            title=title,
            post=given.outgoing.posting(f"the webhook {title}", hook.url.get_secret_value()),
            secret=hook.secret.get_secret_value(),
            repositories=hook.repositories,
            redact=given.house.redact,
            now=given.now,
        )
        for title, hook in given.settings.webhooks.items()
    ]


# By the name of its file in handlers/reporters. docs/extending.md shows how one is added.
PLACES: Mapping[str, Place] = {
    "github": _github,
    "jira": _jira,
    "slack": _slack,
    "discord": _discord,
    "webhooks": _webhooks,
}


@asynccontextmanager
async def open_places(
    settings: Settings,
    github: GitHub,
    house: House,
    now: Callable[[], datetime],
    heard: Mapping[str, Sequence[Reporter]],
) -> AsyncIterator[list[Reporter]]:
    """All that the settings ask for. Nothing is said yet, so that a place being down delays no start."""
    async with open_outgoing() as outgoing:
        given = Given(settings, house, now, outgoing, github, heard)
        yield [reporter for place in PLACES.values() for reporter in place(given)]
