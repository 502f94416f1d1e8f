"""Who may start or command what: values in, a verdict out. Whatever is not known to be allowed is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENOUGH = ("admin", "maintain", "write")

NOT_A_WRITER = (
    "Only people who can push to this repository can ask me for work, and @{login} cannot (or I could not find out). "
    "Anyone with write access can: they add the label, or write the command."
)
ARCHIVED = "This repository is archived, so nothing can be pushed to it. Unarchive it and ask again."
DISABLED = "GitHub has disabled this repository, so nothing can be pushed to it."
FROM_A_FORK = (
    "This pull request comes from a fork. I work on this repository's own branches only: what a fork brings "
    "would run with this repository's trust. Open an issue here and label it, and I will work on that."
)
CLOSED = "This issue is closed. Reopen it, and then ask again."


@dataclass(frozen=True, slots=True)
class Allowed:
    """Go ahead."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No, and the sentence that says why and what would help."""

    sentence: str


Verdict = Allowed | Refused


def speaks_for_itself(sender: Mapping[str, Any], spoken: Mapping[str, Any] | None = None) -> bool:
    """Whether a person is behind this: not a bot, not an App acting for someone. Only people are listened to.

    `sender` is a webhook's sender; `spoken` the comment or review, if it is about one.
    """
    if sender.get("type") != "User" or str(sender.get("login", "")).endswith("[bot]"):
        return False
    if spoken is None:
        return True
    author = spoken.get("user") or {}
    return (
        not spoken.get("performed_via_github_app")
        and author.get("id") == sender.get("id")
        and author.get("type") == "User"
        and "<!-- cco:" not in (spoken.get("body") or "")
    )


def may_command(login: str, permission: str | None) -> Verdict:
    """`permission` is what GitHub says right now; None where it could not be found out."""
    return Allowed() if permission in ENOUGH else Refused(NOT_A_WRITER.format(login=login))


def may_work_in(repository: Mapping[str, Any]) -> Verdict:
    """`repository` is GitHub's own description of it."""
    if repository.get("archived"):
        return Refused(ARCHIVED)
    if repository.get("disabled"):
        return Refused(DISABLED)
    return Allowed()


def may_work_on_issue(issue: Mapping[str, Any]) -> Verdict:
    """`issue` as the API shows it now."""
    return Allowed() if issue.get("state") == "open" else Refused(CLOSED)


def may_work_on_pull_request(pull_request: Mapping[str, Any]) -> Verdict:
    """A head in another repository, or in one that is gone, is a fork's."""
    head, base = pull_request.get("head") or {}, pull_request.get("base") or {}
    theirs, ours = (head.get("repo") or {}).get("id"), (base.get("repo") or {}).get("id")
    return Allowed() if theirs is not None and theirs == ours else Refused(FROM_A_FORK)
