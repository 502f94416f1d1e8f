"""The dashboard on a real store, and a browser's side of it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from gidgethub.abc import GitHubAPI

from app import web as server
from app.api import Api, Deeds, only_with
from app.dashboard.pages import add_dashboard
from app.dashboard.signing_in import Entrance
from app.dashboard.with_github import WithGitHub
from app.doctor import Check
from app.github import GitHub
from app.github_people import People
from app.live import Live
from runner.errors import Refusal
from runner.store import Store, Submission, open_store
from runner.tasks import Actor, Outcome, Repository, RunState, Subject, Task, TaskId, TriggerKind, Wish
from runner.view import TaskView

TOKEN = "t" * 32
HELLO = Repository("github.com", 7, "octo/hello", "https://github.com/octo/hello.git", "main")


@dataclass
class Pages:
    """The service, a browser, and a clock that can be put forward. `done` is what people had done, `by` who did."""

    store: Store
    browser: aiohttp.ClientSession
    live: Live
    entrance: Entrance = field(init=False)
    url: str = ""
    later: timedelta = timedelta(0)
    done: list[tuple[Any, ...]] = field(default_factory=list)
    by: list[Actor] = field(default_factory=list)
    refusal: Exception | None = None
    active: bool = True
    parts: list[str] = field(default_factory=list)
    changed: str = ""

    def now(self) -> datetime:
        return datetime.now(UTC) + self.later

    async def submit(
        self, number: int = 42, title: str = "The parser drops the last line", where: Repository = HELLO
    ) -> Submission:
        url = f"https://{where.host}/{where.full_name}/issues/{number}"
        subject = Subject("github", f"{where.host}/{where.id}/{number}", f"{where.full_name}#{number}", url, title)
        wish = Wish(TriggerKind.label, Actor("ada", 5), "do it", f"wish-{number}-{datetime.now(UTC)}")
        return await self.store.submit(subject, where, f"claude/issue-{number}", wish)

    async def move(self, submission: Submission, *states: RunState, **how: Any) -> None:
        for state in states:
            await self.store.move(submission.run.id, state, **(how if state is states[-1] else {}))

    async def record(self, submission: Submission, *events: Any) -> None:
        await self.store.record(submission.task.id, *events, run_id=submission.run.id)

    async def settle(self, submission: Submission, outcome: Outcome, reason: str = "") -> None:
        await self.store.settle(submission.run.id, outcome, reason)

    async def sign_in(self) -> None:
        status, _ = await self.get(self.entrance.link("").removeprefix(self.url))
        assert status == 200

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.browser.get(self.url + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def send(self, path: str, csrf: str | None = None, **headers: str) -> tuple[int, str]:
        """A form of the task's page, as the browser sends it."""
        if csrf is None:
            csrf = await self.csrf()
        given = {"Origin": self.url, **headers}
        fields = {"csrf": csrf, "text": "as I\r\nsay"}
        async with self.browser.post(self.url + path, data=fields, headers=given) as answer:
            return answer.status, await answer.text()

    async def csrf(self) -> str:
        _, text = await self.get("/")
        found = re.search(r'name="csrf" value="([^"]+)"', text)
        assert found
        return found[1]

    # What the pages have done here is written down, and nothing else happens.

    def deeds(self) -> Deeds:
        def noted(actor: Actor, *what: object) -> bool:
            if self.refusal:
                raise self.refusal
            self.done.append(what)
            self.by.append(actor)
            return self.active

        async def start(url: str) -> TaskId:
            raise AssertionError(url)

        async def retry(task: Task, text: str, actor: Actor) -> None:
            noted(actor, "retry", task.id, text)

        async def steer(task: Task, text: str, actor: Actor) -> None:
            noted(actor, "steer", task.id, text)

        async def stop(task: Task, text: str, actor: Actor) -> bool:
            return noted(actor, "stop", task.id, text)

        async def decide(task: Task, allowed: bool, text: str, actor: Actor) -> bool:
            return noted(actor, "approve" if allowed else "deny", task.id, text)

        async def diff(_: Task) -> str:
            if not self.changed:
                raise Refusal("Nothing is pushed yet.")
            return self.changed

        async def transcript(view: TaskView, after: str | None) -> tuple[str, str | None]:
            part = int((after or "1/0").partition("/")[2])
            if part < len(self.parts):
                return self.parts[part], f"1/{part + 1}"
            return "", f"1/{part}" if view.state.is_active else None

        return Deeds(start, retry, steer, stop, decide, diff, transcript)


async def _examine() -> list[Check]:
    return [
        Check("git", ok=True, detail="git version 2.39.5"),
        Check("model", ok=False, detail="ANTHROPIC_API_KEY is not set", mend="export ANTHROPIC_API_KEY=sk-ant-…"),
    ]


@asynccontextmanager
async def open_pages(
    directory: Path,
    *,
    public_url: str | None = None,
    port: int = 0,
    github: GitHub | None = None,
    sign_in: Callable[[Entrance], WithGitHub] | None = None,
) -> AsyncIterator[Pages]:
    """Up, with nobody signed in. `github` is asked who may see what, `sign_in` makes the way in with GitHub."""
    jar = aiohttp.CookieJar(unsafe=True)  # that is: also for an address without a name
    async with open_store(directory / "cco.db") as store, aiohttp.ClientSession(cookie_jar=jar) as browser:
        live = Live(store)
        pages = Pages(store, browser, live)
        pages.entrance = Entrance(TOKEN, public_url, pages.now)
        app = server.application(server.hosts_of(public_url, "127.0.0.1", 0))
        app.middlewares.append(only_with(TOKEN, pages.entrance.admits))
        app.add_routes([*Api(store, pages.deeds()).routes(), web.get("/api/live", live.listen)])
        people = People(github.of if github else _nobody_asks, github.bot.host if github else "github.com", pages.now)
        with_github = sign_in(pages.entrance) if sign_in else None
        add_dashboard(app, store, pages.deeds(), pages.entrance, _examine, people, with_github)
        running = asyncio.create_task(live.run())
        async with server.serving(app, "127.0.0.1", port) as port:
            pages.url = f"http://127.0.0.1:{port}"
            yield pages
            await live.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def _nobody_asks(repository: Repository) -> GitHubAPI:
    raise AssertionError(repository)
