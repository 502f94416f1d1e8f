"""Who is asking, and what their token lets them see and do. What it may not see does not exist: 404, not 403."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import jwt
from aiohttp import web

from app.demo.github.actions import Actor
from app.demo.github.errors import Refused, not_found
from app.demo.github.model import RANK, App, InstallationToken, Repository, User
from app.demo.github.world import World

LONGEST_JWT = timedelta(minutes=10)
SKEW = timedelta(seconds=60)  # GitHub allows a minute of clock drift


@dataclass(frozen=True, slots=True)
class Caller:
    """One of: nobody, an App by its JWT, an installation by its token, a person by theirs."""

    kind: Literal["none", "app", "installation", "user"]
    name: str = "anonymous"
    app: App | None = None
    token: InstallationToken | None = None
    user: User | None = None

    @property
    def guest(self) -> str:
        """For whom GitHub counts: each installation for itself, as each person."""
        return self.name if self.token is None else f"{self.name} at {self.token.installation.account.login}"

    def must_be_app(self) -> App:
        if self.kind != "app" or self.app is None:
            raise Refused(401, "A JSON web token could not be decoded")
        return self.app

    def must_be_installation(self) -> InstallationToken:
        if self.token is None:
            raise Refused(403, "You must authenticate with an installation access token in order to list repositories.")
        return self.token

    def actor(self, world: World) -> Actor:
        if self.token is not None:
            return Actor(world, self.token.installation.app.bot, self.token.installation.app)
        if self.user is not None:
            return Actor(world, self.user)
        raise Refused(401, "Requires authentication")


def caller_of(world: World, request: web.Request) -> Caller:
    """Read the Authorization header; one that is there and wrong is a 401."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        return Caller("none")
    if scheme.lower() not in {"bearer", "token"}:
        raise Refused(401, "Bad credentials")
    return by_token(world, value.strip())


def by_password(world: World, request: web.Request) -> Caller | None:
    """git's Basic credentials: the password is the token. None where there are none, or they are not good."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        caller = by_token(world, password)
    except (binascii.Error, UnicodeDecodeError, Refused):
        return None
    if caller.kind == "installation" and name != "x-access-token":
        return None
    return None if caller.kind == "app" else caller


def by_token(world: World, value: str) -> Caller:
    if value.count(".") == 2:
        return _by_jwt(world, value)
    token = world.tokens.get(value)
    if token is not None:
        if world.now() >= token.expires_at or token.installation.id not in world.installations:
            raise Refused(401, "Bad credentials")
        if token.installation.suspended_at:
            raise Refused(403, "This installation has been suspended")
        return Caller("installation", token.installation.app.bot.login, token.installation.app, token)
    given = world.app_user_tokens.get(value)
    if given is not None and world.now() < given.expires_at:
        return Caller("user", given.user.login, given.app, user=given.user)
    person = world.user_tokens.get(value)
    if person is None:
        raise Refused(401, "Bad credentials")
    return Caller("user", person.login, user=person)


def allow(world: World, caller: Caller, repository: Repository, least: str, *kinds: str) -> None:
    """Let the caller read or write one of these kinds of thing in a repository, or refuse as GitHub does."""
    if caller.token is not None:
        _allow_token(caller.token, repository, least, kinds)
        return
    if caller.kind == "app":
        raise Refused(401, "Bad credentials")
    if caller.user is None:
        if repository.private:
            raise not_found()
        if least == "write":
            raise Refused(401, "Requires authentication")
        return
    if caller.app is not None:
        _allow_app_of_person(world, caller.app, repository, least, kinds)
    has = repository.permission_of(caller.user)
    if has == "none":
        raise not_found()
    if least == "write" and "contents" in kinds and RANK[has] < RANK["write"]:
        raise Refused(403, f"Permission to {repository.full_name} denied to {caller.name}.")
    if repository.id not in world.repositories:
        raise not_found()


def names_of(world: World, token: InstallationToken | None) -> tuple[str, ...]:
    """The repositories a token reaches, as far as they still exist."""
    numbers = sorted(token.repository_ids) if token else []
    return tuple(world.repositories[n].full_name for n in numbers if n in world.repositories)


def _allow_token(token: InstallationToken, repository: Repository, least: str, kinds: tuple[str, ...]) -> None:
    inside = repository.id in token.repository_ids and repository.id in token.installation.repository_ids
    if not inside and repository.private:
        raise not_found()
    held = {token.permissions.get(kind, "none") for kind in kinds} if inside else {"read"}
    enough = {"read", "write"} if least == "read" else {"write"}
    if not held & enough:
        raise Refused(403, "Resource not accessible by integration")


def _allow_app_of_person(world: World, app: App, repository: Repository, least: str, kinds: tuple[str, ...]) -> None:
    """An App that acts for a person may no more than its own installation."""
    installation = world.installation_for(app, repository)
    held = {installation.permissions.get(kind, "none") for kind in kinds} if installation else set()
    if not held & ({"read", "write"} if least == "read" else {"write"}):
        raise not_found() if repository.private else Refused(403, "Resource not accessible by integration")


def _by_jwt(world: World, value: str) -> Caller:
    try:
        issuer = str(jwt.decode(value, options={"verify_signature": False}).get("iss"))
        app = next(a for a in world.apps.values() if issuer in {str(a.id), a.client_id})
        # The clock is ours, so the times are checked below.
        claims = jwt.decode(
            value,
            app.public_key_pem,
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["exp", "iat", "iss"]},
        )
        issued, expires = (datetime.fromtimestamp(int(claims[name]), UTC) for name in ("iat", "exp"))
    except (jwt.PyJWTError, StopIteration, ValueError, OverflowError) as exc:
        raise Refused(401, "A JSON web token could not be decoded") from exc
    now = world.now()
    if issued > now + SKEW:
        raise Refused(
            401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        )
    if expires <= now:
        raise Refused(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time")
    if expires > now + LONGEST_JWT + SKEW or expires - issued > LONGEST_JWT + SKEW:
        raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
    return Caller("app", app.slug, app)
