"""What people do in a channel of the stand-in Slack: they write, and click buttons."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.slack_doors import Doors, Envelope


@dataclass
class Channel:
    """A channel, and what was written in it, by timestamp."""

    id: str
    name: str
    is_member: bool = True
    is_archived: bool = False
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)


class Acts(Doors):
    """Of whoever a test says; Slack tells the app of it."""

    channels: dict[str, Channel]

    def write(self, user: str, text: str, thread: str | None = None, channel: str = "C0123456789") -> dict[str, Any]:
        """A person writes a message, in a thread or not; Slack tells the app of it. Gives the event."""
        message = {"type": "message", "ts": self._next_ts(), "user": user, "text": text, "blocks": []}
        if thread:
            message["thread_ts"] = thread
            self.channels[channel].messages[thread]["thread_ts"] = thread
        self.channels[channel].messages[message["ts"]] = message
        event = {**message, "channel": channel, "channel_type": "channel", "event_ts": message["ts"]}
        if thread:
            event["parent_user_id"] = self.channels[channel].messages[thread]["user"]
        self.tell("events_api", self.event(event))
        return event

    def click(self, user: str, verb: str, ts: str, channel: str = "C0123456789") -> Envelope:
        """Somebody clicks a button that stands below a message, as it stands now."""
        message = self.channels[channel].messages[ts]
        rows = [block["elements"] for block in message["blocks"] if block["type"] == "actions"]
        (button,) = [one for row in rows for one in row if one["action_id"] == f"cco:{verb}"]
        return self.press(user, button, ts, channel)

    def press(self, user: str, button: dict[str, Any], ts: str, channel: str = "C0123456789") -> Envelope:
        """The same with a button that somebody still sees."""
        message = self.channels[channel].messages[ts]
        thread = {"thread_ts": message["thread_ts"]} if "thread_ts" in message else {}
        payload = {
            **self.interaction("block_actions", user),
            "container": {"type": "message", "message_ts": ts, "channel_id": channel, **thread},
            "channel": {"id": channel, "name": self.channels[channel].name},
            "message": message,
            "response_url": self.response_url(user),
            "actions": [{**button, "action_ts": self._next_ts()}],
        }
        return self.tell("interactive", json.loads(json.dumps(payload)))

    def reactions(self, ts: str, channel: str = "C0123456789") -> list[str]:
        """What stands below a message, each as often as it was added."""
        found = self.channels[channel].messages[ts].get("reactions", [])
        return [one["name"] for one in found for _ in one["users"]]

    def _next_ts(self) -> str:
        raise NotImplementedError
