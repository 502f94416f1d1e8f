"""What every REST request goes through: who asks, limits, faults, conditional answers, and the ledger."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from aiohttp import web

from app.demo.github import access
from app.demo.github.access import Caller
from app.demo.github.errors import Refused, invalid, not_found
from app.demo.github.ledger import CLOCKS_DIFFER, Fault, RequestSeen
from app.demo.github.model import Comment, Issue, Repository, ReviewComment
from app.demo.github.world import World

WORLD = web.AppKey("world", World)
CREATING = {"POST", "PATCH", "PUT", "DELETE"}
ON_THEIR_WAY = timedelta(seconds=0.5)  # requests that were sent before our Retry-After arrived


@dataclass(frozen=True, slots=True)
class Call:
    """One REST request, read: what the handlers need of it."""

    world: World
    caller: Caller
    request: web.Request
    body: dict[str, Any]

    def repository(self, least: str = "read", *kinds: str) -> Repository:
        """The repository in the path, if the caller may read or write such things in it."""
        repository = self.named()
        if repository is None:
            moved = self.moved()
            if moved is None:
                raise not_found()
            access.allow(self.world, self.caller, moved, "read", "metadata")
            raise leads_to(self, moved)
        access.allow(self.world, self.caller, repository, least, *(kinds or ("metadata",)))
        return repository

    def named(self) -> Repository | None:
        """The repository in the path, by its number or by the name that it has now."""
        where = self.request.match_info
        if "repository_id" in where:
            return self.world.repositories.get(self.number("repository_id"))
        return self.world.find_repository(f"{where['owner']}/{where['repo']}")

    def moved(self) -> Repository | None:
        """The repository that had the name in the path before."""
        where = self.request.match_info
        name = f"{where.get('owner')}/{where.get('repo')}".lower()
        return self.world.repositories.get(self.world.renamed.get(name, 0))

    def number(self, name: str) -> int:
        value = self.request.match_info[name]
        if not value.isascii() or not value.isdecimal() or len(value) > 18:
            raise not_found()
        return int(value)

    def issue(self, least: str, kinds: tuple[str, ...] = ("issues", "pull_requests")) -> Issue:
        """The issue in the path; on a pull request either permission is enough, as on GitHub."""
        repository = self.repository("read")
        issue = repository.issues.get(self.number("number"))
        if issue is None and self.number("number") in repository.deleted_issues:
            raise Refused(410, "This issue was deleted")
        if issue is None:
            raise not_found()
        self.repository(least, *(kinds if issue.pull else ("issues",)))
        return issue

    def pull(self, least: str, *kinds: str) -> Issue:
        issue = self.repository(least, *(kinds or ("pull_requests",))).issues.get(self.number("number"))
        if issue is None or issue.pull is None:
            raise not_found()
        return issue

    def comment(self, least: str) -> tuple[Issue, Comment]:
        wanted = self.number("id")
        for issue in self.repository("read").issues.values():
            for comment in issue.comments:
                if comment.id == wanted:
                    self.repository(least, *(("issues", "pull_requests") if issue.pull else ("issues",)))
                    return issue, comment
        raise not_found()

    def review_comment(self, least: str) -> tuple[Issue, ReviewComment]:
        wanted = self.number("id")
        for issue in self.repository(least, "pull_requests").issues.values():
            for comment in issue.pull.review_comments if issue.pull else ():
                if comment.id == wanted:
                    return issue, comment
        raise not_found()

    def text(self, name: str, resource: str, *, default: str | None = None) -> str:
        """A string of the body; without a default it must be there."""
        value = self.body.get(name, default)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise invalid(resource, name, "missing_field" if value is None else "invalid")
        return value

    def page(self, shapes: list[Any], wrap: Callable[[list[Any]], Any] = lambda page: page) -> web.Response:
        """One page of a list, with GitHub's Link header."""
        size = min(max(self._asked("per_page", 30), 1), 100)
        number = max(self._asked("page", 1), 1)
        last = max((len(shapes) + size - 1) // size, 1)
        links = []
        for rel, target in (("prev", number - 1), ("next", number + 1), ("last", last), ("first", 1)):
            ahead = rel in {"next", "last"}
            if (ahead and number < last) or (not ahead and number > 1):
                query = urlencode({**self.request.query, "page": target, "per_page": size})
                links.append(f'<{self.world.base_url}{self.request.path}?{query}>; rel="{rel}"')
        headers = {"Link": ", ".join(links)} if links else None
        return web.json_response(wrap(shapes[(number - 1) * size : number * size]), headers=headers)

    def _asked(self, name: str, default: int) -> int:
        value = self.request.query.get(name, "")
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else default


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


def operation(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a handler of Calls one of aiohttp's, with everything GitHub does round it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        world = request.app[WORLD]
        caller, body, answer = Caller("none"), None, None
        try:
            caller = access.caller_of(world, request)
            body = await _read(request)
            _limit(world, caller, request, body)
            answer = await handler(Call(world, caller, request, body if isinstance(body, dict) else {"": body}))
        except Refused as refused:
            answer = web.json_response(refused.body(), status=refused.status, headers=refused.headers)
            _let_wait(world, caller, answer)
        answer = _conditional(request, answer)
        _decorate(world, caller, answer)
        _record(world, request, caller, body, answer)
        return answer

    return handle


@web.middleware
async def faults(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let the scripted misfortunes happen."""
    world = request.app[WORLD]
    if world.away and request.transport is not None:
        world.knocks.append(f"{request.method} {request.path}")
        request.transport.abort()
        return web.Response(status=503)
    fault = next((one for one in world.faults if one.strikes(request.method, request.path)), None)
    if fault is None:
        return await handler(request)
    fault.times -= 1
    if isinstance(fault.effect, timedelta):
        await asyncio.sleep(fault.effect.total_seconds())
        return await handler(request)
    if isinstance(fault.effect, int):
        return await _struck(world, request, fault, fault.effect)
    answer = await handler(request)
    if fault.effect == "drop":
        if request.transport is not None:
            request.transport.abort()
        return answer
    return await _spoilt(request, answer, fault.effect)


async def _spoilt(
    request: web.Request, answer: web.StreamResponse, how: Literal["cut", "endless", "html"]
) -> web.StreamResponse:
    """What was asked for is done, and the answer tells nothing of it."""
    if how == "html":
        return web.Response(text="<!DOCTYPE html><title>Unicorn!</title>", content_type="text/html")
    said = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
    half = said[: len(said) // 2]
    if how == "cut":
        return web.Response(body=half, status=answer.status, content_type=answer.content_type)
    endless = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    await endless.prepare(request)
    with suppress(ConnectionError):
        while True:
            await endless.write(b" ")
            await asyncio.sleep(0.05)
    return endless


async def _struck(world: World, request: web.Request, fault: Fault, status: int) -> web.Response:
    body = {"message": "This went wrong because a test said so"} if fault.body is None else fault.body
    answer = web.json_response(body, status=status, headers=fault.headers)
    try:
        caller = access.caller_of(world, request)
    except Refused:
        caller = Caller("none")
    _obeys(world, caller, request)
    _let_wait(world, caller, answer)
    _record(world, request, caller, (await request.read()).decode(errors="replace"), answer)
    return answer


async def _read(request: web.Request) -> Any:
    raw = await request.read()
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError as exc:
        raise Refused(400, "Problems parsing JSON") from exc


def _limit(world: World, caller: Caller, request: web.Request, body: Any) -> None:
    """GitHub's two limits; going over the second one is on the books as bad manners."""
    _obeys(world, caller, request)
    reset, used = world.used.get(caller.guest, (world.now(), 0))
    if reset <= world.now():
        reset, used = world.now() + timedelta(hours=1), 0
    world.used[caller.guest] = (reset, used + 1)
    if used >= world.requests_per_hour:
        raise Refused(403, f"API rate limit exceeded for {caller.name}.")
    if world.limit is None or not _creates(request, body):
        return
    wait = world.limit.exceeded(caller.guest, world.now())
    if wait is not None:
        world.violated(f"{caller.guest} went over the secondary rate limit with {request.method} {request.path}")
        refused = Refused(
            403, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        )
        refused.headers = {"Retry-After": str(max(1, round(wait.total_seconds() + 0.5)))}
        raise refused


def _creates(request: web.Request, body: Any) -> bool:
    if request.path.endswith("/graphql"):
        query = body.get("query") if isinstance(body, dict) else None
        return isinstance(query, str) and query.lstrip().startswith("mutation")
    return request.method in CREATING and "/repos/" in request.path


def _obeys(world: World, caller: Caller, request: web.Request) -> None:
    """Whoever was told to wait has to, whatever it is that they want."""
    since, until = world.told_to_wait.get(caller.guest, (world.now(), world.now()))
    if since + ON_THEIR_WAY < world.now() < until - CLOCKS_DIFFER:
        world.violated(f"{caller.guest} was told to wait, and came too early with {request.method} {request.path}")


def _let_wait(world: World, caller: Caller, answer: web.StreamResponse) -> None:
    seconds = answer.headers.get("Retry-After", "")
    if caller.kind == "installation" and seconds.isdecimal():
        _, before = world.told_to_wait.get(caller.guest, (world.now(), world.now()))
        world.told_to_wait[caller.guest] = (world.now(), max(before, world.now() + timedelta(seconds=int(seconds))))


def _conditional(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    if request.method != "GET" or answer.status != 200 or not isinstance(answer, web.Response):
        return answer
    body = answer.body if isinstance(answer.body, bytes) else b""
    etag = hashlib.sha256(body).hexdigest()
    answer.headers["ETag"] = f'W/"{etag}"'
    if etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers={"ETag": f'W/"{etag}"'})
    return answer


def _decorate(world: World, caller: Caller, answer: web.StreamResponse) -> None:
    reset, used = world.used.get(caller.guest, (world.now() + timedelta(hours=1), 0))
    used = min(used, world.requests_per_hour)
    answer.headers.update(
        {
            "X-RateLimit-Limit": str(world.requests_per_hour),
            "X-RateLimit-Remaining": str(world.requests_per_hour - used),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(int(reset.timestamp())),
            "X-RateLimit-Resource": "core",
            "X-GitHub-Media-Type": "github.v3; format=json",
        }
    )


def _record(world: World, request: web.Request, caller: Caller, body: Any, answer: web.StreamResponse) -> None:
    token = caller.token
    world.ledger.append(
        RequestSeen(
            at=world.now(),
            method=request.method,
            path=request.path.removeprefix(world.api_prefix),
            query=request.query_string,
            actor=caller.name,
            token_kind=caller.kind,
            permissions={} if token is None else dict(token.permissions),
            repositories=access.names_of(world, token),
            body=body,
            status=answer.status,
            answer=_said(answer),
        )
    )


def _said(answer: web.StreamResponse) -> Any:
    if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
        return None
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.body.decode(errors="replace")


def leads_to(call: Call, repository: Repository) -> Refused:
    """A renamed repository answers 301 to the address that has its id in place of its name."""
    old = f"/repos/{call.request.match_info['owner']}/{call.request.match_info['repo']}"
    rest = call.request.path.removeprefix(call.world.api_prefix).removeprefix(old)
    url = f"{call.world.api_url}/repositories/{repository.id}{rest}"
    refused = Refused(301 if call.request.method == "GET" else 307, "Moved Permanently")
    refused.headers = {"Location": url}
    return refused
