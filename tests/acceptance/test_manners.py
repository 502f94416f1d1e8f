"""How we behave as GitHub's guest, at GitHub's own pace, judged by a GitHub that has violators thrown out."""

import itertools
import re
from datetime import timedelta

from app.demo.github.ledger import Fault, RequestSeen
from app.demo.github.model import Issue
from app.demo.model import Script
from app.github_lane import INTERVAL
from tests.fakes.house import House, commits, done, house, waits


def writes(it: House) -> list[RequestSeen]:
    """Ours, as GitHub saw them, but for git's."""
    seen = it.world.ledger.requests("POST|PATCH|PUT|DELETE", "(/repos/.*|.*/graphql)")
    return [
        one
        for one in seen
        if one.token_kind == "installation"
        and ("graphql" not in one.path or one.body["query"].lstrip().startswith("mutation"))
    ]


def about(it: House, issue: Issue) -> list[RequestSeen]:
    return [one for one in writes(it) if f"/repos/{issue.repository.full_name}/" in one.path]


async def test_two_repositories_and_five_tasks_at_githubs_own_pace() -> None:
    """The busy repository has four tasks that go on; the other one's first words do not wait for theirs."""
    async with house(interval=INTERVAL) as it:
        other = await it.world.add_repository("octo/calm", files={"a.txt": "a\n"}, permissions={"alice": "admin"})
        busy = [
            await it.ask(f"Busy with {n}", [commits(f"{n}.txt"), waits(), commits(f"{n}b.txt")], [done()])
            for n in range(3)
        ]
        await it.until(lambda: all(it.pulls(issue) for issue in busy))

        it.model.learn("Calm down", Script(([commits("calm.txt")], [done()])))
        calm = await it.world.act("alice").open_issue(other, "Calm down", "Please.")
        await it.world.act("alice").label(calm, "claude")
        await it.until(lambda: it.statuses(calm), 20)
        between = [one for one in writes(it) if one.at >= about(it, calm)[0].at]
        waited = [one.path for one in between[: between.index(first_comment(it, calm))]]
        assert len([path for path in waited if "/octo/calm/" not in path]) <= 4, waited

        it.let_go()
        for issue in [*busy, calm]:
            await it.says(issue, "Done", seconds=120)
        for one, following in itertools.pairwise(writes(it)):
            assert following.at - one.at >= INTERVAL - timedelta(milliseconds=10)
        for issue in busy:
            assert len(it.statuses(issue)) == len(it.pulls(issue)) == 1
            assert [one.content for one in issue.reactions] == ["eyes"]
        await it.until(lambda: all(one.status == "completed" for one in it.repository.check_runs))


def first_comment(it: House, issue: Issue) -> RequestSeen:
    return next(one for one in about(it, issue) if re.fullmatch(rf".*/issues/{issue.number}/comments", one.path))


async def test_when_github_says_wait_everything_waits_and_then_is_said_once() -> None:
    async with house(interval=INTERVAL) as it:
        issue = await it.ask("Wait for it", [commits("a.txt"), waits()], [done()])
        pull = await it.draft(issue)
        limited = Fault("PATCH|POST", "/repos/.*/(comments|check-runs)", 429, headers={"Retry-After": "8"}, times=1)
        it.world.faults.append(limited)
        it.let_go()
        await it.until(lambda: limited.times == 0)
        (told,) = [one for one in writes(it) if one.status == 429]

        await it.says(issue, "Done", seconds=60)
        await it.says(pull, "Done")
        after = [one for one in it.world.ledger.requests() if one.token_kind == "installation" and one.at > told.at]
        on_its_way = told.at + timedelta(seconds=1)  # what was asked before we heard may come in after it
        api = [one for one in after if ".git/" not in one.path and (one.method != "GET" or one.at > on_its_way)]
        assert min(one.at for one in api) - told.at >= timedelta(seconds=8) - timedelta(milliseconds=10)
        said = [one for one in writes(it) if one.at > told.at and one.path == told.path]
        assert len(said) <= 3  # that the run waits; perhaps that it publishes; that it is done
