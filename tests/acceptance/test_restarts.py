"""The service dies or is told to end while Claude works: Claude goes on, and nothing is done twice."""

import signal

from tests.fakes.house import commits, done, house, waits


async def test_a_killed_service_finds_its_agents_again_and_does_nothing_twice() -> None:
    async with house(separate=True) as it:
        slow = await it.ask("Take your time", [commits("slow.txt"), waits("slow")], [done("Slow.")])
        quick = await it.ask("Be quick", [commits("quick.txt"), waits("quick")], [done("Quick.")])
        await it.until(lambda: it.pulls(slow) and it.pulls(quick))
        agents = set(it.agents())
        assert len(agents) == 2

        await it.end(it.services[0], signal.SIGKILL)
        it.let_go("quick")
        await it.until(lambda: len(it.agents()) == 1)  # it ends while nobody looks
        (still_there,) = it.agents()
        assert still_there in agents

        await it.start()
        await it.says(quick, "Done")
        await it.says(slow, "Claude is working on this")
        await it.until(lambda: it.agents() == [still_there])
        it.let_go("slow")
        await it.says(slow, "Done")

        for issue, path in ((slow, "slow.txt"), (quick, "quick.txt")):
            (pull,) = it.pulls(issue)
            assert pull.pull is not None
            assert not pull.pull.draft
            await it.says(pull, "Done")
            assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
            assert it.git("diff", "--name-only", f"main...{pull.pull.head_ref}").split() == [path]
            assert it.git("rev-list", "--count", f"main..{pull.pull.head_ref}").strip() == "1"
        assert len(it.branches()) == 2
        assert len(it.model.requests) == 4
        assert it.most_agents == 2


async def test_a_service_that_is_told_to_end_ends_soon_and_the_next_one_takes_over() -> None:
    async with house(separate=True) as it:
        issue = await it.ask("Survive an upgrade", [commits(), waits()], [done()])
        await it.until(lambda: it.pulls(issue))
        await it.until(lambda: len(it.agents()) == 1)
        agents = it.agents()

        second = it.spawn()
        await it.until(lambda: second.process.poll() is not None)
        assert second.process.returncode == 1
        said = second.log.read_text()
        assert "another service runs on CCO_HOME=" in said
        assert "Traceback" not in said

        assert await it.end(it.services[0], signal.SIGTERM, seconds=10) == 0
        await it.until(lambda: it.agents() == agents)
        assert it.sessions() == ["r1"]

        await it.start()
        it.let_go()
        await it.says(issue, "Done")
        assert len(it.pulls(issue)) == 1
        assert len(it.statuses(issue)) == 1
        assert len(it.model.requests) == 2


async def test_what_was_done_before_it_was_merged_is_done_however_late_we_hear_of_it() -> None:
    """Whoever merged it asked nobody to stop: there was nobody left to stop."""
    async with house(separate=True) as it:
        issue = await it.ask("Finish alone", [commits("a.txt"), waits()], [done("Done.")])
        pull = await it.draft(issue)
        await it.end(it.services[0], signal.SIGKILL)
        it.let_go()
        await it.until(lambda: not it.agents())
        await it.world.act("bob").set_draft(pull, draft=False)
        await it.world.act("bob").merge(pull)

        await it.start()
        await it.says(issue, "Merged: pull request")
        await it.says(pull, "Merged: pull request")
        assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
