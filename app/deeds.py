"""What the command line, the API and the pages have done: the same as a comment does."""

import asyncio
import re
import secrets
from datetime import UTC, datetime
from urllib.parse import urlsplit

import gidgethub

from app.api import OPERATOR
from app.github import GitHub
from handlers import doing, policy, reconciling, starting
from handlers.commands import Command, Verb
from handlers.desk import Desk, House
from handlers.doing import Asked
from handlers.github import allow, repository_of
from runner import transcript
from runner.conductor import Conductor
from runner.engine import Engine
from runner.errors import Refusal
from runner.mirror import Mirrors
from runner.publishing import remote_of
from runner.store import Store
from runner.tasks import Actor, Repository, Task, TaskId, TriggerKind
from runner.view import TaskView

# Where it was said, for people elsewhere.
HERE = "the dashboard"

# The screen that a transcript is drawn for when it is read as text.
WIDTH = 100


class Deeds:
    """Each raises Refusal, with a sentence, where it cannot be done."""

    def __init__(
        self, github: GitHub, conductor: Conductor, store: Store, mirrors: Mirrors, engine: Engine, house: House
    ) -> None:
        self._github = github
        self._conductor = conductor
        self._store = store
        self._mirrors = mirrors
        self._engine = engine
        self._house = house

    async def start(self, url: str) -> TaskId:
        """Start work on an issue by its address."""
        full_name, number = self._issue_at(url)
        repository = Repository(self._house.host, 0, full_name, "", "")
        gh = self._github.of(repository)
        try:
            payload = await gh.getitem(f"/repos/{full_name}")
            issue = await gh.getitem(f"/repos/{full_name}/issues/{number}")
        except gidgethub.BadRequest as error:
            raise Refusal(
                f"GitHub does not show us {full_name}#{number}: is the App installed on that repository?"
            ) from error
        if "pull_request" in issue:
            raise Refusal(f"{full_name}#{number} is a pull request: give the address of an issue.")
        desk = self._desk(repository_of(payload, self._house))
        await starting.open_issue(desk, payload, number)
        _, seen = await reconciling.look(desk, payload, number)
        submission = await starting.begin(
            desk, payload, issue, datetime.now(UTC), OPERATOR, TriggerKind.command, _new_wish(), by_our_clock=True
        )
        if (labelled := seen.standing.labelled) is not None:  # this is what it asked for, too
            await self._store.marks.answer(submission.task.subject.identity, labelled.labelling)
        return submission.task.id

    async def retry(self, task: Task, text: str, actor: Actor) -> None:
        """A new run on the same session."""
        if await self._store.active_run(task.id) is not None:
            raise Refusal(f"Task {task.id} is at work already. To tell Claude something, steer it.")
        await self._tell(task, Command(Verb.retry, text), actor)

    async def steer(self, task: Task, text: str, actor: Actor) -> None:
        """Say something to Claude: to the active run, else in a new one."""
        await self._tell(task, Command(Verb.instruct, text), actor)

    async def _tell(self, task: Task, command: Command, actor: Actor) -> None:
        desk = self._desk(task.repository)
        asked = Asked(actor, command, _new_wish(), None, doing.message_of(actor), HERE)

        async def first_words(worked: bool) -> str:
            if actor != OPERATOR:
                await self._can_still_be_worked_on(desk, task)
            return await doing.words_again(desk, task, asked, worked=worked)

        await doing.tell(desk, task, task.repository, asked, first_words)

    async def stop(self, task: Task, text: str, actor: Actor) -> bool:
        """False where nothing runs."""
        return await self._conductor.stop(task.id, actor.login, text or "asked for on the dashboard")

    async def decide(self, task: Task, allowed: bool, text: str, actor: Actor) -> bool:
        """False where nothing waits for a person."""
        return await self._conductor.decide(task.id, actor.login, allowed=allowed, text=text)

    async def diff(self, task: Task) -> str:
        """What is pushed, against where the branch began."""
        if task.base_sha is None or task.pushed_sha is None:
            raise Refusal(f"Task {task.id} has pushed nothing yet, so there is nothing to compare.")
        mirror = self._mirrors.of(remote_of(task.repository))
        for sha in (task.base_sha, task.pushed_sha):
            if not await mirror.objects.has(sha):  # `cco gc` took the mirror away, or the database came here without it
                await mirror.fetch(await self._github.credential(task.repository, False))
                if not await mirror.objects.has(sha):
                    raise Refusal(f"The commits of task {task.id} are gone from GitHub and from this machine.")
        return await mirror.objects.diff(task.base_sha, task.pushed_sha)

    async def transcript(self, view: TaskView, after: str | None) -> tuple[str, str | None]:
        """What Claude did and said in the latest run, behind a mark (`<launch>/<bytes>`), and the next mark."""
        mark = re.fullmatch(r"(\d{1,9})/(\d{1,15})", after or "1/0")
        if mark is None:
            raise Refusal("`after` is not a mark of ours: give the last answer's X-Next, or leave it out.")
        number, start = int(mark[1]), int(mark[2])
        run = view.run
        directory = self._engine.spool_of(view.task.id, run.id, number)
        if not (directory / "spec.json").exists():
            return "", None if not run.state.is_active else f"{number}/{start}"
        text, end = await asyncio.to_thread(transcript.part, directory, start, WIDTH)
        if text or end != start:
            return self._house.redact(text), f"{number}/{end}"
        if number < run.launch:
            return "", f"{number + 1}/0"
        return "", f"{number}/{end}" if run.state.is_active else None

    async def _can_still_be_worked_on(self, desk: Desk, task: Task) -> None:
        """The same that a comment is held to: the issue is open, and the repository takes pushes."""
        payload = await desk.gh.getitem(f"/repos/{task.repository.full_name}")
        allow(policy.may_work_in(payload))
        if task.subject.source == "github" and task.subject.number is not None:
            await starting.open_issue(desk, payload, task.subject.number)

    def _desk(self, repository: Repository) -> Desk:
        return Desk(self._github.of(repository), self._conductor, self._store, self._house)

    def _issue_at(self, url: str) -> tuple[str, int]:
        parts = urlsplit(url)
        found = re.fullmatch(r"/([\w.-]+/[\w.-]+)/issues/(\d{1,9})/?", parts.path)
        if found is None or parts.netloc.lower() != self._house.host.lower():
            raise Refusal(
                f"That is not the address of an issue on {self._house.host}: "
                f"give one such as https://{self._house.host}/octo/hello/issues/42"
            )
        return found[1], int(found[2])


def _new_wish() -> str:
    return starting.wish_id(f"operator/{secrets.token_hex(16)}")
