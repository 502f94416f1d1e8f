"""Draw what the supervisor recorded as a transcript that is pleasant to watch, in a pane or in a log."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner import claude, spool
from runner.checklist import Checklist, Item
from runner.text import clean, cut
from runner.tools import QUIET, inside, telling
from runner.typesetting import (
    BOLD,
    CYAN,
    DIM,
    GREEN,
    MAGENTA,
    RED,
    RESET,
    REVERSED_YELLOW,
    YELLOW,
    columns,
    fit,
    markdown,
    pad,
    wrapped,
)

DIFF_LINES = 24
OUTPUT_LINES = 6
_ICONS = {"Bash": "$", "Read": "◇", "Edit": "✎", "Write": "✎", "NotebookEdit": "✎", "Grep": "⌕", "Glob": "⌕"}
_MARKS = {"pending": ("☐", ""), "in_progress": ("◐", CYAN), "completed": ("☑", GREEN)}
_SCAN_CHARACTERS = 200_000  # of one text: more than anyone reads, and quick to lay out


@dataclass(slots=True)
class Transcript:
    """The memory between lines. `draw` gives the text for one line; its `width` is the screen's at that moment."""

    worktree: str
    checklist: Checklist = field(default_factory=Checklist)
    calls: dict[str, str] = field(default_factory=dict)
    started: float | None = None
    dollars: float = 0.0
    drawn: tuple[Item, ...] = ()

    def header(self, spec: spool.Spec, width: int) -> str:
        """The first thing in the pane: what this is, and how to leave."""
        title = clean(spec.title).replace("\n", " ")
        where = " · ".join(part for part in (f"task {spec.task}", f"run {spec.run}", clean(spec.branch)) if part)
        how = "Watching only: keys do nothing here. Leave with Ctrl-b d; speak with `cco steer`."
        lines = [
            f"{BOLD}{fit(title, width - 2)}{RESET}",
            f"{DIM}{fit(where, width - 2)}{RESET}",
            f"{DIM}{fit(how, width - 2)}{RESET}",
        ]
        return "".join(f" {line}\n" for line in lines) + f"{DIM}{'─' * width}{RESET}\n"

    def draw(self, line: spool.Line, width: int) -> str:
        """The text that this line adds, with its line ends; often none."""
        if self.started is None:
            self.started = line.t
        width = max(20, width)
        lines = list(self._lines(line, width))
        return "".join(f"{text}\n" for text in lines)

    def _lines(self, line: spool.Line, width: int) -> Iterator[str]:
        match line.kind:
            case spool.CLAUDE:
                said = line.data.get("line")
                if isinstance(said, dict):
                    yield from self._claude(said, line, width)
            case spool.STARTED:
                how = "goes on with its session" if line.data.get("resumed") else "starts"
                yield f"{DIM} Claude {how}.{RESET}"
            case spool.BUNDLE:
                yield f"{GREEN} ⇡ commits up to {str(line.data.get('sha'))[:9]} handed over{RESET}"
            case spool.MERGED:
                how = "merged" if line.data.get("clean") else "in conflict: Claude is asked to merge them"
                yield f"{GREEN} ⇣ commits that others pushed, {how}{RESET}"
            case spool.TAKEN:
                yield from _taken(line.data, width)
            case spool.TROUBLE:
                yield from wrapped(clean(str(line.data.get("what"))), width, " ! ", "   ", YELLOW)
            case spool.ENDED:
                yield from self._ended(line, width)

    def _claude(self, said: claude.Json, line: spool.Line, width: int) -> Iterator[str]:
        match said.get("type"):
            case "assistant":
                yield from self._checklist(said, width)
                yield from self._assistant(said, width)
            case "user":
                yield from self._checklist(said, width)
                yield from self._results(said, width)
            case "control_request":
                yield from self._asked(said, width)
            case "result":
                yield from self._turn(said, line.t, width)
            case "system" if said.get("subtype") == "api_retry":
                why = clean(str(said.get("error_status") or said.get("error") or "no answer"))
                yield f"{YELLOW} ⟳ The model does not answer ({cut(why, 40)}); Claude tries again.{RESET}"
            case "system" if said.get("subtype") == "compact_boundary":
                yield f"{DIM} … the conversation was summarised to make room …{RESET}"
            case "rate_limit_event":
                info = said.get("rate_limit_info")
                if isinstance(info, dict) and info.get("status") == "rejected":
                    yield f"{REVERSED_YELLOW} The usage limit is reached. {RESET}"

    def _checklist(self, said: claude.Json, width: int) -> Iterator[str]:
        """A new plan whole, once it is made; afterwards what changed in it."""
        if not self.checklist.is_changed_by(said) or self.checklist.creating:
            return
        items = tuple(self.checklist.items.values())
        fresh = len(items) != len(self.drawn)
        changed = [item for at, item in enumerate(items) if fresh or item != self.drawn[at]]
        self.drawn = items
        if fresh:
            yield ""
        for text, state in changed:
            mark, colour = _MARKS[state]
            yield f"   {colour}{mark} {fit(text, width - 6)}{RESET}"

    def _assistant(self, said: claude.Json, width: int) -> Iterator[str]:
        inner = "" if claude.is_main(said) else "  │ "
        for block in claude.blocks(said, "text"):
            text = clean(str(block.get("text", ""))[:_SCAN_CHARACTERS]).strip("\n")
            if text:
                yield ""
                yield from markdown(text, width, inner)
        for block in claude.blocks(said, "tool_use"):
            tool = cut(clean(str(block.get("name"))).replace("\n", " "), 40)
            given = block.get("input")
            if len(self.calls) < 1000:
                self.calls[str(block.get("id"))] = tool
            if tool in QUIET or tool == claude.QUESTION:
                continue
            icon = _ICONS.get(tool, "•")
            about = telling(tool, given if isinstance(given, dict) else {}, self.worktree)
            name = "" if tool == "Bash" else f"{tool} "
            yield ""
            room = width - len(inner) - 4 - len(name)
            yield f"{DIM}{inner}{RESET}{CYAN} {icon} {BOLD}{name}{RESET}{CYAN}{fit(about, room)}{RESET}"

    def _results(self, said: claude.Json, width: int) -> Iterator[str]:
        for block in claude.blocks(said, "tool_result"):
            tool = self.calls.pop(str(block.get("tool_use_id")), "")
            failed = bool(block.get("is_error"))
            if tool in QUIET and not failed:
                continue
            result = said.get("tool_use_result")
            if tool in {"Edit", "Write"} and isinstance(result, dict) and not failed:
                yield from self._diff(result, width)
            elif tool == "Read" and not failed:
                file = result.get("file") if isinstance(result, dict) else None
                if isinstance(file, dict) and file.get("totalLines"):
                    yield f"{DIM}   {int(file.get('numLines') or 0)} of {int(file['totalLines'])} lines{RESET}"
            else:
                text = _text_of(block.get("content"))[-_SCAN_CHARACTERS:]
                yield from _output(text.replace(f"{self.worktree}/", ""), width, failed)

    def _diff(self, result: claude.Json, width: int) -> Iterator[str]:
        rows = list(_rows(result))
        added, removed = (sum(1 for row in rows if row[0] == mark) for mark in "+-")
        path = inside(str(result.get("filePath", "")), self.worktree)
        yield f"{DIM}   {fit(path, width - 20)}  {GREEN}+{added} {RED}-{removed}{RESET}"
        for mark, number, text in rows[:DIFF_LINES]:
            colour = {"+": GREEN, "-": RED}.get(mark, DIM)
            yield f"{DIM}{number:>6} {RESET}{colour}{mark} {fit(clean(text).expandtabs(4), width - 9)}{RESET}"
        if len(rows) > DIFF_LINES:
            yield f"{DIM}       … {len(rows) - DIFF_LINES} more lines{RESET}"

    def _asked(self, said: claude.Json, width: int) -> Iterator[str]:
        asked = claude.asked(said)
        if asked is None:
            return
        yield ""
        if asked.tool == claude.QUESTION:
            yield f"{REVERSED_YELLOW}{BOLD}{pad(' ? Claude asks you', width)}{RESET}"
            for question in asked.questions:
                yield from wrapped(clean(str(question["question"])), width, "   ", "   ", BOLD)
                for option in question.get("options") or ():
                    if isinstance(option, dict):
                        words = f"{option.get('label', '')}: {option.get('description', '')}".rstrip(": ")
                        yield from wrapped(clean(words), width, "   ○ ", "     ", "")
            how = "Answer: /claude approve <your answer>, or `cco approve`."
        else:
            yield f"{REVERSED_YELLOW}{BOLD}{pad(f' ? Claude wants to use {cut(clean(asked.tool), 40)}', width)}{RESET}"
            about = asked.input.get("command") or telling(asked.tool, asked.input, self.worktree)
            yield from wrapped(clean(str(about)[:2000]), width, "   ", "   ", BOLD)
            how = "Decide: /claude approve or deny, or `cco approve` and `cco deny`."
        yield from wrapped(how, width, "   ", "   ", DIM)

    def _turn(self, said: claude.Json, at: float, width: int) -> Iterator[str]:
        spent = claude.cost(said)
        self.dollars += spent
        failed = bool(said.get("is_error"))
        words = f"turn over · ${spent:.4f} · {_duration(at - (self.started or at))} since the start"
        if self.dollars > spent:
            words += f" · ${self.dollars:.4f} in all"
        yield ""
        if failed:
            reason = said.get("result") or " ".join(str(error) for error in said.get("errors") or ())
            yield from wrapped(clean(str(reason)[:1000]), width, " ✗ ", "   ", RED)
        rule = fit(f"── {words} ", width)
        yield f"{RED if failed else DIM}{rule}{'─' * (width - columns(rule))}{RESET}"

    def _ended(self, line: spool.Line, width: int) -> Iterator[str]:
        cause = str(line.data.get("cause"))
        colour = GREEN if cause == spool.Cause.finished else YELLOW
        yield f"{BOLD}{colour} ■ {fit(_ENDINGS.get(cause, cause), width - 4)}{RESET}"
        detail = clean(str(line.data.get("detail") or ""))
        if detail:
            yield from wrapped(detail, width, "   ", "   ", DIM)


_ENDINGS = {
    "finished": "Claude is done.",
    "stopped": "Stopped.",
    "time": "The time for this run is over.",
    "silence": "Nothing came from Claude for too long.",
    "turns": "The limit of turns is reached.",
    "dollars": "The limit of dollars is reached.",
    "crashed": "Claude ended without a result.",
}


def _taken(data: dict[str, Any], width: int) -> Iterator[str]:
    who = cut(clean(str(data.get("actor") or "someone")).replace("\n", " "), 40)
    text = clean(str(data.get("text") or ""))[:2000]
    match data.get("what"):
        case "steer":
            yield ""
            yield from wrapped(text, width, f" → {who}: ", "   ", BOLD + MAGENTA)
        case "interrupt":
            yield from wrapped("interrupted Claude", width, f" → {who} ", "   ", BOLD + MAGENTA)
        case "stop":
            yield from wrapped(
                f"stopped the run{f': {text}' if text else ''}", width, f" → {who} ", "   ", BOLD + YELLOW
            )
        case "permit":
            word = ("answered" if text else "allowed it") if data.get("allowed") else "said no"
            colour = GREEN if data.get("allowed") else RED
            yield from wrapped(f"{word}{f': {text}' if text else ''}", width, f" → {who} ", "   ", BOLD + colour)


def _rows(result: claude.Json) -> Iterator[tuple[str, int, str]]:
    """(mark, line number, text): of the patch that Claude Code made, or of a new file's content."""
    patch = result.get("structuredPatch")
    for hunk in patch if isinstance(patch, list) else ():
        if not isinstance(hunk, dict) or not isinstance(hunk.get("lines"), list):
            continue
        old, new = int(hunk.get("oldStart") or 0), int(hunk.get("newStart") or 0)
        for text in map(str, hunk["lines"]):
            mark = text[:1] if text[:1] in {"+", "-"} else " "
            yield mark, old if mark == "-" else new, text[1:]
            old += mark != "+"
            new += mark != "-"
    if not patch and result.get("type") == "create":
        for number, text in enumerate(str(result.get("content", "")).splitlines(), 1):
            yield "+", number, text


def _output(text: str, width: int, failed: bool) -> Iterator[str]:
    """The end of what a command printed: results stand there."""
    lines = [text for text in clean(text).split("\n") if text.strip()]
    left_out = len(lines) - OUTPUT_LINES
    if left_out > 0:
        yield f"{DIM}   … {left_out} more lines{RESET}"
    for line in lines[-OUTPUT_LINES:]:
        yield f"{RED if failed else DIM}   {fit(line.expandtabs(4), width - 4)}{RESET}"


def _text_of(content: Any) -> str:
    """A tool result's text, however it is wrapped."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(str(part.get("text", "[image]")) for part in parts if isinstance(part, dict))


def _duration(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m {whole % 60:02}s" if whole < 3600 else f"{whole // 3600}h {whole % 3600 // 60:02}m"


def replay(directory: Path, width: int) -> Iterator[tuple[str, int]]:
    """The transcript of a launch, from its spool: each piece of text, and the byte offset behind its line."""
    spec = spool.read_spec(directory)
    transcript = Transcript(spec.worktree)
    yield transcript.header(spec, width), 0
    for line in spool.follow(directory, 0):
        yield transcript.draw(line, width), line.end


def part(directory: Path, start: int, width: int) -> tuple[str, int]:
    """What the lines behind the byte offset `start` add (0: with the header, once there is one), and where they end."""
    pieces: list[str] = []
    end = start
    for text, behind in replay(directory, width):
        if behind > start or start == behind == 0:
            pieces.append(text)
            end = behind
    return ("".join(pieces) if end > start else ""), end


def main(arguments: list[str]) -> None:
    """`python -m runner.transcript SPOOL [WIDTH]`: print it again."""
    for text, _ in replay(Path(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 80):
        sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
