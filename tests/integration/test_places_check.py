"""What doctor says of places, of a service that runs and of one that does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from app import api
from app.places_check import backlog, discord
from app.settings import load
from app.settings_model import Settings
from app.web import application, serving
from handlers.reporting import Backlog
from tests.fakes.discord import discord as running_discord

TOKEN = "the-token-of-this-service"
URL = "https://discord.com/api/webhooks/1/abcdefghijklmnopqrstuvwxyz0123456789"


def settings(home: Path, port: int, **more: str) -> Settings:
    (home / "cco.toml").write_text(
        '[webhooks.my-pager]\nurl = "https://pager.example/hook/abcdefghijklmnopqrstuvwxyz0123456789"\n'
        'secret = "signs everything"\n'
    )
    return load({"CCO_HOME": str(home), "CCO_PORT": str(port), "CCO_API_TOKEN": TOKEN, **more})


@asynccontextmanager
async def service(*told: Backlog) -> AsyncIterator[int]:
    """A service that has this to tell; yields its port."""
    app = application()
    app.middlewares.append(api.only_with(TOKEN))
    app.router.add_get("/api/places", api.places(lambda: told))
    async with serving(app, "127.0.0.1", 0) as port:
        yield port


def behind(name: str, trouble: str = "", minutes: float = 20, tasks: int = 2) -> Backlog:
    return Backlog(name, tasks, timedelta(minutes=minutes), trouble)


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("github-issue", "curl -I https://api.github.com"),
        ("slack", "curl -I https://slack.com"),
        ("discord", "curl -I https://discord.com"),
        ("webhook-my-pager", "curl -I https://pager.example"),
        ("carrier-pigeon", "journalctl -u cc-orchestrator -o cat | grep carrier-pigeon"),
    ],
)
async def test_a_place_that_is_behind_is_named_with_how_long_why_and_what_to_do(
    tmp_path: Path, name: str, mend: str
) -> None:
    """And with no word of its address that is a secret."""
    async with service(behind(name, "it \x1b[31mrains")) as port:
        (check,) = await backlog(settings(tmp_path, port, CCO_DISCORD_WEBHOOK_URL=URL))
    assert not check.ok
    assert check.detail == (
        f"{name} is behind: 2 tasks wait to be told there, the oldest for 20 min. The last try: it rains"
    )
    assert check.mend == mend


async def test_what_waits_for_a_moment_is_no_trouble(tmp_path: Path) -> None:
    """Two minutes, if the last try failed; a quarter of an hour, if it is only its turn."""
    told = [behind("slack", "limited", 1.9, 1), behind("github-issue", "", 14, 3), Backlog("x", 0, timedelta(0), "")]
    async with service(*told) as port:
        (check,) = await backlog(settings(tmp_path, port))
        assert (check.ok, check.detail) == (True, "being told now: slack 1, github-issue 3")
    async with service(behind("slack", "limited", 2.1, 1), behind("github-issue", "", 14)) as port:
        (check,) = await backlog(settings(tmp_path, port))
        assert (check.ok, check.detail.partition(",")[0]) == (False, "slack is behind: 1 task waits to be told there")


async def test_where_no_service_of_ours_runs_nothing_is_said(tmp_path: Path) -> None:
    async with service() as port:
        pass
    assert await backlog(settings(tmp_path, port)) == []
    assert await backlog(load({"CCO_HOME": str(tmp_path), "CCO_PORT": str(port)})) == []

    async def stranger(_: web.Request) -> web.Response:
        return web.json_response({"places": "everywhere"})

    app = application()
    app.router.add_get("/api/places", stranger)
    async with serving(app, "127.0.0.1", 0) as port:
        assert await backlog(settings(tmp_path, port)) == []


async def test_discord_is_asked_without_a_post_and_its_address_is_not_said(tmp_path: Path) -> None:
    async with running_discord() as fake:
        chosen = settings(tmp_path, 1, CCO_DISCORD_WEBHOOK_URL=fake.url)
        known = await discord(chosen)
        assert known is not None
        assert (known.ok, known.detail) == (True, "Discord knows the webhook as Claude")
        for trouble in ({"status": 503}, {"status": 302}, {"status": 429, "json": {"retry_after": 3}}):
            fake.fail(1, **trouble)  # type: ignore[arg-type]  # three kinds of them
            found = await discord(chosen)
            assert found is not None
            assert (found.ok, found.mend) == (False, f"curl -I {fake.base}")
            assert fake.token not in found.detail
        assert fake.calls("POST") == []
    assert await discord(settings(tmp_path, 1)) is None
