"""People at GitHub: the code that one brings back becomes a token, and what they may do is asked when it matters."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp
import gidgethub
from cachetools import TTLCache
from gidgethub.abc import GitHubAPI

from app.credentials import OAuthClient
from handlers import github, policy
from runner.errors import Refusal, TryLater
from runner.tasks import Actor, Repository

REMEMBERED = timedelta(minutes=1)
KEPT = 10_000
ANSWER = aiohttp.ClientTimeout(total=20, connect=10)
LARGEST_ANSWER = 64 * 1024

logger = logging.getLogger(__name__)


async def token_of(
    session: aiohttp.ClientSession, url: str, client: OAuthClient, code: str, verifier: str, back: str
) -> str:
    """What a code is worth. Raises Refusal where GitHub does not take it, TryLater where it cannot be asked."""
    form = {
        "client_id": client.id,
        "client_secret": client.secret,
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": back,
    }
    try:
        async with session.post(
            f"{url}/login/oauth/access_token",
            data=form,
            headers={"Accept": "application/json"},
            allow_redirects=False,  # our secret is for this address
            timeout=ANSWER,
        ) as answer:
            if answer.status != 200:
                raise TryLater(f"GitHub answered {answer.status}")
            said = await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        raise TryLater(f"GitHub cannot be reached: {type(exc).__name__}") from exc
    token = said.get("access_token") if isinstance(said, dict) else None
    if not isinstance(token, str) or not token:
        logger.warning("GitHub signed nobody in: %s", said.get("error") if isinstance(said, dict) else "no object")
        raise Refusal("GitHub does not take that any more. Please sign in again.")
    return token


class People:
    """Who may see a repository's tasks, and do something about them: whoever may push to it, and nobody else."""

    def __init__(self, github_of: Callable[[Repository], GitHubAPI], host: str, now: Callable[[], datetime]) -> None:
        self._github_of = github_of
        self._host = host
        self._known: TTLCache[tuple[Actor, str, int], bool] = TTLCache(
            KEPT, REMEMBERED.total_seconds(), timer=lambda: now().timestamp()
        )

    async def may_look(self, person: Actor, repository: Repository) -> bool:
        """As GitHub said within the last minute."""
        known = self._known.get(_key(person, repository))
        return await self.may_act(person, repository) if known is None else known

    async def may_act(self, person: Actor, repository: Repository) -> bool:
        """As GitHub says right now. Whatever is not a clear yes is a no; TryLater where it cannot be asked."""
        may = False
        try:
            may = policy.may_command(person.login, await self._permission(person, repository)) == policy.Allowed()
        except (Refusal, gidgethub.GitHubException) as exc:  # not installed there any more, for one
            logger.info("what %s may do in %s is not known: %s", person.login, repository.full_name, exc)
        except TryLater:
            self._known.pop(_key(person, repository), None)
            raise
        self._known[_key(person, repository)] = may
        return may

    async def visible(self, person: Actor, repositories: Iterable[Repository]) -> Sequence[Repository]:
        """Those of them that the person may look at."""
        every = list(repositories)
        may = await asyncio.gather(*(self.may_look(person, one) for one in every))
        return [one for one, yes in zip(every, may, strict=True) if yes]

    async def _permission(self, person: Actor, repository: Repository) -> str | None:
        if (person.host, repository.host) != (self._host, self._host):
            return None
        gh = self._github_of(repository)
        # Its name may have become another repository's; GitHub leads on from one that was merely renamed.
        found = await gh.getitem(f"/repos/{repository.full_name}")
        if found["id"] != repository.id:
            return None
        return await github.permission_of(gh, replace(repository, full_name=found["full_name"]), person)


def _key(person: Actor, repository: Repository) -> tuple[Actor, str, int]:
    return person, repository.host, repository.id
