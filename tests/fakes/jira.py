"""A stand-in for Jira, Cloud or Data Center: tickets, histories, comments, workflow, webhooks, faults, a ledger."""

import asyncio
import base64
import hashlib
import hmac
import json
import random
import re
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match

LONGEST_FIELD = 32_767
PAGE_OF_HISTORY = 100  # Cloud gives no more of a history with a ticket
# What a document of Cloud's must look like, as Atlassian publishes it.
ADF = Draft4Validator(json.loads((Path(__file__).parents[1] / "contracts" / "adf-schema.json").read_text()))

Json = dict[str, Any]


@dataclass(frozen=True)
class Status:
    id: str
    name: str
    category: str

    def json(self) -> Json:
        return {"id": self.id, "name": self.name, "statusCategory": {"key": self.category}}


STATUSES = {
    one.name: one
    for one in (
        Status("1", "To Do", "new"),
        Status("3", "In Progress", "indeterminate"),
        Status("4", "In Review", "indeterminate"),
        Status("5", "Blocked", "indeterminate"),
        Status("10", "Done", "done"),
        Status("11", "Won't Do", "done"),
    )
}


@dataclass
class User:
    """Somebody with an account. In Cloud e-mail addresses may be hidden."""

    name: str
    email: str
    groups: tuple[str, ...] = ()
    kind: str = "atlassian"
    hides_email: bool = False

    def json(self, cloud: bool) -> Json:
        found: Json = {"displayName": self.name.title(), "active": True}
        if not self.hides_email:
            found["emailAddress"] = self.email
        if cloud:
            return found | {"accountId": f"5b10:{self.name}", "accountType": self.kind}
        return found | {"key": f"JIRAUSER-{self.name}", "name": self.name}


@dataclass
class Comment:
    id: int
    author: User
    body: Any
    created: datetime
    updated: datetime
    editor: User
    properties: list[Json]
    visibility: Json | None = None


@dataclass
class Ticket:
    id: int
    key: str
    summary: str
    description: Any
    creator: User
    created: datetime
    updated: datetime
    status: Status
    labels: list[str] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    histories: list[Json] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    links: dict[str, Json] = field(default_factory=dict)
    gone: bool = False


@dataclass(frozen=True)
class Call:
    """One request, as it came, and what became of it."""

    method: str
    path: str
    body: Any
    at: float
    status: int


@dataclass
class Fault:
    """What goes wrong with the next `times` calls whose method and path match."""

    method: str
    path: str
    status: int = 503
    times: int = 1
    retry_after: str | None = None
    delay: float = 0.0
    after_effect: bool = False  # it is done, and then the connection breaks
    body: str | None = None


class FakeJira:
    """One site with one project, PROJ. `cloud` says which Jira it is."""

    def __init__(self, cloud: bool = True) -> None:
        self.cloud = cloud
        self.token = secrets.token_hex(16)
        self.secret = secrets.token_hex(16)
        self.url = ""
        self.hook_url: str | None = None
        self.sending = True  # webhooks are sent; else they are lost
        self.copies = 1
        self.shuffle: random.Random | None = None
        self.away = False
        self.ledger: list[Call] = []
        self.violations: list[str] = []
        self.faults: list[Fault] = []
        self.users = {
            one.name: one
            for one in (
                User("cco", "cco@example.com"),
                User("anna", "anna@example.com"),
                User("ben", "ben@example.com", hides_email=True),
                User("carl", "carl@example.com", groups=("developers",)),
                User("eve", "eve@example.com"),
                User("zoe", "zoe@example.com"),
                User("hal", "hal@example.com"),
                User("robot", "", kind="app"),
            )
        }
        self.us = self.users["cco"]
        everything = {"BROWSE_PROJECTS", "ADD_COMMENTS", "EDIT_OWN_COMMENTS", "LINK_ISSUES", "TRANSITION_ISSUES"}
        self.permissions = {"PROJ": everything}
        self.tickets: dict[int, Ticket] = {}
        # From where to where the workflow lets anybody go; None is from everywhere.
        self.workflow: dict[str, set[str] | None] = dict.fromkeys(STATUSES, None)
        self._numbers = iter(range(10_000, 10**9))
        self._keys = iter(range(7, 10**6))
        self._last = datetime.now(UTC)
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._sent: list[tuple[str, bytes]] = []
        self._posting: set[asyncio.Task[None]] = set()

    # What people do

    async def create(
        self,
        summary: str,
        description: str = "Please.",
        by: str = "anna",
        labels: tuple[str, ...] = (),
        components: tuple[str, ...] = (),
        project: str = "PROJ",
    ) -> Ticket:
        now, number = self._now(), next(self._numbers)
        ticket = Ticket(
            number,
            f"{project}-{next(self._keys)}",
            summary,
            self._text(description),
            self.users[by],
            now,
            now,
            STATUSES["To Do"],
            list(labels),
            list(components),
        )
        self.tickets[number] = ticket
        await self._tell("jira:issue_created", ticket, self.users[by])
        return ticket

    async def label(self, ticket: Ticket, label: str = "claude", by: str = "anna") -> None:
        await self._change(ticket, by, "labels", [*ticket.labels, label])

    async def unlabel(self, ticket: Ticket, label: str = "claude", by: str = "anna") -> None:
        await self._change(ticket, by, "labels", [one for one in ticket.labels if one != label])

    async def move(self, ticket: Ticket, status: str, by: str = "anna") -> None:
        await self._change(ticket, by, "status", STATUSES[status])

    async def describe(self, ticket: Ticket, text: str, by: str = "anna") -> None:
        await self._change(ticket, by, "description", self._text(text))

    async def comment(
        self, ticket: Ticket, text: str | Json, by: str = "anna", visibility: Json | None = None
    ) -> Comment:
        comment = self._add_comment(ticket, self.users[by], self._text(text) if isinstance(text, str) else text, [])
        comment.visibility = visibility
        await self._tell_comment("comment_created", ticket, comment)
        return comment

    async def edit(self, ticket: Ticket, comment: Comment, text: str, by: str = "anna") -> None:
        comment.body, comment.editor, comment.updated = self._text(text), self.users[by], self._now()
        ticket.updated = comment.updated
        await self._tell_comment("comment_updated", ticket, comment)

    async def delete(self, ticket: Ticket, by: str = "anna") -> None:
        ticket.gone = True
        await self._tell("jira:issue_deleted", ticket, self.users[by])

    # What a test sees

    def ours(self, ticket: Ticket) -> list[Comment]:
        return [one for one in ticket.comments if one.author is self.us]

    def statuses(self, ticket: Ticket) -> list[Comment]:
        """Our living comments."""
        return [one for one in self.ours(ticket) if _value(one).get("is") == "status"]

    def status(self, ticket: Ticket) -> str:
        """What the one living comment says; nothing while there is none."""
        found = self.statuses(ticket)
        assert len(found) <= 1, found
        return self.plain(found[0].body) if found else ""

    def answers(self, ticket: Ticket) -> list[str]:
        """What we answered, in order."""
        return [self.plain(one.body) for one in self.ours(ticket) if "answer" in _value(one)]

    def answer_to(self, ticket: Ticket, key: object) -> list[str]:
        return [self.plain(one.body) for one in self.ours(ticket) if _value(one).get("answer") == str(key)]

    def plain(self, body: Any) -> str:
        """The words of a text, without what draws them."""
        if isinstance(body, str):
            return re.sub(r"\\(?=\W)", "", body)
        if body.get("type") == "text":
            return str(body["text"])
        inside = [self.plain(one) for one in body.get("content", ())]
        return ("" if body.get("type") in {"paragraph", "heading", "codeBlock"} else "\n").join(inside)

    def calls(self, method: str, path: str) -> list[Call]:
        return [one for one in self.ledger if one.method == method and re.search(path, one.path)]

    async def settled(self) -> None:
        """Until every webhook is answered."""
        while self._posting:
            await asyncio.gather(*self._posting)

    async def send_again(self) -> None:
        """Every webhook there ever was, once more, in any order."""
        again = list(self._sent)
        (self.shuffle or random.Random(7)).shuffle(again)
        for identifier, body in again:
            await self._post(identifier, body)

    # How things change

    def _now(self) -> datetime:
        """Jira keeps milliseconds; no two moments are the same here."""
        now = datetime.now(UTC)
        self._last = max(now, self._last + timedelta(milliseconds=1)).replace(microsecond=0) + timedelta(
            milliseconds=max(now, self._last + timedelta(milliseconds=1)).microsecond // 1000
        )
        return self._last

    def _text(self, text: str) -> Any:
        if not self.cloud:
            return text
        lines = text.split("\n")
        content: list[Json] = []
        for number, line in enumerate(lines):
            content += [{"type": "hardBreak"}] if number else []
            content += [{"type": "text", "text": line}] if line else []
        return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": content}]}

    def _add_comment(self, ticket: Ticket, by: User, body: Any, properties: list[Json]) -> Comment:
        now = self._now()
        comment = Comment(next(self._numbers), by, body, now, now, by, properties)
        ticket.comments.append(comment)
        ticket.updated = now
        return comment

    async def _change(self, ticket: Ticket, by: str, what: str, to: Any) -> None:
        before = getattr(ticket, what)
        if before == to:
            return
        item: Json = {"field": what, "fieldtype": "jira", "from": None, "to": None}
        if what == "labels":
            item |= {"fromString": " ".join(before), "toString": " ".join(to)}
        elif what == "status":
            item |= {"from": before.id, "to": to.id, "fromString": before.name, "toString": to.name}
        else:
            item |= {"fromString": self.plain(before), "toString": self.plain(to)}
        setattr(ticket, what, to)
        ticket.updated = self._now()
        user = self.users[by]
        history = {
            "id": str(next(self._numbers)),
            "author": user.json(self.cloud),
            "created": _time(ticket.updated),
            "items": [item],
        }
        ticket.histories.append(history)
        await self._tell("jira:issue_updated", ticket, user, changelog={"id": history["id"], "items": [item]})

    async def _tell(self, event: str, ticket: Ticket, user: User, **more: Any) -> None:
        payload = {
            "timestamp": int(time.time() * 1000),
            "webhookEvent": event,
            "user": user.json(self.cloud),
            "issue": self._ticket_json(ticket, None),
            **more,
        }
        await self._send(payload)

    async def _tell_comment(self, event: str, ticket: Ticket, comment: Comment) -> None:
        payload: Json = {
            "timestamp": int(time.time() * 1000),
            "webhookEvent": event,
            "comment": self._comment_json(comment, ticket),
        }
        if self.cloud:
            payload["issue"] = {"id": str(ticket.id), "key": ticket.key, "fields": {"summary": ticket.summary}}
        await self._send(payload)
        if not self.cloud:  # Data Center tells no more than the comment, and then all of it once more in another way
            kind = "issue_commented" if event == "comment_created" else "issue_comment_edited"
            more = {"issue_event_type_name": kind, "comment": payload["comment"]}
            await self._tell("jira:issue_updated", ticket, comment.editor, **more)

    async def _send(self, payload: Json) -> None:
        body = json.dumps(payload).encode()
        identifier = secrets.token_hex(12)
        self._sent.append((identifier, body))
        if not self.sending or self.hook_url is None:
            return
        self._outbox.extend([(identifier, body)] * self.copies)
        if self.shuffle is not None:
            held = list(self._outbox)
            self.shuffle.shuffle(held)
            self._outbox = deque(held)
        task = asyncio.create_task(self._post_all())
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def _post_all(self) -> None:
        if self.shuffle is not None:
            await asyncio.sleep(0.02)  # some more may come, and be mixed with these
        while self._outbox:
            await self._post(*self._outbox.popleft())

    async def _post(self, identifier: str, body: bytes) -> None:
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "X-Atlassian-Webhook-Identifier": identifier,
            "X-Hub-Signature": f"sha256={signature}",
        }
        with suppress(aiohttp.ClientError, OSError):
            async with (
                aiohttp.ClientSession() as http,
                http.post(str(self.hook_url), data=body, headers=headers) as answer,
            ):
                if answer.status != 202:
                    self.violations.append(f"a webhook was answered with {answer.status}: {await answer.text()}")

    # What Jira answers

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.away:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        path, method = request.path, request.method
        text = await request.text()
        body = json.loads(text) if text else None
        fault = next(
            (one for one in self.faults if one.method == method and re.search(one.path, path) and one.times), None
        )
        if fault is not None:
            fault.times -= 1
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if not fault.after_effect and not (fault.delay and fault.status == 200):
                headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
                self._note(method, path, body, fault.status)
                return web.Response(text=fault.body or "broken", status=fault.status, headers=headers)
        status, answer = await self._carry_out(request, path, body)
        self._note(method, path, body, status)
        if fault is not None and fault.after_effect and request.transport is not None:
            request.transport.abort()
        return web.Response(status=204) if answer is None else web.json_response(answer, status=status)

    def _note(self, method: str, path: str, body: Any, status: int) -> None:
        self.ledger.append(Call(method, path, body, time.monotonic(), status))

    async def _carry_out(self, request: web.Request, path: str, body: Any) -> tuple[int, Any]:
        found = re.fullmatch(r"/rest/api/(?P<version>2|3)/(?P<what>.+)", path)
        if found is None or (found["version"] == "3" and not self.cloud):
            return 404, {"errorMessages": ["null for uri"]}
        what = found["what"]
        if what == "serverInfo":
            kind = "Cloud" if self.cloud else "Server"
            numbers = [1001, 0, 0] if self.cloud else [9, 12, 3]
            return 200, {
                "baseUrl": self.url,
                "deploymentType": kind,
                "versionNumbers": numbers,
                "serverTitle": "Jira",
                "version": ".".join(map(str, numbers)),
            }
        if not self._is_signed_in(request):
            return 401, {"errorMessages": ["Client must be authenticated to access this resource."]}
        for pattern, method, handler in self._routes():
            match = re.fullmatch(pattern, what)
            if match and method == request.method:
                return await handler(request, body, *match.groups(), version=found["version"])
        return 404, {"errorMessages": [f"there is no {what}"]}

    def _is_signed_in(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "")
        if self.cloud:
            pair = base64.b64encode(f"{self.us.email}:{self.token}".encode()).decode()
            return given == f"Basic {pair}"
        return given == f"Bearer {self.token}"

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        return [
            (r"myself", "GET", self._get_myself),
            (r"user", "GET", self._get_user),
            (r"mypermissions", "GET", self._get_permissions),
            (r"status", "GET", self._get_statuses),
            (r"search", "GET", self._get_search),
            (r"search/jql", "GET", self._get_search_jql),
            (r"issue/(\w[\w-]*)", "GET", self._get_issue),
            (r"issue/(\w[\w-]*)/changelog", "GET", self._get_changelog),
            (r"issue/(\w[\w-]*)/comment", "GET", self._get_comments),
            (r"issue/(\w[\w-]*)/comment", "POST", self._post_comment),
            (r"issue/(\w[\w-]*)/comment/(\d+)", "PUT", self._put_comment),
            (r"issue/(\w[\w-]*)/transitions", "GET", self._get_transitions),
            (r"issue/(\w[\w-]*)/transitions", "POST", self._post_transition),
            (r"issue/(\w[\w-]*)/remotelink", "POST", self._post_link),
        ]

    async def _get_myself(self, request: web.Request, body: Any, *, version: str) -> tuple[int, Any]:
        return 200, self.us.json(self.cloud)

    async def _get_user(self, request: web.Request, body: Any, *, version: str) -> tuple[int, Any]:
        for user in self.users.values():
            known = user.json(self.cloud)
            wanted = request.query
            if wanted.get("accountId", "-") == known.get("accountId") or wanted.get("key", "-") == known.get("key"):
                return 200, known | {
                    "groups": {"size": len(user.groups), "items": [{"name": one} for one in user.groups]}
                }
        return 404, {"errorMessages": ["The user does not exist"]}

    async def _get_permissions(self, request: web.Request, body: Any, *, version: str) -> tuple[int, Any]:
        if request.query.get("projectKey") not in self.permissions:
            return 404, {"errorMessages": [f"No project could be found with key '{request.query.get('projectKey')}'."]}
        held, wanted = self.permissions[request.query["projectKey"]], request.query["permissions"].split(",")
        return 200, {"permissions": {key: {"key": key, "havePermission": key in held} for key in wanted}}

    async def _get_statuses(self, request: web.Request, body: Any, *, version: str) -> tuple[int, Any]:
        return 200, [one.json() for one in STATUSES.values()]

    async def _get_search(self, request: web.Request, body: Any, *, version: str) -> tuple[int, Any]:
        if self.cloud:
            return 410, {
                "errorMessages": ["The requested API has been removed. Please use the /rest/api/3/search/jql API."]
            }
        found, start = self._found(request.query["jql"]), int(request.query.get("startAt", 0))
        page = found[start : start + int(request.query.get("maxResults", 50))]
        return 200, {
            "startAt": start,
            "total": len(found),
            "issues": [self._ticket_json(one, "updated") for one in page],
        }

    async def _get_search_jql(self, request: web.Request, body: Any, *, version: str) -> tuple[int, Any]:
        if not self.cloud:
            return 404, {"errorMessages": ["null for uri"]}
        found, start = self._found(request.query["jql"]), int(request.query.get("nextPageToken", 0))
        end = start + int(request.query.get("maxResults", 50))
        answer: Json = {
            "issues": [self._ticket_json(one, "updated") for one in found[start:end]],
            "isLast": end >= len(found),
        }
        return 200, answer if end >= len(found) else answer | {"nextPageToken": str(end)}

    def _found(self, jql: str) -> list[Ticket]:
        """As much of JQL as is asked of it."""
        query = re.fullmatch(
            r'(?:updated >= "-(?P<minutes>\d+)m" AND )?\(?labels = "(?P<label>[^"]+)"'
            r'(?: OR comment ~ "(?P<word>\w+)"\))?(?P<open> AND statusCategory != Done)? ORDER BY updated ASC',
            jql,
        )
        if query is None:
            self.violations.append(f"this JQL is not understood: {jql}")
            return []
        since = (
            datetime.now(UTC) - timedelta(minutes=int(query["minutes"]))
            if query["minutes"]
            else self._last.min.replace(tzinfo=UTC)
        )

        def fits(ticket: Ticket) -> bool:
            said = (
                any(query["word"] in self.plain(one.body).lower() for one in ticket.comments)
                if query["word"]
                else False
            )
            if query["open"] and ticket.status.category == "done":
                return False
            return not ticket.gone and ticket.updated >= since and (query["label"] in ticket.labels or said)

        return sorted(filter(fits, self.tickets.values()), key=lambda one: one.updated)

    def _ticket(self, name: str) -> Ticket | None:
        return next((one for one in self.tickets.values() if name in {str(one.id), one.key} and not one.gone), None)

    async def _get_issue(self, request: web.Request, body: Any, name: str, *, version: str) -> tuple[int, Any]:
        ticket = self._ticket(name)
        if ticket is None:
            return _gone()
        answer = self._ticket_json(ticket, request.query.get("fields"))
        if "changelog" in request.query.get("expand", ""):
            histories = ticket.histories[::-1][:PAGE_OF_HISTORY] if self.cloud else ticket.histories
            answer["changelog"] = {
                "startAt": 0,
                "maxResults": len(histories),
                "total": len(ticket.histories),
                "histories": histories,
            }
        return 200, answer

    async def _get_changelog(self, request: web.Request, body: Any, name: str, *, version: str) -> tuple[int, Any]:
        ticket = self._ticket(name)
        if ticket is None or not self.cloud:
            return _gone()
        start, size = int(request.query.get("startAt", 0)), min(int(request.query.get("maxResults", 100)), 100)
        values = ticket.histories[start : start + size]
        return 200, {
            "startAt": start,
            "total": len(ticket.histories),
            "isLast": start + size >= len(ticket.histories),
            "values": values,
        }

    async def _get_comments(self, request: web.Request, body: Any, name: str, *, version: str) -> tuple[int, Any]:
        ticket = self._ticket(name)
        if ticket is None:
            return _gone()
        found = ticket.comments[::-1] if request.query.get("orderBy") == "-created" else ticket.comments
        start, size = int(request.query.get("startAt", 0)), int(request.query.get("maxResults", 50))
        with_properties = "properties" in request.query.get("expand", "")
        page = [self._comment_json(one, ticket, with_properties) for one in found[start : start + size]]
        return 200, {"startAt": start, "maxResults": size, "total": len(found), "comments": page}

    async def _post_comment(self, request: web.Request, body: Any, name: str, *, version: str) -> tuple[int, Any]:
        ticket = self._ticket(name)
        if ticket is None:
            return _gone()
        if wrong := self._wrong(body["body"], version):
            return wrong
        comment = self._add_comment(ticket, self.us, body["body"], body.get("properties", []))
        await self._tell_comment("comment_created", ticket, comment)
        return 201, self._comment_json(comment, ticket)

    async def _put_comment(
        self, request: web.Request, body: Any, name: str, comment_id: str, *, version: str
    ) -> tuple[int, Any]:
        ticket = self._ticket(name)
        comment = next((one for one in ticket.comments if str(one.id) == comment_id), None) if ticket else None
        if ticket is None or comment is None:
            return 404, {"errorMessages": [f"Can not find a comment for the id: {comment_id}."]}
        if comment.author is not self.us:
            return 403, {"errorMessages": ["You do not have the permission to edit this comment."]}
        if wrong := self._wrong(body["body"], version):
            return wrong
        comment.body, comment.updated = body["body"], self._now()
        ticket.updated = comment.updated
        await self._tell_comment("comment_updated", ticket, comment)
        return 200, self._comment_json(comment, ticket)

    async def _get_transitions(self, request: web.Request, body: Any, name: str, *, version: str) -> tuple[int, Any]:
        ticket = self._ticket(name)
        return _gone() if ticket is None else (200, {"transitions": self._offered(ticket)})

    def _offered(self, ticket: Ticket) -> list[Json]:
        return [
            {"id": f"2{one.id}", "name": f"Go to {one.name}", "to": one.json()}
            for one in STATUSES.values()
            if one is not ticket.status
            and one.name in self.workflow
            and (self.workflow[one.name] is None or ticket.status.name in (self.workflow[one.name] or ()))
        ]

    async def _post_transition(self, request: web.Request, body: Any, name: str, *, version: str) -> tuple[int, Any]:
        ticket = self._ticket(name)
        if ticket is None:
            return _gone()
        found = next((one for one in self._offered(ticket) if one["id"] == body["transition"]["id"]), None)
        if found is None:
            return 400, {"errorMessages": ["It seems that you have tried to perform an illegal workflow operation."]}
        await self._change(ticket, self.us.name, "status", STATUSES[found["to"]["name"]])
        return 204, None

    async def _post_link(self, request: web.Request, body: Any, name: str, *, version: str) -> tuple[int, Any]:
        ticket = self._ticket(name)
        if ticket is None:
            return _gone()
        is_new = body["globalId"] not in ticket.links
        ticket.links[body["globalId"]] = body
        return 201 if is_new else 200, {"id": len(ticket.links), "self": self.url}

    def _wrong(self, body: Any, version: str) -> tuple[int, Json] | None:
        """Jira's own objections to a text."""
        why = ""
        if version == "3":
            why = not_adf(body) if isinstance(body, dict) else "Comment body is not valid!"
        elif not isinstance(body, str) or not body:
            why = "Comment body can not be empty!"
        if not why and len(json.dumps(body) if isinstance(body, dict) else body) > LONGEST_FIELD:
            why = "The entered text is too long. It exceeds the allowed limit of 32,767 characters."
        if not why:
            return None
        self.violations.append(f"{why} {body!r}"[:2000])
        return 400, {"errorMessages": [], "errors": {"comment": why}}

    def _ticket_json(self, ticket: Ticket, fields: str | None) -> Json:
        whole = {
            "summary": ticket.summary,
            "description": ticket.description,
            "labels": list(ticket.labels),
            "status": ticket.status.json(),
            "components": [{"id": "1", "name": one} for one in ticket.components],
            "project": {"id": "1", "key": ticket.key.rpartition("-")[0]},
            "creator": ticket.creator.json(self.cloud),
            "created": _time(ticket.created),
            "updated": _time(ticket.updated),
        }
        wanted = whole if fields is None else {name: whole[name] for name in fields.split(",") if name in whole}
        return {
            "id": str(ticket.id),
            "key": ticket.key,
            "self": f"{self.url}/rest/api/2/issue/{ticket.id}",
            "fields": wanted,
        }

    def _comment_json(self, comment: Comment, ticket: Ticket, with_properties: bool = False) -> Json:
        found: Json = {
            "self": f"{self.url}/rest/api/2/issue/{ticket.id}/comment/{comment.id}",
            "id": str(comment.id),
            "author": comment.author.json(self.cloud),
            "updateAuthor": comment.editor.json(self.cloud),
            "body": comment.body,
            "created": _time(comment.created),
            "updated": _time(comment.updated),
        }
        if comment.visibility is not None:
            found["visibility"] = comment.visibility
        return found | ({"properties": comment.properties} if with_properties else {})


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}+0000"


def _value(comment: Comment) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next((one["value"] for one in comment.properties if one["key"] == "cco"), {})
    return found


def _gone() -> tuple[int, Json]:
    return 404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]}


def not_adf(document: object) -> str:
    """Why it is no document that Cloud takes, if it is none."""
    wrong = best_match(ADF.iter_errors(document))
    return f"INVALID_INPUT: {wrong.json_path}: {wrong.message[:500]}" if wrong is not None else ""


@asynccontextmanager
async def jira(cloud: bool = True) -> AsyncIterator[FakeJira]:
    """A Jira, listening."""
    fake = FakeJira(cloud)
    app = web.Application(client_max_size=10 * 2**20)
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        fake.hook_url = None
        await runner.cleanup()
