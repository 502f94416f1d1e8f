"""Read what Jira says of a ticket, its comments and its users, in Cloud and in Data Center alike. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.rich_text import markdown_of
from handlers.sanitize import visible_line
from handlers.standing import LABEL_REMOVED, Labelled, Standing, Withdrawn, is_trigger
from runner.tasks import Labelling, Subject

DONE = "done"
ORDER = ("new", "indeterminate", DONE)  # Jira's categories of statuses, as work goes through them

PROPERTY = "cco"  # the property of a comment by which it is known to be ours, and which one it is
STATUS_MARK = "status"  # what it is, where it is the one living comment

_WORDS = ("summary", "description")
_COMMENT_OF = re.compile(r"/issue/(\d+)/comment/\d+")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """Where a ticket stands in its workflow; `category` is one of ORDER."""

    id: str
    name: str
    category: str

    @property
    def is_done(self) -> bool:
        """Nobody waits for work on it any more."""
        return self.category == DONE

    def is_beyond(self, other: "Status") -> bool:
        """Whether Jira itself holds it for further on."""
        return _rank(self.category) > _rank(other.category)


@dataclass(frozen=True, slots=True)
class Change:
    """One field that somebody changed. `number` only grows. `came_from` and `went_to` are ids, where there are any."""

    number: int
    at: datetime
    by: Json
    field: str
    came_from: str
    went_to: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it stands. `body` is Markdown; `changes` are in order."""

    id: str
    key: str
    url: str
    title: str
    body: str
    project: str
    labels: tuple[str, ...]
    components: tuple[str, ...]
    status: Status
    creator: Json
    created: datetime
    changes: tuple[Change, ...]

    def edited_since(self, at: datetime) -> bool:
        """Whether its title or its text was changed after that time."""
        return any(one.field in _WORDS and one.at > at for one in self.changes)

    def done_at(self, at: datetime, done: Set[str]) -> str | None:
        """The name of the status it stood in at that time, if that was one of `done`; else None."""
        later = next((one for one in self.changes if one.field == "status" and one.at > at), None)
        if later is None:
            return self.status.name if self.status.is_done else None
        return later.before if later.came_from in done else None

    def counts_since(self, at: datetime, done: Set[str]) -> datetime:
        """From when on a label counts that was put on then: where it was done, from when it was moved back."""
        back = (one.at for one in self.changes if one.field == "status" and one.came_from in done)
        return max([at, *back]) if self.done_at(at, done) is not None else at

    @property
    def moved(self) -> Change | None:
        """The last time that its status was changed."""
        return next((one for one in reversed(self.changes) if one.field == "status"), None)


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment on a ticket. `mark` is our property of it, whoever wrote it; `edited_by` is None where nobody did.

    `is_for_some`: only a group or a role may read it.
    """

    id: str
    author: Json
    at: datetime
    edited_at: datetime
    edited_by: Json | None
    text: str
    mark: Json | None
    is_for_some: bool


def identity_of(host: str, ticket_id: str) -> str:
    """How the subject of a ticket is known, whatever project it is moved to."""
    return f"{host}/{ticket_id}"


def subject_of(host: str, ticket: Ticket) -> Subject:
    """A ticket as a subject."""
    return Subject("jira", identity_of(host, ticket.id), ticket.key, ticket.url, visible_line(ticket.title))


def when(text: str) -> datetime:
    """Jira's time, with an offset such as +0000."""
    return datetime.fromisoformat(text)


def ticket_of(raw: Json, site: str) -> Ticket:
    """`raw` is what `GET …/issue/10007?expand=changelog` answers; `site` is Jira's address."""
    fields: Json = raw["fields"]
    return Ticket(
        id=str(raw["id"]),
        key=str(raw["key"]),
        url=f"{site.rstrip('/')}/browse/{raw['key']}",
        title=str(fields.get("summary") or ""),
        body=markdown_of(fields.get("description")),
        project=str((fields.get("project") or {}).get("key") or str(raw["key"]).rpartition("-")[0]),
        labels=tuple(str(one) for one in fields.get("labels") or ()),
        components=tuple(str(one.get("name") or "") for one in fields.get("components") or ()),
        status=status_of(fields.get("status") or {}),
        creator=fields.get("creator") or {},
        created=when(fields["created"]),
        changes=tuple(sorted(_changes(raw), key=lambda one: one.number)),
    )


def status_of(raw: Json) -> Status:
    """Jira's description of a status."""
    category = (raw.get("statusCategory") or {}).get("key")
    return Status(str(raw.get("id") or ""), str(raw.get("name") or ""), str(category or ""))


def remark_of(raw: Json) -> Remark:
    """`raw` is a comment as Jira lists it with `expand=properties`."""
    author, at, edited_at = raw.get("author") or {}, when(raw["created"]), when(raw.get("updated") or raw["created"])
    marks = [one.get("value") for one in raw.get("properties") or () if one.get("key") == PROPERTY]
    return Remark(
        id=str(raw["id"]),
        author=author,
        at=at,
        edited_at=edited_at,
        edited_by=(raw.get("updateAuthor") or {}) if edited_at != at else None,
        text=markdown_of(raw.get("body")),
        mark=next((one for one in marks if isinstance(one, Mapping)), None),
        is_for_some=bool(raw.get("visibility")),
    )


def standing_of(ticket: Ticket, label: str, done: Set[str], us: Json) -> Standing:
    """How our label stands on it, as its history tells. `done` are the ids of statuses in which nobody wants work.

    What we moved ourselves withdraws nothing.
    """
    labelled = _from_the_start(ticket, label)
    withdrawn: Withdrawn | None = None
    renamed_at: datetime | None = None
    for change in ticket.changes:
        if change.field == "labels":
            had, has = _has(change.before, label), _has(change.after, label)
            if has and not had:
                labelled = Labelled(Labelling(change.number, change.at), change.by)
            elif had and not has:
                withdrawn = Withdrawn(change.number, change.at, name_of(change.by), LABEL_REMOVED)
        elif change.field == "status" and change.went_to in done and change.came_from not in done:
            if not is_same(change.by, us):
                why = f"the ticket was moved to {visible_line(change.after)}"
                withdrawn = Withdrawn(change.number, change.at, name_of(change.by), why)
        elif change.field == "summary":
            renamed_at = change.at
    return Standing(labelled, withdrawn, renamed_at)


def names_of(user: Json) -> list[str]:
    """By what somebody may be called in cco.toml: their ids, and in Cloud their e-mail address.

    Atlassian has verified that of a full account. In Data Center, and as a customer, people write down what they like.
    """
    is_verified = user.get("accountType") == "atlassian" and user.get("accountId")
    ids = [str(user[name]) for name in ("accountId", "key", "name") if user.get(name)]
    return [str(user["emailAddress"]), *ids] if is_verified and user.get("emailAddress") else ids


def name_of(user: Json) -> str:
    """What people call them."""
    return visible_line(str(user.get("displayName") or user.get("name") or "")) or "someone who is gone"


def is_same(one: Json, other: Json) -> bool:
    """Whether both are the same user: by the account's id in Cloud, by its key or name in Data Center."""
    return any(one.get(by) and one.get(by) == other.get(by) for by in ("accountId", "key", "name"))


def is_person(user: Json, us: Json) -> bool:
    """Whether a person is behind this account: not an app's, not ours, and still in use."""
    return bool(names_of(user)) and user.get("accountType") != "app" and not is_same(user, us)


def ticket_told_of(payload: Json) -> str | None:
    """The id of the ticket that a webhook is about. Data Center tells of a comment without its ticket."""
    ticket = (payload.get("issue") or {}).get("id") if isinstance(payload.get("issue"), Mapping) else None
    if ticket is not None:
        return str(ticket) if str(ticket).isdecimal() else None
    comment = payload.get("comment")
    found = _COMMENT_OF.search(str(comment.get("self") or "")) if isinstance(comment, Mapping) else None
    return found[1] if found else None


def _changes(raw: Json) -> Iterator[Change]:
    for history in (raw.get("changelog") or {}).get("histories") or ():
        for item in history.get("items") or ():
            yield Change(
                number=int(history["id"]),
                at=when(history["created"]),
                by=history.get("author") or {},
                field=str(item.get("field") or ""),
                came_from=str(item.get("from") or ""),
                went_to=str(item.get("to") or ""),
                before=str(item.get("fromString") or ""),
                after=str(item.get("toString") or ""),
            )


def _from_the_start(ticket: Ticket, label: str) -> Labelled | None:
    """Whoever made the ticket with the label on it put it there; Jira's history does not say so."""
    first = next((one.before for one in ticket.changes if one.field == "labels"), " ".join(ticket.labels))
    return Labelled(Labelling(0, ticket.created), ticket.creator) if _has(first, label) else None


def _has(labels: str | Iterable[str], label: str) -> bool:
    return any(is_trigger({"name": one}, label) for one in (labels.split() if isinstance(labels, str) else labels))


def _rank(category: str) -> int:
    return ORDER.index(category) if category in ORDER else 0
