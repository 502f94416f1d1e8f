"""A program that takes plain webhooks: checks signatures, keeps what it is told, and can be down, slow or strange."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass(frozen=True)
class Delivery:
    """One request, as it came, and what it was answered. 0: the connection broke."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> dict[str, Any]:
        said: dict[str, Any] = orjson.loads(self.body)
        return said


@dataclass
class Fault:
    """What goes wrong with the next `times` requests."""

    times: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    after_effect: bool = False  # it is kept, and then the connection breaks
    held: float = 0.0  # it is kept, and the answer comes so many seconds later


class FakeReceiver:
    """Somebody's program at `.url`, with the secret that it was given."""

    def __init__(self) -> None:
        self.secret = secrets.token_hex(20)
        self.token = secrets.token_hex(20)
        self.base = ""
        self.ledger: list[Delivery] = []
        self._faults: list[Fault] = []

    @property
    def url(self) -> str:
        """With a token of its own in it, as many have."""
        return f"{self.base}/hook/{self.token}?from=cco"

    def fail(self, times: int = 1, **what: Any) -> None:
        """The next requests go wrong."""
        self._faults.append(Fault(times, **what))

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()

    def taken(self) -> list[dict[str, Any]]:
        """What it took, in order, once for each id: as whoever minds the ids has it."""
        found = {one.json["id"]: one.json for one in reversed(self.ledger) if one.status in {0, 204}}
        return list(found.values())[::-1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = next((one for one in self._faults if one.times > 0), None)
        if fault is not None:
            fault.times -= 1
            await asyncio.sleep(fault.delay)
            if fault.status:
                return self._answer(request, body, fault.status, fault.headers)
            if fault.held:
                response = self._answer(request, body, 204, {})
                await asyncio.sleep(fault.held)
                return response
            if fault.after_effect and request.transport is not None:
                request.transport.abort()
                return self._answer(request, body, 0, {})
        is_ours = request.path == f"/hook/{self.token}" and request.method == "POST"
        return self._answer(request, body, (204 if self._is_signed(request, body) else 401) if is_ours else 404, {})

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        wanted = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(request.headers.get("X-CCO-Signature-256", ""), f"sha256={wanted}")

    def _answer(self, request: web.Request, body: bytes, status: int, headers: dict[str, str]) -> web.Response:
        self.ledger.append(Delivery(request.path, dict(request.headers), body, status))
        return web.Response(status=status or 500, headers=headers)


@asynccontextmanager
async def receiver() -> AsyncIterator[FakeReceiver]:
    """A program that listens."""
    fake = FakeReceiver()
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.base = f"http://{host}:{port}"
    try:
        yield fake
    finally:
        await runner.cleanup()
