"""What is at hand when something is heard in Slack: who asks, whether they may, and how they are answered."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gidgethub.abc import GitHubAPI

from handlers import doing, github, people, policy, starting
from handlers.commands import Command
from handlers.desk import Desk, House
from handlers.doing import Asked
from handlers.github import allow
from handlers.messages_slack import Message
from handlers.slack_heard import Whisper
from handlers.slack_rooms import Mark, Rooms, Spot
from runner.errors import Refusal
from runner.store import Store
from runner.tasks import Actor, Repository, Task

PLACE = "Slack"  # what other places call it


Form = dict[str, Any]


class Hands(Protocol):
    """What we do in Slack besides telling of tasks; `app/slack_hands.py` does it on Slack."""

    async def look(self, spot: Spot) -> None:
        """👀 on a message; twice is once."""

    async def whisper(self, where: Whisper, message: Message) -> None:
        """Tell one person something that only they see."""

    async def reply_once(self, thread: Spot, message: Message, mark: Mark) -> None:
        """A reply in a thread, unless there is one with this mark."""

    async def open_form(self, trigger: str, form: Form) -> str | None:
        """Open a form for whoever pulled the trigger, and give its id; None if that was too long ago."""

    async def change_form(self, form_id: str, form: Form) -> None:
        """Put another form in its place."""

    async def link_to(self, spot: Spot) -> str:
        """The address of a message; empty where Slack gives none."""

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
