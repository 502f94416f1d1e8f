"""Say in one line what a tool call of Claude's does."""

from typing import Any

from runner.text import clean, cut, one_line

SUMMARY_CHARACTERS = 160
# The part of a tool's input that says most about the call.
_TELLING = (
    "command",
    "file_path",
    "notebook_path",
    "pattern",
    "url",
    "query",
    "description",
    "subject",
    "skill",
    "prompt",
    "path",
)
QUIET = frozenset({"TaskCreate", "TaskUpdate", "TaskList", "TaskGet", "TodoWrite", "ToolSearch"})
# Calls that only look: HEAD stands where it stood.
LOOKING = QUIET | {"Read", "Glob", "Grep", "WebFetch", "WebSearch", "AskUserQuestion", "Edit", "Write", "NotebookEdit"}


def telling(tool: str, given: dict[str, Any], worktree: str) -> str:
    """What the call is about: a command's first line, a path inside the worktree, a pattern."""
    if tool == "AskUserQuestion":
        questions = given.get("questions")
        first = questions[0] if isinstance(questions, list) and questions and isinstance(questions[0], dict) else {}
        return one_line(str(first.get("question", "")), SUMMARY_CHARACTERS)
    for name in _TELLING:
        value = given.get(name)
        if isinstance(value, str) and value:
            if name.endswith("path"):
                value = inside(value, worktree)
            return one_line(value, SUMMARY_CHARACTERS)
    return ""


def summary(tool: str, given: dict[str, Any], worktree: str) -> str:
    """`Bash: python3 -m unittest`, at most 160 characters."""
    about = telling(tool, given, worktree)
    name = one_line(tool, 60) or "tool"
    return cut(f"{name}: {about}" if about else name, SUMMARY_CHARACTERS)


def inside(path: str, worktree: str) -> str:
    """A path as seen from the worktree; others stay as they are."""
    path = clean(path)
    return path.removeprefix(worktree.rstrip("/") + "/") if worktree else path
