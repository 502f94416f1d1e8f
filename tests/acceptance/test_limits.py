"""A run that uses up what it may use is ended; what it did is kept, and people are told."""

import pytest

from app.demo.model import Turn
from app.demo.replies import Delay, Use
from tests.fakes.house import commits, house, waits

TALKS: list[Turn] = [[Delay(0.4), Use("Bash", {"command": "true"})] for _ in range(40)]


@pytest.mark.parametrize(
    ("settings", "turns", "why"),
    [
        ({"CCO_LIMITS_TURNS": "3"}, TALKS, "it used all its turns"),
        ({"CCO_LIMITS_DOLLARS": "0.1"}, TALKS, "it used all its money"),
        ({"CCO_LIMITS_MINUTES": "0.1", "CCO_LIMITS_SILENCE_MINUTES": "0.1"}, TALKS, "it ran out of time"),
        ({"CCO_LIMITS_SILENCE_MINUTES": "0.05"}, [[waits()]], "nothing was heard from Claude for too long"),
    ],
    ids=["turns", "dollars", "time", "silence"],
)
async def test_a_limit_ends_the_run_and_keeps_its_work(settings: dict[str, str], turns: list[Turn], why: str) -> None:
    async with house(environ=settings) as it:
        issue = await it.ask("Go on for ever", [commits("so-far.txt")], *turns)

        await it.says(issue, "Ended early: a limit was reached", why, "/claude retry")
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        assert pull.pull.draft
        assert it.file(pull.pull.head_ref, "so-far.txt") == "Something new\n"
        await it.until(lambda: not it.agents() and not it.sessions())
