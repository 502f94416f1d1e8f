"""Jira's REST API through the `jira` library: in a few threads, each call with a time limit, nothing tried twice here.

Jira Cloud is spoken to in version 3, whose texts are documents (ADF); Data Center in version 2, whose texts are wiki
text. Which of the two it is, Jira says itself. What is said through here is Markdown.
"""

import asyncio
import json
import logging
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from jira import JIRA
from jira.exceptions import JIRAError

from app.settings_model import JiraSettings
from handlers import adf_writing, wiki_writing
from handlers.tickets import PROPERTY, Json, is_same, when
from runner.errors import TryLater

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT_SECONDS = 10.0  # for a connection, and for each piece of an answer
LONGEST_SECONDS = 30.0  # for a whole call, with its wait for a thread
THREADS = 4
LONGEST_ADVICE_SECONDS = 3600
LOOK_AGAIN = timedelta(minutes=5)  # whether an operator has mended what only they can
MOST_COMMENTS = 1000
PAGE = 100

# In a service project customers read along, unless a comment says that it is internal. Elsewhere this means nothing.
FOR_THE_TEAM = {"key": "sd.public.comment", "value": {"internal": True}}

FIELDS = "summary,description,labels,status,components,project,creator,created,updated"


class Rejected(Exception):
    """Jira understood us and said no to this one thing."""

    def __init__(self, what: str, status: int, why: str) -> None:
        super().__init__(f"Jira refused to {what}: {status} {why}".rstrip())
        self.status = status


class Unusable(TryLater):
    """Jira refuses us until an operator mends it: `detail` is what is wrong, `mend` what to do about it."""

    def __init__(self, detail: str, mend: str) -> None:
        super().__init__(f"{detail}; {mend}", LOOK_AGAIN)
        self.detail = detail
        self.mend = mend


class Jira:
    """One Jira, as the user whose token we have. It is asked nothing before the first call: no start waits for it."""

    def __init__(
        self,
        settings: JiraSettings,
        pool: ThreadPoolExecutor,
        timeout_seconds: float = TIMEOUT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if settings.url is None or settings.token is None:
            raise ValueError("Jira is spoken to only where its address and a token are set")
        self.url = settings.url
        self.host = settings.host
        self._email = settings.email
        self._token = settings.token.get_secret_value()
        self._pool = pool
        self._timeout_seconds = timeout_seconds
        self._monotonic = monotonic
        self._making = threading.Lock()
        self._client: JIRA | None = None
        self._me: Json | None = None
        self._done: frozenset[str] | None = None
        self._not_before = 0.0
        self._told: dict[str, str] = {}  # what is wrong, and the call that met it first

    # What handlers ask for

    async def me(self) -> Json:
        """Our own account."""
        if self._me is None:
            self._me = await self._get("see who we are", "myself")
        return self._me

    async def ticket(self, ticket_id: str) -> Json | None:
        """A ticket with its whole history; None where there is none that we may see."""
        try:
            found: dict[str, Any] = await self._get(
                "read a ticket", f"issue/{ticket_id}", fields=FIELDS, expand="changelog"
            )
        except Rejected as exc:
            if exc.status in {403, 404}:
                return None
            raise
        log = found.get("changelog") or {}
        if int(log.get("total") or 0) > len(log.get("histories") or ()):  # Cloud gives the last hundred
            found["changelog"] = {
                "histories": await self._pages("read a ticket's history", f"issue/{ticket_id}/changelog")
            }
        return found

    async def updated(self, ticket_id: str) -> str | None:
        """When a ticket was last changed, as Jira writes it; None where there is none."""
        try:
            found = await self._get("look at a ticket", f"issue/{ticket_id}", fields="updated")
        except Rejected as exc:
            if exc.status in {403, 404}:
                return None
            raise
        return str(found["fields"]["updated"])

    async def comments(self, ticket_id: str) -> Sequence[Json]:
        """Its comments, the oldest first, with their properties; of a very long row only the last thousand."""
        found: list[Json] = []
        how = {"maxResults": PAGE, "orderBy": "-created", "expand": "properties"}
        while len(found) < MOST_COMMENTS:
            try:
                page = await self._get("read comments", f"issue/{ticket_id}/comment", startAt=len(found), **how)
            except Rejected as exc:
                if exc.status == 404:
                    return []
                raise
            comments = page.get("comments") or []
            found += comments
            if not comments or len(found) >= int(page.get("total") or 0):
                break
        return sorted(found, key=lambda one: (when(one["created"]), int(one["id"])))

    async def done_statuses(self) -> Set[str]:
        """The ids of all statuses that mean that nothing is left to do. They hardly ever change."""
        if self._done is None:
            found = await self._get("read the statuses", "status")
            self._done = frozenset(
                str(one["id"]) for one in found if (one.get("statusCategory") or {}).get("key") == "done"
            )
        return self._done

    async def groups(self, user: Json) -> Sequence[str]:
        """The names of the groups that somebody is in; none where we may not know."""
        by = next((name for name in ("accountId", "key", "name") if user.get(name)), None)
        if by is None:
            return []
        wanted = {"name": "username"}.get(by, by)
        try:
            found = await self._get("see somebody's groups", "user", expand="groups", **{wanted: user[by]})
        except Rejected as exc:
            logger.warning("what groups somebody is in cannot be seen: %s", exc)
            return []
        return [str(one.get("name")) for one in (found.get("groups") or {}).get("items") or ()]

    async def comment(self, ticket_id: str, text: str, mark: Mapping[str, str]) -> str | None:
        """A new comment; its id. None: there is no such ticket. After TryLater it may be there all the same."""
        path, properties = f"issue/{ticket_id}/comment", [{"key": PROPERTY, "value": dict(mark)}, FOR_THE_TEAM]
        try:
            posted = await self._send(
                "comment", "POST", path, lambda: {"body": self._body(text), "properties": properties}
            )
        except Rejected as exc:
            if exc.status == 404:
                return None
            if exc.status == 403:
                lacking = Unusable("we may not comment on tickets", "give our Jira user Add Comments in their project")
                raise self._said_once("comment", lacking) from exc
            raise
        return str(posted["id"])

    async def edit(self, ticket_id: str, comment_id: str, text: str) -> bool:
        """Write a comment of ours anew. False: it is gone, or not ours to edit."""
        try:
            path = f"issue/{ticket_id}/comment/{quote(comment_id, safe='')}"
            await self._send("edit a comment", "PUT", path, lambda: {"body": self._body(text)})
        except Rejected as exc:
            if exc.status in {400, 403, 404}:
                logger.info("a comment of ours cannot be edited any more: %s", exc)
                return False
            raise
        return True

    async def link(self, ticket_id: str, global_id: str, url: str, title: str, *, resolved: bool) -> bool:
        """A link to something outside; there is one of each `global_id`. False: this Jira takes none."""
        link = {
            "globalId": global_id,
            "application": {"type": "cc-orchestrator", "name": "cc-orchestrator"},
            "relationship": "pull request",
            "object": {"url": url, "title": title, "status": {"resolved": resolved}},
        }
        try:
            await self._send("link the pull request", "POST", f"issue/{ticket_id}/remotelink", lambda: link)
        except Rejected as exc:
            if exc.status in {400, 403, 404}:
                logger.warning("the pull request is not linked: %s (the user needs the permission Link Issues)", exc)
                return False
            raise
        return True

    async def transitions(self, ticket_id: str) -> Sequence[Json]:
        """What the workflow offers us now."""
        found = await self._get("read the transitions", f"issue/{ticket_id}/transitions")
        return list(found.get("transitions") or ())

    async def move(self, ticket_id: str, transition_id: str) -> bool:
        """Take a transition. False: the workflow does not let us after all."""
        try:
            body = {"transition": {"id": transition_id}}
            await self._send("move the ticket", "POST", f"issue/{ticket_id}/transitions", lambda: body)
        except Rejected as exc:
            if exc.status in {400, 403, 404, 409}:
                logger.warning("the ticket stays where it is: %s", exc)
                return False
            raise
        return True

    async def search(self, jql: str) -> Sequence[Json]:
        """All tickets that it finds, each with `id`, `key` and when it was `updated`."""
        found: list[Json] = []
        wanted: dict[str, Any] = {"jql": jql, "fields": "updated", "maxResults": PAGE}
        is_cloud = await self._ask("see which Jira it is", _is_cloud)
        while True:
            if is_cloud:
                page = await self._get("search", "search/jql", **wanted)
                wanted["nextPageToken"] = page.get("nextPageToken")
            else:
                page = await self._get("search", "search", **wanted, startAt=len(found))
            tickets = page.get("issues") or []
            found += tickets
            is_last = not wanted.get("nextPageToken") if is_cloud else len(found) >= int(page.get("total") or 0)
            if not tickets or is_last:
                return found

    async def server(self) -> Json:
        """What Jira says of itself."""
        found: Json = await self._get("see which Jira it is", "serverInfo")
        return found

    async def permissions(self, project: str, wanted: Sequence[str]) -> set[str]:
        """Those of these permissions that we have in a project."""
        found = await self._get("see what we may do", "mypermissions", projectKey=project, permissions=",".join(wanted))
        held = found.get("permissions") or {}
        return {key for key in wanted if (held.get(key) or {}).get("havePermission")}

    async def is_ours(self, user: object) -> bool:
        """Whether this is our own account."""
        return isinstance(user, Mapping) and is_same(user, await self.me())

    # How they are asked

    def _body(self, text: str) -> object:
        """A text as this Jira takes it; only in a thread, where it is known which one it is."""
        client = self._client
        return adf_writing.write(text) if client is not None and _is_cloud(client) else wiki_writing.write(text)

    async def _get(self, what: str, path: str, **params: Any) -> Any:
        return await self._ask(what, lambda client: client._get_json(path, params=params))

    async def _pages(self, what: str, path: str) -> list[Json]:
        found: list[Json] = []
        while True:
            page = await self._get(what, path, startAt=len(found), maxResults=PAGE)
            found += page.get("values") or []
            if page.get("isLast", True) or not page.get("values"):
                return found

    async def _send(self, what: str, method: str, path: str, body: Callable[[], object]) -> Any:
        def send(client: JIRA) -> Any:
            answer = client._session.request(method, client._get_url(path), data=json.dumps(body()))
            return json.loads(answer.content) if answer.content else {}

        return await self._ask(what, send)

    async def _ask(self, what: str, call: Callable[[JIRA], T]) -> T:
        wait = self._not_before - self._monotonic()
        if wait > 0:
            raise TryLater("Jira limits how often we may call it", timedelta(seconds=wait))
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                answer = await asyncio.get_running_loop().run_in_executor(self._pool, self._in_thread, call)
        except JIRAError as exc:
            raise self._said_once(what, self._meaning(what, exc)) from exc
        except (requests.RequestException, OSError, TimeoutError) as exc:
            raise TryLater(f"Jira cannot be reached: {type(exc).__name__}") from exc
        except (ValueError, LookupError, TypeError, AttributeError) as exc:  # how it says that it was not Jira's JSON
            raise TryLater(f"what answered at {self.url} does not speak as Jira does") from exc
        self._told = {detail: told for detail, told in self._told.items() if told != what}
        return answer

    def _said_once(self, what: str, meaning: Exception) -> Exception:
        """What only an operator can mend stands in the log once, until the same call works again."""
        if isinstance(meaning, Unusable) and meaning.detail not in self._told:
            self._told[meaning.detail] = what
            logger.error("Jira does not work with us: %s", meaning)
        return meaning

    def _in_thread(self, call: Callable[[JIRA], T]) -> T:
        with self._making:
            if self._client is None:
                self._client = self._made()
        return call(self._client)

    def _made(self) -> JIRA:
        """It asks which Jira it is. Nothing is tried again in here: after a lost answer a comment may be there."""
        auth = {"basic_auth": (self._email, self._token)} if self._email else {"token_auth": self._token}
        options = {"server": self.url, "check_update": False}
        client = JIRA(options=options, timeout=self._timeout_seconds, max_retries=0, logging=False, **auth)
        if _is_cloud(client):
            client._options["rest_api_version"] = "3"
        return client

    def _meaning(self, what: str, exc: JIRAError) -> Exception:
        status = int(exc.status_code or 0)
        headers = exc.response.headers if exc.response is not None else {}
        if status == 429 or status >= 500:
            after = _advice(headers.get("Retry-After"))
            if after is not None:
                self._not_before = self._monotonic() + after.total_seconds()
            return TryLater(f"Jira is busy: {status}", after)
        if status == 401 or "X-Authentication-Denied-Reason" in headers:
            return Unusable(f"Jira does not accept the token ({status})", self._how_to_mend())
        if status in {301, 302, 303, 307, 308} or not status:
            return TryLater(f"what answered at {self.url} does not speak as Jira does")
        return Rejected(what, status, " ".join(str(exc.text or "").split())[:300])

    def _how_to_mend(self) -> str:
        if self._email:
            return (
                "make an API token for that user at https://id.atlassian.com/manage-profile/security/api-tokens and "
                "set CCO_JIRA_EMAIL and CCO_JIRA_TOKEN (for Data Center leave CCO_JIRA_EMAIL out)"
            )
        return (
            "make a personal access token in that user's Jira profile and set CCO_JIRA_TOKEN (for Jira Cloud set "
            "CCO_JIRA_EMAIL too)"
        )


@asynccontextmanager
async def open_jira(settings: JiraSettings, timeout_seconds: float = TIMEOUT_SECONDS) -> AsyncIterator[Jira]:
    """Ready to speak; nothing is asked yet."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="jira")
    try:
        yield Jira(settings, pool, timeout_seconds)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _is_cloud(client: JIRA) -> bool:
    return bool(client.deploymentType == "Cloud")


def _advice(retry_after: str | None) -> timedelta | None:
    if retry_after is None or not re.fullmatch(r"[0-9]{1,9}", retry_after):
        return None
    return timedelta(seconds=min(int(retry_after), LONGEST_ADVICE_SECONDS))
