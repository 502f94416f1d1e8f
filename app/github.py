"""The client of GitHub: speaks for the App, or for its installation on one repository, and minds GitHub's manners."""

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import gidgethub
import gidgethub.aiohttp

from app import github_people
from app.credentials import OAuthClient
from app.github_lane import INTERVAL, WriteLane, priority_of
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


class NotConfigured(Exception):
    """The App's id or key is missing: `Settings.missing_for_serve` says which."""


class Api(gidgethub.aiohttp.GitHubAPI):
    """gidgethub, with weather told apart from answers. Speaks for the App, by its key.

    Raises TryLater for what may work later, and gidgethub's own exceptions for what will not.
    """

    lane: WriteLane | None = None  # None: what the App itself does is not content, and is not queued

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request, and for a GET up to two more where the weather is bad."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                return await self._send(method, url, headers, body)
            except TryLater as exc:
                if exc.after is not None and self.lane is not None:
                    self.lane.close(exc.after)
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
        trouble = weather(status, answered, content)
        if trouble is not None:
            raise trouble
        return status, answered, content

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self._turn(method, urlsplit(url).path):
            try:
                async with self._session.request(
                    method, url, headers=headers, data=body, allow_redirects=False, timeout=TIMEOUT
                ) as response:
                    return response.status, response.headers, await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                raise TryLater(f"GitHub cannot be reached: {type(exc).__name__} {exc}".strip()) from exc

    def _turn(self, method: str, path: str) -> AbstractAsyncContextManager[None]:
        if self.lane is None:
            return nullcontext()
        if method in {"GET", "HEAD"}:
            self.lane.check()
            return nullcontext()
        return self.lane.turn(priority_of(method, path))

    async def _make_request(self, *args: Any, **kwargs: Any) -> tuple[bytes, str | None, int]:
        try:
            return await super()._make_request(*args, **kwargs)
        except json.JSONDecodeError as exc:
            raise TryLater("GitHub answered with something that is not JSON") from exc


class RepositoryApi(Api):
    """Speaks for the App's installation on one repository, with a token that can do nothing elsewhere."""

    def __init__(
        self, session: aiohttp.ClientSession, tokens: Tokens, repository: Repository, lane: WriteLane, **kwargs: Any
    ) -> None:
        super().__init__(session, USER_AGENT, **kwargs)
        self._tokens = tokens
        self._repository = repository
        self.lane = lane

    async def _make_request(self, *args: Any, **kwargs: Any) -> tuple[bytes, str | None, int]:
        """With our token; where GitHub says 401, once more with a new one."""
        if kwargs.get("jwt") is not None or kwargs.get("oauth_token") is not None:
            raise ValueError("the token of this client is its own")
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
        api.lane = self.lane
        return await api.graphql(query, endpoint=endpoint or base + "/graphql", **variables)


class GitHub:
    """The App on one GitHub. Made by `open_github`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: GitHubSettings,
        write_interval: timedelta,
        on_token: Callable[[str], None],
    ) -> None:
        if settings.app_id is None or settings.private_key is None:
            raise NotConfigured
        self._session = session
        self._settings = settings
        self._write_interval = write_interval
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

    def of(self, repository: Repository) -> RepositoryApi:
        """The API, speaking for the installation on this repository and for nothing else."""
        owner = repository.full_name.partition("/")[0].lower()
        lane = self._lanes.setdefault(owner, WriteLane(self._write_interval))  # an account has one installation
        return RepositoryApi(self._session, self._tokens, repository, lane, base_url=self._settings.api_url)

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

    async def credential(self, repository: Repository, write: bool) -> Credential:
        """What git shows to clone and fetch, or to push; good for ten minutes at least."""
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
) -> AsyncIterator[GitHub]:
    """The client, for as long as the block runs. `on_token` hears of every token, so that it can be redacted."""
    connector = aiohttp.TCPConnector(limit=50)  # GitHub bears 100 at the same time
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield GitHub(session, settings, write_interval, on_token)


def is_below(url: str, base: str) -> bool:
    """Whether a request to `url` stays with the API at `base`."""
    there, here = urlsplit(url), urlsplit(base)
    return (there.scheme, there.netloc) == (here.scheme, here.netloc) and (there.path + "/").startswith(
        here.path.rstrip("/") + "/"
    )


def graphql_base(api_url: str) -> str:
    """What GraphQL's address begins with: https://api.github.com, or https://github.example/api."""
    return api_url.rstrip("/").removesuffix("/v3")
