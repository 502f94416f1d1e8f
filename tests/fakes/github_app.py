"""An App under test at the stand-in GitHub: its key, its hook and what came there, and its calls."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from app.demo.github import World
from app.demo.github.model import App, Installation, Permission

SECRET = "it is a secret to everybody"


@dataclass
class Ours:
    """An App under test: its registration, its key, and what its hook received."""

    world: World
    app: App
    pem: str
    installation: Installation
    session: aiohttp.ClientSession
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: int = 202
    silent: asyncio.Event = field(default_factory=asyncio.Event)  # while it is set, the hook does not answer

    def jwt(self, **claims: Any) -> str:
        now = int(self.world.now().timestamp())
        return jwt.encode({"iat": now - 30, "exp": now + 500, "iss": str(self.app.id), **claims}, self.pem, "RS256")

    async def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> Any:
        status, value, _ = await self.ask(method, path, body, token=token, **headers)
        assert status < 300, (method, path, status, value)
        return value

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        auth = {"Authorization": f"Bearer {self.jwt() if token is None else token}"} if token != "" else {}
        url = path if path.startswith("http") else self.world.api_url + path
        async with self.session.request(
            method, url, json=body, headers={**auth, **headers}, allow_redirects=False
        ) as answer:
            raw = await answer.read()
            value = json.loads(raw) if answer.content_type == "application/json" else raw
            return answer.status, value, answer.headers

    async def token(self, **narrowing: Any) -> str:
        path = f"/app/installations/{self.installation.id}/access_tokens"
        return str((await self.call("POST", path, narrowing or None))["token"])

    def events(self) -> list[str]:
        names = []
        for headers, body in self.received:
            action = json.loads(body).get("action")
            names.append(headers["X-GitHub-Event"] + (f".{action}" if action else ""))
        return names


@pytest.fixture
async def ours(github: World) -> AsyncIterator[Ours]:
    """octo/hello and octo/other, alice who may write, mallory who may not, and our App on the first two."""
    permissions: dict[str, Permission] = {"alice": "write", "rita": "read"}
    await github.add_repository("octo/hello", files={"a.txt": "one\n", "dir/b c.txt": "é\n"}, permissions=permissions)
    await github.add_repository("octo/other", files={"a.txt": "other\n"})
    await github.add_repository("octo/public", files={"a.txt": "public\n"}, private=False)
    github.add_user("mallory")
    received: list[tuple[dict[str, str], bytes]] = []

    async def hook(request: web.Request) -> web.Response:
        received.append((dict(request.headers), await request.read()))
        while mine.silent.is_set():
            await asyncio.sleep(0.01)
        return web.Response(status=mine.answer)

    application = web.Application()
    application.router.add_post("/hook", hook)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    app, pem = github.add_app("Our App", hook_url=url, hook_secret=SECRET)
    installation = github.add_installation(app, "octo", ["octo/hello", "octo/other"])
    async with aiohttp.ClientSession() as session:
        mine = Ours(github, app, pem, installation, session, received)
        yield mine
        await github.settled()
    await runner.cleanup()
