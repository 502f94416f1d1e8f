"""The places where tasks are told of: one table, from the settings to the reporters."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from app.discord import Discord
from app.github import GitHub
from app.outgoing import Outgoing, open_outgoing
from app.settings_model import Settings
from app.slack import Slack, open_slack
from handlers.desk import House
from handlers.reporters.discord import DiscordReporter
from handlers.reporters.github import reporters as github_reporters
from handlers.reporters.slack import SlackReporter
from handlers.reporters.webhooks import PlainWebhook
from handlers.reporting import Reporter


@dataclass(frozen=True, slots=True)
class Given:
    """What a place is made of. `forgotten`: since when we may have said what we know nothing of, after a restore."""

    settings: Settings
    house: House
    now: Callable[[], datetime]
    outgoing: Outgoing
    github: GitHub
    slack: Slack | None
    jira: Sequence[Reporter]
    forgotten: datetime | None


# Nothing is made where the settings ask for nothing.
Place = Callable[[Given], Sequence[Reporter]]


def _github(given: Given) -> Sequence[Reporter]:
    return github_reporters(given.github.of, given.github.turn, given.house, given.now)


def _slack(given: Given) -> Sequence[Reporter]:
    if given.slack is None:
        return []
    return [SlackReporter(given.slack, given.house.redact, given.house.dashboard, given.now, given.forgotten)]


def _jira(given: Given) -> Sequence[Reporter]:
    return given.jira


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
    jira: Sequence[Reporter],
    house: House,
    now: Callable[[], datetime],
    forgotten: datetime | None,
) -> AsyncIterator[list[Reporter]]:
    """All that the settings ask for. Nothing is said yet, so that a place being down delays no start."""
    async with AsyncExitStack() as stack:
        outgoing = await stack.enter_async_context(open_outgoing())
        slack = await stack.enter_async_context(open_slack(settings.slack)) if settings.slack.bot_token else None
        given = Given(settings, house, now, outgoing, github, slack, jira, forgotten)
        yield [reporter for place in PLACES.values() for reporter in place(given)]
