"""Carry out `/claude …` written in a comment, a remark on code or a review; every one of them is answered."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gidgethub import routing, sansio

from handlers import answers, commands, github, policy, prompt, pull_requests, starting
from handlers.commands import RESERVED, Command, Verb
from handlers.desk import Desk
from handlers.github import allow
from handlers.sanitize import visible
from runner.errors import Refusal
from runner.tasks import Actor, Repository, Task, TriggerKind, WaitingFor

logger = logging.getLogger(__name__)

router = routing.Router()

STOPPED_BY_COMMAND = "/claude stop"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A comment that holds commands. `key` names it among all that is spoken; `number` is where the answer goes.

    `issue` is the webhook's picture of the issue, None on a pull request. `message` makes of a text what Claude reads.
    """

    key: str
    number: int
    author: Actor
    at: datetime
    commands: tuple[Command, ...]
    repository: Repository
    payload: Mapping[str, Any]
    issue: Mapping[str, Any] | None
    message: Callable[[str], str]


@router.register("issue_comment", action="created")
async def comment_created(event: sansio.Event, desk: Desk) -> None:
    """In the conversation of an issue or of a pull request. An edited comment is not read again."""
    issue, comment = event.data["issue"], event.data["comment"]
    spoken = _heard(event, desk, comment, f"{comment['id']}", issue["number"])
    if spoken is None:
        return
    await github.look_at_comment(desk.gh, spoken.repository, "issues/comments", comment["id"])
    await _answer(desk, spoken)


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

    spoken = _heard(event, desk, comment, f"remark-{comment['id']}", pull_request["number"], message)
    if spoken is None:
        return
    await github.look_at_comment(desk.gh, spoken.repository, "pulls/comments", comment["id"])
    allow(policy.may_work_on_pull_request(pull_request))
    await _answer(desk, spoken)


@router.register("pull_request_review", action="submitted")
async def review_submitted(event: sansio.Event, desk: Desk) -> None:
    """The text of a review. GitHub takes no reaction to one."""
    review, pull_request = event.data["review"], event.data["pull_request"]
    review = {**review, "created_at": review["submitted_at"]}
    spoken = _heard(event, desk, review, f"review-{review['id']}", pull_request["number"])
    if spoken is None:
        return
    allow(policy.may_work_on_pull_request(pull_request))
    await _answer(desk, spoken)


def _heard(
    event: sansio.Event,
    desk: Desk,
    comment: Mapping[str, Any],
    key: str,
    number: int,
    message: Callable[[str], str] | None = None,
) -> Spoken | None:
    """What was said, if it holds a command and a person said it."""
    found = commands.parse(comment.get("body") or "")
    if not found or not policy.speaks_for_itself(event.data["sender"], comment):
        return None
    author = github.actor_of(comment["user"], desk.house)
    issue = event.data.get("issue")
    return Spoken(
        key=key,
        number=number,
        author=author,
        at=github.when(comment["created_at"]),
        commands=found,
        repository=github.repository_of(event.data["repository"], desk.house),
        payload=event.data["repository"],
        issue=issue if issue is not None and "pull_request" not in issue else None,
        message=message or (lambda text: prompt.of_instruction(author.login, text, starting.new_boundary())),
    )


async def _answer(desk: Desk, spoken: Spoken) -> None:
    """Carry out what is asked, in order, and say in one comment what became of it."""
    marker = github.answer_marker(spoken.key)
    if await github.find_our_comment(desk.gh, desk.house, spoken.repository, spoken.number, marker, spoken.at):
        return
    allow(
        policy.may_command(spoken.author.login, await github.permission_of(desk.gh, spoken.repository, spoken.author))
    )
    said: list[str] = []
    for number, command in enumerate(spoken.commands):
        try:
            answer = await _carry_out(desk, spoken, command, starting.wish_id(f"{spoken.key}/{number}"))
        except Refusal as refusal:
            answer = str(refusal)
        if answer not in said:
            said.append(answer)
    await github.post_comment(
        desk.gh, desk.house, spoken.repository, spoken.number, f"{marker}\n" + "\n\n---\n\n".join(said)
    )


async def _carry_out(desk: Desk, spoken: Spoken, command: Command, wish: str) -> str:
    label = desk.house.trigger_label
    if command.verb is Verb.help:
        return answers.helping(label)
    if command.verb in RESERVED:
        return answers.not_yet(command.verb)
    task = await _task_of(desk, spoken)
    if task is None:
        if spoken.issue is None:
            return answers.not_ours(label)
        if command.verb in {Verb.instruct, Verb.retry}:
            return await _start(desk, spoken, spoken.issue, command.text, wish)
        return answers.no_task(label)
    match command.verb:
        case Verb.stop:
            stopping = await desk.conductor.stop(task.id, spoken.author.login, STOPPED_BY_COMMAND)
            return answers.STOPPING if stopping else answers.NOTHING_TO_STOP
        case Verb.status:
            return answers.status(await desk.store.view(task.id))
        case Verb.approve | Verb.deny:
            return await _decide(desk, spoken, task, command)
        case _:
            return await _tell(desk, spoken, task, command, wish)


async def _task_of(desk: Desk, spoken: Spoken) -> Task | None:
    if spoken.issue is not None:
        return await desk.store.task_of("github", github.identity_of(spoken.repository, spoken.number))
    task = await desk.store.task_of_pull_request(spoken.repository.host, spoken.repository.id, spoken.number)
    if task is not None:
        return task
    pull_request = await desk.gh.getitem(f"/repos/{spoken.repository.full_name}/pulls/{spoken.number}")
    allow(policy.may_work_on_pull_request(pull_request))
    return await pull_requests.task_of(desk, spoken.repository, pull_request)


async def _start(desk: Desk, spoken: Spoken, issue: Mapping[str, Any], extra: str, wish: str) -> str:
    await starting.open_issue(desk, spoken.payload, spoken.number)
    submission = await starting.begin(
        desk, spoken.payload, issue, spoken.at, spoken.author, TriggerKind.command, wish, extra
    )
    return answers.submitted(submission, await desk.store.view(submission.task.id), None)


async def _decide(desk: Desk, spoken: Spoken, task: Task, command: Command) -> str:
    view = await desk.store.view(task.id)
    allowed = command.verb is Verb.approve
    if view.waiting_for is WaitingFor.answer and allowed and not command.text:
        return answers.ASKED_IN_WORDS
    text = visible(command.text)
    taken = await desk.conductor.decide(task.id, spoken.author.login, allowed=allowed, text=text)
    return answers.decided(allowed) if taken else answers.NOTHING_TO_DECIDE


async def _tell(desk: Desk, spoken: Spoken, task: Task, command: Command, wish: str) -> str:
    """An instruction or a new try: to the active run, else in a new run."""
    before = await desk.store.view(task.id)
    if before.state.is_active:
        if command.verb is Verb.retry and not command.text:
            return f"{answers.AT_WORK}\n\n{answers.status(before)}"
        message = spoken.message(command.text)
    else:
        message = await _first_words(desk, spoken, task, command, worked=any(run.turns for run in before.runs))
    submission = await starting.go_on(desk, task, spoken.repository, spoken.author, message, wish, command.text)
    return answers.submitted(submission, await desk.store.view(task.id), before.waiting_for)


async def _first_words(desk: Desk, spoken: Spoken, task: Task, command: Command, *, worked: bool) -> str:
    """What a new run begins with. Claude knows the task, unless it never worked on it or begins on a new branch."""
    allow(policy.may_work_in(spoken.payload))
    number = task.subject.number if task.subject.source == "github" else None
    if number is not None:
        await starting.open_issue(desk, spoken.payload, number)
    again = await starting.begin_again_if_over(desk, task)
    if (again or not worked) and spoken.issue is not None:
        return await starting.first_message(
            desk, spoken.repository, spoken.issue, spoken.at, spoken.author, command.text
        )
    if again or not worked:
        return await _as_first_asked(desk, task, spoken.message(command.text) if command.text else "")
    if command.verb is Verb.retry:
        return prompt.of_retry(spoken.author.login, command.text, starting.new_boundary())
    return spoken.message(command.text)


async def _as_first_asked(desk: Desk, task: Task, more: str) -> str:
    """The task in the words that were approved, not as the issue may have been edited since."""
    first = await desk.store.first_wish(task.id)
    return "\n\n".join(part for part in (first.instruction, more) if part)
