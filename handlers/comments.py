"""Carry out `/claude …` written in a comment, a remark on code or a review; every one of them is answered."""

import logging
from collections.abc import Sequence
from functools import partial

from gidgethub import routing, sansio

from handlers import answers, doing, github, policy, prompt, starting
from handlers.commands import RESERVED, Command, Verb
from handlers.desk import Desk
from handlers.differences import Seen
from handlers.doing import Asked
from handlers.gathering import as_it_stood
from handlers.github import allow
from handlers.hearing import Spoken, heard, said_before, task_of
from handlers.reconciling import bring_task_up_to_date, bring_up_to_date
from handlers.sanitize import neutralise
from handlers.standing import Standing
from runner.errors import Refusal
from runner.tasks import Task, TriggerKind

logger = logging.getLogger(__name__)

router = routing.Router()


@router.register("issue_comment", action="created")
async def comment_created(event: sansio.Event, desk: Desk) -> None:
    """In the conversation of an issue or of a pull request. An edited comment is not read again."""
    issue, comment = event.data["issue"], event.data["comment"]
    spoken = heard(event, desk, comment, f"{comment['id']}", issue["number"])
    if spoken is None:
        return
    await github.look_at_comment(desk.gh, spoken.repository, "issues/comments", comment["id"])
    await _answer(desk, spoken, await said_before(desk, spoken, comment["id"]))


@router.register("pull_request_review_comment", action="created")
async def remark_created(event: sansio.Event, desk: Desk) -> None:
    """Beside a line of a pull request: what Claude is told has the line with it."""
    comment, pull_request = event.data["comment"], event.data["pull_request"]
    author = comment.get("user") or {}
    line = comment.get("line") or comment.get("original_line")

    def message(text: str) -> str:
        return prompt.of_remark_on_code(
            author["login"], text, comment["path"], line, comment.get("diff_hunk") or "", starting.new_boundary()
        )

    spoken = heard(event, desk, comment, f"remark-{comment['id']}", pull_request["number"], message)
    if spoken is None:
        return
    await github.look_at_comment(desk.gh, spoken.repository, "pulls/comments", comment["id"])
    allow(policy.may_work_on_pull_request(pull_request))
    await _answer(desk, spoken, await said_before(desk, spoken))


@router.register("pull_request_review", action="submitted")
async def review_submitted(event: sansio.Event, desk: Desk) -> None:
    """The text of a review. GitHub takes no reaction to one."""
    review, pull_request = event.data["review"], event.data["pull_request"]
    review = {**review, "created_at": review["submitted_at"]}
    spoken = heard(event, desk, review, f"review-{review['id']}", pull_request["number"])
    if spoken is None:
        return
    allow(policy.may_work_on_pull_request(pull_request))
    await _answer(desk, spoken, await said_before(desk, spoken))


async def _answer(desk: Desk, spoken: Spoken, before: Sequence[Spoken] = ()) -> None:
    """Carry out what is asked, in order, and say in one comment what became of it; what was said `before` first."""
    marker = github.answer_marker(spoken.key)
    if await github.find_our_comment(desk.gh, desk.house, spoken.repository, spoken.number, marker, spoken.at):
        return
    allow(
        policy.may_command(spoken.author.login, await github.permission_of(desk.gh, spoken.repository, spoken.author))
    )
    for earlier in before:
        await github.look_at_comment(desk.gh, earlier.repository, "issues/comments", int(earlier.key))
        try:
            await _answer(desk, earlier)
        except Refusal as refusal:
            at, words = earlier.at, neutralise(str(refusal))
            await github.answer_once(desk.gh, desk.house, earlier.repository, earlier.number, earlier.key, at, words)
    said: list[str] = []
    seen = await _catch_up(desk, spoken)
    for number, command in enumerate(spoken.commands):
        try:
            answer = await _carry_out(desk, spoken, command, starting.wish_id(f"{spoken.key}/{number}"), seen)
        except Refusal as refusal:
            answer = str(refusal)
        if answer not in said:
            said.append(answer)
    await github.post_comment(
        desk.gh, desk.house, spoken.repository, spoken.number, f"{marker}\n" + "\n\n---\n\n".join(said)
    )


async def _catch_up(desk: Desk, spoken: Spoken) -> Seen | None:
    """What was done here before it was said may not have come yet; and what was done since may have."""
    if all(command.verb is Verb.help or command.verb in RESERVED for command in spoken.commands):
        return None
    if spoken.issue is not None:
        return await bring_up_to_date(desk, spoken.payload, spoken.number)
    task = await task_of(desk, spoken)
    return await bring_task_up_to_date(desk, spoken.payload, task) if task is not None else None


async def _carry_out(desk: Desk, spoken: Spoken, command: Command, wish: str, seen: Seen | None) -> str:
    label = desk.house.trigger_label
    if command.verb is Verb.help:
        return answers.helping(label)
    if command.verb in RESERVED:
        return answers.not_yet(command.verb)
    task = await task_of(desk, spoken)
    asked = Asked(spoken.author, command, wish, spoken.at, spoken.message)
    if task is None and (spoken.issue is None or command.verb not in {Verb.instruct, Verb.retry}):
        return await _without_task(desk, spoken)
    if task is not None and (answer := await doing.at_once(desk, task, asked)) is not None:
        return answer
    if seen is not None and (overtaken := _overtaken(seen, spoken)) and not await desk.store.knows(wish):
        return overtaken
    if task is None:
        return await _start(desk, spoken, seen, command.text, wish)
    await starting.not_while_stopping(desk, task)
    first_words = partial(_first_words, desk, spoken, task, asked, seen)
    return await doing.tell(desk, task, spoken.repository, asked, first_words)


def _overtaken(seen: Seen, spoken: Spoken) -> str | None:
    """It came late: what it began would have been ended since. A closed issue has words of its own."""
    withdrawn = seen.withdrawn_since(spoken.at)
    if withdrawn is None or (seen.issue is not None and seen.issue["state"] != "open"):
        return None
    return answers.overtaken(withdrawn.why)


async def _without_task(desk: Desk, spoken: Spoken) -> str:
    if spoken.issue is not None:
        return answers.no_task(desk.house.trigger_label)
    pull_request = await desk.gh.getitem(f"/repos/{spoken.repository.full_name}/pulls/{spoken.number}")
    allow(policy.may_work_on_pull_request(pull_request))
    if github.is_ours(pull_request, desk.house) and (number := starting.issue_of(pull_request["head"]["ref"])):
        return answers.forgotten(number)
    return answers.not_ours(desk.house.trigger_label)


async def _start(desk: Desk, spoken: Spoken, seen: Seen | None, extra: str, wish: str) -> str:
    now = await starting.open_issue(desk, spoken.payload, spoken.number)
    issue = await as_it_stood(desk, spoken.issue, now, seen.standing if seen else Standing(), spoken.at)
    submission = await starting.begin(
        desk, spoken.payload, issue, spoken.at, spoken.author, TriggerKind.command, wish, extra
    )
    return answers.submitted(submission, await desk.store.view(submission.task.id), None)


async def _first_words(desk: Desk, spoken: Spoken, task: Task, asked: Asked, seen: Seen | None, worked: bool) -> str:
    """What a new run begins with. What Claude does not know yet it is told as it stands on GitHub."""
    allow(policy.may_work_in(spoken.payload))
    number = task.subject.number if task.subject.source == "github" else None
    if number is not None:
        await starting.open_issue(desk, spoken.payload, number)
    over = starting.is_over(task)
    if (over or not worked) and spoken.issue is not None and seen is not None and seen.issue is not None:
        issue = await as_it_stood(desk, spoken.issue, seen.issue, seen.standing, spoken.at)
        if await starting.begin_again_if_over(desk, task) or not worked:
            text = asked.command.text
            return await starting.first_message(desk, spoken.repository, issue, spoken.at, spoken.author, text)
    return await doing.words_again(desk, task, asked, worked=worked)
