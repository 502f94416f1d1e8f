"""Our pull request: opened, kept, made ready, spoken to, merged; and those that are not ours."""

import asyncio
from dataclasses import replace

import pytest

from app.demo.github import bare
from app.demo.github.ledger import Fault
from app.demo.github.model import Issue
from handlers import answers, policy
from handlers.publishing import graphql_of
from handlers.status import WORDS_BEGIN, WORDS_END
from runner import events as happened
from runner.errors import Refusal, TryLater
from runner.events import BranchPushed
from runner.tasks import Outcome, RunState
from tests.fakes.desk import Office, later


@pytest.fixture
async def issue(office: Office) -> Issue:
    """An issue whose run is queued."""
    issue = await office.issue("Say *more* and fix #9")
    await office.world.act("anna").label(issue, "claude")
    await office.work()
    return issue


def pull_of(office: Office, number: int) -> Issue:
    return office.world.issue("octo/hello", number)


async def test_a_draft_is_opened_for_the_issue(office: Office, issue: Issue) -> None:
    """From our branch to the default one; it closes its own issue and no other."""
    opened = await office.publish()
    there = pull_of(office, opened.number)
    (task,) = await office.tasks()
    assert there.pull is not None
    assert (there.pull.draft, there.pull.head_ref, there.pull.base_ref) == (True, task.branch, "main")
    assert there.title == "Say *more* and fix\u2060 #9"
    assert f"\nCloses #{issue.number}\n" in there.body
    assert task.pull_request == opened


async def test_opening_it_again_finds_it(office: Office, issue: Issue) -> None:
    """After a crash between the effect and the record."""
    opened = await office.publish()
    (task,) = await office.tasks()
    assert await office.forge().open_pull_request(await office.store.view(task.id)) == opened
    assert len(office.world.ledger.requests("POST", "/repos/octo/hello/pulls")) == 1


async def test_one_that_was_opened_and_never_written_down_is_known_by_its_branch(office: Office, issue: Issue) -> None:
    """After the same crash: what is said there reaches the task, and its end is noticed."""
    (task,) = await office.tasks()
    sha = await office.push(task.branch, "Hello there\n")
    await office.run(BranchPushed(task.branch, sha, 1, 1, 1, 1))
    opened = await office.forge().open_pull_request(await office.store.view(task.id))
    pull = pull_of(office, opened.number)

    await office.world.act("anna").comment(pull, "/claude mind the shell")
    await office.work()
    (answer,) = office.comments(pull)
    assert "Passed on" in answer
    assert any("mind the shell" in one for one in await office.instructions())
    (task,) = await office.tasks()
    assert task.pull_request == opened


async def test_its_end_is_noticed_too_where_it_was_never_written_down(office: Office, issue: Issue) -> None:
    (task,) = await office.tasks()
    sha = await office.push(task.branch, "Hello there\n")
    await office.run(BranchPushed(task.branch, sha, 1, 1, 1, 1))
    opened = await office.forge().open_pull_request(await office.store.view(task.id))

    await office.world.act("anna").close(pull_of(office, opened.number))
    await office.work()
    (task,) = await office.tasks()
    assert task.pull_request is not None
    assert (task.pull_request.number, task.pull_request.state) == (opened.number, "closed")


async def test_an_answer_that_was_lost_doubles_nothing(office: Office, issue: Issue) -> None:
    """GitHub did it, and the connection broke before it said so."""
    office.world.faults.append(Fault("POST", "/pulls$", "drop"))
    with pytest.raises(TryLater):
        await office.publish()
    opened = await office.publish()
    assert len(office.world.pulls_of(office.world.repository("octo/hello"))) == 1
    assert pull_of(office, opened.number).pull is not None


async def test_a_branch_with_nothing_on_it_is_said_clearly(office: Office, issue: Issue) -> None:
    """No pull request can be made of it."""
    (task,) = await office.tasks()
    path = office.world.repository("octo/hello").path
    await bare.git(path, "update-ref", f"refs/heads/{task.branch}", (await bare.refs(path))["refs/heads/main"])
    with pytest.raises(Refusal, match=r"There is nothing to propose: .* has no commit that main lacks"):
        await office.forge().open_pull_request(await office.store.view(task.id))


async def test_what_github_refuses_is_a_sentence(office: Office, issue: Issue) -> None:
    """With GitHub's own reason."""
    (task,) = await office.tasks()
    await office.push(task.branch, "More\n")
    office.world.faults.append(Fault("POST", "/pulls$", 403, body={"message": "Resource not accessible"}))
    with pytest.raises(Refusal, match=r"GitHub did not let me open the pull request. It says: Resource not accessible"):
        await office.forge().open_pull_request(await office.store.view(task.id))


async def test_it_leaves_draft_with_claudes_summary(office: Office, issue: Issue) -> None:
    """What people wrote around our words stays, and doing it again changes nothing."""
    opened = await office.publish()
    there = pull_of(office, opened.number)
    await office.world.act("anna").edit_issue(there, body=f"My note.\n{there.body}\nAnother.")
    task = await office.run(happened.TurnEnded(0.2, 3, False, "Said **more**."))
    ready = await office.forge().mark_ready(await office.store.view(task.id))
    assert (ready.draft, ready.state) == (False, "open")
    assert there.pull is not None
    assert there.pull.draft is False
    assert there.body.startswith(f"My note.\n{WORDS_BEGIN}\nSaid **more**.\n\nCloses #{issue.number}\n")
    assert there.body.endswith(f"{WORDS_END}\nAnother.")
    writes = len(office.written())
    await office.forge().mark_ready(await office.store.view(task.id))
    assert len(office.written()) == writes


async def test_a_body_that_people_rewrote_is_theirs(office: Office, issue: Issue) -> None:
    """Without our marks nothing in it is ours."""
    opened = await office.publish()
    await office.world.act("anna").edit_issue(pull_of(office, opened.number), body="All mine.")
    task = await office.run(happened.TurnEnded(0.2, 3, False, "Said more."))
    await office.forge().mark_ready(await office.store.view(task.id))
    assert pull_of(office, opened.number).body == "All mine."


async def test_a_command_on_the_pull_request_reaches_its_task(office: Office, issue: Issue) -> None:
    """As if it were on the issue; the answer is where it was given."""
    there = pull_of(office, (await office.publish()).number)
    await office.work()
    await office.world.act("anna").comment(there, "/claude use tabs")
    await office.work()
    (said,) = office.comments(there)
    assert "Passed on; Claude reads it at its next step." in said
    assert office.comments(issue) == []
    assert "use tabs" in (await office.instructions())[-1]


async def test_a_remark_on_code_brings_its_line(office: Office, issue: Issue) -> None:
    """Path, line and diff, fenced."""
    there = pull_of(office, (await office.publish()).number)
    await office.world.act("anna").review(there, "COMMENTED", "", [("README.md", 1, "/claude say it louder")])
    await office.work()
    told = (await office.instructions())[-1]
    assert "about your change in README.md, line 1" in told
    assert "+Hello there" in told
    assert "say it louder" in told
    assert there.pull is not None
    assert [one.content for one in there.pull.review_comments[0].reactions] == ["eyes"]
    assert len(office.comments(there)) == 1


async def test_a_review_is_heard(office: Office, issue: Issue) -> None:
    """Its text is a comment like another."""
    there = pull_of(office, (await office.publish()).number)
    await office.world.act("anna").review(there, "CHANGES_REQUESTED", "Not yet.\n/claude add a test")
    await office.work()
    assert "add a test" in (await office.instructions())[-1]
    (said,) = office.comments(there)
    assert said.startswith("<!-- cco:answer=review-")


async def test_somebody_elses_pull_request_is_not_ours(office: Office) -> None:
    """It says so, and how to get one of ours."""
    await office.push("feature", "Hi\n")
    there = await office.world.act("anna").open_pull("octo/hello", "Mine", "feature", "main")
    await office.world.act("anna").comment(there, "/claude fix it")
    await office.work()
    assert office.comments(there)[0].endswith(answers.not_ours("claude"))
    assert await office.tasks() == []


async def test_a_pull_request_from_a_fork_is_refused(office: Office) -> None:
    """In the conversation, and beside a line."""
    fork = await office.world.add_fork("octo/hello", "rita")
    await bare.git(fork.path, "update-ref", "refs/heads/feature", "refs/heads/main")
    sha = await office.push("feature", "Hi\n")
    await bare.git(fork.path, "fetch", "--quiet", str(office.world.repository("octo/hello").path), "feature")
    await bare.git(fork.path, "update-ref", "refs/heads/feature", sha)
    there = await office.world.act("rita").open_pull("octo/hello", "Mine", "rita:feature", "main")
    await office.world.act("anna").comment(there, "/claude fix it")
    await office.world.act("anna").review(there, "COMMENTED", "/claude fix it", [("README.md", 1, "/claude fix it")])
    await office.work()
    assert len(office.comments(there)) == 3
    assert all(said.endswith(policy.FROM_A_FORK) for said in office.comments(there))
    assert await office.tasks() == []


async def test_closing_it_stops_the_run_and_reopening_it_counts(office: Office, issue: Issue) -> None:
    """Nobody would look at the work."""
    there = pull_of(office, (await office.publish()).number)
    await office.world.act("anna").close(there)
    await office.work()
    (task,) = await office.tasks()
    view = await office.store.view(task.id)
    assert view.run.stop_asked_by == "anna"
    assert task.pull_request is not None
    assert task.pull_request.state == "closed"
    await office.world.act("anna").reopen(there)
    await office.work()
    (task,) = await office.tasks()
    assert task.pull_request is not None
    assert (task.pull_request.state, task.pull_request.draft) == ("open", True)


async def test_the_label_again_after_a_merge_begins_again(office: Office, issue: Issue) -> None:
    """The same task, another branch, and in time another pull request."""
    anna = office.world.act("anna")
    opened = await office.publish()
    (before,) = await office.tasks()
    await office.forge().mark_ready(await office.store.view(before.id))
    await office.end(Outcome.delivered)
    await office.work()
    await anna.merge(pull_of(office, opened.number))
    await office.work()
    (merged,) = await office.tasks()
    assert merged.pull_request == replace(opened, state="merged", draft=False)
    assert issue.state == "closed"
    later(office)
    await anna.reopen(issue)
    await anna.unlabel(issue, "claude")
    await anna.label(issue, "claude")
    await office.work()
    (after,) = await office.tasks()
    assert after.id == before.id
    assert after.branch == f"{before.branch}-2"
    assert after.pull_request is None
    assert [run.state for run in (await office.store.view(after.id)).runs] == [RunState.succeeded, RunState.queued]


def test_graphql_is_beside_rest_or_a_level_up() -> None:
    """On GitHub, and on GitHub Enterprise."""
    assert graphql_of("https://api.github.com") == "https://api.github.com/graphql"
    assert graphql_of("https://github.example/api/v3") == "https://github.example/api/graphql"


async def test_a_command_after_it_was_closed_begins_again_as_first_asked(office: Office, issue: Issue) -> None:
    """On a new branch, in the words that were approved, whatever the issue says by now."""
    there = pull_of(office, (await office.publish()).number)
    (before,) = await office.tasks()
    await office.end(Outcome.delivered)
    await office.world.act("anna").close(there)
    await office.world.act("anna").edit_issue(issue, body="EDITED")
    await office.work()
    await office.world.act("anna").comment(there, "/claude try it another way")
    await office.work()
    (after,) = await office.tasks()
    assert after.branch == f"{before.branch}-2"
    told = (await office.instructions())[-1]
    assert "See the test." in told
    assert "try it another way" in told
    assert "EDITED" not in told
    assert office.comments(there)[0].endswith("\nOn it.")


async def test_a_command_on_a_closed_issue_starts_no_new_run(office: Office, issue: Issue) -> None:
    """It says what to do."""
    there = pull_of(office, (await office.publish()).number)
    await office.end(Outcome.delivered)
    await office.world.act("anna").close(issue)
    await office.work()
    await office.world.act("anna").comment(there, "/claude one more thing")
    await office.work()
    assert office.comments(there)[0].endswith(policy.CLOSED)
    assert len((await office.store.view((await office.tasks())[0].id)).runs) == 1


async def test_an_archived_repository_is_not_worked_on(office: Office) -> None:
    """Nothing could be pushed to it."""
    issue = await office.issue()
    office.world.repository("octo/hello").archived = True
    await office.world.act("anna").label(issue, "claude")
    await office.work()
    assert await office.tasks() == []
    assert office.comments(issue)[0].endswith(policy.ARCHIVED)


async def test_where_drafts_are_not_to_be_had_it_is_opened_ready(office: Office, issue: Issue) -> None:
    """Private repositories on GitHub's free plan have none."""
    refusal = {"message": "Validation Failed", "errors": ["Draft pull requests are not supported in this repository."]}
    office.world.faults.append(Fault("POST", "/pulls$", 422, body=refusal))
    opened = await office.publish()
    assert opened.draft is False
    assert office.world.ledger.requests("POST", "/repos/octo/hello/pulls")[-1].status == 201


async def test_a_race_for_the_same_pull_request_has_one_winner(office: Office, issue: Issue) -> None:
    """GitHub says that it exists already; then it is found."""
    (task,) = await office.tasks()
    await office.push(task.branch, "More\n")
    view = await office.store.view(task.id)
    first, second = await asyncio.gather(office.forge().open_pull_request(view), office.forge().open_pull_request(view))
    assert first == second
    statuses = [one.status for one in office.world.ledger.requests("POST", "/repos/octo/hello/pulls")]
    assert sorted(statuses) == [201, 422]
