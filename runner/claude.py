"""Claude Code's command line and its stream of JSON lines: what we say to it, and what it says."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runner.spool import Spec

# Tools that make no sense for one task in one worktree: they reach other sessions, other worktrees, or another day.
DROPPED_TOOLS = (
    "ListAgents",
    "SendMessage",
    "CronCreate",
    "CronDelete",
    "CronList",
    "ScheduleWakeup",
    "EnterWorktree",
    "ExitWorktree",
    "EnterPlanMode",
    "ExitPlanMode",
    "Workflow",
)

# The environment beside what the service gives. The repository's CLAUDE.md is read by way of --add-dir: see `argv`.
ENVIRONMENT = {"CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD": "1"}

# Where Claude looks for the number of a descriptor to read the credential from, so that it is in no environment.
KEY_DESCRIPTORS = {
    "ANTHROPIC_API_KEY": "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
    "CLAUDE_CODE_OAUTH_TOKEN": "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR",
}

QUESTION = "AskUserQuestion"

Json = dict[str, Any]


def argv(spec: Spec, resume: bool) -> list[str]:
    """The command line.

    No setting source is loaded: `.claude/settings.json`, hooks and `.mcp.json` are code, and their `env` could send the
    model's key elsewhere; the agent can write them, the user's in its own `claude/` too. CLAUDE.md is prose, and is
    still read: --add-dir with CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD does that without any setting source.
    """
    words = [spec.claude, "-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]
    words += ["--include-partial-messages"]  # a sign of life while a long answer is written
    words += ["--resume" if resume else "--session-id", spec.session_id]
    words += ["--permission-mode", spec.permission_mode, "--permission-prompt-tool", "stdio"]
    words += ["--setting-sources=", "--strict-mcp-config", f"--add-dir={spec.worktree}"]
    words += [f"--disallowedTools={','.join(DROPPED_TOOLS)}"]
    if spec.allowed_tools:
        words += [f"--allowedTools={','.join(spec.allowed_tools)}"]
    if spec.model:
        words += [f"--model={spec.model}"]
    if spec.system_prompt:
        words += [f"--append-system-prompt={spec.system_prompt}"]
    if spec.limits.turns is not None:
        words += ["--max-turns", str(max(1, spec.limits.turns))]
    if spec.limits.dollars is not None:
        words += ["--max-budget-usd", f"{max(0.0001, spec.limits.dollars):.4f}"]
    return words


def user_message(uuid: str, text: str) -> Json:
    """A message for Claude; it ignores a uuid that it knows from this session."""
    return {"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}


def interrupt(request: str) -> Json:
    """End the turn that is under way."""
    return {"type": "control_request", "request_id": request, "request": {"subtype": "interrupt"}}


def answer(asked: "Asked", allowed: bool, text: str) -> Json:
    """A person's answer to a tool that was asked for; `text` answers a question, or says why not."""
    if allowed:
        updated = dict(asked.input)
        if asked.tool == QUESTION:
            updated["answers"] = {question["question"]: text for question in asked.questions}
        response: Json = {"behavior": "allow", "updatedInput": updated}
    else:
        response = {"behavior": "deny", "message": text or "A person said no. Find another way, or end your turn."}
    return {
        "type": "control_response",
        "response": {"subtype": "success", "request_id": asked.request, "response": response},
    }


@dataclass(frozen=True, slots=True)
class Asked:
    """Claude asks whether it may use a tool (`can_use_tool`)."""

    request: str
    tool: str
    input: Json

    @property
    def questions(self) -> list[Json]:
        """The questions of an AskUserQuestion; empty for other tools."""
        found = self.input.get("questions") if self.tool == QUESTION else None
        return [q for q in found if isinstance(q, dict) and "question" in q] if isinstance(found, list) else []


def parse(raw: bytes) -> Json | None:
    """A line of Claude's standard output; None when it is not a JSON object."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def asked(line: Json) -> Asked | None:
    """The request for a permission in this line."""
    request = line.get("request")
    if line.get("type") != "control_request" or not isinstance(request, dict):
        return None
    if request.get("subtype") != "can_use_tool":
        return None
    given = request.get("input")
    return Asked(
        str(line.get("request_id")), str(request.get("tool_name")), dict(given) if isinstance(given, dict) else {}
    )


def withdrawn(line: Json) -> str | None:
    """The request that Claude no longer wants an answer to."""
    return str(line.get("request_id")) if line.get("type") == "control_cancel_request" else None


def is_partial(line: Json) -> bool:
    """A piece of a message whose whole blocks follow."""
    return line.get("type") == "stream_event"


def is_result(line: Json) -> bool:
    """The end of a turn."""
    return line.get("type") == "result"


def cost(result: Json) -> float:
    """Dollars since the result before: `total_cost_usd` begins again at 0 after a kill."""
    usage = result.get("model_usage_since_last_result")
    models = usage.values() if isinstance(usage, dict) else ()
    costs = [model.get("costUSD") for model in models if isinstance(model, dict)]
    return sum(float(cost) for cost in costs if isinstance(cost, int | float))


def lifecycle(line: Json) -> tuple[str, str] | None:
    """(uuid of our message, queued | started | completed | cancelled)."""
    if line.get("type") != "command_lifecycle":
        return None
    return str(line.get("command_uuid")), str(line.get("state"))


def blocks(line: Json, kind: str) -> Iterator[Json]:
    """The content blocks of that kind (text, tool_use, tool_result) in an assistant or user line."""
    message = line.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        yield from (block for block in content if isinstance(block, dict) and block.get("type") == kind)


def message_id(line: Json) -> str | None:
    """The id of the model's answer that an assistant line is a block of; None for what Claude Code made up itself."""
    message = line.get("message")
    if line.get("type") != "assistant" or not isinstance(message, dict) or message.get("model") == "<synthetic>":
        return None
    return str(message["id"]) if message.get("id") else None


def is_main(line: Json) -> bool:
    """Not a sub-agent's."""
    return not line.get("parent_tool_use_id")
