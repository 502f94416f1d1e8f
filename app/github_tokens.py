"""Installation tokens: each for one repository and one purpose, kept until nearly out, asked for once at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from http import HTTPStatus
from typing import Any, TypeVar

import gidgethub
import gidgethub.abc
from cachetools import TLRUCache, TTLCache

from runner.effects import effect
from runner.errors import Refusal, TryLater
from runner.tasks import Repository

MARGIN = timedelta(minutes=10)  # a token with less life left is not handed out: a slow push must not outlive it
INSTALLATION_SECONDS = 3600
LONGEST_LIFE = timedelta(hours=1)
KEPT = 4096

T = TypeVar("T")


class Purpose(Enum):
    """What a token is for, and no more than it needs."""

    api = ("issues:write", "pull_requests:write", "checks:write", "contents:read", "actions:read")
    # The mutations on pull requests want to write contents too: github.com/cli/cli/discussions/6924
    graphql = ("pull_requests:write", "contents:write", "issues:read")
    git_read = ("contents:read",)
    git_write = ("contents:write",)

    @property
    def permissions(self) -> dict[str, str]:
        """As `POST /app/installations/{id}/access_tokens` wants them."""
        return {"metadata": "read", **dict(one.split(":") for one in self.value)}


@dataclass(frozen=True, slots=True)
class Token:
    """A token's value, and how many seconds of it are kept."""

    value: str
    seconds: float


class Tokens:
    """The installations of the App and their tokens. `app` speaks for the App itself, `site` is where it lives."""

    def __init__(self, app: gidgethub.abc.GitHubAPI, site: str, on_new: Callable[[str], None]) -> None:
        self._app = app
        self._site = site
        self._on_new = on_new
        self._tokens: TLRUCache[tuple[int | str, Purpose], Token] = TLRUCache(KEPT, ttu=_until, timer=time.monotonic)
        self._installations: TTLCache[int | str, int] = TTLCache(KEPT, INSTALLATION_SECONDS, timer=time.monotonic)
        self._flying: dict[object, asyncio.Task[Any]] = {}

    async def token(self, repository: Repository, purpose: Purpose) -> str:
        """A token that will do for MARGIN at least (or for half its life, where that is short)."""
        key = (_known_by(repository), purpose)
        kept = self._tokens.get(key)
        if kept is None:
            kept = await self._once(key, lambda: self._new(repository, purpose))
        return kept.value

    async def of_installation(self, installation: int) -> str:
        """A new token that sees which repositories an installation has by now, and may nothing else."""
        with effect("http.list-token"):
            answer = await self._app.post(
                "/app/installations/{installation_id}/access_tokens",
                {"installation_id": str(installation)},
                data={"permissions": {"metadata": "read"}},
            )
        value = str(answer["token"])
        self._on_new(value)
        return value

    async def installation(self, repository: Repository) -> int:
        """The number of the installation that may see the repository."""
        key = _known_by(repository)
        known = self._installations.get(key)
        if known is not None:
            return known
        return await self._once(key, lambda: self._look_up(repository))

    def drop(self, value: str) -> None:
        """GitHub does not take this token any more."""
        for key, token in list(self._tokens.items()):
            if token.value == value:
                self._tokens.pop(key, None)

    def forget(self, repository: Repository) -> None:
        """What was known about the repository's installation may be wrong."""
        self._installations.pop(_known_by(repository), None)
        for purpose in Purpose:
            self._tokens.pop((_known_by(repository), purpose), None)

    async def _once(self, key: object, ask: Callable[[], Awaitable[T]]) -> T:
        """Whoever comes while the question is under way waits for the same answer."""
        flying = self._flying.get(key)
        if flying is None:
            flying = asyncio.ensure_future(_run(ask))
            self._flying[key] = flying
            flying.add_done_callback(lambda _: self._flying.pop(key, None))
        answer: T = await asyncio.shield(flying)
        return answer

    async def _new(self, repository: Repository, purpose: Purpose) -> Token:
        installation = await self.installation(repository)
        try:
            with effect("http.token"):
                answer = await self._app.post(
                    "/app/installations/{installation_id}/access_tokens",
                    {"installation_id": str(installation)},
                    data={**_narrowed_to(repository), "permissions": purpose.permissions},
                )
        except gidgethub.BadRequest as exc:
            self.forget(repository)
            raise self._refused(exc, repository, purpose) from exc
        value = str(answer["token"])
        self._on_new(value)
        token = Token(value, _seconds(datetime.fromisoformat(answer["expires_at"]), datetime.now(UTC)))
        self._tokens[_known_by(repository), purpose] = token
        return token

    async def _look_up(self, repository: Repository) -> int:
        owner, _, name = repository.full_name.partition("/")
        try:
            answer = await self._app.getitem("/repos/{owner}/{repo}/installation", {"owner": owner, "repo": name})
        except gidgethub.BadRequest as exc:
            raise self._refused(exc, repository, None) from exc
        installation = int(answer["id"])
        self._installations[_known_by(repository)] = installation
        return installation

    def _refused(self, exc: gidgethub.BadRequest, repository: Repository, purpose: Purpose | None) -> Exception:
        name = repository.full_name
        if exc.status_code == HTTPStatus.UNAUTHORIZED:
            # What we sign is good for minutes. A machine that slept, or whose clock is wrong, will be right again.
            return TryLater(f"GitHub does not take the App's own signature ({exc}): compare this machine's clock")
        if exc.status_code == HTTPStatus.NOT_FOUND:
            return Refusal(
                f"The GitHub App is not installed on {name}. Install it there from {self._site}/settings/apps."
            )
        if exc.status_code == HTTPStatus.FORBIDDEN:
            return Refusal(f"The installation of the GitHub App on {name} is suspended, or may not do this: {exc}")
        if exc.status_code == HTTPStatus.UNPROCESSABLE_ENTITY and purpose is not None:
            wanted = ", ".join(f"{what}: {how}" for what, how in purpose.permissions.items())
            return Refusal(
                f"The installation of the GitHub App on {name} does not grant what is needed ({wanted}), or no longer "
                f"has the repository. Accept the App's new permissions at {self._site}/settings/installations."
            )
        return exc


def _known_by(repository: Repository) -> int | str:
    """The number that stays with it through a rename; its name, where somebody gave us no more than that."""
    return repository.id or repository.full_name.lower()


def _narrowed_to(repository: Repository) -> dict[str, Any]:
    if repository.id:
        return {"repository_ids": [repository.id]}
    return {"repositories": [repository.full_name.partition("/")[2]]}


def _seconds(expires: datetime, now: datetime) -> float:
    """How long to keep a token. Our clock may be wrong: no more than the hour that GitHub gives."""
    life = min(max(expires - now, timedelta(0)), LONGEST_LIFE)
    return (life - min(MARGIN, life / 2)).total_seconds()


def _until(_: object, token: Token, now: float) -> float:
    return now + token.seconds


async def _run(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
