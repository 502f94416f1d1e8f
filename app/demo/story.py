"""The demonstration's story: an issue on the sample repository, and the turns in which a scripted model mends it."""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from app.demo.conversation import Request
from app.demo.model import Script, Turn
from app.demo.replies import Delay, Say, Step, Use

SAMPLE = Path(str(files("app.demo"))) / "sample"
"""The sample repository's files: a small Python project with one failing test."""

TITLE = "1.5h is read as five hours"
BODY = """\
I set the timer to `1.5h` for a stew and it told me to come back in five hours.

    $ python3 -m eggtimer 1.5h
    18000 seconds

An hour and a half has 5400. `1h 30m` works, so I use that for now. `test_a_fraction` in the tests shows it.
"""

PATTERN = re.escape(TITLE)
"""Finds this issue in what the person asked first."""

TESTS = "python3 -m unittest"
BROKEN = r"""PART = re.compile(r"(\d+)\s*([smhd])")"""
MENDED = r"""PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")"""
BROKEN_SUM = "    return sum(int(number) * SECONDS[unit] for number, unit in parts)"
MENDED_SUM = "    return round(sum(float(number) * SECONDS[unit] for number, unit in parts))"
COMMIT_TITLE = "Read fractions in a length of time"
COMMIT_BODY = "The pattern began at the digit after the point, so 1.5h was five hours."

LOOK, REPRODUCE, MEND, COMMIT = (
    "Read the parser and its tests",
    "See the test fail",
    "Mend the pattern",
    "Run the tests and commit",
)
DOING = {
    LOOK: "Reading the parser and its tests",
    REPRODUCE: "Seeing the test fail",
    MEND: "Mending the pattern",
    COMMIT: "Running the tests and committing",
}

SUMMARY = """\
`1.5h` is an hour and a half again.

**Why it happened.** The pattern looked for whole numbers only. In `1.5h` the first one that stands before a unit is \
the `5`, so the `1.` was passed over and five hours came out.

**What I changed**, in `eggtimer/durations.py`:

- a number may now have a fraction: `1.5h`, `0.5m`;
- the sum is rounded to whole seconds, so `parse` still returns an `int`.

**How I know.** `test_a_fraction` failed before and passes now; the other three tests pass as before.
"""


def script(*, pace: float = 0.0, think: float = 0.0) -> Script:
    """The model's turns; for those who watch, `pace` seconds between pieces of text, `think` seconds before a turn."""
    turns = (_plan, _look, _reproduce, _mend_pattern, _mend_sum, _test, _commit, _tick_off, _sum_up)
    return Script(turns=tuple(_attentive(turn, think) for turn in turns), pace=pace)


def working_directory(request: Request) -> str:
    """Where Claude Code says it works. Only its own words count: a person's text could name another place."""
    found = re.search(r"Primary working directory: (.+)", request.environment)
    if found is None:
        raise LookupError("Claude Code did not name its working directory; has the shape of its requests changed?")
    return found.group(1).strip()


def _plan(_: Request) -> Sequence[Step]:
    return (
        Say("I'll look at how lengths of time are read, see the test fail, and then mend it."),
        *(
            Use("TaskCreate", {"subject": subject, "description": subject + ".", "activeForm": doing})
            for subject, doing in DOING.items()
        ),
    )


def _look(request: Request) -> Sequence[Step]:
    return (
        _begin(request, LOOK),
        Use("Read", {"file_path": _path(request, "eggtimer/durations.py")}),
        Use("Read", {"file_path": _path(request, "tests/test_durations.py")}),
    )


def _reproduce(request: Request) -> Sequence[Step]:
    return (
        _end(request, LOOK),
        _begin(request, REPRODUCE),
        Use("Bash", {"command": TESTS, "description": "Run the tests"}),
    )


def _mend_pattern(request: Request) -> Sequence[Step]:
    return (
        Say(
            "There it is: the pattern only knows whole numbers, so in `1.5h` it passes over `1.` and reads `5h`. "
            "A number may have a fraction."
        ),
        _end(request, REPRODUCE),
        _begin(request, MEND),
        _edit(request, BROKEN, MENDED),
    )


def _mend_sum(request: Request) -> Sequence[Step]:
    return (_edit(request, BROKEN_SUM, MENDED_SUM),)


def _test(request: Request) -> Sequence[Step]:
    return (
        _end(request, MEND),
        _begin(request, COMMIT),
        Use("Bash", {"command": TESTS, "description": "Run the tests again"}),
    )


def _commit(_: Request) -> Sequence[Step]:
    command = f'git commit -a -m "{COMMIT_TITLE}" -m "{COMMIT_BODY}"'
    return (Say("All four pass. I'll commit."), Use("Bash", {"command": command, "description": "Commit the change"}))


def _tick_off(request: Request) -> Sequence[Step]:
    return (_end(request, COMMIT),)


def _sum_up(_: Request) -> Sequence[Step]:
    return (Say(SUMMARY),)


def _attentive(turn: Turn, think: float) -> Turn:
    """The turn, after a pause, with an answer to what the person has said since the model last spoke."""

    def steps(request: Request) -> Sequence[Step]:
        heard = [Say(_acknowledge(text)) for text in request.new_texts] if request.turn else []
        pause = [Delay(think)] if think else []
        return (*pause, *heard, *(turn(request) if callable(turn) else turn))

    return steps


def _acknowledge(text: str) -> str:
    words = " ".join(text.split())[:200]
    return f"You said: “{words}”. I am a scripted model and cannot follow it; I go on with the sample issue."


def _path(request: Request, name: str) -> str:
    return f"{working_directory(request)}/{name}"


def _edit(request: Request, old: str, new: str) -> Use:
    path = _path(request, "eggtimer/durations.py")
    return Use("Edit", {"file_path": path, "old_string": old, "new_string": new})


def _begin(request: Request, subject: str) -> Use:
    return Use("TaskUpdate", {"taskId": _task(request, subject), "status": "in_progress"})


def _end(request: Request, subject: str) -> Use:
    return Use("TaskUpdate", {"taskId": _task(request, subject), "status": "completed"})


def _task(request: Request, subject: str) -> str:
    """The number Claude Code gave this line of the checklist; calls of one turn may be carried out in any order."""
    results = "\n".join(request.tool_results)
    found = re.search(rf"Task #(\d+) created successfully: {re.escape(subject)}$", results, re.MULTILINE)
    return found.group(1) if found else str(1 + list(DOING).index(subject))
