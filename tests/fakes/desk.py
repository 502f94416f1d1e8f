"""Our App in a repository of the stand-in GitHub, with a real store: what a delivery is worked on at."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from gidgethub import sansio
from pydantic import SecretStr

from app.demo.github import World
from app.demo.github.model import App, Issue
from app.github import GitHub, open_github
from app.settings_model import GitHubSettings
from handlers.desk import Desk, House
from handlers.dispatch import dispatch
from runner.events import Decided, StopAsked
from runner.store import Store, Submission, open_store
from runner.tasks import Outcome, Repository, Subject, Task, TaskId, Wish

SECRET = "hunter2hunter2"


class RestingConductor:
    """The conductor's three questions, over the store, with nobody at work: runs stay as they are."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def submit(self, subject: Subject, repository: Repository, branch: str, wish: Wish) -> Submission:
        return await self._store.submit(subject, repository, branch, wish)

    async def stop(self, task_id: TaskId, actor: str, why: str) -> bool:
        run = await self._store.active_run(task_id)
        if run is None:
            return False
        await self._store.record(task_id, StopAsked(actor, why), run_id=run.id)
        await self._store.settle(run.id, Outcome.stopped, f"{actor} stopped it.")
        return True

    async def decide(self, task_id: TaskId, actor: str, *, allowed: bool, text: str = "") -> bool:
        view = await self._store.view(task_id)
        if view.asked is None:
            return False
        await self._store.record(task_id, Decided(view.asked.request, actor, allowed, text), run_id=view.run.id)
        return True


@dataclass
class Office:
    """octo/hello with Anna (write), Rita (read) and Tom (triage), our App installed, and deliveries as they come."""

    world: World
    app: App
    store: Store
    github: GitHub
    house: House
    repository: Repository
    seen: set[str] = field(default_factory=set)

    def desk(self) -> Desk:
        return Desk(self.github.of(self.repository), RestingConductor(self.store), self.store, self.house)  # type: ignore[arg-type]  # see its docstring

    def events(self) -> list[sansio.Event]:
        """Webhooks that GitHub made since the last time."""
        fresh = [one for one in self.world.deliveries.values() if one.guid not in self.seen]
        self.seen.update(one.guid for one in fresh)
        return [sansio.Event(_plain(one.payload), event=one.event, delivery_id=one.guid) for one in fresh]

    async def work(self) -> list[sansio.Event]:
        """Dispatch what has come, until nothing new comes of it."""
        worked: list[sansio.Event] = []
        while events := self.events():
            for event in events:
                await dispatch(event, self.desk())
            worked += events
        return worked

    async def issue(self, title: str = "The parser drops the last line", body: str = "See the test.") -> Issue:
        return await self.world.act("anna").open_issue("octo/hello", title, body)

    def comments(self, issue: Issue) -> list[str]:
        """Ours."""
        return [comment.body for comment in issue.comments if comment.user is self.app.bot]

    def written(self) -> list[str]:
        """Every write of ours, as `METHOD path`, in order."""
        return [
            f"{one.method} {one.path}"
            for one in self.world.ledger.requests("POST|PATCH|PUT|DELETE")
            if one.token_kind == "installation" and one.status < 300
        ]

    async def tasks(self) -> list[Task]:
        return [view.task for view in await self.store.views()]

    async def instructions(self) -> list[str]:
        """What Claude would be told, of all runs, in order."""
        return [
            trigger.instruction
            for view in reversed(await self.store.views())
            for run in view.runs
            for trigger in await self.store.triggers(run.id)
        ]


def _plain(payload: Any) -> Any:
    return json.loads(payload) if isinstance(payload, bytes | str) else json.loads(json.dumps(payload))


@asynccontextmanager
async def open_office(world: World, path: Path) -> AsyncIterator[Office]:
    """Everything in place, and nothing asked of it yet."""
    people = {"anna": "write", "rita": "read", "tom": "triage"}
    there = await world.add_repository("octo/hello", files={"README.md": "Hello\n"}, permissions=people)  # type: ignore[arg-type]  # literals, all three
    app, pem = world.add_app("cc-orchestrator")
    world.add_installation(app, "octo")
    settings = GitHubSettings(url=world.base_url, api_url=world.api_url, app_id=str(app.id), private_key=SecretStr(pem))
    async with open_github(settings, write_interval=timedelta(0)) as github, open_store(path / "cco.db") as store:
        bot = await github.identify()
        house = House("claude", bot, "github.com", lambda text: text.replace(SECRET, "[redacted]"))
        repository = Repository("github.com", there.id, "octo/hello", f"{world.base_url}/octo/hello.git", "main")
        yield Office(world, app, store, github, house, repository)
