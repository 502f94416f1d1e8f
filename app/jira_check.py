"""Whether Jira takes what we have to say: doctor's question, asked without changing anything there."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.jira import Jira, Rejected, Unusable
from handlers.tickets import name_of
from runner.errors import TryLater

# What the user whose token it is needs in a project, as Jira calls it and as its pages do.
NEEDED = {
    "BROWSE_PROJECTS": "Browse Projects",
    "ADD_COMMENTS": "Add Comments",
    "EDIT_OWN_COMMENTS": "Edit Own Comments",
    "LINK_ISSUES": "Link Issues",
}
NEEDED_TO_MOVE = {"TRANSITION_ISSUES": "Transition Issues"}


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether it works, what was seen, and what mends it; empty if nothing has to be done."""

    ok: bool
    detail: str
    mend: str = ""


async def check(jira: Jira, projects: Iterable[str], *, moves: bool) -> Checked:
    """Does it answer, is the token good, and may its user do what we do in each project that cco.toml names."""
    try:
        server = await jira.server()
        us = name_of(await jira.me())
        lacking = [await _lacking(jira, project, moves=moves) for project in sorted(projects)]
    except Unusable as exc:
        return Checked(False, exc.detail, exc.mend)
    except Rejected as exc:
        return Checked(False, str(exc), "look up the status in the documentation of Jira's REST API")
    except TryLater as exc:
        return Checked(False, str(exc), f"curl -I {jira.url}/rest/api/2/serverInfo   # as CCO_JIRA_URL has it")
    wrong = [one for one in lacking if one is not None]
    if wrong:
        return wrong[0]
    kind = "Jira Cloud" if server.get("deploymentType") == "Cloud" else f"Jira {server.get('version', '')}".rstrip()
    return Checked(True, f"{kind} knows us as {us}")


async def _lacking(jira: Jira, project: str, *, moves: bool) -> Checked | None:
    needed = NEEDED | (NEEDED_TO_MOVE if moves else {})
    try:
        held = await jira.permissions(project, list(needed))
    except Rejected as exc:
        if exc.status not in {400, 403, 404}:
            raise
        held = set()
    missing = [name for key, name in needed.items() if key not in held]
    if "BROWSE_PROJECTS" not in held:
        detail = f"there is no project {project}, or we may not see it"
        mend = f"give our Jira user Browse Projects in {project}, or take it out of [jira.projects] in cco.toml"
        return Checked(False, detail, mend)
    if missing:
        detail = f"in project {project} we lack {', '.join(missing)}"
        return Checked(False, detail, f"give our Jira user {', '.join(missing)} in {project}'s permission scheme")
    return None
