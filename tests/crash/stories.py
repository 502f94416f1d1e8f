"""What people do in a trial, and what must have come of it on the other side, whatever fell meanwhile."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from app.demo.github import bare, pulls
from app.demo.github.model import Issue
from app.demo.model import Script
from app.demo.replies import Use
from tests.fakes.discord import words as in_discord
from tests.fakes.house import BOT, House, commits, done, waits
from tests.fakes.slack import FakeSlack
from tests.fakes.slack_blocks import words

PATIENCE = 90


@dataclass(frozen=True)
class Story:
    """`act` is the people's side, up to the last word on GitHub; `judge` looks at what is there then.

    Where an agent was cut off (`cut`) two of its commits may have become one, and what it was told may be told again.
    `toml` is what stands in cco.toml, and `jira` which Jira there is.
    """

    name: str
    act: Callable[[House], Awaitable[None]]
    judge: Callable[[House, bool], Awaitable[None]]
    jira: Literal["cloud", "data center"] | None = None
    in_slack: bool = False  # people are heard there
    toml: str = ""


async def _one_issue(it: House) -> None:
    turns = [[commits("a.txt")], [commits("b.txt")], [_mends("a.txt", "b.txt")], *[[done("Written.")]] * 4]
    issue = await it.ask("Write it down", *turns)
    await it.says(issue, "Done", seconds=PATIENCE)
    (pull,) = it.pulls(issue)
    await it.says(pull, "Done", seconds=PATIENCE)


async def _one_of_everything(it: House, cut: bool) -> None:
    (issue, pull) = it.repository.issues.values()
    await _is_delivered(it, pull, ["a.txt", "b.txt"], "Written.", cut)
    assert [(one.content, one.user.login) for one in issue.reactions] == [("eyes", BOT)]
    assert it.branches().keys() == {_branch(pull)}
    assert not any(one.forced for one in it.world.ledger.pushes)
    assert it.slack is not None
    slack = it.slack
    await it.until(lambda: slack.threads() and slack.replies(slack.threads()[0]["ts"]))
    (thread,) = slack.threads()
    (reply,) = slack.replies(thread["ts"])
    assert f"#{pull.number}" in words(reply)
    await it.until(lambda: "Done" in words(slack.threads()[0]))
    await _is_told(it, "Done")


async def _is_told(it: House, headline: str) -> None:
    """In Discord by the message that goes on, whatever others there are; and to a program."""
    assert it.discord is not None
    assert it.receiver is not None
    discord, receiver = it.discord, it.receiver
    await it.until(lambda: any(headline in in_discord(one) for one in discord.messages.values()))
    await it.until(lambda: receiver.taken() and receiver.taken()[-1]["event"] == "task.succeeded")


async def _steered_and_stopped(it: House) -> None:
    # What is said late is heard between two short commands, and not behind one that never ends.
    goes_on = Use("Bash", {"command": "sleep 0.3"})
    issue = await it.ask("Listen to me", [commits("a.txt"), waits()], [commits("b.txt")], *[[goes_on]] * 300, [done()])
    await it.until(lambda: it.pulls(issue), PATIENCE)
    (pull,) = it.pulls(issue)
    said = await it.world.act("bob").comment(pull, "/claude mind the shell")
    await it.until(lambda: _answers_to(pull, said.id), PATIENCE)
    it.let_go()
    await it.until(lambda: _heard(it) and it.model.requests[-1].turn >= 2, PATIENCE)
    said = await it.world.act("alice").comment(issue, "/claude stop")
    await it.until(lambda: _answers_to(issue, said.id), PATIENCE)
    await it.says(issue, "Stopped by alice", seconds=PATIENCE)


async def _heard_once(it: House, cut: bool) -> None:
    (issue, pull) = it.repository.issues.values()
    await it.until(lambda: "Stopped by alice" in it.status(pull))
    assert pull.pull is not None
    assert pull.pull.draft
    changed = it.git("diff", "--name-only", f"main...{_branch(pull)}").split()
    assert set(changed) <= {"a.txt", "b.txt"} if cut else changed == ["a.txt", "b.txt"], changed
    assert len(it.answers(issue)) == len(it.answers(pull)) == 1
    assert _heard(it) >= 1 if cut else _heard(it) == 1
    reacted = [one.reactions for place in (issue, pull) for one in place.comments if one.user.login != BOT]
    assert [[one.content for one in each] for each in reacted] == [["eyes"], ["eyes"]]


def _heard(it: House) -> int:
    """How often the steer stands in the conversation as the model last saw it."""
    return sum(text.count("mind the shell") for text in it.model.requests[-1].user_texts) if it.model.requests else 0


async def _merged_and_asked_again(it: House) -> None:
    once, twice = [[commits("a.txt")], [_mends("a.txt")], [done("Once.")]], [[commits("c.txt")], [_mends("c.txt")]]
    issue = await it.ask("Do it twice", *once, *twice, *[[done("Twice.")]] * 4)
    await it.says(issue, "Done", seconds=PATIENCE)
    (pull,) = it.pulls(issue)
    await it.says(pull, "Done", seconds=PATIENCE)
    await it.world.act("alice").merge(pull)
    await it.says(issue, "Merged", seconds=PATIENCE)
    alice = it.world.act("alice")
    await alice.reopen(issue)
    await alice.unlabel(issue, "claude")
    await it.heard()
    with _nobody_listens(it):
        await alice.label(issue, "claude")
        await it.world.settled()
    await it.until(lambda: len(it.pulls(issue)) == 2, PATIENCE)
    await it.says(it.pulls(issue)[1], "Done", seconds=PATIENCE)


async def _two_pull_requests(it: House, cut: bool) -> None:
    (issue, first, second) = it.repository.issues.values()
    assert first.pull is not None
    assert first.pull.merged_at
    assert _branch(second) == f"{_branch(first)}-2"
    await _is_delivered(it, second, ["c.txt"], "Twice.", cut)
    assert len(it.statuses(issue)) == len(it.statuses(first)) == 1


async def _built_upon(it: House) -> None:
    mine, ours = [[commits("a.txt")], [_mends("a.txt")], [done("Mine.")]], [[commits("c.txt")], [_mends("c.txt")]]
    issue = await it.ask("Share the work", *mine, *ours, *[[done("Ours.")]] * 4)
    await it.says(issue, "Done", seconds=PATIENCE)
    (pull,) = it.pulls(issue)
    await it.says(pull, "Done", seconds=PATIENCE)
    await _colleague_pushes(it, pull, "b.txt")
    said = await it.world.act("alice").comment(pull, "/claude go on from there")
    await it.until(lambda: _answers_to(pull, said.id), PATIENCE)
    await it.until(lambda: "Ours." in pull.body, PATIENCE)
    await it.says(issue, "Done", seconds=PATIENCE)


async def _both_are_there(it: House, cut: bool) -> None:
    (_, pull) = it.repository.issues.values()
    await it.says(pull, "Done")
    changed = it.git("diff", "--name-only", f"main...{_branch(pull)}").split()
    assert changed == ["a.txt", "b.txt", "c.txt"], changed
    assert "A colleague was here" in it.git("log", "--format=%s", _branch(pull))
    assert not any(one.forced for one in it.world.ledger.pushes)
    assert len(it.answers(pull)) == 1
    await it.until(lambda: all(one.conclusion for one in it.repository.check_runs))


TICKETS = """\
[people]
"anna@example.com" = "alice"

[jira]
poll_seconds = 0.3
projects = { PROJ = "octo/eggtimer" }
transitions = { started = "In Progress", in_review = "In Review" }
"""


async def _one_ticket(it: House) -> None:
    assert it.tracker is not None
    jira = it.tracker
    turns = [[commits("a.txt")], [commits("b.txt")], [_mends("a.txt", "b.txt")], *[[done("Written.")]] * 4]
    it.model.learn("Write it for Jira", Script(turns))
    ticket = await jira.create("Write it for Jira")
    await jira.label(ticket)
    await it.until(lambda: "is ready for your review" in jira.status(ticket), PATIENCE)
    said = await jira.comment(ticket, "/claude status")
    await it.until(lambda: jira.answer_to(ticket, said.id), PATIENCE)
    (pull,) = it.world.pulls_of(it.repository)
    await it.says(pull, "Done", seconds=PATIENCE)


async def _one_of_everything_in_jira(it: House, cut: bool) -> None:
    assert it.tracker is not None
    ((ticket,), (pull,)) = it.tracker.tickets.values(), it.repository.issues.values()
    await _is_delivered(it, pull, ["a.txt", "b.txt"], "Written.", cut)
    await it.until(lambda: len(ticket.links) == 1)
    await it.until(lambda: ticket.status.name == "In Review")
    assert [one["items"][0]["toString"] for one in ticket.histories] == ["claude", "In Progress", "In Review"]
    assert len(it.tracker.statuses(ticket)) == len(it.tracker.answers(ticket)) == 1
    assert len(it.tracker.ours(ticket)) == 2


async def _asked_for_and_stopped_in_slack(it: House) -> None:
    assert it.slack is not None
    slack, goes_on = it.slack, Use("Bash", {"command": "sleep 0.3"})
    for user in ("UALICE", "UBOB"):
        slack.join(user)
    turns = ([commits("a.txt"), waits()], [commits("b.txt")], *[[goes_on]] * 300, [done()])
    it.model.learn("Write it in Slack", Script(turns))
    slack.send_off("UALICE", await _form(it, slack))
    await it.until(lambda: [one for one in it.repository.issues.values() if one.pull], PATIENCE)
    (issue, pull) = it.repository.issues.values()
    await it.until(lambda: "Claude is working" in it.status(pull) and slack.threads(), PATIENCE)
    (thread,) = slack.threads()
    steer = slack.write("UBOB", "mind the shell", thread["ts"])
    await it.until(lambda: slack.reactions(steer["ts"]), PATIENCE)
    it.let_go()
    await it.until(lambda: _heard(it) and it.model.requests[-1].turn >= 2, PATIENCE)
    asked = slack.write("UBOB", "status", thread["ts"])
    await it.until(lambda: slack.reactions(asked["ts"]), PATIENCE)
    slack.click("UALICE", "stop", thread["ts"])
    await it.says(issue, "Stopped by alice", seconds=PATIENCE)
    await it.until(lambda: any("topp" in one for one in slack.told("UALICE")), PATIENCE)


async def _form(it: House, slack: FakeSlack) -> dict[str, Any]:
    """Somebody types `/claude`, and again where no form comes of it: the service fell in these three seconds."""
    for _ in range(10):
        slack.forms.clear()
        slack.type("UALICE", "Write it in Slack")
        with suppress(AssertionError):
            await it.until(lambda: "Start" in str(slack.forms), 6)
            return next(one for one in slack.forms.values() if "submit" in one)
    raise AssertionError("no form opens")


async def _asked_for_once_in_slack(it: House, cut: bool) -> None:
    assert it.slack is not None
    slack, (issue, pull) = it.slack, it.repository.issues.values()
    assert issue.user.login == BOT
    await it.until(lambda: "Stopped by alice" in it.status(pull))
    assert _heard(it) >= 1 if cut else _heard(it) == 1
    (thread,) = slack.threads()
    await it.until(lambda: len(slack.replies(thread["ts"])) == 4, PATIENCE)
    steer, asked, *ours = slack.replies(thread["ts"])
    assert slack.reactions(steer["ts"]) == slack.reactions(asked["ts"]) == ["eyes"]
    answer, end = (words(one) for one in ours)
    assert "Claude is working on this" in answer
    assert "Stopped by alice" in end


STORIES = (
    Story("one issue", _one_issue, _one_of_everything),
    Story("steered and stopped", _steered_and_stopped, _heard_once),
    Story("built upon", _built_upon, _both_are_there),
    Story("merged and asked again", _merged_and_asked_again, _two_pull_requests),
    Story("one ticket", _one_ticket, _one_of_everything_in_jira, jira="cloud", toml=TICKETS),
    Story("asked for and stopped in Slack", _asked_for_and_stopped_in_slack, _asked_for_once_in_slack, in_slack=True),
)


@contextmanager
def _nobody_listens(it: House) -> Iterator[None]:
    """What GitHub has to tell reaches nobody: it has to be found."""
    app, nowhere = it.world.apps[it.app_id], "http://127.0.0.1:9/webhooks/github"
    there, app.hook_url = app.hook_url, nowhere
    yield
    if app.hook_url == nowhere:
        app.hook_url = there


def _mends(*paths: str) -> Use:
    """What an agent does that was cut off: it looks what is missing. Mostly nothing is."""
    write = "printf 'Something new\\n' > $f && git add $f && git commit -q -m \"Write $f\""
    return Use("Bash", {"command": f"for f in {' '.join(paths)}; do [ -e $f ] || {{ {write}; }}; done"})


async def _is_delivered(it: House, pull: Issue, files: list[str], summary: str, cut: bool) -> None:
    assert pull.pull is not None
    await it.until(lambda: pull.pull is not None and not pull.pull.draft)
    assert summary in pull.body
    branch = _branch(pull)
    assert it.git("diff", "--name-only", f"main...{branch}").split() == files
    for path in files:
        assert it.file(branch, path) == "Something new\n"
    made = int(it.git("rev-list", "--count", f"main..{branch}"))
    assert made <= len(files) if cut else made == len(files)
    checks = [one for one in it.repository.check_runs if one.head_sha == pull.pull.head_sha]
    await it.until(lambda: [one.conclusion for one in checks] == ["success"])


async def _colleague_pushes(it: House, pull: Issue, path: str) -> None:
    there, branch = it.repository.path, _branch(pull)
    listed = await bare.git(there, "ls-tree", branch)
    blob = (await bare.git(there, "hash-object", "-w", "--stdin", stdin=b"Something new\n")).strip()
    tree = (await bare.git(there, "mktree", stdin=f"{listed.rstrip()}\n100644 blob {blob}\t{path}\n".encode())).strip()
    sha = (await bare.git(there, "commit-tree", tree, "-p", branch, "-m", "A colleague was here")).strip()
    await bare.git(there, "update-ref", f"refs/heads/{branch}", sha)
    await pulls.refresh(pull)


def _branch(pull: Issue) -> str:
    assert pull.pull is not None
    return pull.pull.head_ref


def _answers_to(place: Issue, comment: int) -> list[str]:
    start = f"<!-- cco:answer={comment} -->"
    return [one.body for one in place.comments if one.user.login == BOT and one.body.startswith(start)]
