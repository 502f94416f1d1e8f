"""Which repository a ticket is about: what cco.toml says of its project, else what stands in the ticket itself."""

import re
from collections.abc import Mapping

import gidgethub

from handlers.desk import GitHubOf, House
from handlers.rewriting import code
from handlers.tickets import Json, Ticket
from runner.errors import Refusal
from runner.tasks import Repository

_NAME = r"[A-Za-z0-9][\w.-]*/[\w.-]*[\w-]"
_FULL_NAME = re.compile(_NAME)
_LINE = re.compile(
    r"^[ \t>*_\\-]*repo(?:sitory)?[ \t*_\\]*:[ \t*_\\]*(?P<rest>\S.*)$", re.IGNORECASE | re.MULTILINE
)  # also as an item of a list, in bold, or where somebody wrote Markdown
_ADDRESS = re.compile(r"<?(?:https?://[^\s/<>]+/)?(?P<name>[^\s<>]+?)(?:\.git)?/?>?")
_LINK = re.compile(r"\[[^\]]*\]\(<?([^)>\s]+)>?\)")

WHICH = (
    "Which repository is this about? Please answer with a comment that says {example}. To spare yourself the question, "
    "write a line `repo: owner/name` into the description, or give the ticket a component of that name; whoever runs "
    "this service can say it for the whole project, under `[jira.projects]` in cco.toml."
)
SEVERAL = "This ticket names more than one repository: {names}. {which}"
NOT_SHOWN = "GitHub does not show me {name}. Is the name right, and is the GitHub App installed there?"
ONLY_THERE = (
    "Tickets of {project} are about {there}: that is fixed in cco.toml, so I cannot work on this one in {wanted}."
)


def named_in(text: str) -> str | None:
    """`octo/hello`, of what somebody answers: that, its address, or either behind the word `repo`."""
    words = _LINK.sub(r"\1", text.strip())
    words = re.sub(r"^repo(?:sitory)?\s*:?\s+", "", words, flags=re.IGNORECASE)
    found = _ADDRESS.fullmatch(words.strip("` \t"))
    return found["name"] if found and _FULL_NAME.fullmatch(found["name"]) else None


def candidates(ticket: Ticket) -> list[str]:
    """What the ticket names: its `repo:` lines, else its components. Each once, in the order they stand there."""
    lines = [named_in(found["rest"]) for found in _LINE.finditer(ticket.body)]
    named = [one for one in lines if one] or [one for one in map(named_in, ticket.components) if one]
    return list({one.casefold(): one for one in reversed(named)}.values())[::-1]


def choose(ticket: Ticket, projects: Mapping[str, str], answer: str | None = None) -> str:
    """The repository's full name. `answer` is what somebody said who was asked. Raises Refusal, which asks."""
    fixed = {key.casefold(): name for key, name in projects.items()}.get(ticket.project.casefold())
    if fixed is not None:
        if answer is not None and answer.casefold() != fixed.casefold():
            raise Refusal(ONLY_THERE.format(project=ticket.project, there=fixed, wanted=answer))
        return fixed
    if answer is not None:
        return answer
    found = candidates(ticket)
    if len(found) == 1:
        return found[0]
    which = WHICH.format(example=code(f"/claude repo {found[0] if found else 'owner/name'}"))
    if found:
        raise Refusal(SEVERAL.format(names=", ".join(map(code, found)), which=which))
    raise Refusal(which)


async def shown(github_of: GitHubOf, house: House, full_name: str) -> Json:
    """GitHub's own description of it. Raises Refusal where GitHub knows none, or our App is not installed there."""
    gh = github_of(Repository(house.host, 0, full_name, "", ""))
    try:
        payload: Json = await gh.getitem(f"/repos/{full_name}")
    except gidgethub.BadRequest as error:
        raise Refusal(NOT_SHOWN.format(name=code(full_name))) from error
    return payload
