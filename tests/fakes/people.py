"""People who sign in with GitHub: the dashboard, a GitHub that knows them, and a browser for each."""

import html
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from app.credentials import OAuthClient
from app.dashboard.signing_in import Entrance
from app.dashboard.with_github import WithGitHub
from app.demo.github import World
from app.demo.github import model as at_github
from app.github import open_github
from app.manifest import callback_url
from app.settings_model import GitHubSettings
from runner.tasks import Repository
from tests.fakes.dashboard import Pages, open_pages


@dataclass
class Person:
    """Someone with a browser of their own, who is this person at GitHub."""

    login: str
    url: str
    github: World
    browser: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        url = path if path.startswith("http") else self.url + path
        async with self.browser.get(url, headers=headers) as answer:
            return answer.status, await answer.text()

    async def led(self, url: str) -> str:
        """Where this address leads."""
        async with self.browser.get(url, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return answer.headers["Location"]

    async def asked(self, path: str) -> str:
        """Ask for a page without being signed in, and go where its one link leads: GitHub's page, with our state."""
        status, text = await self.get(path)
        assert status == 401
        found = re.search(r'<a class="button" href="([^"]+)">Sign in with GitHub', text)
        assert found
        return await self.led(html.unescape(found[1]))

    async def agrees(self, authorize: str, deed: str = "authorize") -> str:
        """Press GitHub's button; gives the address that GitHub sends the browser to."""
        base = self.github.base_url
        async with self.browser.post(f"{base}/-/act", data={"who": self.login}, allow_redirects=False):
            pass
        status, text = await self.get(authorize)
        assert status == 200, text
        assert f"{self.login}, let" in text
        fields = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)">', text)}
        form = {**{name: fields[name] for name in fields if name not in {"back", "deed"}}, "deed": deed}
        async with self.browser.post(f"{base}/login/oauth/authorize", data=form, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return answer.headers["Location"]

    async def signs_in(self, path: str = "/") -> str:
        """The whole way; gives where it ends."""
        return await self.led(await self.agrees(await self.asked(path)))

    async def sends(self, path: str, csrf: str | None = None) -> tuple[int, str]:
        """A form of a page."""
        if csrf is None:
            csrf = await self.csrf()
        fields = {"csrf": csrf, "text": "as I say"}
        async with self.browser.post(
            self.url + path, data=fields, headers={"Origin": self.url}, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text()

    async def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', (await self.get("/"))[1])
        assert found
        return found[1]


@dataclass
class Office:
    """alice may write in octo/hello and rita may read; bob may write in octo/other and nowhere else."""

    github: World
    pages: Pages
    app: at_github.App
    stack: AsyncExitStack = field(repr=False)

    async def person(self, login: str) -> Person:
        jar = aiohttp.CookieJar(unsafe=True)  # that is: also for an address without a name
        browser = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        return Person(login, self.pages.url, self.github, browser)

    def known(self, full_name: str) -> Repository:
        """A repository of the stand-in as a task knows it."""
        found = self.github.repository(full_name)
        host = self.github.base_url.partition("://")[2]
        return Repository(host, found.id, full_name, f"{self.github.base_url}/{full_name}.git", "main")

    def asked_what_they_may(self, full_name: str, login: str) -> int:
        """How often GitHub was asked."""
        return len(self.github.ledger.requests("GET", f"/repos/{full_name}/collaborators/{login}/permission"))


@asynccontextmanager
async def open_office(github: World, directory: Path) -> AsyncIterator[Office]:
    """A task of each repository; nobody is signed in."""
    public_url = f"http://127.0.0.1:{free_port()}"
    await github.add_repository("octo/hello", permissions={"alice": "write", "rita": "read", "trudy": "triage"})
    await github.add_repository("octo/other", permissions={"bob": "write"})
    app, pem = github.add_app("Claude here", callback_urls=[callback_url(public_url)])
    github.add_installation(app, "octo")
    settings = GitHubSettings(
        url=github.base_url, api_url=github.api_url, app_id=str(app.id), private_key=SecretStr(pem)
    )
    client = OAuthClient(app.client_id, app.client_secret)
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(open_github(settings))
        await ours.identify()

        def sign_in(entrance: Entrance) -> WithGitHub:
            return WithGitHub(entrance, settings.url, client.id, public_url, partial(ours.person, client))

        port = int(public_url.rpartition(":")[2])
        pages = await stack.enter_async_context(
            open_pages(directory, public_url=public_url, port=port, github=ours, sign_in=sign_in)
        )
        office = Office(github, pages, app, stack)
        await pages.submit(1, "Greet in French", office.known("octo/hello"))
        await pages.submit(2, "Something else altogether", office.known("octo/other"))
        yield office


def free_port() -> int:
    """What public_url says must be known before the pages are there."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
