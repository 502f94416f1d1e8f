"""Have GitHub deliver again what did not reach us: it keeps deliveries for three days, and repeats none by itself."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import gidgethub

from app.finds import Finds
from app.github import GitHub
from handlers.dispatch import concerns_us
from handlers.github import when
from runner.store import Store

KEPT = timedelta(days=3)  # by GitHub
OVERLAP = timedelta(minutes=10)  # a delivery that was under way when we last looked is looked at again
UNDER_WAY = timedelta(minutes=2)  # without an answer for so long, it will have none
LONGEST_WAIT = timedelta(hours=1)
MOST_AT_ONCE = 100
MARK = "deliveries"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempts:
    """All attempts at one delivery, which share its GUID. `latest_id` is what is asked for again."""

    guid: str
    event: str
    action: str | None
    first_at: datetime
    last_at: datetime
    latest_id: int
    last_answer: str
    count: int = 1
    arrived: bool = False
    answered: bool = True

    def is_due(self, now: datetime) -> bool:
        """Whether to ask for the next attempt: at once after the first, then after 1, 2, 4 … minutes, up to an hour."""
        if not self.answered and now - self.last_at < UNDER_WAY:
            return False
        if self.count == 1:
            return True
        wait: timedelta = min(timedelta(minutes=1) * 2 ** min(self.count - 2, 10), LONGEST_WAIT)
        return now - self.last_at >= wait


def gathered(items: Iterable[Mapping[str, Any]]) -> list[Attempts]:
    """GitHub's list of attempts, newest first, by delivery; the oldest delivery first."""
    found: dict[str, Attempts] = {}
    for item in items:
        at, code = when(item["delivered_at"]), int(item["status_code"])
        arrived = 200 <= code < 300
        known = found.get(item["guid"])
        if known is not None:
            found[item["guid"]] = replace(
                known, first_at=min(known.first_at, at), count=known.count + 1, arrived=known.arrived or arrived
            )
            continue
        found[item["guid"]] = Attempts(
            guid=item["guid"],
            event=item["event"],
            action=item["action"],
            first_at=at,
            last_at=at,
            latest_id=item["id"],
            last_answer=f"{code} {item['status']}".strip(),
            arrived=arrived,
            answered=code != 0,
        )
    return sorted(found.values(), key=lambda one: one.first_at)


class Redelivering:
    """Looks through the list from where everything had arrived the last time. `pause` lies between two requests."""

    def __init__(self, github: GitHub, store: Store, finds: Finds, pause: timedelta) -> None:
        self._github = github
        self._store = store
        self._finds = finds
        self._pause = pause
        self._given_up: set[str] = set()

    async def round(self, now: datetime, begun: datetime) -> int:
        """Ask for what is missing, as far as it is due; gives how many. Nothing from before `begun` is ours to do."""
        mark = await self._store.marks.at(MARK) or begun
        items = await self._items(max(mark - OVERLAP, now - KEPT))
        forgotten = await self._forgotten()
        missing = [
            one
            for one in gathered(items)
            if concerns_us(one.event, one.action) and (not one.arrived or forgotten(one.first_at))
        ]
        stored = await self._store.deliveries.known([one.guid for one in missing]) if missing else set()
        missing = [one for one in missing if one.guid not in stored and one.first_at >= begun]
        wanted = [one for one in missing if not self._is_given_up(one, now)]
        due = [one for one in wanted if one.is_due(now)][:MOST_AT_ONCE]
        for number, one in enumerate(due):
            if number:
                await asyncio.sleep(self._pause.total_seconds())
            await self._ask_for(one)
        newest = max((when(item["delivered_at"]) for item in items), default=mark)
        reached = min((one.first_at for one in wanted), default=newest)
        if reached != mark:
            await self._store.marks.reached(MARK, reached)
        return len(due)

    async def _forgotten(self) -> Callable[[datetime], bool]:
        """Whether we took a delivery of then in a life that the database, restored from a backup, knows nothing of."""
        restored = await self._store.marks.restored()
        if restored is None:
            return lambda _: False
        return lambda at: restored.made_at - OVERLAP <= at <= restored.restored_at

    async def _items(self, back_to: datetime) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async for item in self._github.app.getiter("/app/hook/deliveries?per_page=100"):
            if when(item["delivered_at"]) < back_to:
                break
            found.append(item)
        return found

    async def _ask_for(self, one: Attempts) -> None:
        name = f"{one.event}.{one.action}" if one.action else one.event
        try:
            await self._github.redeliver(one.latest_id)
        except gidgethub.BadRequest as refusal:
            log.warning("GitHub does not deliver %s (%s) again: %s", name, one.guid, refusal)
            return
        self._finds.count("delivery")
        log.info("asked GitHub for %s (%s) again: its answer was %s", name, one.guid, one.last_answer)

    def _is_given_up(self, one: Attempts, now: datetime) -> bool:
        """In the last hour before GitHub forgets it there is one line in the log, and no more attempts."""
        if now - one.first_at < KEPT - LONGEST_WAIT:
            return False
        if one.guid not in self._given_up:
            self._given_up.add(one.guid)
            log.error(
                "gave up on %s.%s (%s): in three days it did not get through. Its last answer was %s",
                one.event,
                one.action,
                one.guid,
                one.last_answer,
            )
        return True
