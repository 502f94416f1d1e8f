"""`cco gc` beside a running service: what is over goes, and can go on; what is not pushed or is at work stays."""

import json

from tests.acceptance.test_panic import cco
from tests.fakes.house import commits, done, house, waits


async def test_a_task_whose_directory_is_gone_goes_on_in_a_new_session_and_what_matters_stays() -> None:
    async with house() as it:
        over = await it.ask("Do it", [commits("a.txt")], [done("First.")], [done("Never reached.")])
        held = await it.ask("Change what CI runs", [commits(".github/workflows/ci.yml")], [done("Held.")])
        at_work = await it.ask("Take your time", [commits("slow.txt"), waits()], [done("Slow.")])
        await it.says(over, "Done: pull request")
        await it.says(held, "it needs your yes")
        await it.command(held, "/claude stop")
        await it.says(held, "Stopped by alice")
        await it.until(lambda: it.pulls(at_work))
        requests = len(it.model.requests)

        said = json.loads(await cco(it, "gc", "--older-than", "0", "--dry-run", "--json"))
        assert sorted(path.name for path in (it.home / "tasks").iterdir()) == ["1", "2", "3"]
        swept = json.loads(await cco(it, "gc", "--older-than", "0", "--json"))
        assert [one["what"] for one in swept["removed"]] == [one["what"] for one in said["removed"]]
        assert [one["what"] for one in swept["removed"]] == ["task 1 (octo/eggtimer#1)"]
        assert [one["what"] for one in swept["kept"]] == ["task 2 (octo/eggtimer#2)"]
        assert "never pushed" in swept["kept"][0]["why"]
        assert swept["freed_bytes"] > 100_000
        assert sorted(path.name for path in (it.home / "tasks").iterdir()) == ["2", "3"]
        assert len(it.agents()) == 1

        # Claude has forgotten it all, and is told it all: the scripted model knows the issue by its title.
        await it.command(over, "/claude retry with a second thought")
        await it.until(lambda: len(it.model.requests) == requests + 2)
        await it.says(over, "Done: nothing had to be changed", "First.")
        (pull,) = it.pulls(over)
        assert pull.pull is not None
        assert it.git("rev-list", "--count", f"main..{pull.pull.head_ref}").strip() == "1"
        assert len(it.statuses(over)) == len(it.statuses(pull)) == 1

        assert "task 2 (octo/eggtimer#2): it is over, and old; the commits of run 2 were never pushed" in await cco(
            it, "gc", "--older-than", "0", "--force-unpushed"
        )
        it.let_go()
        await it.says(at_work, "Done: pull request")
