"""A scripted model: an endpoint that speaks Anthropic's Messages API and answers by a script.

Which turn of a script answers is decided by the number of assistant messages in the request, never by what was served
before: a retried request gets the same answer, and a resumed conversation goes on where it stood.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from app.demo.conversation import Request
from app.demo.replies import (
    Delay,
    Drop,
    Fail,
    Hang,
    Quota,
    Say,
    Step,
    Use,
    error_body,
    message_id,
    stream_events,
    whole_message,
)

Clock = Callable[[], float]
MAX_REQUEST_BYTES = 64 * 1024 * 1024

UNKNOWN_WORK = Say(
    "I am a scripted model: I stand in for Claude in the demonstration and can only do the sample issue. "
    "I have read what was asked, changed nothing, and end here. "
    "Run `cco demo --real` with Anthropic credentials for a model that thinks."
)
NOTHING_LEFT = Say(
    "I am a scripted model, and my script for this conversation has come to its end. Nothing was changed."
)


Turn = Sequence[Step] | Callable[[Request], Sequence[Step]]


@dataclass(frozen=True, slots=True)
class Script:
    """The model's side of a conversation, one turn for each time it is asked to speak."""

    turns: Sequence[Turn]
    pace: float = 0.0
    """Seconds between two pieces of streamed text."""

    def steps(self, request: Request) -> Sequence[Step]:
        if request.turn >= len(self.turns):
            return (NOTHING_LEFT,)
        turn = self.turns[request.turn]
        return turn(request) if callable(turn) else turn


Predicate = Callable[[Request], bool]
TRUTHFUL = Script(turns=((UNKNOWN_WORK,),))


class Model:
    """The scripts, and a ledger of every request that was made."""

    def __init__(
        self,
        scripts: Sequence[tuple[Predicate | str, Script]] = (),
        *,
        default: Script = TRUTHFUL,
        key: str | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """A script is chosen by a predicate, or by a pattern searched for in what the person asked first."""
        self.requests: list[Request] = []
        self.refused: list[str] = []
        """The keys that were turned away."""
        self._scripts = [(_predicate(choice), script) for choice, script in scripts]
        self._default = default
        self._key = key
        self._clock = clock
        self._failures: dict[tuple[str, int], int] = {}
        self._closing = asyncio.Event()

    def learn(self, choice: Predicate | str, script: Script) -> None:
        """One more script, for conversations that none of the others fits."""
        self._scripts.append((_predicate(choice), script))

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_REQUEST_BYTES)
        application.router.add_post("/v1/messages", self._messages)
        application.router.add_post("/v1/messages/count_tokens", self._count_tokens)
        application.router.add_get("/v1/models", _models)
        application.router.add_get("/", _say_what_this_is)
        application.on_shutdown.append(self._close)
        return application

    async def _close(self, _: web.Application) -> None:
        self._closing.set()

    async def _messages(self, http: web.Request) -> web.StreamResponse:
        try:
            body = await http.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return _failure(Fail(400, "invalid_request_error", "The body is not a JSON object."))
        key = _key_of(http)
        if self._key is not None and key != self._key:
            self.refused.append(key)
            return _failure(Fail(401, "authentication_error", "invalid x-api-key"))
        request = Request(received_at=self._clock(), key=key, body=body)
        self.requests.append(request)
        return await self._answer(http, request)

    async def _answer(self, http: web.Request, request: Request) -> web.StreamResponse:
        headers: dict[str, str] = {}
        blocks: list[Say | Use] = []
        script = next((script for fits, script in self._scripts if fits(request)), self._default)
        drops = False
        for step in script.steps(request):
            match step:
                case Delay():
                    await self._wait(step.seconds)
                case Hang():
                    await self._closing.wait()
                    return _failure(Fail(529, "overloaded_error", "The scripted model is closing."))
                case Fail():
                    if self._fails_again(request, step):
                        return _failure(step)
                case Drop():
                    drops = self._fails_again(request, step)
                case Quota():
                    headers |= step.headers()
                case Say() | Use():
                    blocks.append(step)
        if not request.body.get("stream"):
            return web.json_response(whole_message(request.body, blocks), headers=headers)
        return await self._stream(http, request, blocks, script.pace, headers, drops=drops)

    async def _stream(
        self,
        http: web.Request,
        request: Request,
        blocks: Sequence[Say | Use],
        pace: float,
        headers: Mapping[str, str],
        *,
        drops: bool,
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "request-id": message_id("req")}
            | dict(headers)
        )
        await response.prepare(http)
        for event in stream_events(request.body, blocks):
            if drops and event["type"] == "content_block_stop":
                if http.transport is not None:
                    http.transport.abort()
                return response
            await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            if pace and event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta":
                await self._wait(pace)
        await response.write_eof()
        return response

    async def _wait(self, seconds: float) -> None:
        """Let time pass, but never hold up the end of the server."""
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    def _fails_again(self, request: Request, step: Fail | Drop) -> bool:
        """Count this failure; after `times` of them the turn goes on with its later steps."""
        place = (request.conversation, request.turn)
        failed = self._failures.get(place, 0)
        self._failures[place] = failed + 1
        return step.times is None or failed < step.times

    async def _count_tokens(self, http: web.Request) -> web.Response:
        body = await http.json()
        return web.json_response({"input_tokens": max(1, len(json.dumps(body)) // 4)})


@asynccontextmanager
async def running(model: Model, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve the model for as long as the block lasts; yields the base URL for ANTHROPIC_BASE_URL."""
    runner = web.AppRunner(model.application(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        yield f"http://{host}:{bound}"
    finally:
        await runner.cleanup()


def _predicate(choice: Predicate | str) -> Predicate:
    if callable(choice):
        return choice
    pattern = re.compile(choice)
    return lambda request: pattern.search(request.first_text) is not None


def _key_of(http: web.Request) -> str:
    bearer = http.headers.get("Authorization", "")
    return http.headers.get("x-api-key") or bearer.removeprefix("Bearer ")


def _failure(fail: Fail) -> web.Response:
    return web.json_response(error_body(fail), status=fail.status, headers=fail.headers())


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"data": [], "has_more": False, "first_id": None, "last_id": None})


async def _say_what_this_is(_: web.Request) -> web.Response:
    return web.Response(text="A scripted stand-in for Anthropic's Messages API. It does not think.\n")
