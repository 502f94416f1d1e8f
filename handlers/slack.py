"""Do what people ask for in Slack: a reply in a task's thread, a button, `/claude`, a message made into a task."""

import re
from datetime import datetime

from handlers import answers, slack_starting
from handlers.commands import RESERVED, Command, Verb, spoken
from handlers.messages import headline
from handlers.messages_slack import words
from handlers.mrkdwn import markdown
from handlers.rewriting import code
from handlers.sanitize import neutralise_line
from handlers.slack_buttons import request_of
from handlers.slack_heard import Clicked, Filled, Heard, Pointed, Said, Typed
from handlers.slack_office import Office, asker, carry_out
from runner.errors import Refusal
from runner.tasks import TaskId

ANSWERED_BEFORE = (
    "That button was for an earlier question. What is asked now, if anything, is at the end of the thread."
)
NO_SUCH_TASK = "There is no task {name}. `/claude list` has those there are, and `/claude start` begins one."
WHICH = "Say which task: {example}. `/claude list` has those there are."
NOTHING_YET = "There are no tasks yet in a repository that you can push to. `/claude` and what you want begins one."
LISTED = 15
HELP = """\
`/claude` and what you want opens a form, and begins a task. In a task's thread you just write: Claude reads it.

- `/claude list`: the latest tasks
- `/claude status T`: how a task stands; T is its number, `octo/hello#42` or `PROJ-7`
- `/claude stop T`, `/claude retry T`, `/claude approve T`, `/claude deny T`
- `/claude help`: this

You may do what you may do on GitHub: whoever can push to a repository can ask for work there.
"""

_NUMBER_OF_NOTHING = re.compile(r"[0-9]{19}")  # more than the database counts to
OF_A_TASK = frozenset({Verb.stop, Verb.status, Verb.retry, Verb.approve, Verb.deny}) | RESERVED


async def hear(office: Office, heard: Heard, at: datetime) -> None:
    """Do it; again, it changes nothing. `at` is when it reached us. A Refusal is told to the one person alone."""
    try:
        match heard:
            case Said():
                await _said(office, heard)
            case Clicked():
                await _clicked(office, heard)
            case Typed():
                await _typed(office, heard, at)
            case Pointed():
                await slack_starting.pointed(office, heard)
            case Filled():
                await slack_starting.filled(office, heard, at)
    except Refusal as refusal:
        await office.hands.whisper(heard.where, words(str(refusal), office.house.redact))


async def _said(office: Office, heard: Said) -> None:
    """To a task, if the thread is one's. What is not said in words is said by 👀."""
    task_id = await office.store.receipts.task_at("slack", f"{heard.thread.channel}/{heard.thread.ts}")
    if task_id is None:
        return
    task, command = await office.store.task(task_id), spoken(markdown(heard.text))
    key = f"{heard.spot.channel}/{heard.spot.ts}"
    answer = await carry_out(office, task, heard.where, command, key, heard.at)
    await office.hands.look(heard.spot)
    if command.verb is not Verb.instruct or not _says_no_more_than_eyes(answer):
        mark = {"subject": task.subject.identity, "answers": heard.spot.ts}
        await office.hands.reply_once(heard.thread, words(answer, office.house.redact), mark)


def _says_no_more_than_eyes(answer: str) -> bool:
    """It was taken, now or, where 👀 had to wait, before."""
    return answer in {answers.ON_IT, answers.PASSED_ON} or answer.startswith(answers.HAVE_IT)


async def _clicked(office: Office, heard: Clicked) -> None:
    """A button. One that stands below an older question answers no newer one."""
    if not await office.store.register.known([heard.task]):
        raise Refusal(NO_SUCH_TASK.format(name=heard.task))
    view = await office.store.view(TaskId(heard.task))
    if heard.verb in {Verb.approve, Verb.deny} and heard.request != request_of(view):
        raise Refusal(ANSWERED_BEFORE)
    answer = await carry_out(office, view.task, heard.where, Command(heard.verb), heard.key, heard.at)
    await office.hands.whisper(heard.where, words(answer, office.house.redact))


async def _typed(office: Office, heard: Typed, at: datetime) -> None:
    """`/claude` and a text: a word about a task, or a new one."""
    word, *tail = heard.text.split(maxsplit=1) or ["help"]
    rest = "".join(tail).strip()
    match word.lower():
        case "help" if not rest:
            answer = HELP.strip()
        case "list" if not rest:
            answer = await _list(office, heard)
        case "start":
            return await slack_starting.typed(office, heard, rest)
        case _:
            found = await _about_a_task(office, heard, word.lower(), rest, at)
            if found is None:
                return await slack_starting.typed(office, heard, heard.text)
            answer = found
    await office.hands.whisper(heard.where, words(answer, office.house.redact))
    return None


async def _about_a_task(office: Office, heard: Typed, word: str, rest: str, at: datetime) -> str | None:
    """None if it is no command about a task. A reserved word that names no task is just how a sentence begins."""
    if word not in Verb.__members__ or Verb(word) not in OF_A_TASK:
        return None
    verb, (name, *more) = Verb(word), rest.split(maxsplit=1) or [""]
    task = await office.store.register.find(name) if name and _NUMBER_OF_NOTHING.search(name) is None else None
    if task is None and verb in RESERVED:
        return None
    if not name:
        raise Refusal(WHICH.format(example=code(f"/claude {verb} octo/hello#42")))
    if task is None:
        raise Refusal(NO_SUCH_TASK.format(name=code(name[:100])))
    command = Command(verb, markdown("".join(more).strip()))
    return await carry_out(office, task, heard.where, command, heard.key, at)


async def _list(office: Office, heard: Typed) -> str:
    """The latest tasks in repositories that this person can push to."""
    views = await office.store.views(limit=100)
    if not views:
        return NOTHING_YET
    gh = office.desk_of(views[0].task.repository).gh
    actor = await asker(office, gh, heard.where.user)
    every = {view.task.repository.id: view.task.repository for view in views}
    may = {one.id for one in await office.visible(actor, every.values())}
    lines = [
        f"- [{view.task.subject.key}]({view.task.subject.url}) "
        f"{neutralise_line(view.task.subject.title, 100)}: {neutralise_line(headline(view))}"
        for view in views
        if view.task.repository.id in may
    ]
    return "\n".join(lines[:LISTED]) or NOTHING_YET
