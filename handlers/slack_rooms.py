"""Where things are said in Slack: the channel of each task, a message's place in it, and the mark we find it by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.tasks import Task

Mark = Mapping[str, str | int]  # metadata, by which a message of ours is found again


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a message is. `ts` is Slack's timestamp, unique in its channel."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Rooms:
    """Which channel hears of which task: the repository's, else the usual one; or the one it was asked for in.

    `asked_in` has the latter by subject, until something is said there: the receipt knows it from then on.
    """

    usual: str
    of_repository: Mapping[str, str] = field(default_factory=dict)
    asked_in: dict[str, str] = field(default_factory=dict)

    def of(self, task: Task) -> str:
        """Where a task's thread begins."""
        return self.asked_in.get(task.subject.identity) or self.of_name(task.repository.full_name)

    def of_name(self, full_name: str) -> str:
        """The channel of a repository."""
        known = {name.casefold(): channel for name, channel in self.of_repository.items()}
        return known.get(full_name.casefold(), self.usual)

    def where_to_look(self, task: Task) -> list[str]:
        """Where its thread may have begun without our knowing, the likeliest first."""
        return list(dict.fromkeys([self.of(task), self.usual, *self.of_repository.values()]))

    def repository_of(self, *names: str) -> str | None:
        """The repository that one of these channels is for, if it is for one."""
        found = [name for name, channel in self.of_repository.items() if channel in names]
        return found[0] if len(found) == 1 else None

    def known(self, *names: str) -> str | None:
        """The first of these (an id, a #name) that tasks are told of in."""
        ours = {self.usual, *self.of_repository.values()}
        return next((name for name in names if name in ours), None)
