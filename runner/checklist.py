"""Follow Claude's own plan through the calls of its task tools. Standard library only: the pane shows it too."""

from dataclasses import dataclass, field
from typing import Any

from runner import claude
from runner.text import one_line

MAX_ITEMS = 100
TEXT_CHARACTERS = 200
STATES = frozenset({"pending", "in_progress", "completed"})

Item = tuple[str, str]  # text, and one of STATES


@dataclass(slots=True)
class Checklist:
    """`items` by Claude's own task id, in the order they were made; `creating`: calls whose id is not known yet."""

    items: dict[str, Item] = field(default_factory=dict)
    creating: dict[str, str] = field(default_factory=dict)

    def is_changed_by(self, said: claude.Json) -> bool:
        """Take in a line of Claude's; whether the list now reads differently. Sub-agents have lists of their own."""
        if not claude.is_main(said):
            return False
        before = list(self.items.values())
        if said.get("type") == "assistant":
            for block in claude.blocks(said, "tool_use"):
                given = block.get("input")
                if isinstance(given, dict):
                    self._called(str(block.get("name")), given, str(block.get("id")))
        elif said.get("type") == "user":
            for block in claude.blocks(said, "tool_result"):
                self._answered(str(block.get("tool_use_id")), bool(block.get("is_error")), said.get("tool_use_result"))
        return list(self.items.values()) != before

    def _called(self, tool: str, given: dict[str, Any], call: str) -> None:
        """TaskCreate waits for its result, which has the id; TaskUpdate and TodoWrite say it all at once."""
        if tool == "TaskCreate" and len(self.creating) < MAX_ITEMS:
            self.creating[call] = _text(given.get("subject"))
        elif tool == "TaskUpdate":
            self._update(given)
        elif tool == "TodoWrite" and isinstance(given.get("todos"), list):
            todos = [todo for todo in given["todos"] if isinstance(todo, dict)][:MAX_ITEMS]
            self.items = {
                str(number): (_text(todo.get("content")), _state(todo.get("status")))
                for number, todo in enumerate(todos, 1)
            }

    def _update(self, given: dict[str, Any]) -> None:
        key = str(given.get("taskId"))
        if key not in self.items:
            return
        text, state = self.items[key]
        if given.get("status") == "deleted":
            del self.items[key]
            return
        text = _text(given["subject"]) if given.get("subject") else text
        self.items[key] = (text, state if given.get("status") is None else _state(given["status"]))

    def _answered(self, call: str, failed: bool, result: Any) -> None:
        subject = self.creating.pop(call, None)
        task = result.get("task") if isinstance(result, dict) else None
        if subject is None or failed or not isinstance(task, dict) or not task.get("id"):
            return
        if len(self.items) < MAX_ITEMS:
            self.items[str(task["id"])[:20]] = (subject, "pending")


def _text(given: Any) -> str:
    return one_line(str(given or ""), TEXT_CHARACTERS)


def _state(given: Any) -> str:
    return given if isinstance(given, str) and given in STATES else "pending"
