"""What Claude Code asks of the model: one request, and who said what in it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SENT_MID_TURN = re.compile(
    r"The user sent a new message while you were working:\n(.*?)(?:\n\nThis is how Claude Code surfaces messages|\Z)",
    re.DOTALL,
)


# What Claude Code puts into the model's mouth when it resumes a conversation that was cut off within a tool call.
PUT_IN = "No response requested."


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a message, as it was received."""

    received_at: float
    """Seconds on the model's clock."""
    key: str
    """The API key or bearer token it carried."""
    body: Mapping[str, Any] = field(repr=False)

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        return self.body.get("messages") or ()

    @property
    def tools(self) -> tuple[str, ...]:
        return tuple(tool["name"] for tool in self.body.get("tools") or () if "name" in tool)

    @property
    def system(self) -> str:
        return "\n".join(_texts(self.body.get("system") or ""))

    @property
    def turn(self) -> int:
        """How many times the model has spoken in this conversation."""
        return len(self._spoken)

    @property
    def first_text(self) -> str:
        """What the person asked for first."""
        return next(iter(self.user_texts), "")

    @property
    def last_text(self) -> str:
        """What the person said last; tool results are no words of theirs."""
        return self.user_texts[-1] if self.user_texts else ""

    @property
    def user_texts(self) -> tuple[str, ...]:
        """Everything the person said, oldest first, without the reminders that Claude Code adds."""
        return _said(self.messages)

    @property
    def new_texts(self) -> tuple[str, ...]:
        """What the person has said since the model last spoke."""
        return _said(self.messages[self._spoken[-1] + 1 :] if self._spoken else self.messages)

    @property
    def _spoken(self) -> Sequence[int]:
        """Which of the messages are the model's own."""
        return [
            at
            for at, message in enumerate(self.messages)
            if message.get("role") == "assistant" and _texts(message.get("content") or "") != [PUT_IN]
        ]

    @property
    def environment(self) -> str:
        """What Claude Code itself says of where it runs: the system prompt, and messages in the system's role."""
        told = (message.get("content") or "" for message in self.messages if message.get("role") == "system")
        texts = (text for content in told for text in _texts(content) if not SENT_MID_TURN.match(text))
        return "\n".join([self.system, *texts])

    @property
    def tool_results(self) -> tuple[str, ...]:
        """The text of every tool result, oldest first."""
        return tuple(
            "\n".join(_texts(block.get("content") or ""))
            for message in self.messages
            if isinstance(message.get("content"), list)
            for block in message["content"]
            if block.get("type") == "tool_result"
        )

    @property
    def conversation(self) -> str:
        """What retries of one request share."""
        return str((self.body.get("metadata") or {}).get("user_id", "")) + "\0" + self.first_text


def _said(messages: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(
        words
        for message in messages
        for text in _texts(message.get("content") or "")
        if (words := _persons_words(str(message.get("role")), text))
    )


def _persons_words(role: str, text: str) -> str:
    """What a person said, if one did: Claude Code adds words of its own, and passes on what was sent mid-turn."""
    if role == "system":
        return "\n".join(SENT_MID_TURN.findall(text)) if SENT_MID_TURN.match(text) else ""
    is_claude_codes = text.lstrip().startswith(("<system-reminder>", "[Request interrupted by user"))
    return "" if role != "user" or is_claude_codes else text


def _texts(content: str | Sequence[Any]) -> list[str]:
    if isinstance(content, str):
        return [content] if content else []
    return [block["text"] for block in content if isinstance(block, dict) and block.get("type") == "text"]
