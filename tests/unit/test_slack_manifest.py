"""docs/slack-app-manifest.yml asks for what the code uses, and for nothing else."""

import re
from pathlib import Path

import yaml
from slack_sdk.models.views import View

from app import slack_check
from handlers.slack_heard import SHORTCUT
from tests.fakes.slack import NEEDED, TWO_WAY

ROOT = Path(__file__).parents[2]
MANIFEST = yaml.safe_load((ROOT / "docs" / "slack-app-manifest.yml").read_text("utf-8"))
# What Slack asks no scope for, and what is the app token's.
FREE = {"auth.test", "chat.getPermalink", "views.open", "views.update", "apps.connections.open"}


def test_every_method_that_is_called_has_its_scope() -> None:
    called = {
        name
        for path in (ROOT / "app").glob("slack*.py")
        for name in re.findall(r'"([a-z]+(?:\.[a-z]+)*\.[a-zA-Z]+)",?\s', path.read_text("utf-8"))
    }
    assert called - FREE == {name for name in NEEDED if name not in FREE}
    scopes = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    assert {NEEDED[name] for name in called - FREE} | {"commands", "groups:history", "groups:read"} == scopes


def test_doctor_asks_for_the_same_scopes() -> None:
    scopes = MANIFEST["oauth_config"]["scopes"]["bot"]
    assert sorted(scopes) == sorted({slack_check.NEEDED, *slack_check.LOOKING, *slack_check.HEARING})
    assert sorted(scopes) == sorted(TWO_WAY)


def test_it_is_told_of_messages_commands_and_clicks_and_of_nothing_else() -> None:
    assert MANIFEST["settings"]["event_subscriptions"]["bot_events"] == ["message.channels", "message.groups"]
    assert MANIFEST["settings"]["interactivity"]["is_enabled"] is True
    assert MANIFEST["settings"]["socket_mode_enabled"] is True
    (command,) = MANIFEST["features"]["slash_commands"]
    assert (command["command"], command["should_escape"]) == ("/claude", True)
    (shortcut,) = MANIFEST["features"]["shortcuts"]
    assert (shortcut["type"], shortcut["callback_id"]) == ("message", SHORTCUT)


def test_its_names_are_not_too_long_for_slack() -> None:
    assert len(MANIFEST["display_information"]["name"]) <= 35
    assert len(MANIFEST["display_information"]["description"]) <= 140
    assert len(MANIFEST["features"]["shortcuts"][0]["name"]) <= 24
    assert View.title_max_length == 24
