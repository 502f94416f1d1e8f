"""However webhooks come (shuffled, twice, or not at all), we end where we would if each had come at once."""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from app.demo.github import bare
from app.demo.github.model import Comment, Issue
from app.demo.github.model import Repository as There
from handlers.github import answer_marker
from handlers.publishing import GitHubForge
from runner.deliveries import Delivery
from runner.events import BranchPushed, PullRequestOpened
from runner.tasks import Outcome, RunState, Task
from tests.fakes.desk import Office, later
from tests.fakes.github import Clock
from tests.fakes.reconciling import Scene, delivery_of, scene

NAMES = count(1)
ON_THE_PULL_REQUEST = 2


@dataclass
class Place:
    """A repository with two issues: of the first there is a pull request already, of the second nothing at all."""

    office: Office
    there: There
    issues: list[Issue]
    commands: list[tuple[Issue, Comment]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def fresh(self) -> list[Delivery]:
        """Webhooks that GitHub made since the last time."""
        found = [one for one in self.office.world.deliveries.values() if one.repository is self.there]
        found = [one for one in found if one.guid not in self.seen]
        self.seen.update(one.guid for one in found)
        return [delivery_of(one.guid, one.event, one.payload) for one in found]

    async def task(self, issue: Issue) -> Task | None:
        return await self.office.store.register.of_subject("github", f"github.com/{self.there.id}/{issue.number}")

    async def ends(self) -> dict[str, object]:
        """Where we are: what is at work, what we know of the pull request, and how often each command was answered."""
        found: dict[str, object] = {}
        for number, issue in enumerate(self.issues):
            task = await self.task(issue)
            found[f"issue {number}"] = bool(task and await self.office.store.active_run(task.id))
            if task is not None:
                assert task.repository.full_name == task.subject.key.partition("#")[0] == self.there.full_name
        for number, (place, comment) in enumerate(self.commands):
            marker = answer_marker(f"{comment.id}")
            said = [one for one in place.comments if one.user is self.office.app.bot and one.body.startswith(marker)]
            found[f"command {number}"] = len(said)
        return found

    async def runs(self) -> int:
        tasks = [await self.task(issue) for issue in self.issues]
        views = [await self.office.store.view(task.id) for task in tasks if task is not None]
        return sum(len(view.runs) for view in views)


async def act(place: Place, what: str, number: int, text: str) -> None:
    """One thing that a person does, if it can be done."""
    anna, there = place.office.world.act("anna"), place.there
    pull = next(iter(place.office.world.pulls_of(there)))
    issue = pull if number == ON_THE_PULL_REQUEST else place.issues[number]
    labelled = any(label.name == "claude" for label in issue.labels)
    later(place.office, 2)
    match what:
        case "label" if issue is not pull and not labelled:
            await anna.label(issue, "claude")
        case "unlabel" if issue is not pull and labelled:
            await anna.unlabel(issue, "claude")
        case "close":
            await anna.close(issue)
        case "reopen" if issue.pull is None or issue.pull.merged_at is None:
            await anna.reopen(issue)
        case "merge" if pull.state == "open" and pull.pull and not pull.pull.draft:
            await anna.merge(pull)
        case "draft" if pull.state == "open" and pull.pull:
            await anna.set_draft(pull, draft=not pull.pull.draft)
        case "say":
            place.commands.append((issue, await anna.comment(issue, text)))
        case "rename":
            place.office.world.rename_repository(there.full_name, f"place-{next(NAMES)}")
        case _:
            pass


async def made(it: Scene) -> Place:
    """A repository where one issue is done, with its pull request ready, and another was just opened."""
    office = it.office
    anna, name = office.world.act("anna"), f"octo/place-{next(NAMES)}"
    there = await office.world.add_repository(name, files={"README.md": "Hello\n"}, permissions={"anna": "write"})
    issues = [await anna.open_issue(there, title) for title in ("Done", "Fresh")]
    place = Place(office, there, issues)
    await anna.label(issues[0], "claude")
    await it.deliver(*place.fresh())
    task = await place.task(issues[0])
    assert task is not None
    store, run = office.store, await office.store.active_run(task.id)
    assert run is not None
    sha = await _push(there, task.branch)
    for state in (RunState.starting, RunState.running, RunState.publishing):
        await store.move(run.id, state)
    await store.record(task.id, BranchPushed(task.branch, sha, 1, 1, 1, 1), run_id=run.id)
    forge = GitHubForge(office.github.of, office.house)
    opened = await forge.open_pull_request(await store.view(task.id))
    await store.record(task.id, PullRequestOpened(opened.number, opened.url), run_id=run.id)
    await forge.mark_ready(await store.view(task.id))
    await store.settle(run.id, Outcome.delivered, "")
    await it.deliver(*place.fresh())
    later(office, 2)
    return place


DEEDS = st.one_of(
    st.tuples(st.sampled_from(["label", "unlabel", "close", "reopen"]), st.sampled_from([0, 1]), st.just("")),
    st.tuples(st.sampled_from(["close", "reopen", "merge", "draft"]), st.just(ON_THE_PULL_REQUEST), st.just("")),
    st.tuples(
        st.just("say"),
        st.sampled_from([0, 1, ON_THE_PULL_REQUEST]),
        st.sampled_from(["/claude stop", "/claude retry in other words", "/claude add a test", "/claude status"]),
    ),
    st.just(("rename", 0, "")),
)


@given(
    story=st.lists(DEEDS, min_size=1, max_size=8),
    lost=st.sampled_from([0.0, 0.3, 1.0]),
    dice=st.randoms(use_true_random=False),
)
@example([("label", 1, ""), ("unlabel", 1, ""), ("label", 1, "")], 0.0, random.Random(1))
@example(
    [("label", 1, ""), ("say", 1, "/claude stop"), ("say", 1, "/claude retry in other words")], 0.0, random.Random(3)
)
@example([("merge", 2, ""), ("reopen", 0, ""), ("unlabel", 0, ""), ("label", 0, "")], 1.0, random.Random(1))
@example([("close", 1, ""), ("label", 1, ""), ("reopen", 1, "")], 1.0, random.Random(1))
# Each example takes a second or two: a few of them by default, and more with a profile that asks for more.
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=settings.default.max_examples // 25)
async def test_the_end_is_the_same_in_any_order(
    office: Office, story: list[tuple[str, int, str]], lost: float, dice: random.Random
) -> None:
    """The same story twice: here each webhook comes at once, there shuffled, some twice and some never."""
    assert isinstance(office.world.clock, Clock)
    office.world.clock.at = datetime.now(UTC).replace(microsecond=0)  # each example lets some minutes go by
    office.world.limit, office.world.requests_per_hour = None, 10**9  # and so limits by time mean nothing
    async with scene(office) as it:
        here, there = await made(it), await made(it)
        try:
            await _told_twice(it, here, there, story, lost, dice)
        finally:
            for place in (here, there):
                office.world.delete_repository(place.there.full_name)


async def _told_twice(
    it: Scene, here: Place, there: Place, story: list[tuple[str, int, str]], lost: float, dice: random.Random
) -> None:
    await it.reconcile()
    before = dict(it.finds.counts)
    for deed in story:
        await act(here, *deed)
        await it.deliver(*here.fresh())
    await it.reconcile()
    found = {what: n for what, n in it.finds.counts.items() if n != before[what] and what != "rename"}
    assert found == {}, "there was nothing to find"

    for deed in story:
        await act(there, *deed)
    came = [one for one in there.fresh() if dice.random() >= lost]
    came += [one for one in came if dice.random() < 0.2]
    dice.shuffle(came)
    note(f"came: {[(one.event, json.loads(one.body)['action']) for one in came]}")
    await it.deliver(*came)
    await it.reconcile()

    assert await there.ends() == await here.ends()
    assert await there.runs() <= await here.runs()
    before = dict(it.finds.counts)
    await it.reconcile()
    assert it.finds.counts == before, "nothing is found twice"


async def _push(there: There, branch: str) -> str:
    blob = (await bare.git(there.path, "hash-object", "-w", "--stdin", stdin=b"Hello there\n")).strip()
    tree = (await bare.git(there.path, "mktree", stdin=f"100644 blob {blob}\tREADME.md\n".encode())).strip()
    parent = (await bare.refs(there.path))["refs/heads/main"]
    sha = (await bare.git(there.path, "commit-tree", tree, "-p", parent, "-m", "Say more")).strip()
    await bare.git(there.path, "update-ref", f"refs/heads/{branch}", sha)
    return sha
