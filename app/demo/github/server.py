"""Put the world behind a port."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from app.demo.github import git_http, pages, rest
from app.demo.github.http import WORLD, faults
from app.demo.github.world import World

LARGEST_PUSH_BYTES = 1024**3


def build(world: World) -> web.Application:
    """The whole stand-in: REST, GraphQL, git and pages. `world.base_url` must say where it will be found."""
    application = web.Application(middlewares=[faults], client_max_size=LARGEST_PUSH_BYTES)
    application[WORLD] = world
    application.add_routes(rest.routes(world.api_prefix))
    application.add_routes(git_http.routes())
    application.add_routes(pages.routes())
    application.cleanup_ctx.append(_hooks)
    return application


@asynccontextmanager
async def running(
    world: World, host: str = "127.0.0.1", port: int = 0, *, application: web.Application | None = None
) -> AsyncIterator[str]:
    """Serve the world; gives its address. What is still being delivered at the end is waited for."""
    runner = web.AppRunner(application or build(world), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        world.base_url = f"http://{host}:{bound}"
        yield world.base_url
        await world.settled()
    finally:
        await runner.cleanup()


async def _hooks(application: web.Application) -> AsyncIterator[None]:
    world = application[WORLD]
    async with aiohttp.ClientSession() as session:

        async def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
            try:
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                    return answer.status, dict(answer.headers), await answer.text(errors="replace")
            except aiohttp.ClientError as exc:
                raise OSError(str(exc)) from exc

        world.post = post
        yield
        world.post = None
        for task in world.pending:
            task.cancel()
        await asyncio.gather(*world.pending, return_exceptions=True)
