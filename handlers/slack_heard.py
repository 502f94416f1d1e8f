"""Read what Slack sends us: who said or clicked what, and where. Whatever is not meant for us is nothing."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from handlers.commands import Verb
from handlers.mrkdwn import plain
from handlers.slack_rooms import Spot

BUTTON = "cco:"  # an action's id begins so, and then says the verb
FORM = "cco:task"
SHORTCUT = "cco_make_task"

_TEXTS_OF_PEOPLE = {None, "file_share", "thread_broadcast"}


@dataclass(frozen=True, slots=True)
class Whisper:
    """Where one person is told something that only they see. `url` is Slack's own address for it, for half an hour."""

    user: str
    channel: str
    thread: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A reply in a thread. `thread` is its first message."""

    where: Whisper
    spot: Spot
    thread: Spot
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Clicked:
    """A button below one of our messages. `request` is the question it answers, in short; empty for no question."""

    where: Whisper
    thread: Spot
    verb: Verb
    task: int
    request: str
    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Typed:
    """`/claude` and a text. `trigger` lets us open a form, for three seconds."""

    where: Whisper
    channel_name: str
    text: str
    trigger: str
    key: str


@dataclass(frozen=True, slots=True)
class Pointed:
    """“Make this a task”, on somebody's message."""

    where: Whisper
    channel_name: str
    spot: Spot
    text: str
    trigger: str


@dataclass(frozen=True, slots=True)
class Filled:
    """The form, sent off. `key` is the form's own name, which no other has."""

    where: Whisper
    channel_name: str
    text: str
    repository: str
    link: str
    key: str


Heard = Said | Clicked | Typed | Pointed | Filled


def meaning(kind: str, payload: Mapping[str, Any]) -> Heard | None:
    """`kind` is what Socket Mode calls it: events_api, interactive or slash_commands. None: it is not for us.

    Raises nothing: what does not look as Slack's things look is not for us either.
    """
    try:
        match kind:
            case "events_api":
                return said(payload["event"])
            case "slash_commands":
                return _typed(payload)
            case "interactive":
                return _interactive(payload)
            case _:
                return None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
        return None


def said(event: Mapping[str, Any]) -> Said | None:
    """A message, if a person wrote it as a reply. What bots say, we among them, is never heard."""
    if event.get("type") != "message" or event.get("subtype") not in _TEXTS_OF_PEOPLE:
        return None
    if event.get("bot_id") or event.get("app_id") or not event.get("user"):
        return None
    ts, thread, channel, user = event["ts"], event.get("thread_ts"), event["channel"], event["user"]
    text = plain(event.get("text") or "")
    if not thread or thread == ts or not text:
        return None
    return Said(Whisper(user, channel, thread), Spot(channel, ts), Spot(channel, thread), text, moment_of(ts))


def is_below_others(payload: Mapping[str, Any]) -> bool:
    """Whether a message is certainly in somebody else's thread: Slack mostly says who began it, and who we are."""
    event, authorizations = payload.get("event"), payload.get("authorizations")
    parent = event.get("parent_user_id") if isinstance(event, dict) else None
    found = authorizations if isinstance(authorizations, list) else []
    bots = [one.get("user_id") for one in found if isinstance(one, dict) and one.get("is_bot")]
    return bool(parent and bots) and parent not in bots


def moment_of(ts: str) -> datetime:
    """Slack's timestamps are seconds since 1970."""
    return datetime.fromtimestamp(float(ts), UTC)


def id_of(kind: str, payload: Mapping[str, Any]) -> str:
    """What Slack calls this one thing, by whichever door it comes and however often."""
    found = payload.get("event_id") if kind == "events_api" else payload.get("trigger_id")
    return str(found or "")[:128]


def lane_of(payload: Mapping[str, Any]) -> str:
    """What it is about: the thread, in its channel; else it is alone, and waits for nothing of anybody else's."""
    for one in (payload.get("event"), payload.get("container")):
        if not isinstance(one, dict):
            continue
        thread = one.get("thread_ts") or one.get("message_ts")
        if thread:
            return f"{one.get('channel') or one.get('channel_id')}/{thread}"
    return f"{payload.get('trigger_id')}/alone"


def _interactive(payload: Mapping[str, Any]) -> Heard | None:
    match payload["type"]:
        case "block_actions":
            return _clicked(payload)
        case "message_action" if payload["callback_id"] == SHORTCUT:
            return _pointed(payload)
        case "view_submission" if payload["view"]["callback_id"] == FORM:
            return _filled(payload)
        case _:
            return None


def _clicked(payload: Mapping[str, Any]) -> Clicked | None:
    action, container = payload["actions"][0], payload["container"]
    name = re.fullmatch(rf"{BUTTON}(stop|retry|approve|deny)", action["action_id"])
    value = re.fullmatch(r"([0-9]{1,18})(?:/([0-9a-f]{1,64}))?", action.get("value") or "")
    if name is None or value is None:
        return None
    channel, message = container["channel_id"], container["message_ts"]
    thread = container.get("thread_ts") or message
    return Clicked(
        Whisper(payload["user"]["id"], channel, thread, payload.get("response_url")),
        Spot(channel, thread),
        Verb(name[1]),
        int(value[1]),
        value[2] or "",
        f"click/{channel}/{message}/{action['action_ts']}",
        moment_of(action["action_ts"]),
    )


def _typed(payload: Mapping[str, Any]) -> Typed:
    trigger = payload["trigger_id"]
    return Typed(
        Whisper(payload["user_id"], payload["channel_id"], None, payload.get("response_url")),
        f"#{payload.get('channel_name') or ''}",
        plain(payload.get("text") or ""),
        trigger,
        f"typed/{trigger}",
    )


def _pointed(payload: Mapping[str, Any]) -> Pointed:
    channel, message = payload["channel"], payload["message"]
    return Pointed(
        Whisper(payload["user"]["id"], channel["id"], None, payload.get("response_url")),
        f"#{channel.get('name') or ''}",
        Spot(channel["id"], message["ts"]),
        plain(message.get("text") or ""),
        payload["trigger_id"],
    )


def _filled(payload: Mapping[str, Any]) -> Filled | None:
    view = payload["view"]
    values, about = view["state"]["values"], json.loads(view["private_metadata"])
    text, chosen = values["text"]["text"]["value"], values["repository"]["repository"]["selected_option"]
    if not text or not text.strip() or not chosen:
        return None
    return Filled(
        Whisper(payload["user"]["id"], about["channel"], None, about.get("url")),
        about.get("channel_name") or "",
        text.strip(),
        chosen["value"],
        about.get("link") or "",
        f"form/{view['id']}",
    )
