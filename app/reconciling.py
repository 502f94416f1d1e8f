"""Look at GitHub now and then for what no webhook told us, and hand each find to the inbox as if one had.

What a difference means is decided by the handlers. Here is only where to look, and how often.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import gidgethub
import orjson

from app.finds import Finds
from app.github import GitHub
from app.inbox import Inbox
from app.redelivering import MOST_AT_ONCE, Redelivering
from handlers import reconciling
from handlers.desk import Desk, House
from handlers.differences import Begin, End, Follow, Step
from handlers.github import answer_marker, find_our_comment, repository_of, when
from handlers.hearing import command_of, mark_of
from runner.deliveries import Delivery
from runner.errors import Refusal, TryLater
from runner.store import Store
from runner.tasks import PullRequest, Repository, Task, TaskId

OVERLAP = timedelta(minutes=10)  # GitHub's clock and ours may differ by some of it
WHOLE = timedelta(hours=1)  # so often all labelled issues are looked at, and not only those that changed
MOST_REPOSITORIES = 200  # in one round; those with tasks first, the others by turns
DRAINED_WITHIN = timedelta(seconds=30)  # a delivery that is left for later does not hold up the rest
STORMS = 3  # so many repositories in a row that cannot be reached end a round
HOOK = "reconciler"
BEGUN = "begun"

T = TypeVar("T")

log = logging.getLogger(__name__)


class Reconciler:
    """The loop. `desk_of` gives the desk of a repository; `every` is the time between two rounds."""

    def __init__(
        self,
        github: GitHub,
        store: Store,
        inbox: Inbox,
        desk_of: Callable[[Repository], Desk],
        house: House,
        finds: Finds,
        every: timedelta,
        pause: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._github = github
        self._store = store
        self._inbox = inbox
        self._desk_of = desk_of
        self._house = house
        self._finds = finds
        self._every = every
        self._now = now
        self._redelivering = Redelivering(github, store, finds, pause)
        self._looked: dict[int, datetime] = {}  # when each repository was looked at last
        self._whole: dict[int, datetime] = {}  # and when as a whole
        self._turn = 0
        self._handed_on: set[tuple[int, int]] = set()  # in this round: repositories' ids, and numbers in them

    async def run(self, listening: asyncio.Event) -> None:
        """Until cancelled: a round at the start, then one every so often, and the delivery list five times as often."""
        begun = await self._begun(self._now())
        await listening.wait()  # what is asked for again must find us
        number = 0
        while True:
            if self._store.pause.on:  # what would be delivered again is not taken now
                await asyncio.sleep(min(1.0, self._every.total_seconds() / 5))
                continue
            await self._drained()
            asked = await self._isolated(self._redelivering.round(self._now(), begun))
            if asked:
                await asyncio.sleep(min(1.0, self._every.total_seconds() / 5))
                await self._drained()  # what comes of it need not be looked for
            if asked == MOST_AT_ONCE:
                continue  # there is more of it: that comes before the long look
            if number % 5 == 0:
                await self._isolated(self.round(begun))
            number += 1
            await asyncio.sleep(self._every.total_seconds() / 5)

    async def round(self, begun: datetime) -> None:
        """Look at all repositories of all installations, or at some of them where there are very many."""
        self._handed_on.clear()
        active, proposed = await self._store.active_tasks(), await self._store.register.with_pull_request()
        ours: dict[int, list[Task]] = {}
        for task in {one.id: one for one in [*active, *proposed]}.values():
            ours.setdefault(task.repository.id, []).append(task)
        names = await self._store.register.names(self._house.host)
        payloads = [payload async for payload in self._github.repositories()]
        at_work, storms = {task.id for task in active}, 0
        for payload in self._chosen(payloads, set(names)):
            repository = repository_of(payload, self._house)
            try:
                if before := names.get(repository.id, set()) - {repository.full_name}:
                    await self._renamed(payload, before)
                await self._look_at(payload, repository, ours.get(repository.id, []), at_work, begun)
                storms = 0
            except (Refusal, gidgethub.BadRequest) as refusal:
                log.warning("%s cannot be looked at: %s", repository.full_name, refusal)
            except TryLater as weather:
                storms += 1
                if storms == STORMS:
                    raise  # it is not this repository alone
                log.warning("%s is looked at later: %s", repository.full_name, weather)

    def _chosen(self, payloads: list[dict[str, Any]], ours: set[int]) -> list[dict[str, Any]]:
        first = [one for one in payloads if one["id"] in ours]
        others = [one for one in payloads if one["id"] not in ours]
        room = max(MOST_REPOSITORIES - len(first), MOST_REPOSITORIES // 4)
        start = self._turn % max(len(others), 1)
        self._turn = start + room if len(others) > room else 0
        return [*first, *[*others[start:], *others[:start]][:room]]

    async def _look_at(
        self,
        payload: Mapping[str, Any],
        repository: Repository,
        tasks: list[Task],
        at_work: set[TaskId],
        begun: datetime,
    ) -> None:
        now, desk = self._now(), self._desk_of(repository)
        since = self._since(repository, now)
        numbers = await self._labelled(desk, repository, since)
        about_issues = [one for one in tasks if one.subject.source == "github" and one.subject.number is not None]
        numbers |= {one.subject.number or 0 for one in about_issues if one.id in at_work}
        changed = await self._changed_pull_requests(desk, repository, tasks, at_work)
        numbers |= {one.subject.number or 0 for one in about_issues if one.id in changed}
        for number in sorted(numbers):
            if not await self._is_busy(repository, number):
                steps = await reconciling.differences(desk, payload, number)
                await self._hand_on(payload, {"issue": {"number": number}}, steps, f"{repository.full_name}#{number}")
        for task in tasks:
            if task.id in changed and task not in about_issues and task.pull_request is not None:
                about = {"pull_request": {"number": task.pull_request.number}}
                await self._hand_on(payload, about, [Follow(task.pull_request)], task.subject.key)
        await self._commands(desk, payload, repository, begun)
        self._looked[repository.id] = now
        if since is None:
            self._whole[repository.id] = now

    def _since(self, repository: Repository, now: datetime) -> datetime | None:
        """None where all labelled issues are to be looked at: the first time, and every hour."""
        whole = self._whole.get(repository.id)
        if whole is None or now - whole >= WHOLE:
            return None
        return self._looked[repository.id] - OVERLAP

    async def _labelled(self, desk: Desk, repository: Repository, since: datetime | None) -> set[int]:
        """The open issues with our label, as far as they changed."""
        label = quote(self._house.trigger_label, safe="")
        url = f"/repos/{repository.full_name}/issues?state=open&labels={label}&per_page=100"
        if since is not None:
            url += f"&since={_text(since)}"
        return {issue["number"] async for issue in desk.gh.getiter(url) if "pull_request" not in issue}

    async def _changed_pull_requests(
        self, desk: Desk, repository: Repository, tasks: list[Task], at_work: set[TaskId]
    ) -> set[int]:
        """The tasks whose pull request is not as we know it. A run at work moves it in and out of draft itself."""
        ours = [task for task in tasks if task.pull_request is not None]
        if not ours:
            return set()
        url = f"/repos/{repository.full_name}/pulls?state=open&per_page=100"
        drafts = {one["number"]: bool(one.get("draft")) async for one in desk.gh.getiter(url)}
        return {
            task.id
            for task in ours
            if task.pull_request is not None and _differs(task.pull_request, drafts, ignore_draft=task.id in at_work)
        }

    async def _commands(self, desk: Desk, payload: Mapping[str, Any], repository: Repository, begun: datetime) -> None:
        """Comments with a command that nobody answered, since we last looked; the mark stops before one that waits."""
        mark = await self._store.marks.at(mark_of(repository)) or begun
        reached, waits = mark, False
        url = f"/repos/{repository.full_name}/issues/comments?sort=updated&direction=asc&per_page=100"
        async for comment in desk.gh.getiter(f"{url}&since={_text(mark)}"):
            if command_of(comment, begun):
                number = int(str(comment["issue_url"]).rpartition("/")[2])
                if await self._is_busy(repository, number):
                    waits = True  # perhaps it is this one's webhook
                else:
                    await self._command(desk, payload, repository, number, comment)
            if not waits:
                reached = max(reached, when(comment["updated_at"]))
        if reached != mark or await self._store.marks.at(mark_of(repository)) is None:
            await self._store.marks.reached(mark_of(repository), reached)

    async def _command(
        self, desk: Desk, payload: Mapping[str, Any], repository: Repository, number: int, comment: Mapping[str, Any]
    ) -> None:
        marker, at = answer_marker(str(comment["id"])), when(comment["created_at"])
        if await find_our_comment(desk.gh, self._house, repository, number, marker, at) is not None:
            return
        issue = await desk.gh.getitem(f"/repos/{repository.full_name}/issues/{number}")
        body = {"action": "created", "issue": issue, "comment": comment, "sender": comment["user"]}
        await self._note(repository, number)
        if await self._put("issue_comment", f"comment/{comment['id']}", {**body, "repository": payload}):
            self._finds.count("command")
            log.info("found a command that no webhook brought: %s", comment["html_url"])

    async def _renamed(self, payload: Mapping[str, Any], before: set[str]) -> None:
        body = {"action": "renamed", "repository": payload}
        if await self._put("repository", f"renamed/{payload['id']}/{payload['full_name']}/{self._hour()}", body):
            self._finds.count("rename")
            log.info(
                "found that what we know as %s is called %s now", " and ".join(sorted(before)), payload["full_name"]
            )

    async def _hand_on(self, payload: Mapping[str, Any], about: Mapping[str, Any], steps: list[Step], key: str) -> None:
        """One delivery for all that differs. The same find again is handed on again after an hour."""
        if not steps:
            return
        number, found = next(iter(about.values()))["number"], "+".join(step.name for step in steps)
        guid = f"{payload['id']}/{number}/{found}/{self._hour()}"
        await self._note(repository_of(payload, self._house), number)
        if not await self._put(reconciling.EVENT, guid, {"action": "looked", **about, "repository": payload}):
            return
        for step in steps:
            match step:
                case Begin(labelled):
                    self._finds.count("label")
                    log.info("found the label on %s, put on by %s", key, labelled.by.get("login"))
                case End(_, by, why):
                    self._finds.count("stop")
                    log.info("found that the work on %s is not wanted any more: %s, by %s", key, why, by)
                case Follow(pull_request):
                    self._finds.count("pull_request")
                    log.info("found that pull request #%d of %s was changed", pull_request.number, key)

    async def _note(self, repository: Repository, number: int) -> None:
        self._handed_on.add(
            (repository.id, await self._store.register.issue_of(repository.host, repository.id, number))
        )

    async def _is_busy(self, repository: Repository, number: int) -> bool:
        """Whether a webhook about it is being handled: what comes of that is not known yet."""
        number = await self._store.register.issue_of(repository.host, repository.id, number)
        if (repository.id, number) in self._handed_on:
            return False  # that is ours, and the next one waits for it
        return await self._inbox.is_at_work_on(repository.id, number)

    async def _put(self, event: str, guid: str, body: Mapping[str, Any]) -> bool:
        return await self._inbox.put(Delivery("github", HOOK, guid, event, orjson.dumps(body), self._now()))

    async def _begun(self, now: datetime) -> datetime:
        """When this CCO_HOME first heard of GitHub. What was said before is not ours to answer; a label is."""
        begun = await self._store.marks.at(BEGUN)
        if begun is None:
            # GitHub's times are whole seconds; and what came since we are here tells nothing of before.
            begun = min(await self._store.deliveries.latest() or now, now).replace(microsecond=0)
            await self._store.marks.reached(BEGUN, begun)
        return begun

    async def _drained(self) -> None:
        """Until what has come is handled, or is left for later."""
        deadline = asyncio.get_running_loop().time() + DRAINED_WITHIN.total_seconds()
        while await self._store.deliveries.depth() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110  (it rings no bell)
            await asyncio.sleep(0.05)

    async def _isolated(self, looking: Awaitable[T]) -> T | None:
        """What goes wrong while we look is logged, and looked at again the next time. No work waits for it."""
        try:
            return await looking
        except TryLater as weather:
            log.warning("looking at GitHub is left for later: %s", weather)
        except Exception:
            log.exception("looking at GitHub for what no webhook told us went wrong")
        return None

    def _hour(self) -> str:
        return f"{self._now():%Y-%m-%dT%H}"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _differs(ours: PullRequest, drafts: Mapping[int, bool], *, ignore_draft: bool) -> bool:
    """`drafts` are the open ones."""
    if (ours.state == "open") != (ours.number in drafts):
        return True
    return ours.state == "open" and not ignore_draft and ours.draft != drafts[ours.number]
