"""What Claude asks people, and how it hears their answer."""

from app.demo.conversation import Request
from app.demo.replies import Say, Use
from tests.fakes.house import house

ASK = Use(
    "AskUserQuestion",
    {
        "questions": [
            {
                "question": "Hard or soft?",
                "header": "Egg",
                "multiSelect": False,
                "options": [
                    {"label": "hard", "description": "Ten minutes"},
                    {"label": "soft", "description": "Four minutes"},
                ],
            }
        ]
    },
)


def _repeat(request: Request) -> list[Say]:
    return [Say("So it is: " + request.tool_results[-1])]


async def test_claude_asks_in_the_comment_and_goes_on_with_the_answer() -> None:
    async with house(slack=True) as it:
        issue = await it.ask("How do you like your egg?", [ASK], _repeat)

        said = await it.says(issue, "Claude has a question for you", "Hard or soft?", "/claude hard")
        assert "- soft" in said
        assert it.slack is not None
        slack = it.slack
        await it.until(lambda: slack.threads() and slack.replies(slack.threads()[0]["ts"]))
        assert "mallory cannot" in await it.command(issue, "/claude soft", by="mallory")
        assert "does not answer" in await it.command(issue, "/claude approve")
        assert len(it.model.requests) == 1

        answer = await it.command(issue, "/claude soft, with salt", by="bob")
        assert answer == "That is the answer Claude was waiting for; it goes on."
        said = await it.says(issue, "Done", "So it is")
        assert "soft, with salt" in said
        assert len(it.model.requests) == 2
        assert it.most_agents == 1
