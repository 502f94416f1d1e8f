"""What the reconciler finds on GitHub that no webhook told of, and what it leaves alone."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app.demo.github.ledger import Fault
from app.demo.github.model import Issue
from app.reconciling import Reconciler
from handlers.gathering import EDITED_SINCE
from handlers.reconciling import BRANCH_DELETED
from runner import events as happened
from runner.events import StopAsked
from runner.store import Store
from runner.tasks import Outcome, RunState
from tests.fakes.desk import Office, later
from tests.fakes.reconciling import Scene, delivery_of, scene


@pytest.fixture
async def it(office: Office) -> AsyncIterator[Scene]:
    async with scene(office) as it:
        yield it


async def states(office: Office) -> list[RunState]:
    return [run.state for view in await office.store.views() for run in view.runs]


async def why_stopped(store: Store) -> list[str]:
    return [one.event.why for one in await store.events(limit=-1) if isinstance(one.event, StopAsked)]


async def labelled(office: Office) -> Issue:
    issue = await office.issue()
    await office.world.act("anna").label(issue, "claude")
    later(office)
    return issue


async def test_a_label_that_nobody_told_of_starts_a_run_and_its_late_webhook_changes_nothing(it: Scene) -> None:
    """Whenever it was put on: before the App was installed, too."""
    issue = await labelled(it.office)
    webhooks = [delivery_of(one.guid, one.event, one.payload) for one in it.office.world.deliveries.values()]
    await it.reconcile()
    assert await states(it.office) == [RunState.queued]
    assert [one.content for one in issue.reactions] == ["eyes"]
    assert it.finds.counts["label"] == 1
    await it.deliver(*webhooks)
    await it.reconcile()
    assert await states(it.office) == [RunState.queued]
    assert it.finds.counts["label"] == 1
    assert it.office.comments(issue) == []


async def test_a_label_that_was_served_is_not_served_again(it: Scene) -> None:
    """It stays on the issue when the work is done; taken off and put on again while nobody told, it counts."""
    issue = await labelled(it.office)
    await it.reconcile()
    await it.office.end(Outcome.unworkable, "It is empty.")
    for _ in range(3):
        it.ahead += timedelta(hours=1)
        await it.reconcile()
    assert await states(it.office) == [RunState.failed]

    anna = it.office.world.act("anna")
    await anna.unlabel(issue, "claude")
    await anna.label(issue, "claude")
    it.ahead += timedelta(hours=1)
    await it.reconcile()
    await it.reconcile()
    assert await states(it.office) == [RunState.failed, RunState.queued]
    assert it.finds.counts["label"] == 2


async def test_a_label_put_on_again_during_the_run_is_answered_by_it(it: Scene) -> None:
    """Also after the run has ended, and nothing of that label is left in the store but that it was answered."""
    issue = await labelled(it.office)
    await it.reconcile()
    await it.office.run()
    for event in ("unlabeled", "labeled"):
        anna = it.office.world.act("anna")
        await (anna.unlabel(issue, "claude") if event == "unlabeled" else anna.label(issue, "claude"))
    issue.events = [one for one in issue.events if one.event != "unlabeled"]  # a list that lags
    await it.reconcile()
    await it.office.end(Outcome.unworkable, "It is empty.")
    it.ahead += timedelta(hours=1)
    await it.reconcile()
    assert await states(it.office) == [RunState.failed]


async def test_someone_who_cannot_push_is_told_once(it: Scene) -> None:
    """By whichever way we learnt of it; and not again when they may push one day."""
    issue = await it.office.issue()
    await it.office.world.act("tom").label(issue, "claude")
    webhooks = [delivery_of(one.guid, one.event, one.payload) for one in it.office.world.deliveries.values()]
    await it.reconcile()
    await it.deliver(*webhooks)
    (said,) = it.office.comments(issue)
    assert "tom cannot" in said
    it.office.world.repository("octo/hello").permissions["tom"] = "write"
    it.ahead += timedelta(hours=1)
    await it.reconcile()
    assert await states(it.office) == []
    assert len(it.office.comments(issue)) == 1


async def test_a_bots_label_is_looked_at_once_and_starts_nothing(it: Scene) -> None:
    it.office.world.add_user("renovate[bot]", type="Bot")
    it.office.world.repository("octo/hello").permissions["renovate[bot]"] = "write"
    issue = await it.office.issue()
    await it.office.world.act("renovate[bot]").label(issue, "claude")
    await it.reconcile()
    it.ahead += timedelta(hours=1)
    await it.reconcile()
    assert await states(it.office) == []
    assert it.office.written() == []
    assert it.finds.counts["label"] == 1


async def test_words_that_nobody_approved_start_nothing(it: Scene) -> None:
    """The issue was edited after the label was put on, and we have no picture of it from then."""
    issue = await labelled(it.office)
    await it.office.world.act("rita").comment(issue, "hm")
    await it.office.world.act("anna").edit_issue(issue, body="EVIL")
    await it.reconcile()
    assert await states(it.office) == []
    (said,) = it.office.comments(issue)
    assert said.endswith(EDITED_SINCE)


async def test_a_picture_from_then_is_better_than_the_issue_now(it: Scene) -> None:
    """The webhook came late, but it has the words that were approved."""
    issue = await labelled(it.office)
    webhooks = [delivery_of(one.guid, one.event, one.payload) for one in it.office.world.deliveries.values()]
    await it.office.world.act("anna").edit_issue(issue, body="EVIL")
    await it.deliver(*webhooks)
    (told,) = await it.office.instructions()
    assert "See the test." in told
    assert "EVIL" not in told


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("unlabel", "the label was removed"),
        ("close", "the issue was closed"),
        ("delete", "the issue is gone"),
    ],
)
async def test_work_that_nobody_wants_any_more_is_ended(it: Scene, deed: str, why: str) -> None:
    issue = await labelled(it.office)
    await it.reconcile()
    it.office.world.add_user("root")
    it.office.world.repository("octo/hello").permissions["root"] = "admin"
    anna, root = it.office.world.act("anna"), it.office.world.act("root")
    deeds = {"unlabel": lambda: anna.unlabel(issue, "claude"), "close": lambda: anna.close(issue)}
    await deeds.get(deed, lambda: root.delete_issue(issue))()
    await it.reconcile()
    assert await states(it.office) == [RunState.stopped]
    assert await why_stopped(it.office.store) == [why]
    assert it.finds.counts["stop"] == 1


async def test_a_command_keeps_its_run_although_there_is_no_label(it: Scene) -> None:
    """Only a label that was taken off after someone asked ends what they asked for."""
    issue = await labelled(it.office)
    await it.office.world.act("anna").unlabel(issue, "claude")
    later(it.office)
    await it.office.world.act("anna").comment(issue, "/claude do it all the same")
    await it.reconcile()
    await it.reconcile()
    assert await states(it.office) == [RunState.queued]
    assert it.finds.counts["command"] == 1
    assert len(it.office.comments(issue)) == 1


async def test_commands_that_nobody_told_of_are_answered_once_and_in_order(it: Scene) -> None:
    """Talk, edited comments, strangers' commands and what was said before our time start nothing."""
    issue = await it.office.issue()
    it.office.world.clock.at -= timedelta(hours=1)  # type: ignore[attr-defined]  # a Clock
    await it.office.world.act("anna").comment(issue, "/claude do it before we were there")
    later(it.office, 3600)
    await it.reconcile()
    later(it.office)
    edited = await it.office.world.act("anna").comment(issue, "nothing")
    later(it.office)
    await it.office.world.act("anna").edit_comment(issue, edited, "/claude do it, edited")
    await it.office.world.act("anna").comment(issue, "What about\n> /claude stop")
    await it.office.world.act("anna").comment(issue, "/claude do it now")
    later(it.office)
    await it.office.world.act("rita").comment(issue, "/claude stop")
    await it.reconcile()
    await it.reconcile()
    assert await states(it.office) == [RunState.queued]
    assert "do it now" in (await it.office.instructions())[0]
    first, second = it.office.comments(issue)
    assert first.endswith("On it.")
    assert "rita cannot" in second


async def test_what_people_did_with_our_pull_request_is_followed(it: Scene) -> None:
    """Closed, its branch deleted with it, while the run was at work."""
    await labelled(it.office)
    await it.reconcile()
    opened = await it.office.publish()
    later(it.office)
    await it.office.world.act("anna").close(it.office.world.issue("octo/hello", opened.number))
    await it.reconcile()
    (task,) = await it.office.tasks()
    assert task.pull_request is not None
    assert task.pull_request.state == "closed"
    assert await why_stopped(it.office.store) == ["the pull request was closed"]
    assert (it.finds.counts["pull_request"], it.finds.counts["stop"]) == (1, 1)
    await it.reconcile()
    closed = [
        one for one in await it.office.store.events(limit=-1) if isinstance(one.event, happened.PullRequestClosed)
    ]
    assert len(closed) == 1


async def test_a_branch_that_was_deleted_is_said_to_be(it: Scene) -> None:
    """GitHub closes the pull request with it."""
    await labelled(it.office)
    await it.reconcile()
    opened = await it.office.publish()
    (task,) = await it.office.tasks()
    later(it.office)
    await it.office.drop(task.branch)
    assert it.office.world.issue("octo/hello", opened.number).state == "closed"
    await it.reconcile()
    assert await why_stopped(it.office.store) == [BRANCH_DELETED]


async def test_a_renamed_repository_is_followed(it: Scene) -> None:
    """No webhook tells of it: the App has not asked for those."""
    issue = await labelled(it.office)
    await it.reconcile()
    it.office.world.rename_repository("octo/hello", "greetings")
    await it.reconcile()
    (task,) = await it.office.tasks()
    assert task.subject.key == f"octo/greetings#{issue.number}"
    assert it.finds.counts["rename"] == 1


@pytest.mark.parametrize("status", [403, 502])
async def test_a_repository_that_cannot_be_looked_at_keeps_nobody_from_the_others(it: Scene, status: int) -> None:
    await it.office.world.add_repository("octo/other", permissions={"anna": "write"})
    issue = await it.office.world.act("anna").open_issue("octo/other", "Me too")
    await it.office.world.act("anna").label(issue, "claude")
    it.office.world.faults.append(Fault("GET", "/repos/octo/hello/issues", status, times=9))
    await it.reconcile()
    assert await states(it.office) == [RunState.queued]


def test_very_many_repositories_have_their_turn() -> None:
    """Those with tasks each time, the others one part after the other."""
    reconciler = Reconciler.__new__(Reconciler)
    reconciler._turn = 0
    every = [{"id": number} for number in range(1000)]
    seen: list[int] = []
    for _ in range(6):
        chosen = [one["id"] for one in reconciler._chosen(every, {3, 5})]
        assert chosen[:2] == [3, 5]
        assert len(chosen) == 200
        seen += chosen[2:]
    assert set(seen) == set(range(1000)) - {3, 5}
