"""Do what people ask for in Slack: a reply in a task's thread, a button, `/claude`, a message made into a task."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gidgethub.abc import GitHubAPI

from handlers import answers, doing, github, people, policy, starting
from handlers.commands import Command, Verb, spoken
from handlers.desk import Desk, House
from handlers.doing import Asked
from handlers.github import allow
from handlers.messages_slack import Message, request_of, words
from handlers.mrkdwn import markdown
from handlers.reporters.slack import Mark, Rooms, Spot
from handlers.slack_heard import Clicked, Heard, Said, Whisper
from runner.errors import Refusal
from runner.store import Store
from runner.tasks import Actor, Repository, Task, TaskId

logger = logging.getLogger(__name__)

PLACE = "Slack"  # what other places call it

ANSWERED_BEFORE = (
    "That was a button for an earlier question. What is asked now, if anything, is at the end of the thread."
)
NO_SUCH_TASK = "There is no such task. `/claude list` has those there are."
# 👀 says as much.
NEEDS_NO_WORDS = frozenset({answers.ON_IT, answers.PASSED_ON})


class Hands(Protocol):
    """What we do in Slack besides telling of tasks; `app/slack_hands.py` does it on Slack."""

    async def look(self, spot: Spot) -> None:
        """👀 on a message; twice is once."""

    async def whisper(self, where: Whisper, message: Message) -> None:
        """Tell one person something that only they see."""

    async def reply_once(self, thread: Spot, message: Message, mark: Mark) -> None:
        """A reply in a thread, unless there is one with this mark."""

    async def email_of(self, user: str) -> str | None:
        """Their e-mail address, if Slack says that it is confirmed."""


@dataclass(frozen=True, slots=True)
class Office:
    """What one thing that was heard in Slack is worked on with.

    `people` is `[people]` of cco.toml. `repositories` are GitHub's descriptions of those where the App is installed;
    `visible` are those of them that somebody may write to.
    """

    hands: Hands
    rooms: Rooms
    people: Mapping[str, str]
    store: Store
    house: House
    desk_of: Callable[[Repository], Desk]
    repositories: Callable[[], AsyncIterator[dict[str, Any]]]
    visible: Callable[[Actor, Iterable[Repository]], Awaitable[Sequence[Repository]]]


async def hear(office: Office, heard: Heard, at: datetime) -> None:  # noqa: ARG001  (for what comes next)
    """Do it; again, it changes nothing. `at` is when it reached us. A Refusal is told to the one person alone."""
    try:
        match heard:
            case Said():
                await _said(office, heard)
            case Clicked():
                await _clicked(office, heard)
            case _:
                logger.debug("nothing listens to %s", heard)
    except Refusal as refusal:
        await office.hands.whisper(heard.where, words(str(refusal), office.house.redact))


async def asker(office: Office, gh: GitHubAPI, user: str) -> Actor:
    """Who somebody in Slack is on GitHub: by their id, or by the e-mail address that Slack has confirmed."""
    login = people.login_of(office.people, user)
    email = None if login is not None else await office.hands.email_of(user)
    if login is None and email is not None:
        login = people.login_of(office.people, email)
    actor = await people.user(gh, office.house, login) if login is not None else None
    if actor is None:
        raise Refusal(people.UNKNOWN.format(key=email or user))
    return actor


async def permitted(office: Office, desk: Desk, repository: Repository, user: str) -> Actor:
    """The same, if GitHub says right now that they may ask for work there; else a Refusal."""
    actor = await asker(office, desk.gh, user)
    allow(policy.may_command(actor.login, await github.permission_of(desk.gh, repository, actor)))
    return actor


async def carry_out(office: Office, task: Task, where: Whisper, command: Command, key: str, at: datetime | None) -> str:
    """A command to a task; the answer is Markdown. `key` names it among all that is ever asked in Slack."""
    desk = office.desk_of(task.repository)
    actor = await permitted(office, desk, task.repository, where.user)
    asked = Asked(actor, command, starting.wish_id(f"slack/{key}"), at, doing.message_of(actor), PLACE)
    return await doing.carry_out(desk, task, asked)


async def _said(office: Office, heard: Said) -> None:
    """To a task, if the thread is one's. What is not said in words is said by 👀."""
    task_id = await office.store.receipts.task_at("slack", f"{heard.thread.channel}/{heard.thread.ts}")
    if task_id is None:
        return
    task, command = await office.store.task(task_id), spoken(markdown(heard.text))
    key = f"{heard.spot.channel}/{heard.spot.ts}"
    answer = await carry_out(office, task, heard.where, command, key, heard.at)
    await office.hands.look(heard.spot)
    if command.verb is not Verb.instruct or answer not in NEEDS_NO_WORDS:
        mark = {"subject": task.subject.identity, "answers": heard.spot.ts}
        await office.hands.reply_once(heard.thread, words(answer, office.house.redact), mark)


async def _clicked(office: Office, heard: Clicked) -> None:
    """A button. One that stands below an older question answers no newer one."""
    if not await office.store.register.known([heard.task]):
        raise Refusal(NO_SUCH_TASK)
    view = await office.store.view(TaskId(heard.task))
    if heard.verb in {Verb.approve, Verb.deny} and heard.request != request_of(view):
        raise Refusal(ANSWERED_BEFORE)
    answer = await carry_out(office, view.task, heard.where, Command(heard.verb), heard.key, heard.at)
    await office.hands.whisper(heard.where, words(answer, office.house.redact))
