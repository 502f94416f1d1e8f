"""What people write to us on issues and pull requests: each is answered once, and done once."""

from app.demo.conversation import Request
from app.demo.github import webhooks
from app.demo.replies import Say
from tests.fakes.house import commits, done, house, waits


async def test_commands_to_a_run_that_is_at_work() -> None:
    async with house() as it:
        issue = await it.ask("Paint the egg", [commits("egg.txt"), waits()], [commits("paint.txt")], [done("Painted.")])
        pull = await it.draft(issue)

        assert "`/claude stop`" in await it.command(issue, "/claude help")
        assert "Claude is working on this" in await it.command(pull, "/claude status")
        assert "There is a run already" in await it.command(issue, "/claude retry")
        assert "not there yet" in await it.command(pull, "Well…\n\n/claude undo it all")
        assert "Nothing waits for a yes or no" in await it.command(issue, "/claude approve")
        assert "Nothing waits for a yes or no" in await it.command(issue, "/claude deny")
        assert await it.command(pull, "/claude make it blue", by="bob") == (
            "Passed on; Claude reads it at its next step."
        )
        spoken = next(one for one in pull.comments if "make it blue" in one.body)
        for delivery in [one for one in it.world.deliveries.values() if one.event == "issue_comment"]:
            webhooks.redeliver(it.world, delivery)
        await it.answered(pull, spoken)
        assert it.most_agents == 1

        it.let_go()
        await it.says(issue, "Done")
        heard = [text for text in it.model.requests[-1].user_texts if "make it blue" in text]
        assert len(heard) == 1
        assert "bob says" in heard[0]
        assert len(it.answers(issue)) == 4
        assert len(it.answers(pull)) == 3
        assert it.git("diff", "--name-only", f"main...{_branch(pull)}").split() == ["egg.txt", "paint.txt"]


def _branch(pull: object) -> str:
    return str(pull.pull.head_ref)  # type: ignore[attr-defined]  # a pull request has one


async def test_what_is_said_after_the_end_goes_on_in_the_same_conversation() -> None:
    def second(request: Request) -> list[Say]:
        return [Say("Before, you asked: " + request.first_text[:20])]

    async with house() as it:
        issue = await it.ask(
            "Boil the egg", [commits("egg.txt")], [done()], [commits("salt.txt")], [done("Salted.")], second
        )
        await it.says(issue, "Done")
        (pull,) = it.pulls(issue)
        first = it.model.requests[-1]

        assert await it.command(pull, "/claude add salt", by="bob") == "On it."
        await it.until(lambda: "salt.txt" in it.git("diff", "--name-only", f"main...{_branch(pull)}"))
        await it.says(pull, "Done")
        resumed = it.model.requests[-1]
        assert resumed.first_text == first.first_text
        assert [text for text in resumed.user_texts if "add salt" in text and "bob says" in text]
        assert resumed.turn == first.turn + 2
        assert "Salted." in pull.body
        assert it.pulls(issue) == [pull]
        assert len(it.statuses(pull)) == 1

        assert await it.command(issue, "/claude retry with less salt") == "On it."
        await it.says(issue, "Done", "Before, you asked")
        assert any("with less salt" in text for text in it.model.requests[-1].user_texts)
        assert it.pulls(issue) == [pull]
        assert it.git("rev-list", "--count", f"main..{_branch(pull)}").strip() == "2"

        assert "Salted." in pull.body  # an answer does not take the place of what was said of the work

        assert "nothing to stop" in await it.command(issue, "/claude stop")
        assert "Done" in await it.command(issue, "/claude status")


async def test_stop_ends_the_work_and_retry_goes_on_from_there() -> None:
    async with house() as it:
        issue = await it.ask("Fry the egg", [commits("egg.txt")], [waits()], [commits("pan.txt")], [done("Fried.")])
        pull = await it.draft(issue)
        await it.until(lambda: len(it.model.requests) > 1)

        assert "Stopping" in await it.command(pull, "/claude stop", by="bob")
        await it.says(issue, "Stopped by bob")
        await it.until(lambda: not it.agents() and not it.sessions())
        assert pull.pull is not None
        assert pull.pull.draft
        (check,) = it.repository.check_runs
        await it.until(lambda: check.conclusion == "cancelled")

        assert await it.command(issue, "/claude retry and mind the shell") == "On it."
        await it.says(issue, "Done")
        assert it.pulls(issue) == [pull]
        assert any("mind the shell" in text for text in it.model.requests[-1].user_texts)
        assert not pull.pull.draft


async def test_a_command_can_begin_the_work_too() -> None:
    async with house() as it:
        issue = await it.ask("Peel the egg", [commits("egg.txt")], [done()], label=False)

        assert "no work of mine here yet" in await it.command(issue, "/claude status")
        assert await it.command(issue, "/claude do it gently", by="bob") == "On it."
        await it.says(issue, "Done")
        (pull,) = it.pulls(issue)
        assert "do it gently" in it.model.requests[0].first_text
        assert "bob@" in it.git("log", "-1", "--format=%B", _branch(pull))


async def test_people_who_may_not_push_are_refused_and_nothing_is_done() -> None:
    async with house() as it:
        issue = await it.ask("Hide the egg", [commits("egg.txt"), waits()], [done()])
        pull = await it.draft(issue)
        for place, command in ((issue, "/claude stop"), (pull, "/claude push to main"), (issue, "/claude retry")):
            answer = await it.command(place, command, by="mallory")
            assert "mallory cannot" in answer
            assert "Anyone with write access can" in answer
        idle = await it.ask("Idle", label=False)
        assert "mallory cannot" in await it.command(idle, "/claude do something", by="mallory")
        await it.world.act("mallory").comment(issue, "I would say /claude stop, but who am I.\n\n> /claude stop")

        it.let_go()
        await it.says(issue, "Done")
        assert not any("push to main" in text for request in it.model.requests for text in request.user_texts)
        assert len(it.answers(issue)) == 2
        assert it.status(idle) == ""


async def test_a_remark_on_a_line_and_a_review_are_commands_too() -> None:
    async with house() as it:
        issue = await it.ask("Crack the egg", [commits("egg.txt")], [done()], [done("One.")], [done("Two.")])
        await it.says(issue, "Done")
        (pull,) = it.pulls(issue)

        await it.world.act("alice").review(pull, "COMMENTED", "", [("egg.txt", 1, "/claude explain this word")])
        await it.until(lambda: it.answers(pull))
        await it.until(lambda: it.model.requests[-1].turn == 2 and "One." in it.status(issue))
        asked = it.model.requests[-1].user_texts[-1]
        assert "egg.txt, line 1" in asked
        assert "+Something new" in asked
        assert pull.pull is not None
        assert [one.content for one in pull.pull.review_comments[0].reactions] == ["eyes"]

        await it.world.act("bob").review(pull, "CHANGES_REQUESTED", "/claude use two eggs")
        await it.until(lambda: len(it.answers(pull)) == 2)
        await it.until(lambda: it.model.requests[-1].turn == 3 and "Two." in it.status(issue))
        assert "use two eggs" in it.model.requests[-1].user_texts[-1]
