"""What is down for a while is waited for and done once; what will not come back by itself is said, with what to do."""

import random
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from app import services
from app import slack as slack_client
from app.demo.conversation import Request
from app.demo.github.ledger import Fault, RequestSeen
from app.demo.replies import Fail, Quota, Step
from handlers import reporting
from runner import retry
from tests.fakes.house import commits, done, house, waits
from tests.fakes.scenes import FAILURES
from tests.fakes.slack_blocks import words

OVERLOADED = Fail(529, "overloaded_error", "Overloaded", times=5)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weather, in seconds, with dice that show the same number each time."""

    class Loaded(random.Random):
        def random(self) -> float:
            return 0.5

    monkeypatch.setattr(services, "random", SimpleNamespace(Random=Loaded))
    monkeypatch.setattr(retry, "FIRST_WAIT", timedelta(seconds=1))
    monkeypatch.setattr(retry, "LONGEST_WAIT_FOR_IT", timedelta(seconds=2))
    monkeypatch.setattr(retry, "SPREAD", timedelta(seconds=0.2))
    monkeypatch.setattr(retry, "QUOTA_SLACK", timedelta(seconds=1))
    monkeypatch.setattr(reporting, "FIRST_BACKOFF", timedelta(seconds=0.5))


async def test_an_overloaded_model_is_tried_again_until_the_work_is_done() -> None:
    async with house() as it:
        issue = await it.ask("Wait for the model", [OVERLOADED, commits()], [done()])

        await it.says(issue, "Something outside is having trouble; trying again at", "Overloaded")
        await it.says(issue, "Done")
        assert len(it.statuses(issue)) == 1
        assert len(it.model.requests) > 6
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        assert it.git("rev-list", "--count", f"main..{pull.pull.head_ref}").strip() == "1"


@pytest.mark.parametrize(
    ("failure", "headline", "advice"),
    [
        ("bad_key", "Claude could not start: its credentials were refused", "renew the credentials"),
        ("low_credit", "the account has no credit left", "top up the account"),
    ],
)
async def test_what_waiting_will_not_mend_ends_at_once_with_what_to_do(
    failure: str, headline: str, advice: str
) -> None:
    async with house() as it:
        issue = await it.ask("Never mind", [FAILURES[failure]], [done()])

        await it.says(issue, headline, advice, "/claude retry")
        assert it.pulls(issue) == []
        assert it.branches() == {}
        assert not it.agents()


async def test_a_usage_limit_is_waited_for_and_people_are_told_until_when() -> None:
    resets = int(time.time()) + 8

    def limited(_: Request) -> Sequence[Step]:
        if time.time() < resets:
            reached = Quota("rejected", resets)
            return [Fail(429, "rate_limit_error", "Try again later.", times=None, quota=reached)]
        return [commits()]

    async with house(environ={"CLAUDE_CODE_OAUTH_TOKEN": "the house's own"}) as it:
        issue = await it.ask("Wait for the quota", limited, [done()])

        until = datetime.fromtimestamp(resets + 1, UTC)
        await it.says(issue, f"The usage limit is reached; work goes on at {until:%H:%M} UTC")
        assert not it.pulls(issue)
        await it.until(lambda: not it.agents() and not it.sessions())  # it waits without a process
        await it.says(issue, "Done")
        assert len(it.pulls(issue)) == 1


async def test_whatever_github_loses_there_is_one_of_everything() -> None:
    async with house() as it:
        for path in ("/issues/[0-9]+/comments$", "/pulls$", "/check-runs$", "git-receive-pack$", "graphql$"):
            it.world.faults += [Fault("POST", path, 502), Fault("POST", path, "drop")]
        it.world.faults += [
            Fault("POST", "/reactions$", "drop"),
            Fault("POST", "/access_tokens$", 500),
            Fault("PATCH", "/issues/comments/", 500),
            Fault("GET", "/info/refs$", 503),
        ]
        issue = await it.ask("Weather the storm", [commits()], [done()])

        await it.says(issue, "Done", seconds=120)
        (pull,) = it.pulls(issue)
        await it.says(pull, "Done")
        await it.until(lambda: [one.conclusion for one in it.repository.check_runs] == ["success"])
        assert pull.pull is not None
        assert not pull.pull.draft
        assert [one.content for one in issue.reactions] == ["eyes"]
        assert len(it.branches()) == 1
        assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
        assert [fault for fault in it.world.faults if fault.times] == []
        assert [one.turn for one in it.model.requests] == [0, 1]


async def test_a_push_whose_answer_was_lost_is_ours_when_more_work_follows_it() -> None:
    async with house() as it:
        it.world.faults.append(Fault("POST", "git-receive-pack$", "drop", times=2))  # git itself sends it once more
        issue = await it.ask("Push twice", [commits("a.txt"), waits()], [commits("b.txt")], [done()])
        await it.until(it.branches)
        assert it.pulls(issue) == []
        it.let_go()

        await it.says(issue, "Done")
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        assert it.git("diff", "--name-only", f"main...{pull.pull.head_ref}").split() == ["a.txt", "b.txt"]


async def test_what_was_done_before_a_stop_is_pushed_once_github_is_back() -> None:
    async with house() as it:
        storm = Fault("POST", "git-receive-pack$", 503, times=2)
        it.world.faults.append(storm)
        issue = await it.ask("Stop in a storm", [commits("a.txt"), waits()], [done()])
        await it.until(lambda: storm.times == 1)  # while Claude works
        assert "Stopping" in await it.command(issue, "/claude stop")

        await it.says(issue, "Stopped by alice")
        assert storm.times == 0
        (branch,) = it.branches()
        assert it.git("diff", "--name-only", f"main...{branch}").split() == ["a.txt"]


async def test_slack_being_down_holds_nothing_up_and_it_is_told_when_it_is_back() -> None:
    async with house(slack=True) as it:
        assert it.slack is not None
        slack = it.slack
        slack.fail("chat.postMessage", times=1000, status=503, body="down")
        issue = await it.ask("Do it without Slack", [commits()], [done()])

        await it.says(issue, "Done")
        assert slack.calls("chat.postMessage")
        assert slack.threads() == []
        slack.mend()
        await it.until(lambda: slack.threads() and slack.replies(slack.threads()[0]["ts"]))
        assert len(slack.threads()) == 1


async def test_while_github_is_away_agents_go_on_and_what_is_to_be_said_goes_out_once() -> None:
    """Longer than six attempts: the run waits, visibly, and neither its work nor its words are lost or doubled."""
    async with house() as it:
        more = [commits(f"{n}.txt") for n in range(5)]
        issue = await it.ask("Work on without them", [commits("a.txt"), waits(), *more], [done()])
        pull = await it.draft(issue)
        it.world.away = True
        before = len(it.world.ledger.requests())
        it.let_go()
        await it.until(lambda: not it.agents() and not it.sessions())  # it has done its part
        await it.until(lambda: sum("git-receive-pack" in one or "info/refs" in one for one in it.world.knocks) > 8)
        assert len(it.world.ledger.requests()) == before
        it.world.away = False

        await it.says(issue, "Done")
        await it.says(pull, "Done")
        await it.until(lambda: [one.conclusion for one in it.repository.check_runs][-1:] == ["success"])
        said = it.world.ledger.requests()[before:]
        for comment in [*it.statuses(issue), *it.statuses(pull)]:
            edits = [one for one in said if one.path.endswith(f"/issues/comments/{comment.id}")]
            # It waits; perhaps it publishes; perhaps what it proposes is ready; it is done. And nothing twice.
            assert 1 <= len(edits) <= 4, edits
            assert len({one.body["body"] for one in edits}) == len(edits), edits
            assert "Done" in edits[-1].body["body"]
        assert len([one for one in said if one.path.endswith("git-receive-pack")]) == 1
        assert len(it.pulls(issue)) == len(it.statuses(issue)) == len(it.statuses(pull)) == 1
        assert pull.pull is not None
        changed = it.git("diff", "--name-only", f"main...{pull.pull.head_ref}").split()
        assert changed == sorted(["a.txt", *(f"{n}.txt" for n in range(5))])
        assert [one.turn for one in it.model.requests if one.turn == 0] == [0]


async def test_a_run_that_is_asked_for_while_github_cannot_be_fetched_from_begins_when_it_can() -> None:
    async with house() as it:
        storm = Fault("GET", "/info/refs$", 503, times=10)
        it.world.faults.append(storm)
        issue = await it.ask("Begin late", [commits()], [done()])

        await it.says(issue, "Something outside is having trouble; trying again at", "503")
        await it.says(issue, "Done", seconds=90)
        assert storm.times == 0
        assert len(it.pulls(issue)) == 1


@pytest.mark.parametrize("spoilt", ["cut", "html"])
async def test_an_answer_that_cannot_be_read_is_no_answer(spoilt: Any) -> None:
    """What was asked for was done; it is looked for, and not done again."""
    async with house() as it:
        paths = {"/issues/[0-9]+/comments$": "POST", "/pulls$": "POST", "/check-runs$": "POST", "graphql$": "POST"}
        it.world.faults += [Fault(method, path, spoilt) for path, method in paths.items()]
        it.world.faults += [Fault("PATCH", "/issues/comments/", spoilt), Fault("GET", "/pulls/[0-9]+$", spoilt)]
        it.world.faults += [Fault("POST", "/access_tokens$", spoilt), Fault("GET", "/info/refs$", "html")]
        issue = await it.ask("Read between the lines", [commits()], [done()])

        await it.says(issue, "Done", seconds=90)
        (pull,) = it.pulls(issue)
        await it.says(pull, "Done")
        await it.until(lambda: [one.conclusion for one in it.repository.check_runs] == ["success"])
        assert pull.pull is not None
        assert not pull.pull.draft
        assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
        assert [fault for fault in it.world.faults if fault.times] == []


async def test_an_answer_to_a_command_whose_answer_was_lost_is_not_given_twice() -> None:
    async with house() as it:
        issue = await it.ask("Answer once", [commits(), waits()], [done()])
        await it.draft(issue)
        it.world.faults += [
            Fault("POST", "/issues/comments/[0-9]+/reactions$", "drop"),
            Fault("POST", "/issues/[0-9]+/comments$", "drop"),
        ]
        comment = await it.world.act("alice").comment(issue, "/claude status")
        answer = await it.answered(issue, comment)

        assert "Claude is working" in answer
        assert [one.content for one in comment.reactions] == ["eyes"]
        assert [fault for fault in it.world.faults if fault.times] == []
        it.let_go()
        await it.says(issue, "Done")
        assert len(it.answers(issue)) == 1


async def test_tokens_that_are_revoked_while_claude_works_are_replaced_for_git_too() -> None:
    async with house() as it:
        issue = await it.ask("Mind the token", [commits("a.txt"), waits(), commits("b.txt")], [done()])
        await it.draft(issue)
        it.world.tokens.clear()
        it.let_go()

        await it.says(issue, "Done")
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        assert it.git("diff", "--name-only", f"main...{pull.pull.head_ref}").split() == ["a.txt", "b.txt"]
        assert len([one for one in it.world.ledger.requests("POST", ".*/access_tokens") if _writes_contents(one)]) == 3


def _writes_contents(seen: RequestSeen) -> bool:
    """A token to push with (or, with pull requests, for GraphQL)."""
    return bool(seen.body["permissions"].get("contents") == "write")


@pytest.mark.parametrize("trouble", [{"status": 429, "retry_after": "1"}, {"delay": 30.0}])
async def test_a_slack_that_limits_or_hangs_slows_nobody_down_and_ends_with_one_right_message(
    trouble: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_client.open_slack.__wrapped__, "__defaults__", (1.0, time.monotonic))  # type: ignore[attr-defined]  # a decorated function
    async with house(slack=True) as it:
        assert it.slack is not None
        slack = it.slack
        for method in ("chat.postMessage", "chat.update"):
            slack.fail(method, times=1000, **trouble)
        issue = await it.ask("Do it while Slack is slow", [commits()], [done()])

        await it.says(issue, "Done")
        assert slack.threads() == []
        slack.mend()
        await it.until(lambda: slack.threads() and slack.replies(slack.threads()[0]["ts"]))
        (thread,) = slack.threads()
        await it.until(lambda: "Done" in words(slack.threads()[0]))
        assert len(slack.replies(thread["ts"])) == 1


async def test_a_service_that_starts_while_github_is_away_follows_its_agents_and_speaks_when_it_is_back() -> None:
    async with house(separate=True) as it:
        issue = await it.ask("Go on alone", [commits("a.txt"), waits(), commits("b.txt")], [done()])
        await it.draft(issue)
        it.world.away = True
        assert await it.end(it.services[0], signal.SIGTERM) == 0
        await it.start()
        it.let_go()
        await it.until(lambda: not it.agents() and not it.sessions())
        assert "Claude is working" in it.status(issue)
        it.world.away = False

        await it.says(issue, "Done", seconds=150)
        (pull,) = it.pulls(issue)
        await it.says(pull, "Done")
        assert pull.pull is not None
        assert it.git("diff", "--name-only", f"main...{pull.pull.head_ref}").split() == ["a.txt", "b.txt"]


async def test_a_first_start_while_github_is_away_says_what_is_missing() -> None:
    async with house(separate=True) as it:
        assert await it.end(it.services[0], signal.SIGTERM) == 0
        (it.home / "identity.json").unlink()
        it.world.away = True
        second = it.spawn()
        await it.until(lambda: second.process.poll() is not None)
        assert second.process.returncode == 1
        assert "GitHub has to be asked once who this App is" in second.log.read_text()
        assert "Traceback" not in second.log.read_text()
