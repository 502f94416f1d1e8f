"""What Slack would not take of a message, and what a person reads of one."""

import json
import re
from typing import Any

MENTION = re.compile(r"<![a-z^]|<@[UW]|<#C|@(?:here|channel|everyone)\b")

Args = dict[str, Any]


def mentions(message: dict[str, Any]) -> list[str]:
    """Whom or what a message would call out to, anywhere in it. Links are written `<https…`, and are no mention."""
    return MENTION.findall(json.dumps([message["text"], message["blocks"]], ensure_ascii=False))


def words(message: dict[str, Any]) -> str:
    """What a person reads of the blocks, line by line."""
    ordered = []
    for block in message["blocks"]:
        match block["type"]:
            case "actions":
                ordered.append(" ".join(f"[{one['text']['text']}]" for one in block["elements"]))
            case "section":
                ordered.append(block["text"]["text"])
            case _:
                ordered += [one["text"] for one in block["elements"]]
    return "\n".join(ordered)


def wrong(args: Args) -> dict[str, Any] | None:
    """What Slack would not take of a message."""
    text, blocks, metadata = args.get("text", ""), args.get("blocks", []), args.get("metadata")
    if not text and not blocks:
        return no("no_text")
    if len(text) > 40_000:
        return no("msg_too_long")
    if len(blocks) > 50:
        return no("invalid_blocks", response_metadata={"messages": ["[ERROR] no more than 50 items allowed"]})
    if lines := [line for block in blocks for line in _wrong_block(block)]:
        return no("invalid_blocks", response_metadata={"messages": lines})
    if metadata is not None and not (
        isinstance(metadata, dict)
        and re.fullmatch(r"[A-Za-z0-9_]+", str(metadata.get("event_type", "")))
        and isinstance(metadata.get("event_payload"), dict)
        and all(isinstance(value, str | int | float | bool) for value in metadata["event_payload"].values())
    ):
        return no("invalid_metadata_format")
    texts = [t for block in blocks for t in [block.get("text"), *block.get("elements", [])] if t]
    if sum(len(t["text"]) for t in texts if isinstance(t["text"], str)) > 8_000:
        return no("msg_blocks_too_long")
    return None


def _wrong_block(block: dict[str, Any]) -> list[str]:
    match block.get("type"):
        case "section":
            texts, most = [block.get("text")], 3_000
        case "header":
            texts, most = [block.get("text")], 150
        case "context":
            texts, most = block.get("elements") or [None], 3_000
        case "actions":
            texts, most = [one.get("text") for one in block["elements"]] if block.get("elements") else [None], 75
            wrong = [one for one in block.get("elements", []) if len(one.get("value") or "") > 2_000]
            ids = [one.get("action_id") for one in block.get("elements", [])]
            if wrong or len(ids) > 25 or len(ids) != len(set(ids)):
                return ["[ERROR] actions must have ids of their own and short values"]
        case "divider":
            return []
        case other:
            return [f"[ERROR] unsupported type: {other}"]
    if len(texts) > 10:
        return ["[ERROR] no more than 10 items allowed [json-pointer:/elements]"]
    wrong = []
    for text in texts:
        if not isinstance(text, dict) or text.get("type") not in {"mrkdwn", "plain_text"}:
            wrong.append("[ERROR] missing required field: text")
        elif not 1 <= len(text.get("text", "")) <= most:
            wrong.append(f"[ERROR] must be between 1 and {most} characters")
        elif block["type"] == "header" and text["type"] != "plain_text":
            wrong.append("[ERROR] a header is plain_text")
    return wrong


def no(error: str, **more: Any) -> dict[str, Any]:
    """How Slack says it."""
    return {"ok": False, "error": error, **more}
