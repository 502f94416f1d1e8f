"""What people say and click in Slack is done as if they had written it on GitHub, and once."""

from typing import Any

from app.demo.github.model import Issue
from tests.fakes.house import House, commits, done, house, waits
from tests.fakes.slack import FakeSlack

PEOPLE = '[people]\nUALICE = "alice"\n"bob@example.com" = "bob"\nUMALLORY = "mallory"\n'


def workspace(it: House) -> FakeSlack:
    """Alice is known by her id, Bob by his confirmed address, Mallory may not push, and nobody knows Eve."""
    assert it.slack is not None
    it.slack.join("UALICE")
    it.slack.join("UBOB", "Bob@Example.com")
    it.slack.join("UMALLORY")
    it.slack.join("UEVE", "bob@example.com", confirmed=False)
    return it.slack


async def thread_of(it: House, *turns: Any, title: str = "Boil the egg") -> tuple[Issue, str]:
    """An issue at work, and the thread that tells of it."""
    issue = await it.ask(title, *turns)
    slack = workspace(it)
    await it.draft(issue)
    await it.until(lambda: slack.threads() and "Claude is working" in str(slack.threads()[0]))
    return issue, str(slack.threads()[0]["ts"])


def told_to_claude(it: House, text: str) -> int:
    return sum(one.count(text) for one in it.model.requests[-1].user_texts)


async def test_a_steer_in_the_thread_reaches_claude_once_though_slack_says_it_twice() -> None:
    async with house(slack=True, hears_slack=True, toml=PEOPLE) as it:
        issue, thread = await thread_of(it, [commits("egg.txt"), waits()], [commits("paint.txt")], [done("Painted.")])
        slack = workspace(it)

        event = slack.write("UBOB", "make it &lt;blue&gt;", thread)
        slack.repeat(slack.envelopes[-1])
        await it.until(lambda: slack.reactions(event["ts"]) == ["eyes"] and slack.acknowledged())
        it.let_go()
        await it.says(issue, "Done")

        assert told_to_claude(it, "make it <blue>") == 1
        assert any("bob says" in text for text in it.model.requests[-1].user_texts)
        assert [one for one in slack.replies(thread) if one["user"] == "U1" and "answers" in str(one["metadata"])] == []
        assert slack.reactions(event["ts"]) == ["eyes"]
        assert slack.whispered == []
