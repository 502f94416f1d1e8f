"""Turn what the supervisor recorded into events, with a small memory for what spans lines."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from runner import claude, spool
from runner.checklist import Checklist
from runner.events import (
    AgentSaid,
    AgentStarted,
    ApprovalAsked,
    ChecklistChanged,
    ChecklistItem,
    CommitsExported,
    DecisionTaken,
    Event,
    InstructionTaken,
    QuestionAsked,
    QuotaReached,
    ToolUsed,
    TurnEnded,
)
from runner.text import clean, cut, one_line
from runner.tools import QUIET, summary

SAID_CHARACTERS = 4000
ANSWER_CHARACTERS = 60_000
OPTION_CHARACTERS = 200


@dataclass(slots=True)
class Progress:
    """What must be remembered from line to line of one launch; as JSON it outlives the service.

    `answers` counts the model's answers in this turn, which are turns as `--max-turns` counts them.
    """

    launch: int
    worktree: str
    checklist: Checklist = field(default_factory=Checklist)
    last_answer: str = ""
    answers: int = 0
    version: str = ""

    def to_json(self) -> str:
        """For the store."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Progress":
        """The inverse of `to_json`."""
        raw = json.loads(text)
        items = {key: (text, state) for key, (text, state) in raw["checklist"]["items"].items()}
        raw["checklist"] = Checklist(items, raw["checklist"]["creating"])
        return cls(**raw)


def events_of(line: spool.Line, memory: Progress) -> list[Event]:
    """What this line means; the memory moves on."""
    if line.kind == spool.BUNDLE:
        return [CommitsExported(memory.launch, int(line.data["number"]), str(line.data["sha"]))]
    if line.kind == spool.TAKEN and line.data.get("what") == "permit":
        return [DecisionTaken(str(line.data.get("request")))]
    said = line.data.get("line")
    if line.kind != spool.CLAUDE or not isinstance(said, dict):
        return []
    match said.get("type"):
        case "system" if said.get("subtype") == "init":
            return _started(said, memory)
        case "assistant":
            return _assistant(said, memory)
        case "user":
            return _checklist(said, memory)
        case "result":
            return [_turn_ended(said, memory)]
        case "command_lifecycle" if said.get("state") == "started":
            return [InstructionTaken(str(said.get("command_uuid")))]
        case "control_request":
            return _asked(said, memory)
        case "rate_limit_event":
            return _quota(said)
        case _:
            return []


def _started(said: dict[str, Any], memory: Progress) -> list[Event]:
    """Claude says it at the head of every turn; once a launch is enough."""
    version = str(said.get("claude_code_version", ""))[:40]
    if memory.version == version:
        return []
    memory.version = version
    return [AgentStarted(one_line(str(said.get("model", "")), 100), clean(version))]


def _assistant(said: dict[str, Any], memory: Progress) -> list[Event]:
    if not claude.is_main(said):
        return []  # a sub-agent's words are not Claude's to the person
    found: list[Event] = []
    answer = claude.message_id(said)
    if answer is not None and answer != memory.last_answer:
        memory.last_answer = answer
        memory.answers += 1
    for block in claude.blocks(said, "text"):
        text = clean(str(block.get("text", ""))).strip()
        if text and claude.message_id(said) is not None:
            found.append(AgentSaid(cut(text, SAID_CHARACTERS)))
    for block in claude.blocks(said, "tool_use"):
        tool, given = str(block.get("name")), block.get("input")
        given = given if isinstance(given, dict) else {}
        if tool not in QUIET and tool != claude.QUESTION:
            found.append(ToolUsed(one_line(tool, 60), summary(tool, given, memory.worktree)))
    return found + _checklist(said, memory)


def _checklist(said: dict[str, Any], memory: Progress) -> list[Event]:
    if not memory.checklist.is_changed_by(said):
        return []
    return [ChecklistChanged(tuple(ChecklistItem(text, state) for text, state in memory.checklist.items.values()))]


def _turn_ended(said: dict[str, Any], memory: Progress) -> TurnEnded:
    turns, memory.answers = memory.answers, 0
    answer = clean(str(said.get("result") or "")).strip()
    return TurnEnded(claude.cost(said), turns, bool(said.get("is_error")), cut(answer, ANSWER_CHARACTERS))


def _asked(said: dict[str, Any], memory: Progress) -> list[Event]:
    asked = claude.asked(said)
    if asked is None:
        return []
    if asked.tool != claude.QUESTION:
        return [
            ApprovalAsked(asked.request, one_line(asked.tool, 60), summary(asked.tool, asked.input, memory.worktree))
        ]
    questions = [cut(clean(str(question["question"])), SAID_CHARACTERS) for question in asked.questions[:4]]
    options = [
        one_line(str(option.get("label", "")), OPTION_CHARACTERS)
        for question in asked.questions[:1]
        for option in question.get("options") or ()
        if isinstance(option, dict)
    ]
    return [QuestionAsked(asked.request, "\n".join(questions), tuple(options[:10]))]


def _quota(said: dict[str, Any]) -> list[Event]:
    info = said.get("rate_limit_info")
    if not isinstance(info, dict) or info.get("status") != "rejected":
        return []
    resets = info.get("resetsAt")
    if not isinstance(resets, int | float) or not 0 < resets < 4e9:
        return []
    return [QuotaReached(datetime.fromtimestamp(resets, UTC).isoformat())]
