"""What a scripted model can answer with, and how that looks in Anthropic's Messages API."""

import json
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PIECE_CHARACTERS = 12
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Say:
    """Words to the person."""

    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """A call of one of Claude Code's tools."""

    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delay:
    """Think for a while before answering."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """Accept the request and never answer."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Cut the connection in the middle of the answer; None: each time it is asked for."""

    times: int | None = 1


@dataclass(frozen=True, slots=True)
class Quota:
    """What a subscription's answer says of its usage limit, in headers."""

    status: str
    """allowed, allowed_warning or rejected"""
    resets_at: int
    """Seconds since the epoch."""
    window: str = "five_hour"
    utilization: float = 1.0

    def headers(self) -> dict[str, str]:
        prefix = "anthropic-ratelimit-unified"
        short = {"five_hour": "5h", "seven_day": "7d"}[self.window]
        return {
            f"{prefix}-status": self.status,
            f"{prefix}-reset": str(self.resets_at),
            f"{prefix}-representative-claim": self.window,
            f"{prefix}-{short}-status": self.status,
            f"{prefix}-{short}-reset": str(self.resets_at),
            f"{prefix}-{short}-utilization": str(self.utilization),
        }


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an error of the API; `times` None: each time it is asked for."""

    status: int
    error_type: str
    message: str
    retry_after: int | None = None
    """Seconds."""
    times: int | None = 1
    quota: Quota | None = None

    def headers(self) -> dict[str, str]:
        after = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return after | (self.quota.headers() if self.quota else {}) | {"request-id": message_id("req")}


Step = Say | Use | Delay | Hang | Drop | Quota | Fail


def message_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


def error_body(fail: Fail) -> dict[str, Any]:
    return {"type": "error", "error": {"type": fail.error_type, "message": fail.message}}


def whole_message(body: Mapping[str, Any], blocks: Sequence[Say | Use]) -> dict[str, Any]:
    """The answer to a request that did not ask for a stream."""
    return _empty_message(body) | {
        "content": [_block(block) for block in blocks],
        "stop_reason": _stop_reason(blocks),
        "usage": _usage_before(body) | {"output_tokens": _output_tokens(blocks)},
    }


def stream_events(body: Mapping[str, Any], blocks: Sequence[Say | Use]) -> Iterator[dict[str, Any]]:
    """The server-sent events of a streamed answer."""
    yield {"type": "message_start", "message": _empty_message(body)}
    for index, block in enumerate(blocks):
        match block:
            case Say():
                opening: dict[str, Any] = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block.text)]
            case Use():
                opening = _block(block) | {"input": {}}
                deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block.input)}]
        yield {"type": "content_block_start", "index": index, "content_block": opening}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": _stop_reason(blocks), "stop_sequence": None},
        "usage": {"output_tokens": _output_tokens(blocks)},
    }
    yield {"type": "message_stop"}


def pieces(text: str) -> list[str]:
    """Text as it arrives: a dozen characters at a time."""
    return [text[start : start + PIECE_CHARACTERS] for start in range(0, len(text), PIECE_CHARACTERS)]


def _empty_message(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": message_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "scripted"),  # echoed, so that Claude Code finds its price
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage_before(body),
    }


def _block(block: Say | Use) -> dict[str, Any]:
    match block:
        case Say():
            return {"type": "text", "text": block.text}
        case Use():
            return {"type": "tool_use", "id": message_id("toolu"), "name": block.tool, "input": dict(block.input)}


def _stop_reason(blocks: Sequence[Say | Use]) -> str:
    return "tool_use" if any(isinstance(block, Use) for block in blocks) else "end_turn"


def _usage_before(body: Mapping[str, Any]) -> dict[str, int]:
    """What the request weighs: its last message is new, all before it was seen and cached."""
    messages = body.get("messages") or [{}]
    new = _tokens(json.dumps(messages[-1]))
    seen = _tokens(json.dumps([body.get("system"), body.get("tools"), messages[:-1]]))
    first = not any(message.get("role") == "assistant" for message in messages)
    return {
        "input_tokens": new,
        "cache_creation_input_tokens": seen if first else 0,
        "cache_read_input_tokens": 0 if first else seen,
        "output_tokens": 1,
    }


def _output_tokens(blocks: Sequence[Say | Use]) -> int:
    return sum(_tokens(block.text if isinstance(block, Say) else json.dumps(block.input)) for block in blocks)


def _tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)
