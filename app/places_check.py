"""Doctor on places: whether Discord would take what we say, and what the running service has not told."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from app.discord import Discord, Rejected
from app.outgoing import Refused, open_outgoing
from app.settings_model import Settings
from app.slack_check import Checked
from runner.errors import TryLater
from runner.text import clean

PATIENCE_SECONDS = 10.0
BEHIND, BEHIND_IN_TROUBLE = timedelta(minutes=15), timedelta(minutes=2)
ANY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104  compared, not bound


async def discord(settings: Settings) -> Checked | None:
    """Whether the webhook is there; nothing is posted. None where Discord is not told of anything."""
    if settings.discord.webhook_url is None:
        return None
    url = settings.discord.webhook_url.get_secret_value()
    async with open_outgoing(PATIENCE_SECONDS) as outgoing:
        try:
            said = await Discord(outgoing, url).identity()
        except Refused as reason:
            return Checked(False, reason.detail, reason.mend)
        except (TryLater, Rejected) as reason:
            return Checked(False, str(reason), f"curl -I {_origin(url)}")
    return Checked(True, f"Discord knows the webhook as {clean(str(said.get('name')))}")


async def backlog(settings: Settings) -> list[Checked]:
    """What the running service has not told; empty where none runs."""
    told = await _ask(settings)
    if told is None:
        return []
    behind = [_behind(one, settings) for one in told if _is_behind(one)]
    waiting = [f"{one['name']} {one['tasks']}" for one in told if one["tasks"]]
    return behind or [Checked(True, f"being told now: {', '.join(waiting)}" if waiting else "every place knows all")]


def _is_behind(one: dict[str, object]) -> bool:
    if one["name"] == "slack-replies" and not one["trouble"]:
        return False  # in quiet hours they wait, and may
    oldest = timedelta(seconds=float(str(one["oldest_seconds"])))
    return oldest > (BEHIND_IN_TROUBLE if one["trouble"] else BEHIND)


def _behind(one: dict[str, object], settings: Settings) -> Checked:
    minutes = int(float(str(one["oldest_seconds"])) // 60)
    tasks = "1 task waits" if one["tasks"] == 1 else f"{one['tasks']} tasks wait"
    detail = f"{one['name']} is behind: {tasks} to be told there, the oldest for {minutes} min"
    if one["trouble"]:
        detail += f". The last try: {clean(str(one['trouble']))}"
    return Checked(False, detail, _mend(str(one["name"]), settings))


def _mend(name: str, settings: Settings) -> str:
    hook = settings.webhooks.get(name.removeprefix("webhook-"))
    match name.partition("-")[0]:
        case "github":
            address = settings.github.api_url
        case "slack":
            address = settings.slack.api_url
        case "jira" if settings.jira.url is not None:
            address = settings.jira.url
        case "discord" if settings.discord.webhook_url is not None:
            address = settings.discord.webhook_url.get_secret_value()
        case "webhook" if hook is not None:
            address = hook.url.get_secret_value()
        case _:
            return f"journalctl -u cc-orchestrator -o cat | grep {name}"
    return f"curl -I {_origin(address)}"


def _origin(address: str) -> str:
    """What of an address is no secret."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _kept(home: Path) -> str:
    return (home / "api-token").read_text("ascii").strip()


async def _ask(settings: Settings) -> list[dict[str, object]] | None:
    try:
        token = settings.api_token.get_secret_value() if settings.api_token else _kept(settings.home)
    except (OSError, UnicodeDecodeError):
        return None  # it has never run here
    host = "127.0.0.1" if settings.host in ANY_ADDRESS else settings.host
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/api/places"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)) as session,
            session.get(url, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False) as answer,
        ):
            told = (await answer.json())["places"] if answer.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, LookupError, TypeError):
        return None  # none runs, or another program listens there: that is for `cco ls` to say
    return told if isinstance(told, list) else None
