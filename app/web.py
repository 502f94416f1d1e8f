"""The HTTP server: one application, its middleware, and the pages that machines look at."""

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST

from app.webhooks import LARGEST_BODY
from runner.about import about
from runner.errors import Refusal, TryLater
from runner.migrating import DatabaseRefused

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}
# Whoever sends webhooks, or asks how we are, may reach us by any name: these show nothing and are signed or public.
ANY_HOST = ("/webhooks/", "/livez", "/readyz", "/metrics")

ARRIVE_SECONDS = 2.0  # for a webhook whose body is arriving when the service is told to end
LEAVE_SECONDS = 1.0  # for everyone else
# How long the rest of a body is read that nobody wants. aiohttp's own ten seconds kept megabytes for who misbehaves.
UNWANTED_SECONDS = 1.0

REQUEST_ID = web.RequestKey("id", str)

log = logging.getLogger(__name__)


class Arriving:
    """The webhooks that are under way."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._count += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if self._count == 0:
            self._none.set()

    async def over(self) -> None:
        """Until there is none."""
        await self._none.wait()


ARRIVING = web.AppKey("arriving", Arriving)


def application(hosts: Sequence[str] = ()) -> web.Application:
    """An empty application. `hosts` are the names under which people reach it, besides loopback: host or host:port."""
    app = web.Application(
        client_max_size=LARGEST_BODY,
        middlewares=[_with_id, _noted, _as_json, _only_from(frozenset(host.lower() for host in hosts))],
    )
    app[ARRIVING] = Arriving()
    app.on_response_prepare.append(_add_headers)
    return app


def hosts_of(public_url: str | None, host: str, port: int) -> list[str]:
    """The names for `application`: the public address, and what we listen on unless that is everything."""
    public = [urlsplit(public_url).netloc] if public_url else []
    listening = [] if _is_any(host) else [f"{host}:{port}", host]
    return [*public, *listening]


def loopback_url(host: str, port: int) -> str | None:
    """Where this machine's own browser reaches what listens on `host`, if it can by loopback."""
    address = f"[{host}]" if ":" in host else host
    if _is_any(host):
        address = "127.0.0.1"
    return f"http://{address}:{port}" if is_loopback(address) else None


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Listen for as long as the block runs; yields the port, which is free choice where `port` is 0."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=LEAVE_SECONDS, lingering_time=UNWANTED_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        yield int(runner.addresses[0][1])
        await site.stop()
        with suppress(TimeoutError):  # aiohttp reads no more of a body once it cleans up
            async with asyncio.timeout(ARRIVE_SECONDS):
                await app[ARRIVING].over()
    finally:
        await runner.cleanup()


def add_health(
    app: web.Application,
    wrong: Callable[[], Awaitable[Mapping[str, str]]],
    measured: Callable[[], Awaitable[bytes]],
) -> None:
    """GET /livez /readyz /metrics. `wrong` gives what is not well by name; `measured` is Prometheus' text."""

    async def livez(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})  # that it answers is the answer: the loop turns

    async def readyz(_: web.Request) -> web.Response:
        found = dict(await wrong())
        return web.json_response(
            {"status": "not ready" if found else "ready", "wrong": found}, status=503 if found else 200
        )

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await measured(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])


def problem(status: int, sentence: str) -> web.Response:
    """An error as everyone here gets it: JSON with a sentence."""
    return web.json_response({"error": sentence}, status=status)


@web.middleware
async def _with_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, which the log lines and the answer carry."""
    request_id = secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    with about(request=request_id):
        return await handler(request)


@web.middleware
async def _noted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Know which webhooks are under way: nobody sends them again by himself."""
    if not request.path.startswith("/webhooks/"):
        return await handler(request)
    with request.app[ARRIVING]:
        return await handler(request)


@web.middleware
async def _as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as JSON; a bug is logged once, and the answer says nothing about it."""
    try:
        return await handler(request)
    except Refusal as exc:
        return problem(409, str(exc))
    except TryLater as exc:
        answer = problem(503, str(exc))
        answer.headers["Retry-After"] = str(max(1, int(exc.after.total_seconds()))) if exc.after else "10"
        return answer
    except DatabaseRefused:
        return problem(503, "the service's database is damaged; its log says what to do")
    except web.HTTPRequestEntityTooLarge:
        return problem(413, "the body is too large")
    except web.HTTPError as exc:
        answer = problem(exc.status, exc.text or exc.reason)
        if "Allow" in exc.headers:
            answer.headers["Allow"] = exc.headers["Allow"]
        return answer
    except web.HTTPException:
        raise  # a redirect
    except ConnectionError:
        raise  # the other side is gone: there is nobody to answer
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return problem(500, f"something broke here; the log has it under request {request[REQUEST_ID]}")


def _only_from(hosts: frozenset[str]) -> Middleware:
    """Refuse a Host that is not ours (DNS rebinding) and an Origin that is another site."""

    @web.middleware
    async def only_from(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(ANY_HOST):
            return await handler(request)
        host = request.headers.get("Host", "").lower()
        if not is_ours(host, hosts):
            return problem(421, "this is not the service's address: set CCO_PUBLIC_URL to the one that you use")
        origin = request.headers.get("Origin")
        if origin is not None and not is_same_origin(origin, host):
            return problem(403, "this request comes from a page of another site")
        return await handler(request)

    return only_from


def is_ours(host: str, hosts: frozenset[str]) -> bool:
    """Loopback by whatever port, or one of the names that we were given."""
    return host in hosts or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine to itself."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin was served under this Host. A proxy may have ended TLS: the scheme may differ."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc == host


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Cache-Control"] = response.headers.get("Cache-Control", "no-store")
    if REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[REQUEST_ID]
    response.headers["Server"] = "cco"
