"""The forms of the stand-in Slack, and what people do that opens one: `/claude`, and a shortcut on a message."""

import secrets
import time
from typing import Any

from tests.fakes.slack_doors import APP, Doors, Envelope

Args = dict[str, Any]
TRIGGER_SECONDS = 3.0


class Forms(Doors):
    """What is open, by id, as the person sees it now."""

    def __init__(self) -> None:
        Doors.__init__(self)
        self.forms: dict[str, dict[str, Any]] = {}

    # What people do

    def type(self, user: str, text: str, channel: str = "C0123456789", channel_name: str = "builds") -> Envelope:
        """`/claude` and a text."""
        payload = {
            "token": "verification-token",
            "team_id": "T1",
            "channel_id": channel,
            "channel_name": channel_name,
            "user_id": user,
            "user_name": user.lower(),
            "command": "/claude",
            "text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": self.response_url(user),
            "trigger_id": self.trigger(),
        }
        return self.tell("slash_commands", payload)

    def point(self, user: str, message: dict[str, Any], channel: str = "C0123456789") -> Envelope:
        """“Make this a task”, on a message."""
        payload = {
            **self.interaction("message_action", user),
            "callback_id": "cco_make_task",
            "channel": {"id": channel, "name": "builds"},
            "message": message,
            "message_ts": message["ts"],
            "response_url": self.response_url(user),
        }
        return self.tell("interactive", payload)

    def send_off(self, user: str, form: dict[str, Any], text: str | None = None, repository: str = "") -> Envelope:
        """The form as it stands, or with other things written and chosen in it."""
        written, chosen = (block["element"] for block in form["blocks"])
        options = {one["value"]: one for one in chosen["options"]}
        option = options[repository] if repository else chosen["initial_option"]
        values = {
            "text": {"text": {"type": "plain_text_input", "value": text or written.get("initial_value")}},
            "repository": {"repository": {"type": "static_select", "selected_option": option}},
        }
        view = {**form, "state": {"values": values}}
        return self.tell(
            "interactive", {**self.interaction("view_submission", user), "view": view, "response_urls": []}
        )

    # What Slack does

    def methods_of_forms(self) -> dict[str, Any]:
        return {"views.open": self._views_open, "views.update": self._views_update}

    def _views_open(self, args: Args) -> dict[str, Any]:
        pulled = self.triggers.get(args.get("trigger_id", ""))
        if pulled is None:
            return {"ok": False, "error": "invalid_trigger_id"}
        if pulled == 0:
            return {"ok": False, "error": "exchanged_trigger_id"}
        if time.monotonic() - pulled > TRIGGER_SECONDS:
            return {"ok": False, "error": "expired_trigger_id"}
        if wrong := _wrong(args["view"]):
            return wrong
        self.triggers[args["trigger_id"]] = 0
        name = f"V{secrets.token_hex(5).upper()}"
        self.forms[name] = {**args["view"], "id": name}
        return {"ok": True, "view": self.forms[name]}

    def _views_update(self, args: Args) -> dict[str, Any]:
        if args.get("view_id") not in self.forms:
            return {"ok": False, "error": "not_found"}
        if wrong := _wrong(args["view"]):
            return wrong
        self.forms[args["view_id"]] = {**args["view"], "id": args["view_id"]}
        return {"ok": True, "view": self.forms[args["view_id"]]}


def _wrong(view: dict[str, Any]) -> dict[str, Any] | None:
    """What Slack would not take of a form."""
    inputs = [block for block in view["blocks"] if block["type"] == "input"]
    bad = [
        len(view.get("title", {}).get("text", "")) > 24,
        len(view.get("private_metadata") or "") > 3_000,
        not 1 <= len(view["blocks"]) <= 100,
        bool(inputs) and not view.get("submit"),
        any(not 1 <= len(one["element"].get("options", [1])) <= 100 for one in inputs),
        any(len(one["text"]["text"]) > 75 for block in inputs for one in block["element"].get("options", [])),
    ]
    return {"ok": False, "error": "invalid_arguments"} if any(bad) else None
