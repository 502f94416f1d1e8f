"""Read what a comment asks for: `/claude <command>`, as the first word of a line."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """What can be asked. `instruct` is any other text: it is meant for Claude."""

    retry = "retry"
    stop = "stop"
    status = "status"
    help = "help"
    approve = "approve"
    deny = "deny"
    plan = "plan"
    why = "why"
    undo = "undo"
    rebase = "rebase"
    autofix = "autofix"
    budget = "budget"
    instruct = "instruct"


RESERVED = frozenset({Verb.plan, Verb.why, Verb.undo, Verb.rebase, Verb.autofix, Verb.budget})
"""Words that will mean something one day; until then they are answered, and never taken for an instruction."""

_WORDS = frozenset(verb.value for verb in Verb) - {Verb.instruct.value}

_ANYWHERE = frozenset({Verb.stop.value, Verb.retry.value, Verb.approve.value, Verb.deny.value})
_ALONE = frozenset({Verb.status.value, Verb.help.value})

_COMMAND = re.compile(r"/claude(?:[ \t]+(?P<rest>.*))?$", re.IGNORECASE)
_HIDDEN = re.compile(r"<!--.*?-->", re.DOTALL)
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<info>.*)$")


@dataclass(frozen=True, slots=True)
class Command:
    """One thing asked. `text` is what was written behind the word, to the end of the comment or the next command."""

    verb: Verb
    text: str = ""


def parse(comment: str) -> tuple[Command, ...]:
    """The commands of a comment, in order. Quoted lines, code blocks and HTML comments only speak about them."""
    found: list[list[str]] = []
    fence: str | None = None
    for line in _HIDDEN.sub("", comment).splitlines():
        opened = _FENCE.match(line)
        if fence is not None:
            if opened and opened["fence"].startswith(fence) and not opened["info"].strip():
                fence = None
        elif opened and not (opened["fence"][0] == "`" and "`" in opened["info"]):
            fence = opened["fence"]
        elif not line.startswith("    ") and (command := _COMMAND.match(line.strip())):
            found.append([(command["rest"] or "").strip()])
            continue
        if found:
            found[-1].append(line)
    return tuple(_command(first, rest) for first, *rest in found)


def spoken(text: str) -> Command:
    """What is asked where every word is meant for a task: a command's own word needs no `/claude` before it there.

    A word that people begin a sentence with (`status`, `help`) is a command only if it is all they say; what is
    reserved is one only behind `/claude`.
    """
    text = text.strip()
    if text.strip("`").lower().startswith("/claude"):
        found = parse(text.strip("`"))
        return found[0] if found else Command(Verb.instruct, text)
    word, *tail = text.split(maxsplit=1) or [""]
    name = word.lower().strip(".,:;!?`")
    if name in _ANYWHERE or (name in _ALONE and not tail):
        return Command(Verb(name), "".join(tail).strip())
    return Command(Verb.instruct, text)


def _command(first: str, rest: list[str]) -> Command:
    word, *tail = first.split(maxsplit=1) or [""]
    following = "\n".join(rest).strip()
    name = word.lower().strip(".,:;!?")
    if name in _WORDS:
        return Command(Verb(name), "\n".join((*tail, following)).strip())
    if not (text := f"{first}\n{following}".strip()):
        return Command(Verb.help)
    return Command(Verb.instruct, text)
