"""Do with a task what a person asks for, whatever door it came through; and say what became of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from handlers import answers, policy, prompt, starting
from handlers.commands import RESERVED, Command, Verb
from handlers.desk import Desk
from handlers.github import allow
from handlers.reconciling import bring_task_up_to_date
from handlers.sanitize import visible
from runner.tasks import Actor, Repository, Task, WaitingFor

STOPPED_BY_COMMAND = "/claude stop"


@dataclass(frozen=True, slots=True)
class Asked:
    """One command of a person's. `at` is when they gave it, by the clock of the place; None: by ours, a moment ago.

    `wish` names it among all that is ever asked: given again it changes nothing. `place` is where, for people
    elsewhere; empty is GitHub. `message` makes of a text what Claude reads.
    """

    actor: Actor
    command: Command
    wish: str
    at: datetime | None
    message: Callable[[str], str]
    place: str = ""


# What a new run begins with; it is told whether Claude worked on the task before.
FirstWords = Callable[[bool], Awaitable[str]]


def message_of(actor: Actor) -> Callable[[str], str]:
    """What Claude reads of what somebody says to it."""
    return lambda text: prompt.of_instruction(actor.login, text, starting.new_boundary())


async def carry_out(desk: Desk, task: Task, asked: Asked) -> str:
    """A command given elsewhere than on GitHub, by somebody who may. The answer is Markdown, and ours.

    Raises Refusal, with the sentence, and TryLater.
    """
    verb = asked.command.verb
    if verb is Verb.help:
        return answers.helping(desk.house.trigger_label)
    if verb in RESERVED:
        return answers.not_yet(verb)
    payload = await desk.gh.getitem(f"/repos/{task.repository.full_name}")
    await bring_task_up_to_date(desk, payload, task)
    task = await desk.store.task(task.id)
    if (answer := await at_once(desk, task, asked)) is not None:
        return answer
    await starting.not_while_stopping(desk, task)

    async def first_words(worked: bool) -> str:
        allow(policy.may_work_in(payload))
        if task.subject.source == "github" and task.subject.number is not None:
            await starting.open_issue(desk, payload, task.subject.number)
        return await words_again(desk, task, asked, worked=worked)

    return await tell(desk, task, task.repository, asked, first_words)


async def at_once(desk: Desk, task: Task, asked: Asked) -> str | None:
    """What is answered without a word to Claude: a stop, a question about how it stands, a yes or a no. Else None."""
    match asked.command.verb:
        case Verb.stop:
            return await _stop(desk, task, asked)
        case Verb.status:
            return answers.status(await desk.store.view(task.id))
        case Verb.approve | Verb.deny:
            return await _decide(desk, task, asked)
        case _:
            return None


async def tell(desk: Desk, task: Task, repository: Repository, asked: Asked, first_words: FirstWords) -> str:
    """An instruction or a new try: to the active run, else in a new run. `repository` as it is called today."""
    before = await desk.store.view(task.id)
    if before.state.is_active:
        if asked.command.verb is Verb.retry and not asked.command.text:
            return f"{answers.AT_WORK}\n\n{answers.status(before)}"
        message = asked.message(asked.command.text)
    else:
        message = await first_words(any(run.turns for run in before.runs))
    submission = await starting.go_on(
        desk, task, repository, asked.actor, message, asked.wish, asked.command.text, asked.at, asked.place
    )
    return answers.submitted(submission, await desk.store.view(task.id), before.waiting_for)


async def words_again(desk: Desk, task: Task, asked: Asked, *, worked: bool) -> str:
    """What a new run begins with. Claude knows the task, unless it never worked on it or begins on a new branch."""
    text = asked.command.text
    if await starting.begin_again_if_over(desk, task) or not worked:
        return await as_first_asked(desk, task, asked.message(text) if text else "")
    if asked.command.verb is Verb.retry:
        return prompt.of_retry(asked.actor.login, text, starting.new_boundary())
    return asked.message(text)


async def as_first_asked(desk: Desk, task: Task, more: str) -> str:
    """The task in the words that were approved, not as the issue may have been edited since."""
    first = await desk.store.first_wish(task.id)
    return "\n\n".join(part for part in (first.instruction, more) if part)


async def _stop(desk: Desk, task: Task, asked: Asked) -> str:
    """End what was asked for before this was said."""
    view, at = await desk.store.view(task.id), asked.at or datetime.now(UTC)
    if not view.state.is_active:
        ended_at = view.run.ended_at
        was_this = view.run.stop_asked_by == asked.actor.login and ended_at is not None and ended_at >= at
        return answers.STOPPING if was_this else answers.NOTHING_TO_STOP
    if await desk.store.asked_last(view.run.id) > at:
        return answers.ASKED_SINCE
    await desk.conductor.stop(task.id, asked.actor.login, STOPPED_BY_COMMAND)
    return answers.STOPPING


async def _decide(desk: Desk, task: Task, asked: Asked) -> str:
    view = await desk.store.view(task.id)
    allowed = asked.command.verb is Verb.approve
    if view.waiting_for is WaitingFor.answer and allowed and not asked.command.text:
        return answers.ASKED_IN_WORDS
    text = visible(asked.command.text)
    taken = await desk.conductor.decide(task.id, asked.actor.login, allowed=allowed, text=text)
    return answers.decided(allowed) if taken else answers.NOTHING_TO_DECIDE
