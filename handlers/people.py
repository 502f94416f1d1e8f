"""Who somebody is on GitHub, where another place vouches for them: what they may do is decided there alone."""

from collections.abc import Mapping
from typing import Any

import gidgethub
from gidgethub.abc import GitHubAPI

from handlers.desk import House
from handlers.github import actor_of
from runner.tasks import Actor

# Whoever speaks elsewhere and is nobody we know on GitHub.
UNKNOWN = (
    "I do not know who you are on GitHub, so I cannot tell what you may do. Whoever runs this service can say so in "
    'cco.toml: a line `{key} = "your-login"` under `[people]`.'
)


async def user(gh: GitHubAPI, house: House, login: str) -> Actor | None:
    """The user of that name; None where there is no such person."""
    try:
        found: dict[str, Any] = await gh.getitem("/users/{login}", {"login": login})
    except gidgethub.BadRequest as error:
        if error.status_code == 404:
            return None
        raise
    return actor_of(found, house) if found.get("type") == "User" else None


def login_of(people: Mapping[str, str], *names: str) -> str | None:
    """The GitHub login that `[people]` in cco.toml has for the first of these names; case is of no matter."""
    known = {name.casefold(): login for name, login in people.items()}
    return next((known[name.casefold()] for name in names if name.casefold() in known), None)
