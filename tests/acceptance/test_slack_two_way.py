"""What people say and click in Slack is done as if they had written it on GitHub, and once."""

import asyncio
import re
import signal
import time
from datetime import timedelta
from typing import Any

import pytest

from app import slack_missed
from app.demo.github.ledger import Fault
from app.demo.github.model import Issue
from app.demo.model import Script, Turn
from handlers.mrkdwn import mrkdwn
from tests.fakes.house import BOT, REPOSITORY, House, commits, done, house, waits
from tests.fakes.slack import FakeSlack
from tests.fakes.slack_blocks import words
from tests.figures import Figure

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
    async with house(slack=True, hears_slack="socket", toml=PEOPLE) as it:
        issue, thread = await thread_of(
            it, [commits("egg.txt"), waits()], [commits("paint.txt")], *[[done("Painted.")]] * 3
        )
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


async def test_what_is_said_in_one_place_shows_in_the_other() -> None:
    async with house(slack=True, hears_slack="socket", toml=PEOPLE) as it:
        issue, thread = await thread_of(it, [commits("egg.txt"), waits()], [done()])
        slack = workspace(it)

        await it.command(issue, "/claude mind the shell", by="alice")
        await it.until(lambda: "alice said on GitHub: mind the shell" in words(slack.threads()[0]))
        slack.write("UBOB", "and use salt", thread)
        await it.says(issue, "`bob` said in Slack: and use salt")

        said = slack.write("UBOB", "status", thread)
        await it.until(lambda: len(slack.replies(thread)) == 3)
        assert slack.reactions(said["ts"]) == ["eyes"]
        in_slack = words(slack.replies(thread)[2])
        on_github = await it.command(issue, "/claude status")
        assert in_slack == mrkdwn(on_github)
        it.let_go()
        await it.says(issue, "Done")


async def test_a_stop_from_the_button_is_a_stop_on_github(figure: Figure) -> None:
    async with house(slack=True, hears_slack="socket", toml=PEOPLE) as it:
        issue, thread = await thread_of(it, [commits("egg.txt")], [waits()], [done("Never.")])
        slack = workspace(it)
        await it.until(lambda: len(it.model.requests) > 1)

        clicked = time.monotonic()
        slack.click("UBOB", "stop", thread)
        await it.until(lambda: "Stopped by bob" in it.status(issue))
        figure("from the click to GitHub", time.monotonic() - clicked, "s")

        await it.until(lambda: slack.told("UBOB"))
        assert "Stopping. What was done so far is kept" in slack.told("UBOB")[0]
        await it.until(lambda: "Stopped by bob" in words(slack.threads()[0]) and slack.replies(thread))
        assert "[Try again]" in words(slack.threads()[0])
        assert "[Stop]" not in words(slack.threads()[0])
        await it.until(lambda: not it.agents())

        slack.click("UBOB", "retry", thread)
        await it.says(issue, "Done", "Never.")
        await it.until(lambda: "[Try again]" not in words(slack.threads()[0]))
        await it.until(lambda: len(slack.replies(thread)) == 2)


async def test_who_is_nobody_on_github_is_refused_alone_and_nothing_happens() -> None:
    async with house(slack=True, hears_slack="socket", toml=PEOPLE) as it:
        issue, thread = await thread_of(it, [commits("egg.txt"), waits()], [done()])
        slack = workspace(it)

        slack.click("UEVE", "stop", thread)
        await it.until(lambda: slack.told("UEVE"))
        slack.write("UEVE", "drop the egg", thread)
        await it.until(lambda: len(slack.told("UEVE")) == 2)
        assert all("I do not know who you are on GitHub" in one for one in slack.told("UEVE"))
        slack.write("UMALLORY", "stop", thread)
        await it.until(lambda: slack.told("UMALLORY"))
        assert "mallory cannot" in slack.told("UMALLORY")[0].replace("\u2060", "")

        assert "Claude is working" in it.status(issue)
        it.let_go()
        await it.says(issue, "Done")
        await it.until(lambda: slack.replies(thread)[2:])
        assert told_to_claude(it, "drop the egg") == 0
        assert [one["user"] for one in slack.replies(thread)] == ["UEVE", "UMALLORY", "U1"]
        assert not any("reactions" in one for one in slack.replies(thread))


async def test_a_text_and_a_form_make_one_issue_and_one_pull_request() -> None:
    async with house(slack=True, hears_slack="socket", toml=PEOPLE) as it:
        slack = workspace(it)
        it.model.learn("Paint the egg", Script(([commits("egg.txt")], [done("Painted.")])))

        slack.type("UALICE", "Paint the egg\n\nIn `blue`, with a List<Dot>; tell @here.")
        await it.until(lambda: slack.forms and "Start" in str(slack.forms))
        (form,) = slack.forms.values()
        sent = slack.send_off("UALICE", form)
        slack.repeat(sent)
        issue = await it.until(lambda: next(iter(it.repository.issues.values()), None))
        assert issue is not None
        await it.says(issue, "Done", "Painted.")

        assert [one.title for one in it.repository.issues.values() if not one.pull] == ["Paint the egg"]
        assert len(it.pulls(issue)) == 1
        assert issue.user.login == BOT
        assert "`alice` asked for this from Slack." in issue.body
        assert "List<Dot>" in it.model.requests[0].first_text
        assert "alice@" in it.git("log", "-1", "--format=%B", str(it.pulls(issue)[0].pull.head_ref))  # type: ignore[union-attr]  # it has one
        assert [one for one in slack.told("UALICE") if one.startswith("On it")]
        assert len(slack.threads()) == 1

        slack.type("UALICE", "list")
        await it.until(lambda: "Paint the egg: Done" in slack.told_last("UALICE"))
        slack.type("UMALLORY", "list")
        await it.until(lambda: "There are no tasks yet" in slack.told_last("UMALLORY"))
        slack.type("UEVE", f"stop {REPOSITORY}#{issue.number}")
        await it.until(lambda: "I do not know who you are" in slack.told_last("UEVE"))
        slack.type("UBOB", f"status {REPOSITORY}#{issue.number}")
        await it.until(lambda: "*Done:" in slack.told_last("UBOB"))


async def test_a_message_is_made_a_task_with_its_words_and_where_they_stand() -> None:
    async with house(slack=True, hears_slack="socket", toml=PEOPLE) as it:
        slack = workspace(it)
        it.model.learn("The egg is raw", Script(([commits("egg.txt")], [done("Boiled.")])))
        message = slack.write("UEVE", "The egg is raw, &amp; &lt;cold&gt;")

        slack.point("UMALLORY", message)
        await it.until(lambda: "no repository here that you can push to" in str(slack.forms))
        slack.forms.clear()
        slack.point("UBOB", message)
        await it.until(lambda: slack.forms and "Start" in str(slack.forms))
        slack.send_off("UBOB", next(iter(slack.forms.values())))
        issue = await it.until(lambda: next(iter(it.repository.issues.values()), None))
        assert issue is not None
        await it.says(issue, "Done")

        assert issue.title == "The egg is raw, & <cold>"
        link = f"https://stand-in.slack.com/archives/C0123456789/p{message['ts'].replace('.', '')}"
        assert f"`bob` asked for this from [a message in Slack]({link})." in issue.body


async def test_a_steer_reaches_claude_once_though_the_service_is_killed_between_storing_and_doing_it() -> None:
    async with house(slack=True, hears_slack="socket", toml=PEOPLE, separate=True) as it:
        issue, thread = await thread_of(
            it, [commits("egg.txt"), waits()], [commits("paint.txt")], *[[done("Painted.")]] * 3
        )
        slack = workspace(it)
        storm = Fault("GET", "/collaborators/bob/permission$", 503, times=1000)
        it.world.faults.append(storm)

        event = slack.write("UBOB", "make it blue", thread)
        await it.until(lambda: slack.acknowledged() and storm.times < 1000)
        await it.end(it.services[0], signal.SIGKILL)
        storm.times = 0
        slack.repeat(slack.envelopes[-1])
        await it.start()
        await it.until(lambda: slack.reactions(event["ts"]) == ["eyes"] and slack.acknowledged())
        it.let_go()
        await it.says(issue, "Done")
        assert told_to_claude(it, "make it blue") == 1


async def test_a_steer_that_slack_told_while_nobody_listened_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_missed, "UNDER_WAY", timedelta(0))
    async with house(slack=True, hears_slack="socket", toml=PEOPLE) as it:
        issue, thread = await thread_of(
            it, [commits("egg.txt"), waits()], [commits("paint.txt")], *[[done("Painted.")]] * 3
        )
        slack = workspace(it)
        heard = slack.write("UBOB", "in time", thread)
        await it.until(lambda: slack.reactions(heard["ts"]))

        await slack.break_off()
        missed = slack.write("UBOB", "too early", thread)
        slack.forget()
        await it.until(lambda: slack.reactions(missed["ts"]))
        it.let_go()
        await it.says(issue, "Done")
        assert slack.connections == 2
        assert told_to_claude(it, "in time") == told_to_claude(it, "too early") == 1


async def test_the_same_by_signed_requests(figure: Figure) -> None:
    async with house(slack=True, hears_slack="http", toml=PEOPLE) as it:
        turns: list[Turn] = [[commits("egg.txt"), waits()], [commits("paint.txt")], [waits("never")], [done("Never.")]]
        issue, thread = await thread_of(it, *turns)
        slack = workspace(it)

        event = slack.write("UALICE", "make it blue", thread)
        slack.repeat(slack.envelopes[-1])
        await it.until(lambda: slack.reactions(event["ts"]) == ["eyes"] and slack.acknowledged())
        it.let_go()
        await it.until(lambda: len(it.model.requests) > 2)
        assert told_to_claude(it, "make it blue") == 1

        clicked = time.monotonic()
        slack.click("UALICE", "stop", thread)
        await it.until(lambda: "Stopped by alice" in it.status(issue))
        figure("from the click to GitHub", time.monotonic() - clicked, "s")

        it.model.learn("Paint the egg", Script(([commits("paint.txt")], [done("Painted.")])))
        slack.type("UBOB", "start Paint the egg")
        await it.until(lambda: "Start" in str(slack.forms))
        slack.send_off("UBOB", next(iter(slack.forms.values())))
        second = await it.until(
            lambda: next((o for o in it.repository.issues.values() if o.title[:5] == "Paint"), None)
        )
        assert second is not None
        await it.says(second, "Done")
        assert len(it.pulls(second)) == 1
        assert slack.connections == 0


async def test_a_slack_that_limits_everything_for_a_while_slows_no_run_and_ends_with_the_right_message_once() -> None:
    async with house(slack=True, hears_slack="socket", toml=PEOPLE) as it:
        heard_late = [done("Boiled.")]  # as a turn of its own
        turns: list[Turn] = [[commits("egg.txt"), waits()], [commits("salt.txt")], [done("Boiled.")], heard_late]
        issue, thread = await thread_of(it, *turns)
        slack = workspace(it)
        limited_at = time.monotonic()
        for method in ("chat.postMessage", "chat.update", "reactions.add", "chat.postEphemeral"):
            slack.fail(method, times=100_000, status=429, error="ratelimited", retry_after="15")

        slack.write("UBOB", "use salt", thread)
        await it.until(lambda: slack.calls("reactions.add"))
        it.let_go()
        await it.says(issue, "Done")
        waiting = {one["name"]: one["tasks"] for one in await it.places()}
        assert waiting["slack"] == waiting["slack-replies"] == 1
        _, measured = await it.get("/metrics")
        assert re.search(r"^cco_inbox_depth [1-9]", measured, re.MULTILINE)  # the steer's 👀
        assert len([one for one in slack.ledger if one.status == 429]) <= 4

        await asyncio.sleep(15 - (time.monotonic() - limited_at))
        slack.mend()
        await it.until(lambda: "Done" in words(slack.threads()[0]) and len(slack.replies(thread)) == 2)
        assert told_to_claude(it, "use salt") == 1
        assert "Boiled." in words(slack.replies(thread)[1])
        assert words(slack.replies(thread)[1]).startswith("<@UALICE> *Done:")
        assert len(slack.threads()) == 1
