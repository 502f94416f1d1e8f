"""Our App in a repository of the stand-in GitHub, with a real store: what a delivery is worked on at."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from gidgethub import sansio
from pydantic import SecretStr

from app.demo.github import World, bare, pulls
from app.demo.github.model import App, Issue
from app.github import GitHub, open_github
from app.settings_model import GitHubSettings
from handlers.desk import Desk, House
from handlers.dispatch import dispatch
from handlers.publishing import GitHubForge
from runner.conductor import Conductor
from runner.events import BranchPushed, Event, PullRequestOpened
from runner.means import Means
from runner.store import Store, open_store
from runner.tasks import Outcome, PullRequest, Repository, RunState, Task
from tests.fakes.github import Clock, checked

SECRET = "hunter2hunter2"


def idle_conductor(store: Store) -> Conductor:
    """The real one, not running: it takes what people say, and nobody carries it out."""
    nothing: dict[str, Any] = dict.fromkeys(one.name for one in fields(Means))
    return Conductor(Means(**{**nothing, "store": store, "now": lambda: datetime.now(UTC)}))


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
        return Desk(self.github.of(self.repository), idle_conductor(self.store), self.store, self.house)

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

    async def run(self, *occurred: Event) -> Task:
        """The one task's run is at work, and this happened in it."""
        (task,) = await self.tasks()
        run = (await self.store.view(task.id)).run
        if run.state is RunState.queued:
            await self.store.move(run.id, RunState.starting)
            await self.store.move(run.id, RunState.running)
        await self.store.record(task.id, *occurred, run_id=run.id)
        return await self.store.task(task.id)

    async def end(self, outcome: Outcome, reason: str = "") -> Task:
        """It ended so."""
        task = await self.run()
        run = (await self.store.view(task.id)).run
        if outcome.state is RunState.succeeded:
            await self.store.move(run.id, RunState.publishing)
        await self.store.settle(run.id, outcome, reason)
        return await self.store.task(task.id)

    async def push(self, branch: str, text: str) -> str:
        """A commit on top of main, at the tip of the branch; gives its SHA."""
        path = self.world.repository("octo/hello").path
        blob = (await bare.git(path, "hash-object", "-w", "--stdin", stdin=text.encode())).strip()
        tree = (await bare.git(path, "mktree", stdin=f"100644 blob {blob}\tREADME.md\n".encode())).strip()
        parent = (await bare.refs(path))["refs/heads/main"]
        sha = (await bare.git(path, "commit-tree", tree, "-p", parent, "-m", "Say more")).strip()
        await bare.git(path, "update-ref", f"refs/heads/{branch}", sha)
        return sha

    async def drop(self, branch: str) -> None:
        """Someone deletes a branch."""
        there = self.world.repository("octo/hello")
        before = await bare.refs(there.path)
        await bare.git(there.path, "update-ref", "-d", f"refs/heads/{branch}")
        await pulls.refs_moved(self.world, there, self.world.user("anna"), before, await bare.refs(there.path))

    async def publish(self) -> PullRequest:
        """The one task has a commit, and its draft pull request."""
        (task,) = await self.tasks()
        sha = await self.push(task.branch, "Hello there\n")
        await self.run(BranchPushed(task.branch, sha, 1, 1, 1, 1))
        opened = await self.forge().open_pull_request(await self.store.view(task.id))
        await self.run(PullRequestOpened(opened.number, opened.url))
        return opened

    def forge(self) -> GitHubForge:
        """Ours, with these hands."""
        return GitHubForge(self.github.of, self.house)

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


def later(office: Office, seconds: int = 10) -> None:
    """Time goes by on GitHub."""
    assert isinstance(office.world.clock, Clock)
    office.world.clock.forward(timedelta(seconds=seconds))


@pytest.fixture
async def office(tmp_path: Path, github_clock: Clock) -> AsyncIterator[Office]:
    """One valid world: nothing has happened yet. At the end nothing may have broken a contract of GitHub's."""
    world = World(tmp_path / "github", clock=github_clock)
    async with checked(world), open_office(world, tmp_path) as office:
        yield office
    assert world.violations == []


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
