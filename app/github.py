"""The client of GitHub: speaks for the App, or for its installation on one repository, and minds GitHub's manners."""

import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import gidgethub
import gidgethub.aiohttp

from app import github_people
from app.credentials import OAuthClient
from app.github_diary import Diary
from app.github_lane import INTERVAL, Rank, Traffic, Unreached, WriteLane, is_write, rank_of
from app.github_tokens import Purpose, Tokens
from app.github_weather import weather
from app.settings_model import GitHubSettings
from runner.effects import effect
from runner.errors import TryLater
from runner.remotes import Credential
from runner.tasks import Actor, Repository

USER_AGENT = "cc-orchestrator"
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
READ_ATTEMPTS = 3
PATIENCE = timedelta(seconds=5)  # a longer wait than this is the caller's to plan
REDIRECTS = 3
REDIRECT = frozenset({301, 302, 307, 308})
LONGEST_ANSWER_BYTES = 64 * 1024 * 1024


class NotConfigured(Exception):
    """The App's id or key is missing: `Settings.missing_for_serve` says which."""


class Api(gidgethub.aiohttp.GitHubAPI):
    """gidgethub, with weather told apart from answers. Speaks for the App, by its key.

    Raises TryLater for what may work later, and gidgethub's own exceptions for what will not.
    """

    lane: WriteLane | None = None  # None: what the App itself does is not content, and is not queued
    place: str = ""  # the repository that it speaks in, by the name that it has in the lane

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request, and for a GET up to two more where the weather is bad."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                return await self._send(method, url, headers, body)
            except TryLater as exc:
                if method != "GET" or attempt == READ_ATTEMPTS or (exc.after or timedelta(0)) > PATIENCE:
                    raise
                pause = exc.after.total_seconds() if exc.after else 0.25 * 2**attempt
                await self.sleep(pause + random.uniform(0, 0.25))  # noqa: S311  jitter, not a secret
        raise AssertionError("the last attempt returns or raises")

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        for _ in range(REDIRECTS + 1):
            if not is_below(url, self.base_url):
                # A payload or a redirect may name any address; our token is for one place.
                raise ValueError(f"{urlsplit(url).netloc} is not GitHub's API at {self.base_url}")
            status, answered, content = await self._exchange(method, url, headers, body)
            if status not in REDIRECT or "location" not in answered:
                break
            url = urljoin(url, answered["location"])  # a renamed repository; the method stays
        return status, answered, content

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request and its answer, and what both mean for the lane."""
        async with self._turn(method, urlsplit(url).path, body):
            try:
                status, answered, content = await self._ask(method, url, headers, body)
                trouble = weather(status, answered, content)
            except TryLater:
                if self.lane is not None:
                    self.lane.stumbled()
                raise
            if self.lane is not None:
                self.lane.heard(status, answered, trouble)
            if trouble is not None:
                raise trouble
            return status, answered, content

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False, timeout=TIMEOUT
            ) as response:
                content = await _whole(response)
                if response.status < 300 and content and response.content_type != "application/json":
                    raise TryLater(f"GitHub answered with {response.content_type}, which is not JSON")
                return response.status, response.headers, content
        except aiohttp.ClientConnectorError as exc:
            raise Unreached(f"GitHub cannot be reached: {type(exc).__name__} {exc}") from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise TryLater(f"GitHub cannot be reached: {type(exc).__name__} {exc}".strip()) from exc

    def _turn(self, method: str, path: str, body: bytes) -> AbstractAsyncContextManager[None]:
        if self.lane is None:
            return nullcontext()
        if not is_write(method, path, body):
            self.lane.check()
            return nullcontext()
        return self.lane.write(self.place, rank_of(method, path))

    async def _make_request(self, *args: Any, **kwargs: Any) -> tuple[bytes, str | None, int]:
        with _cut_short_is_weather():
            return await super()._make_request(*args, **kwargs)

    async def graphql(self, query: str, *, endpoint: str = "", **variables: Any) -> Any:
        """The same for GraphQL."""
        with _cut_short_is_weather():
            return await super().graphql(query, endpoint=endpoint, **variables)


class RepositoryApi(Api):
    """Speaks for the App's installation on one repository, with a token that can do nothing elsewhere."""

    def __init__(
        self, session: aiohttp.ClientSession, tokens: Tokens, repository: Repository, lane: WriteLane, **kwargs: Any
    ) -> None:
        super().__init__(session, USER_AGENT, **kwargs)
        self._tokens = tokens
        self._repository = repository
        self.lane = lane
        self.place = repository.full_name.lower()

    async def _make_request(self, *args: Any, **kwargs: Any) -> tuple[bytes, str | None, int]:
        """With our token; where GitHub says 401, once more with a new one."""
        if kwargs.get("jwt") is not None or kwargs.get("oauth_token") is not None:
            raise ValueError("the token of this client is its own")
        if self.lane is not None:
            self.lane.check()  # no token is asked for that could not be used
        token = await self._tokens.token(self._repository, Purpose.api)
        try:
            return await super()._make_request(*args, **{**kwargs, "oauth_token": token})
        except gidgethub.BadRequest as exc:
            if exc.status_code != HTTPStatus.UNAUTHORIZED:
                raise
        self._tokens.drop(token)
        token = await self._tokens.token(self._repository, Purpose.api)
        return await super()._make_request(*args, **{**kwargs, "oauth_token": token})

    async def graphql(self, query: str, *, endpoint: str = "", **variables: Any) -> Any:
        """GraphQL has an address of its own, and wants more for a mutation than REST does."""
        token = await self._tokens.token(self._repository, Purpose.graphql)
        try:
            return await self._graphql(token, query, endpoint, variables)
        except gidgethub.GraphQLAuthorizationFailure:
            self._tokens.drop(token)
        return await self._graphql(
            await self._tokens.token(self._repository, Purpose.graphql), query, endpoint, variables
        )

    async def _graphql(self, token: str, query: str, endpoint: str, variables: Mapping[str, Any]) -> Any:
        base = graphql_base(self.base_url)
        api = Api(self._session, USER_AGENT, oauth_token=token, base_url=base)
        api.lane, api.place = self.lane, self.place
        return await api.graphql(query, endpoint=endpoint or base + "/graphql", **variables)


class GitHub:
    """The App on one GitHub. Made by `open_github`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: GitHubSettings,
        write_interval: timedelta,
        on_token: Callable[[str], None],
        diary: Diary | None,
    ) -> None:
        if settings.app_id is None or settings.private_key is None:
            raise NotConfigured
        self._session = session
        self._settings = settings
        self._write_interval = write_interval
        self._diary = diary
        key = settings.private_key.get_secret_value()
        self.app = Api(session, USER_AGENT, app_id=settings.app_id, private_key=key, base_url=settings.api_url)
        self._tokens = Tokens(self.app, settings.url, on_token)
        self._lanes: dict[str, WriteLane] = {}
        self._bot: Actor | None = None

    @property
    def bot(self) -> Actor:
        """Who we are on GitHub; known after `identify`."""
        if self._bot is None:
            raise RuntimeError("identify() comes first")
        return self._bot

    async def identify(self) -> Actor:
        """Ask GitHub who we are: `<slug>[bot]`, and the number that makes its commits ours."""
        if self._bot is None:
            app = await self.app.getitem("/app")
            login = f"{app['slug']}[bot]"
            # The App's own token is not taken here, and nobody's is needed.
            public = Api(self._session, USER_AGENT, base_url=self._settings.api_url)
            user = await public.getitem("/users/{login}", {"login": login})
            self._bot = Actor(login, int(user["id"]), self._settings.host)
        return self._bot

    def be(self, bot: Actor) -> Actor:
        """Take this for who we are, as GitHub cannot be asked."""
        self._bot = bot
        return bot

    def of(self, repository: Repository) -> RepositoryApi:
        """The API, speaking for the installation on this repository and for nothing else."""
        lane = self._lane(repository)
        return RepositoryApi(self._session, self._tokens, repository, lane, base_url=self._settings.api_url)

    def turn(self, repository: Repository, is_news: bool) -> AbstractAsyncContextManager[None]:
        """Our turn to write there, however long it takes; all that is written in the block belongs to it."""
        rank = Rank.news if is_news else Rank.edit
        return self._lane(repository).turn(repository.full_name.lower(), rank, patient=True)

    def traffic(self) -> dict[str, Traffic]:
        """How each lane stands, by the account whose installation it leads to."""
        return {owner: lane.traffic() for owner, lane in self._lanes.items()}

    def _lane(self, repository: Repository) -> WriteLane:
        owner = repository.full_name.partition("/")[0].lower()  # an account has one installation
        if owner not in self._lanes:
            self._lanes[owner] = WriteLane(self._write_interval, self._diary, owner)
        return self._lanes[owner]

    async def repositories(self) -> AsyncIterator[dict[str, Any]]:
        """Every repository of every installation that is not suspended, as GitHub describes it."""
        async for installation in self.app.getiter("/app/installations?per_page=100"):
            if installation.get("suspended_at"):
                continue
            token = await self._tokens.of_installation(int(installation["id"]))
            theirs = Api(self._session, USER_AGENT, oauth_token=token, base_url=self._settings.api_url)
            async for found in theirs.getiter("/installation/repositories?per_page=100", iterable_key="repositories"):
                yield found

    async def redeliver(self, delivery_id: int) -> None:
        """Have GitHub try a webhook once more."""
        with effect("http.redelivery"):
            await self.app.post(f"/app/hook/deliveries/{delivery_id}/attempts", data=b"")

    async def credential(self, repository: Repository, write: bool, refused: Credential | None = None) -> Credential:
        """What git shows to clone and fetch, or to push; good for ten minutes at least, and not what was refused."""
        if refused is not None:
            self._tokens.drop(refused.password)
        token = await self._tokens.token(repository, Purpose.git_write if write else Purpose.git_read)
        return Credential("x-access-token", token)

    async def person(self, client: OAuthClient, code: str, verifier: str, back: str) -> Actor:
        """Whom GitHub sent back to us with this code. Their token is used once, for that question, and not kept."""
        token = await github_people.token_of(self._session, self._settings.url, client, code, verifier, back)
        theirs = Api(self._session, USER_AGENT, oauth_token=token, base_url=self._settings.api_url)
        user = await theirs.getitem("/user")
        return Actor(user["login"], int(user["id"]), self._settings.host)

    def forget(self, repository: Repository) -> None:
        """The installation has changed: look everything up again."""
        self._tokens.forget(repository)


@asynccontextmanager
async def open_github(
    settings: GitHubSettings,
    *,
    write_interval: timedelta = INTERVAL,
    on_token: Callable[[str], None] = lambda _: None,
    diary: Path | None = None,
) -> AsyncIterator[GitHub]:
    """The client, for as long as the block runs. `on_token` hears of every token, so that it can be redacted.

    `diary` is the file in which the next process finds what GitHub still counts of our writes.
    """
    kept = Diary(diary) if diary is not None and write_interval else None
    connector = aiohttp.TCPConnector(limit=50)  # GitHub bears 100 at the same time
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield GitHub(session, settings, write_interval, on_token, kept)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body, unless it has no end."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            raise TryLater(f"GitHub's answer is longer than {LONGEST_ANSWER_BYTES} bytes")
    return bytes(body)


@contextmanager
def _cut_short_is_weather() -> Iterator[None]:
    """An answer that cannot be read says nothing of what became of the request."""
    try:
        yield
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        raise TryLater("GitHub answered with something that is not JSON") from exc


def is_below(url: str, base: str) -> bool:
    """Whether a request to `url` stays with the API at `base`."""
    there, here = urlsplit(url), urlsplit(base)
    return (there.scheme, there.netloc) == (here.scheme, here.netloc) and (there.path + "/").startswith(
        here.path.rstrip("/") + "/"
    )


def graphql_base(api_url: str) -> str:
    """What GraphQL's address begins with: https://api.github.com, or https://github.example/api."""
    return api_url.rstrip("/").removesuffix("/v3")
