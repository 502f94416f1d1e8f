"""What GitHub shows of a task: one living comment in each place and a check run, never doubled."""

from dataclasses import replace

import pytest

from app.demo.github.ledger import Fault
from app.demo.github.model import Issue
from handlers.reporters.github import CheckRun, reporters
from handlers.reporting import Reporter
from handlers.status import marker
from runner import events as happened
from runner.errors import TryLater
from runner.receipts import Receipt
from runner.tasks import Outcome, TaskId
from tests.fakes.desk import SECRET, Office


@pytest.fixture
async def issue(office: Office) -> Issue:
    """An issue whose run is queued."""
    issue = await office.issue()
    await office.world.act("anna").label(issue, "claude")
    await office.work()
    return issue


async def tell(office: Office, reporter: Reporter) -> None:
    """Once, as the loop does."""
    (task,) = await office.tasks()
    view = await office.store.view(task.id)
    if reporter.wants(view):
        receipt = await office.store.receipts.of(task.id, reporter.name)
        reference = await reporter.report(view, receipt)
        await office.store.receipts.save(
            Receipt(task.id, reporter.name, reporter.digest(view), reference, office.world.now())
        )


async def forget(office: Office, reporter: Reporter) -> None:
    """The service died between the effect and the receipt."""
    (task,) = await office.tasks()
    await office.store.receipts.save(Receipt(task.id, reporter.name, "", "", office.world.now()))


async def test_one_comment_lives_through_the_whole_task(office: Office, issue: Issue) -> None:
    """Posted once, edited from then on."""
    comment, _, _ = reporters(office.github.of, office.github.turn, office.house, office.world.now)
    await tell(office, comment)
    assert "Next in line" in office.comments(issue)[0]
    await office.run(happened.ToolUsed("Bash", f"Bash: echo {SECRET}"))
    await tell(office, comment)
    assert "Now: `Bash: echo [redacted]`" in office.comments(issue)[0]
    await office.end(Outcome.answered)
    await tell(office, comment)
    (said,) = office.comments(issue)
    assert "Done: nothing had to be changed" in said
    assert [line.split()[0] for line in office.written()[1:]] == ["POST", "PATCH", "PATCH"]


async def test_a_crash_before_the_receipt_doubles_nothing(office: Office, issue: Issue) -> None:
    """The comment is found again by its marker, in our own comments only."""
    comment, _, _ = reporters(office.github.of, office.github.turn, office.house, office.world.now)
    await office.world.act("rita").comment(issue, f"{marker(TaskId(1))}\nnot ours")
    await tell(office, comment)
    await forget(office, comment)
    await tell(office, comment)
    assert len(office.comments(issue)) == 1
    office.world.faults.append(Fault("PATCH", "/issues/comments/", "drop"))
    await office.run()
    with pytest.raises(TryLater):
        await tell(office, comment)
    await tell(office, comment)
    assert len(office.comments(issue)) == 1
    assert issue.comments[0].body.endswith("not ours")


async def test_a_comment_that_somebody_deleted_is_posted_again(office: Office, issue: Issue) -> None:
    """GitHub says 404, and the story goes on."""
    comment, _, _ = reporters(office.github.of, office.github.turn, office.house, office.world.now)
    await tell(office, comment)
    await office.world.act("anna").delete_comment(issue, issue.comments[0])
    await tell(office, comment)
    assert len(office.comments(issue)) == 1


async def test_the_pull_request_has_its_own_comment(office: Office, issue: Issue) -> None:
    """Not before there is one; and the issue's is not taken for it."""
    on_issue, on_pull_request, _ = reporters(office.github.of, office.github.turn, office.house, office.world.now)
    await tell(office, on_pull_request)
    await tell(office, on_issue)
    assert len(office.written()) == 2
    opened = await office.publish()
    await tell(office, on_pull_request)
    assert len(office.comments(office.world.issue("octo/hello", opened.number))) == 1
    assert len(office.comments(issue)) == 1


async def test_a_check_run_goes_with_the_commit(office: Office, issue: Issue) -> None:
    """In progress on what is pushed, then completed; a later commit has its own, and the first one is left neutral."""
    house = replace(office.house, dashboard="https://cco.example")
    _, _, check = reporters(office.github.of, office.github.turn, house, office.world.now)
    await tell(office, check)
    assert len(office.written()) == 1
    await office.publish()
    (task,) = await office.tasks()
    await tell(office, check)
    await forget_nothing(office, check)
    sha = await office.push(task.branch, "More\n")
    await office.run(happened.BranchPushed(task.branch, sha, 2, 1, 2, 1))
    await tell(office, check)
    await office.end(Outcome.delivered)
    await tell(office, check)
    first, second = office.world.repository("octo/hello").check_runs
    assert (first.head_sha, first.status, first.conclusion) == (task.pushed_sha, "completed", "neutral")
    assert (second.head_sha, second.status, second.conclusion) == (sha, "completed", "success")
    assert second.external_id == "cco:1/1"
    assert second.details_url == "https://cco.example/tasks/1"
    assert second.output["title"].startswith("Done")


async def forget_nothing(office: Office, check: Reporter) -> None:
    """Telling the same again edits the same."""
    await tell(office, check)
    assert len(office.world.repository("octo/hello").check_runs) == 1


async def test_a_check_run_is_found_again(office: Office, issue: Issue) -> None:
    """By our name for it, after the receipt was lost."""
    check = CheckRun(office.github.of, office.github.turn, office.house)
    await office.publish()
    office.world.faults.append(Fault("POST", "/check-runs$", "drop"))
    with pytest.raises(TryLater):
        await tell(office, check)
    await tell(office, check)
    assert len(office.world.repository("octo/hello").check_runs) == 1


async def test_a_retry_has_a_check_run_of_its_own(office: Office, issue: Issue) -> None:
    """On the same commit; the ended one keeps what it said."""
    check = CheckRun(office.github.of, office.github.turn, office.house)
    await office.publish()
    await office.end(Outcome.crashed, "It broke.")
    await tell(office, check)
    await office.world.act("anna").comment(issue, "/claude retry")
    await office.work()
    await tell(office, check)
    first, second = office.world.repository("octo/hello").check_runs
    assert (first.conclusion, second.status) == ("failure", "queued")
