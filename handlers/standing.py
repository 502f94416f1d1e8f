"""How the label stands on an issue: who put it on last, who withdrew it, and which came later. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from runner.tasks import Labelling

LABEL_REMOVED = "the label was removed"
ISSUE_CLOSED = "the issue was closed"
ISSUE_GONE = "the issue is gone"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Our label was put on, by the user `by` as GitHub describes them."""

    labelling: Labelling
    by: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Whoever did this wants no more work: the label was taken off, or the issue closed. `number` is GitHub's own."""

    number: int
    at: datetime
    by: str
    why: str

    def is_later_than(self, asked_at: datetime, answered: Labelling | None) -> bool:
        """Whether it ends a run asked for at that time. In the same second, GitHub's numbers tell label and withdrawal.

        `answered` is the label's last answer.
        """
        if self.at != asked_at:
            return self.at > asked_at
        return answered is None or answered.number < self.number


@dataclass(frozen=True, slots=True)
class Standing:
    """The latest of each, as an issue's events tell it. Each is None where that never happened."""

    labelled: Labelled | None = None
    withdrawn: Withdrawn | None = None
    renamed_at: datetime | None = None

    @property
    def in_force(self) -> Labelled | None:
        """The label that nobody has withdrawn. An issue that was closed is not asked about again by reopening it."""
        if self.labelled is None:
            return None
        if self.withdrawn is not None and self.withdrawn.number > self.labelled.labelling.number:
            return None
        return self.labelled


def standing_of(events: Iterable[Mapping[str, Any]], label: str) -> Standing:
    """Read an issue's events (`GET …/issues/42/events`)."""
    labelled: Labelled | None = None
    withdrawn: Withdrawn | None = None
    renamed_at: datetime | None = None
    for event in sorted(events, key=lambda one: int(one["id"])):
        at, by = datetime.fromisoformat(event["created_at"]), event.get("actor") or {}
        number, login = int(event["id"]), by.get("login") or "someone who is gone"
        match event["event"]:
            case "labeled" if is_trigger(event["label"], label):
                labelled = Labelled(Labelling(number, at), by)
            case "unlabeled" if is_trigger(event["label"], label):
                withdrawn = Withdrawn(number, at, login, LABEL_REMOVED)
            case "closed":
                withdrawn = Withdrawn(number, at, login, ISSUE_CLOSED)
            case "renamed":
                renamed_at = at
            case _:
                pass
    return Standing(labelled, withdrawn, renamed_at)


def last_closed(events: Iterable[Mapping[str, Any]], why: str) -> Withdrawn | None:
    """When a pull request was last closed or merged, and by whom."""
    standing = standing_of((one for one in events if one["event"] == "closed"), "")
    return replace(standing.withdrawn, why=why) if standing.withdrawn else None


def is_trigger(label: Mapping[str, Any], trigger: str) -> bool:
    """GitHub's labels differ in more than case, or are the same."""
    return bool(label["name"].casefold() == trigger.casefold())
