"""Who may start and stop work with a label, and that each label does so once."""

from app.demo.github import webhooks
from tests.fakes.house import BOT, commits, done, house, waits


async def test_labels_that_do_not_count_start_nothing() -> None:
    async with house() as it:
        alice = it.world.act("alice")
        by_bot = await it.ask("Labelled by a bot", label=False)
        by_triage = await it.ask("Labelled by one who may not push", label=False)
        too_late = await it.ask("Labelled by mistake", label=False)
        other = await it.ask("Labelled with something else", label=False)

        await it.world.act(BOT).label(by_bot, "claude")
        await it.world.act("trudy").label(by_triage, "claude")
        await alice.label(too_late, "claude")
        await alice.unlabel(too_late, "claude")  # before anyone looked
        await alice.label(other, "bug")
        await it.until(lambda: it.answers(by_triage))
        await it.heard()

        (answer,) = it.answers(by_triage)
        assert "trudy cannot" in answer
        assert "Anyone with write access can" in answer
        assert [issue.comments for issue in (by_bot, too_late, other)] == [[], [], []]
        assert [issue.reactions for issue in (by_bot, by_triage, too_late, other)] == [[], [], [], []]
        assert it.model.requests == []
        assert it.most_agents == 0
        assert not (it.home / "tasks").exists()


async def test_a_second_label_and_a_redelivery_change_nothing() -> None:
    async with house() as it:
        bob = it.world.act("bob")
        issue = await it.ask("Write it once", [commits(), waits()], [done()])
        await it.until(lambda: it.model.requests)
        await bob.label(issue, "bug")
        for delivery in [one for one in it.world.deliveries.values() if one.action == "labeled"]:
            webhooks.redeliver(it.world, delivery)
        await it.world.settled()
        assert {one.answer for one in it.world.ledger.deliveries if one.redelivery} == {'{"status": "duplicate"}'}

        it.let_go()
        await it.says(issue, "Done")
        for delivery in [one for one in it.world.deliveries.values() if one.action == "labeled" and not one.redelivery]:
            webhooks.redeliver(it.world, delivery)
        await it.heard()

        assert len(it.pulls(issue)) == 1
        assert len(issue.reactions) == 1
        assert it.most_agents == 1
        assert [request.turn for request in it.model.requests] == [0, 1]


async def test_taking_the_label_off_or_closing_the_issue_stops_the_work_and_keeps_it() -> None:
    async with house() as it:
        alice = it.world.act("alice")
        unlabelled = await it.ask("Stop by label", [commits("one.txt")], [waits()])
        closed = await it.ask("Stop by closing", [commits("two.txt")], [waits()])
        await it.until(lambda: it.pulls(unlabelled) and it.pulls(closed))

        await alice.unlabel(unlabelled, "claude")
        await alice.close(closed, "not_planned")
        await it.says(unlabelled, "Stopped by alice", "/claude retry")
        await it.says(closed, "Stopped by alice")
        await it.until(lambda: not it.agents() and not it.sessions())
        for issue, path in ((unlabelled, "one.txt"), (closed, "two.txt")):
            (pull,) = it.pulls(issue)
            assert pull.pull is not None
            assert pull.pull.draft
            assert it.file(pull.pull.head_ref, path) == "Something new\n"


async def test_after_a_merge_the_label_gives_a_second_branch_and_pull_request_of_the_same_task() -> None:
    async with house() as it:
        alice = it.world.act("alice")
        issue = await it.ask("Write two notes", [commits("one.txt")], [done()], [commits("two.txt")], [done("Two.")])
        await it.says(issue, "Done")
        (first,) = it.pulls(issue)

        await alice.merge(first)
        await it.says(issue, f"Merged: pull request #{first.number}")
        assert issue.state == "closed"  # the pull request closes it

        await alice.reopen(issue)
        await alice.unlabel(issue, "claude")
        await alice.label(issue, "claude")
        await it.until(lambda: len(it.pulls(issue)) == 2)
        (second,) = [one for one in it.pulls(issue) if one is not first]
        await it.says(issue, "Done", f"pull request #{second.number}")

        assert first.pull is not None
        assert second.pull is not None
        assert second.pull.head_ref == f"{first.pull.head_ref}-2"
        assert it.git("diff", "--name-only", f"main...{second.pull.head_ref}").split() == ["two.txt"]
        assert it.file(second.pull.head_ref, "one.txt") == "Something new\n"  # it stands on what was merged
        assert len(it.statuses(issue)) == 1
        assert len(list((it.home / "tasks").iterdir())) == 1
        assert "merged" in it.status(first).lower()
