"""Whether Slack would take what we have to say: doctor's question, asked without posting anything."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import aiohttp

from app.slack import Slack
from app.slack_calls import Rejected, Unusable
from app.slack_socket import address
from runner.errors import TryLater

HELLO_SECONDS = 10.0
NEEDED = "chat:write"
NEEDED_UNINVITED = "chat:write.public"
LOOKING = ("channels:read", "channels:history", "groups:read", "groups:history")
HEARING = ("commands", "reactions:write", "users:read", "users:read.email")


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether it works, what was seen, and what mends it or makes it better; empty if nothing has to be done."""

    ok: bool
    detail: str
    mend: str = ""


async def check(slack: Slack, others: Collection[str] = (), *, hears: bool = False) -> Checked:
    """Is the token valid, may it write, are the channels there, is the bot in them; may it hear, if it is to.

    `others` are channels besides the usual one.
    """
    try:
        identity = await slack.identity()
        bot, team = identity.get("user"), identity.get("team")
        scopes = _scopes(identity.headers.get("x-oauth-scopes"))
        if scopes is not None and NEEDED not in scopes:
            return _lacks(NEEDED, f"the Slack app may not write: it lacks the scope {NEEDED}")
        deaf = [scope for scope in (*LOOKING, *HEARING) if hears and scopes is not None and scope not in scopes]
        if deaf:
            detail = f"nobody can be heard in Slack as they should: the app lacks {', '.join(deaf)}"
            return Checked(False, detail, _add(deaf))
        blind = [scope for scope in LOOKING if scopes is not None and scope not in scopes]
        if "channels:read" in blind:
            detail = (
                f"Slack knows us as {bot} in {team}; whether the channel is there cannot be seen without channels:read"
            )
            return Checked(True, detail, _add(blind))
        places = [await slack.place(where) for where in dict.fromkeys([slack.usual, *others])]
    except Unusable as exc:
        return Checked(False, exc.detail, exc.mend)
    except Rejected as exc:
        return Checked(False, str(exc), "look up the error's name in Slack's documentation of that method")
    except TryLater as exc:
        return Checked(False, str(exc), "see whether this machine reaches CCO_SLACK_API_URL, and status.slack.com")
    names = [f"#{place.get('name') or place.get('id')}" for place in places]
    for name, place in zip(names, places, strict=True):
        if place.get("is_archived"):
            return Checked(False, f"{name} is archived", "unarchive it, or set CCO_SLACK_CHANNEL to another channel")
        if not place.get("is_member") and (hears or NEEDED_UNINVITED not in (scopes or ())):
            return Checked(False, f"the bot is not in {name}", f"write /invite @{bot} in {name}")
    detail = f"Slack knows us as {bot} in {team}, and we may write in {' and '.join(names)}"
    return Checked(True, detail, _add(blind) if blind else "")


async def check_socket(slack: Slack, app_token: str) -> Checked:
    """Whether Slack opens a socket for us, to the end: it is opened, and Slack says hello."""
    try:
        url = await address(slack.calls, app_token)
        async with (
            aiohttp.ClientSession(trust_env=True) as session,
            asyncio.timeout(HELLO_SECONDS),
            session.ws_connect(url) as socket,
        ):
            hello = await socket.receive_json()
    except Unusable as exc:
        return Checked(False, exc.detail, exc.mend)
    except (Rejected, TryLater, aiohttp.ClientError, OSError, TimeoutError, TypeError, ValueError) as exc:
        detail = f"the socket cannot be opened: {exc or type(exc).__name__}"
        return Checked(False, detail, "let this machine open WebSockets to wss-primary.slack.com")
    if hello.get("type") != "hello":
        return Checked(False, "what answered the socket does not speak as Slack does", "see what stands in between")
    return Checked(True, "people are heard by Socket Mode")


def _scopes(header: str | None) -> frozenset[str] | None:
    """What the token may do; None if Slack did not say."""
    return frozenset(scope.strip() for scope in header.split(",")) if header is not None else None


def _lacks(scope: str, detail: str) -> Checked:
    return Checked(False, detail, _add([scope]))


def _add(scopes: list[str]) -> str:
    return f"add {', '.join(scopes)} under OAuth & Permissions and install the app again"
