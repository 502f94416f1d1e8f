"""An old backup is restored, and the service looks at what is there before it does anything: nothing happens twice."""

import asyncio
import json
import shutil
import signal
from pathlib import Path

import pytest

from app.demo.github import webhooks
from tests.acceptance.test_panic import cco
from tests.fakes.house import House, commits, done, house, waits


class Story:
    """Four issues: one done before the backup, one at work in it, one that came after it, and one after the restore."""

    def __init__(self, it: House) -> None:
        self.it = it
        self.requests = 0

    async def until_the_service_dies(self) -> Path:
        """The backup is from the middle; when the service dies, everything is done and more was asked since."""
        it = self.it
        self.old = await it.ask("Do the old thing", [commits("old.txt")], [done("Old.")], [done("Once more.")])
        await it.says(self.old, "Done: pull request")
        self.middle = await it.ask("Do the middle thing", [commits("middle.txt"), waits("middle")], [done("Middle.")])
        await it.until(lambda: it.pulls(self.middle))
        await it.says(self.middle, "draft pull request")
        kept = it.home.parent / "kept.tar"
        await cco(it, "backup", str(kept))
        it.let_go("middle")
        await it.says(self.middle, "Done: pull request")
        self.new = await it.ask("Do the new thing", [commits("new.txt")], [done("New.")], [done("And more.")])
        await it.says(self.new, "Done: pull request")
        await it.command(self.old, "/claude Once more, please")
        await it.until(lambda: len(it.model.requests) == 7 and not it.agents())
        await it.says(self.old, "Done")
        await self.quiet()
        await it.end(it.services[0], signal.SIGKILL)
        self.requests = len(it.model.requests)
        return kept

    async def quiet(self) -> None:
        """Everything was said: each place tells of the end, and the check runs do."""
        it = self.it
        for issue in (self.old, self.middle, *([self.new] if hasattr(self, "new") else [])):
            (pull,) = it.pulls(issue)
            await it.says(pull, "Done")
        await it.heard()

    def everything(self) -> dict[str, object]:
        """How much there is of what must not be doubled."""
        it = self.it
        places, pulls = [*it.repository.issues.values()], it.world.pulls_of(it.repository)
        return {
            "pulls": sorted((one.number, one.state, one.pull.draft) for one in pulls if one.pull),
            "branches": it.branches(),
            "comments": {place.number: sorted(one.id for one in place.comments) for place in places},
            "requests": len(it.model.requests),
        }


async def nothing_happened_twice(story: Story, before: dict[str, object]) -> None:
    """Old wishes come again, as GitHub or a person would send them; new ones are served, on what is there."""
    it = story.it
    await it.says(story.middle, "Done: pull request")
    for delivery in [one for one in it.world.deliveries.values() if not one.redelivery]:
        webhooks.redeliver(it.world, delivery)
    await it.world.settled()
    await it.heard()
    await it.says(story.middle, "Done: pull request")
    await asyncio.sleep(1)  # what should not happen has had its chance
    assert story.everything() == before
    assert it.agents() == []

    # What is asked now is done, and goes on where the forgotten work stands.
    await it.command(story.new, "/claude And more, please")
    await it.until(lambda: len(it.model.requests) == story.requests + 2 and not it.agents())  # a session of its own
    await it.says(story.new, "Done: pull request", seconds=90)
    (pull,) = it.pulls(story.new)
    assert len(it.statuses(story.new)) == len(it.statuses(pull)) == 1
    latest = await it.ask("Do the latest thing", [commits("latest.txt")], [done("Latest.")])
    await it.says(latest, "Done: pull request", seconds=90)
    assert len(it.pulls(latest)) == len(it.statuses(latest)) == 1
    assert len(it.branches()) == 4


async def test_an_old_backup_on_the_same_machine_repeats_nothing() -> None:
    async with house(separate=True) as it:
        story = Story(it)
        kept = await story.until_the_service_dies()
        before = story.everything()

        said = await cco(it, "restore", str(kept))
        assert "What was there before is kept in" in said
        await it.start()
        await nothing_happened_twice(story, before)


async def test_an_old_backup_on_another_machine_repeats_nothing() -> None:
    async with house(separate=True) as it:
        story = Story(it)
        kept = await story.until_the_service_dies()
        before = story.everything()

        shutil.rmtree(it.home)
        await cco(it, "restore", str(kept))
        assert not (it.home / "tasks").exists() or not list((it.home / "tasks").glob("*/worktree"))
        await it.start()
        await nothing_happened_twice(story, before)


async def test_work_that_was_held_back_is_there_on_another_machine_and_goes_out_when_someone_says_so() -> None:
    async with house(separate=True) as it:
        issue = await it.ask("Change what CI runs", [commits(".github/workflows/ci.yml")], [done("Held.")])
        await it.says(issue, "it needs your yes")
        kept = it.home.parent / "kept.tar"
        said = await cco(it, "backup", str(kept))
        assert "With the unpushed commits of task 1 (octo/eggtimer#1)" in said
        await it.end(it.services[0], signal.SIGKILL)
        shutil.rmtree(it.home)
        await cco(it, "restore", str(kept))

        await it.start()
        assert "Allowed" in await it.command(issue, "/claude approve")
        await it.says(issue, "Done: pull request")
        (branch,) = it.branches()
        assert it.git("diff", "--name-only", f"main...{branch}").split() == [".github/workflows/ci.yml"]
        assert len(it.model.requests) == 2
        assert len(it.statuses(issue)) == 1


async def test_a_run_that_was_cut_off_with_its_machine_goes_on_elsewhere_from_what_it_had_handed_over() -> None:
    async with house(separate=True) as it:
        issue = await it.ask("Do it somewhere", [commits("a.txt"), waits()], [commits("b.txt")], [done("Both.")])
        await it.until(lambda: it.pulls(issue))
        await it.says(issue, "draft pull request")
        kept = it.home.parent / "kept.tar"
        await cco(it, "backup", str(kept))
        await it.end(it.services[0], signal.SIGKILL)
        await cco(it, "panic")
        shutil.rmtree(it.home)  # the machine is gone, and its agents with it
        await cco(it, "restore", str(kept))

        await it.start()
        await it.until(it.agents, 90)  # it went on, in a session of its own
        it.let_go()
        await it.says(issue, "Done: pull request", seconds=90)
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        assert it.git("diff", "--name-only", f"main...{pull.pull.head_ref}").split() == ["a.txt", "b.txt"]
        assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
        assert len(it.branches()) == 1


@pytest.mark.parametrize("proposed", [False, True])
async def test_what_was_merged_since_the_backup_is_not_proposed_again(proposed: bool) -> None:
    """Whether the backup knows of the pull request, and more was pushed to it after that, or not."""
    async with house(separate=True) as it:
        later = [[commits("b.txt")]] if proposed else []
        issue = await it.ask("Do it before the merge", [commits("a.txt"), waits()], *later, [done("Done.")])
        await it.until(lambda: list(it.home.glob("tasks/1/runs/1/launches/1/bundles/1")))
        if proposed:
            await it.says(issue, "draft pull request")
        kept = it.home.parent / "kept.tar"
        await cco(it, "backup", str(kept))
        it.let_go()
        await it.says(issue, "Done: pull request")
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        await it.world.act("bob").merge(pull, "squash")
        it.git("update-ref", "-d", f"refs/heads/{pull.pull.head_ref}")
        await it.says(issue, "Merged: pull request")
        await it.end(it.services[0], signal.SIGKILL)
        await cco(it, "restore", str(kept))
        assert it.branches() == {}

        await it.start()
        while (shown := json.loads(await cco(it, "show", "1", "--json")))["state"] not in {"succeeded", "failed"}:
            await asyncio.sleep(0.1)
        assert (shown["state"], shown["pull_request"]["state"]) == ("succeeded", "merged")
        await it.says(issue, "Merged: pull request")
        assert it.pulls(issue) == [pull]
        assert it.branches() == {}
        assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
        assert len(it.model.requests) == 2 + proposed
