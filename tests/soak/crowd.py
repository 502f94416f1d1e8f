"""People who use GitHub all day, and what we owe each of them: most of what they do means nothing to us."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from app.demo.github import webhooks
from app.demo.github.model import Comment, Issue
from tests.contracts.validation import example_deliveries
from tests.fakes.house import BOT, House

# Events that GitHub sends and we do nothing about.
NOISE = ("push", "check_run", "check_suite", "star", "watch", "fork", "create", "delete", "status", "workflow_run")
CHATTER = (
    "I see this as well.",
    "Any news?",
    "What `/claude status` does is in the docs.",
    "> /claude stop\n\nNo, not yet.",
)


@dataclass(frozen=True, slots=True)
class Owed:
    """What is missing at an issue, and what is there more than once; each as a sentence."""

    lost: tuple[str, ...]
    doubled: tuple[str, ...]


@dataclass
class Crowd:
    """One repository's people. What they ask for is kept here, to be held against what became of it."""

    house: House
    dice: random.Random
    issues: list[Issue] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)  # numbers of issues that somebody who may asked for
    by_label: set[int] = field(default_factory=set)
    withdrawn: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)  # labelled by somebody who may not
    commands: list[tuple[Issue, Comment]] = field(default_factory=list)
    _noise: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._noise = [(event, payload) for event, payload in example_deliveries() if event in NOISE]
        app = self.house.world.apps[self.house.app_id]
        app.events = [*app.events, *(event for event in NOISE if event not in app.events)]

    async def act(self) -> None:
        """Somebody does something, of which GitHub tells once or twice."""
        chance = self.dice.random()
        if chance < 0.10 or len(self.issues) < 5:
            await self._ask()
        elif chance < 0.12:
            await self._command(await self._fresh(), "alice", "/claude please mend this")
        elif chance < 0.20:
            await self._command(
                self.dice.choice(self.issues), "bob", self.dice.choice(["/claude status", "/claude help"])
            )
        elif chance < 0.22:
            await self._command(self.dice.choice(self.issues), "mallory", "/claude stop")
        elif chance < 0.25:
            await self._withdraw()
        elif chance < 0.26:
            issue = await self._fresh()
            await self.house.world.act("trudy").label(issue, "claude")
            self.refused.add(issue.number)
        elif chance < 0.50:
            await self.house.world.act("mallory").comment(self.dice.choice(self.issues), self.dice.choice(CHATTER))
        elif chance < 0.60:
            await self.house.world.act("alice").edit_issue(self.dice.choice(self.issues), body=f"{self.dice.random()}")
        elif chance < 0.65:
            await self.house.world.act("alice").label(self.dice.choice(self.issues), "bug")
        else:
            self._make_noise()

    async def _ask(self) -> None:
        issue = await self._open()
        if self.dice.random() < 0.7:
            await self.house.world.act("bob").label(issue, "claude")
            self.asked.add(issue.number)
            self.by_label.add(issue.number)

    async def _open(self) -> Issue:
        title = f"Wish {len(self.issues)}"
        issue = await self.house.world.act("alice").open_issue(self.house.repository, title, "Please.")
        self.issues.append(issue)
        return issue

    async def _fresh(self) -> Issue:
        """One of which nobody has asked anything."""
        known = self.asked | self.refused
        return next((one for one in reversed(self.issues) if one.number not in known), None) or await self._open()

    async def _command(self, issue: Issue, by: str, text: str) -> None:
        if issue.state == "closed":
            return
        if by == "alice":
            self.asked.add(issue.number)
        self.commands.append((issue, await self.house.world.act(by).comment(issue, text)))

    async def _withdraw(self) -> None:
        """Never what is running: the first one."""
        wanted = sorted((self.asked & self.by_label) - self.withdrawn - {1})
        if not wanted:
            return
        issue = self.house.repository.issues[self.dice.choice(wanted)]
        self.withdrawn.add(issue.number)
        if self.dice.random() < 0.5:
            await self.house.world.act("bob").unlabel(issue, "claude")
        else:
            await self.house.world.act("bob").close(issue)

    def _make_noise(self) -> None:
        event, payload = self.dice.choice(self._noise)
        parts = {
            name: part
            for name, part in payload.items()
            if name not in {"action", "repository", "sender", "installation"}
        }
        world = self.house.world
        webhooks.emit(world, event, payload.get("action"), self.house.repository, world.user("bob"), **parts)

    # What became of it

    def owed(self, tasks: list[dict[str, Any]]) -> Owed:
        """Judged by what is on GitHub, and by the tasks that the API lists."""
        lost: list[str] = []
        doubled: list[str] = []

        def one_of(what: str, found: int, least: int = 1) -> None:
            (lost if found < least else doubled if found > 1 else []).append(f"{what}: {found}")

        states = {str(task["subject"]["key"]).rpartition("#")[2]: task["state"] for task in tasks}
        listed = Counter(str(task["subject"]["key"]).rpartition("#")[2] for task in tasks)
        for issue in self.issues:
            number = issue.number
            # Edited before anybody could see what was asked for: then it is said, once, that it has to be asked again.
            again = sum("edited after I was asked" in body for body in self._said(issue))
            one_of(f"#{number} request to ask again", again, 0)
            wanted = number in self.asked - self.withdrawn and not again
            maybe = number in self.asked
            seen = [one for one in issue.reactions if one.user.login == BOT]
            one_of(f"#{number} task", listed[f"{number}"], int(wanted))
            one_of(f"#{number} status", len(self.house.statuses(issue)), int(wanted))
            one_of(f"#{number} eyes", len(seen), int(wanted and number in self.by_label))
            if not maybe and (listed[f"{number}"] or self.house.statuses(issue)):
                doubled.append(f"#{number} was not asked for")
            if wanted and states.get(f"{number}") not in {"queued", "running", "starting"}:
                lost.append(f"#{number} is {states.get(f'{number}')}")
            if number in self.withdrawn and states.get(f"{number}", "stopped") != "stopped":
                lost.append(f"#{number} was withdrawn and is {states[f'{number}']}")
            if number in self.refused:
                one_of(f"#{number} refusal", len(self._said(issue)) - self._answers(issue))
        for issue, comment in self.commands:
            eyes = [one for one in comment.reactions if one.user.login == BOT]
            one_of(f"#{issue.number} eyes on {comment.body}", len(eyes))
            one_of(f"#{issue.number} answer to {comment.body}", self._answers(issue, comment))
        return Owed(tuple(lost), tuple(doubled))

    def _answers(self, issue: Issue, to: Comment | None = None) -> int:
        """How many answers there are, to this command or to all that were given there."""
        commands = [to] if to else [comment for place, comment in self.commands if place is issue]
        markers = tuple(f"<!-- cco:answer={comment.id} -->" for comment in commands)
        return sum(body.startswith(markers) for body in self._said(issue))

    def _said(self, issue: Issue) -> list[str]:
        bodies = [one.body for one in issue.comments if one.user.login == BOT]
        return [body for body in bodies if body.startswith("<!-- cco:answer=")]
