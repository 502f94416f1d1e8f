"""`cco setup` against the stand-in GitHub, with a browser's part played over HTTP."""

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from app import manifest
from app.credentials import OAuthClient, oauth_client
from app.demo.github import World
from app.github import open_github
from app.settings import load
from app.setup import Created, Plan, check, next_steps, set_up
from runner.errors import Refusal


@dataclass
class Walk:
    """A `cco setup` that waits for its browser."""

    page: str
    task: asyncio.Task[Created]
    session: aiohttp.ClientSession

    async def form(self) -> tuple[str, dict[str, str]]:
        async with self.session.get(self.page) as answer:
            text = await answer.text()
            assert answer.status == 200, text
        action, value = re.search('action="([^"]*)"', text), re.search('value="([^"]*)"', text)
        assert action is not None
        assert value is not None
        return html.unescape(action[1]), {"manifest": html.unescape(value[1])}

    async def get(self, path: str) -> int:
        async with self.session.get(self.page.partition("/?")[0] + path) as answer:
            return answer.status


@pytest.fixture
def plan(github: World, tmp_path: Path) -> Plan:
    github.add_user("ada")
    github.add_user("octo", type="Organization")
    (tmp_path / "cco").mkdir()
    return Plan(tmp_path / "cco", github.base_url, github.api_url, "Our own App", "octo", "https://cco.example")


@asynccontextmanager
async def walking(plan: Plan) -> AsyncIterator[Walk]:
    opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(set_up(plan, lambda _: None, opened.set_result))
    try:
        async with asyncio.timeout(10), aiohttp.ClientSession() as session:
            yield Walk(await opened, task, session)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_person_clicks_once_and_the_app_works(github: World, plan: Plan) -> None:
    async with walking(plan) as walk:
        action, form = await walk.form()
        assert action.startswith(f"{github.base_url}/organizations/octo/settings/apps/new?state=")
        async with walk.session.post(action, data=form) as back:
            assert back.status == 200
            assert "credentials are saved" in await back.text()
        created = await walk.task
    app = next(iter(github.apps.values()))
    assert (app.name, app.owner.login, app.hook_url) == ("Our own App", "octo", "https://cco.example/webhooks/github")
    assert app.callback_urls == ["https://cco.example/signin/github/callback"]
    client = oauth_client(plan.home, str(app.id), github.base_url)
    assert client == OAuthClient(app.client_id, app.client_secret)
    assert app.client_secret not in repr(client)
    assert oauth_client(plan.home, app.client_id, github.base_url) == client
    assert oauth_client(plan.home, str(app.id + 1), github.base_url) is None  # another App, by the environment
    assert oauth_client(plan.home, str(app.id), "https://github.com") is None
    assert manifest.lacking(manifest.read(), app.permissions, app.events) == []

    files = sorted(created.directory.iterdir())
    assert [(path.name, path.stat().st_mode & 0o777) for path in files] == [
        ("github.json", 0o600),
        ("github.pem", 0o600),
    ]
    settings = load({"HOME": "/nonexistent", "CCO_HOME": str(plan.home), "CCO_GITHUB_URL": github.base_url})
    assert settings.github.app_id == str(app.id)
    assert settings.github.api_url == github.api_url
    assert [secret.get_secret_value() for secret in settings.github.webhook_secret] == [app.hook_secret]
    async with open_github(settings.github) as client:
        assert (await client.identify()).login == "our-own-app[bot]"
    said = next_steps(created, plan)
    assert f"{github.base_url}/apps/our-own-app/installations/new" in said
    assert "CCO_PUBLIC_URL=https://cco.example cco serve" in said


async def test_without_a_public_address_the_hook_is_off_and_the_next_steps_say_so(github: World, plan: Plan) -> None:
    plan = replace(plan, public_url=None, organisation=None)
    async with walking(plan) as walk:
        action, form = await walk.form()
        assert json.loads(form["manifest"])["hook_attributes"]["active"] is False
        async with walk.session.post(action, data=form) as back:
            assert back.status == 200
        created = await walk.task
    assert next(iter(github.apps.values())).hook_url is None
    assert next(iter(github.apps.values())).callback_urls == []
    assert "smee.io" in next_steps(created, plan)


async def test_only_who_has_the_token_sees_the_form_and_only_our_form_comes_back(github: World, plan: Plan) -> None:
    async with walking(plan) as walk:
        assert await walk.get("/") == 403
        assert await walk.get("/?token=guess") == 403
        assert await walk.get("/created?code=0123456789&state=guess") == 403
        assert await walk.get("/created?code=0123456789") == 403
        action, _ = await walk.form()
        state = action.partition("state=")[2]
        assert await walk.get(f"/created?code=../../app&state={state}") == 400
        assert await walk.get(f"/created?code=unknown&state={state}") == 502
        async with walk.session.get(walk.page, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421
        assert not walk.task.done()
        action, form = await walk.form()
        async with walk.session.post(action, data=form) as back:
            assert back.status == 200
        await walk.task
    assert len(github.apps) == 1


async def test_an_app_that_is_there_is_not_replaced_unless_told(github: World, plan: Plan) -> None:
    (plan.home / "credentials").mkdir()
    (plan.home / "credentials" / "github.json").write_text("{}")
    with pytest.raises(Refusal, match="--replace"):
        check(plan)
    check(replace(plan, replace=True))


@pytest.mark.parametrize("change", [{"name": "x" * 35}, {"name": "<b>"}, {"organisation": "a/b"}, {"organisation": ""}])
async def test_a_name_that_github_would_refuse_is_refused_here(plan: Plan, change: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        check(replace(plan, **change))  # type: ignore[arg-type]  # all are str


def test_a_relay_gets_the_hooks_itself() -> None:
    assert manifest.hook_url("https://smee.io/abc") == "https://smee.io/abc"
    assert manifest.hook_url("https://cco.example/") == "https://cco.example/webhooks/github"


def test_what_an_app_lacks_is_named() -> None:
    wanted = manifest.read()
    granted = {**wanted["default_permissions"], "contents": "read"}
    del granted["checks"]
    assert manifest.lacking(wanted, granted, ["issues"])[:3] == [
        "permission contents: write",
        "permission checks: write",
        "event issue_comment",
    ]
    assert not {"workflows", "administration"} & set(wanted["default_permissions"])
    assert not [event for event in wanted["default_events"] if event.startswith("installation")]
