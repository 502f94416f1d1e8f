"""Who a Jira user is to us: somebody on GitHub, or somebody to whom cco.toml gives a role; and what they may do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from handlers import people, policy
from handlers.desk import Desk
from handlers.github import allow, permission_of
from handlers.jira_desk import TicketDesk
from handlers.people import UNKNOWN
from handlers.tickets import Json, name_of, names_of
from runner.errors import Refusal
from runner.tasks import Actor, Repository

NO_SUCH_LOGIN = (
    "Whoever runs this service wrote in cco.toml that you are {login} on GitHub, but there is nobody of that name. "
    "Ask them to mend it."
)


@dataclass(frozen=True, slots=True)
class Somebody:
    """A Jira user that cco.toml knows: by their login on GitHub, else with a role of their own."""

    actor: Actor
    role: str | None


async def identify(desk: TicketDesk, user: Json) -> Somebody:
    """Raises Refusal where cco.toml knows nothing of them."""
    names = names_of(user)
    if (login := people.login_of(desk.known.people, *names)) is not None:
        return Somebody(Actor(login, host=desk.house.host), None)
    role = role_of(desk.known.roles, names)
    if role is None and desk.known.roles:
        role = role_of(desk.known.roles, await desk.jira.groups(user))
    if role is None:
        # By their id: a ticket is no place for an e-mail address.
        raise Refusal(UNKNOWN.format(key=f'"{names[-1] if names else "your-id"}"'))
    return Somebody(Actor(name_of(user), host=desk.jira.host), role)


async def allowed(desk: Desk, somebody: Somebody, repository: Repository) -> Actor:
    """The one who asks, if they may have work done in that repository. Raises Refusal, with the sentence."""
    if somebody.role is not None:
        allow(policy.may_command(somebody.actor.login, somebody.role))
        return somebody.actor
    actor = await people.user(desk.gh, desk.house, somebody.actor.login)
    if actor is None:
        raise Refusal(NO_SUCH_LOGIN.format(login=somebody.actor.login))
    allow(policy.may_command(actor.login, await permission_of(desk.gh, repository, actor)))
    return actor


def role_of(roles: Mapping[str, str], names: Iterable[str]) -> str | None:
    """The highest that any of these names has; case is of no matter."""
    wanted = {name.casefold() for name in names}
    found = {permission for name, permission in roles.items() if name.casefold() in wanted}
    return next((one for one in ("admin", "maintain", "write", "triage", "read") if one in found), None)
