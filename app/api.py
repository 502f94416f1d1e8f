"""The HTTP API: tasks to read, and what a person may have done with them."""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from handlers.reporting import Backlog
from runner.errors import Refusal
from runner.records import event_json, task_json
from runner.store import Store
from runner.tasks import Actor, RunState, Task, TaskId
from runner.view import TaskView

LARGEST_PAGE = 200
LONGEST_TEXT = 20_000
LARGEST_BODY = 256 * 1024

# Whoever works on the machine itself. They hold the key to everything here, so nobody is asked what they may.
OPERATOR = Actor("the operator")

dumps = partial(json.dumps, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Deeds:
    """What callers may have done, in an actor's name; that they may is settled before.

    Each raises Refusal with a sentence where it cannot be done. `start` takes an issue's URL. `stop` and `decide` give
    False where there was nothing to stop or to decide.
    `transcript` gives the text behind a mark, and the mark to go on from, None at the end of an ended run.
    """

    start: Callable[[str], Awaitable[TaskId]]
    retry: Callable[[Task, str, Actor], Awaitable[None]]
    steer: Callable[[Task, str, Actor], Awaitable[None]]
    stop: Callable[[Task, str, Actor], Awaitable[bool]]
    decide: Callable[[Task, bool, str, Actor], Awaitable[bool]]
    diff: Callable[[Task], Awaitable[str]]
    transcript: Callable[[TaskView, str | None], Awaitable[tuple[str, str | None]]]


class Api:
    """Everything under /api but the live feed."""

    def __init__(self, store: Store, deeds: Deeds) -> None:
        self._store = store
        self._deeds = deeds

    def routes(self) -> list[web.RouteDef]:
        """To be added behind `only_with(token)`."""
        one = "/api/tasks/{task}"
        return [
            web.get("/api/tasks", self.tasks),
            web.post("/api/tasks", self.start),
            web.get(one, self.task),
            web.get(f"{one}/events", self.events),
            web.get(f"{one}/diff", self.diff),
            web.get(f"{one}/transcript", self.transcript),
            web.post(f"{one}/{{verb:retry|stop|steer|approve|deny}}", self.act),
        ]

    async def tasks(self, request: web.Request) -> web.Response:
        """The latest first, page by page."""
        state = request.query.get("state")
        if state is not None and state not in RunState.__members__:
            raise bad(f"state must be one of {', '.join(RunState)}")
        limit = whole(request, "limit", 50, LARGEST_PAGE)
        before = whole(request, "before", None)
        views = await self._store.views(
            state=RunState(state) if state else None,
            repository=request.query.get("repository"),
            limit=limit + 1,
            before=TaskId(before) if before is not None else None,
        )
        shown = views[:limit]
        more = shown[-1].task.id if len(views) > limit else None
        page = {"tasks": [task_json(view) for view in shown], "next": more, "paused": self._store.pause.on}
        return web.json_response(page, dumps=dumps)

    async def task(self, request: web.Request) -> web.Response:
        """One task with its runs, pull request and cost."""
        return await self._answer((await self._find(request)).id)

    async def events(self, request: web.Request) -> web.Response:
        """What happened to it behind an event, oldest first; `next` is where to go on, null at the end."""
        task = await self._find(request)
        limit = whole(request, "limit", 500, 1000)
        found = await self._store.events(whole(request, "after", 0), task.id, limit + 1)
        shown = found[:limit]
        following = shown[-1].id if len(found) > limit else None
        return web.json_response({"events": [event_json(one) for one in shown], "next": following}, dumps=dumps)

    async def diff(self, request: web.Request) -> web.Response:
        """What is changed on its branch, as text."""
        return web.Response(text=await self._deeds.diff(await self._find(request)), content_type="text/plain")

    async def transcript(self, request: web.Request) -> web.Response:
        """What Claude did and said in the latest run, as text, part by part: X-Next is the next part's `after`."""
        view = await self._store.view((await self._find(request)).id)
        text, following = await self._deeds.transcript(view, request.query.get("after"))
        answer = web.Response(text=text, content_type="text/plain")
        if following is not None:
            answer.headers["X-Next"] = following
        return answer

    async def start(self, request: web.Request) -> web.Response:
        """Start work on an issue by its address: {"url": …}."""
        body = await body_of(request)
        url = body.get("url")
        if not isinstance(url, str) or not 0 < len(url) <= 2000:
            raise bad('the body must be {"url": "the address of an issue"}')
        return await self._answer(await self._deeds.start(url), 202)

    async def act(self, request: web.Request) -> web.Response:
        """Retry, stop, steer, approve or deny, with an optional {"text": …}; the answer is the task."""
        task = await self._find(request)
        text = (await body_of(request)).get("text", "")
        if not isinstance(text, str) or len(text) > LONGEST_TEXT or "\0" in text:
            raise bad(f"text must be a string of at most {LONGEST_TEXT} characters")
        match request.match_info["verb"]:
            case "retry":
                await self._deeds.retry(task, text, OPERATOR)
            case "steer":
                if not text.strip():
                    raise bad("steer needs a text: what shall Claude be told?")
                await self._deeds.steer(task, text, OPERATOR)
            case "stop":
                if not await self._deeds.stop(task, text, OPERATOR):
                    raise Refusal(f"Task {task.id} is not running: there is nothing to stop.")
            case verb:
                if not await self._deeds.decide(task, verb == "approve", text, OPERATOR):
                    raise Refusal(f"Task {task.id} waits for nothing that could be allowed or denied.")
        return await self._answer(task.id, 202)

    async def _find(self, request: web.Request) -> Task:
        reference = request.match_info["task"]
        # A number beyond SQLite's is nobody's.
        possible = len(reference) <= 300 and re.search(r"[0-9]{19}", reference) is None
        task = await self._store.register.find(reference) if possible else None
        if task is None:
            raise web.HTTPNotFound(text="there is no such task; `cco ls` lists those there are")
        return task

    async def _answer(self, task_id: TaskId, status: int = 200) -> web.Response:
        return web.json_response(task_json(await self._store.view(task_id)), status=status, dumps=dumps)


def places(backlog: Callable[[], Sequence[Backlog]]) -> Handler:
    """GET /api/places: what each place was not told yet."""

    async def answer(_: web.Request) -> web.Response:
        told = [
            {
                "name": one.reporter,
                "tasks": one.tasks,
                "oldest_seconds": round(one.oldest.total_seconds(), 3),
                "trouble": one.trouble,
            }
            for one in backlog()
        ]
        return web.json_response({"places": told}, dumps=dumps)

    return answer


def only_with(token: str, admits: Callable[[web.Request], bool] = lambda _: False) -> Middleware:
    """Middleware: everything under /api wants `Authorization: Bearer <token>`, or someone whom `admits` knows."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/api/") and not (shows(request, token) or admits(request)):
            answer = web.json_response({"error": "show the api token: Authorization: Bearer <token>"}, status=401)
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return await handler(request)

    return guarded


def shows(request: web.Request, token: str) -> bool:
    """Whether the request carries the token; the time taken does not tell how much of it was right."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    given = value.strip().encode(errors="surrogateescape")
    return hmac.compare_digest(given, token.encode()) and scheme.lower() == "bearer"


async def body_of(request: web.Request) -> dict[str, Any]:
    """The JSON object of the body; none is an empty one."""
    if request.content_length is not None and request.content_length > LARGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, request.content_length)
    raw = await request.read()
    if not raw:
        return {}
    # A form of another site can post text/plain and urlencoded without asking; it cannot post JSON.
    if request.content_type != "application/json":
        raise bad("the Content-Type must be application/json")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise bad("the body must be a JSON object")
    return body


def whole(request: web.Request, name: str, default: Any, largest: int = 2**62) -> Any:
    """A whole number of the query, between 0 (1 for a limit) and `largest`."""
    value = request.query.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) < 20):
        raise bad(f"{name} must be a whole number")
    number = int(value)
    if number > largest or (name == "limit" and number < 1):
        raise bad(f"{name} must be at most {largest}, and a limit at least 1")
    return number


def bad(sentence: str) -> web.HTTPBadRequest:
    """A 400 with this sentence."""
    return web.HTTPBadRequest(text=sentence)
