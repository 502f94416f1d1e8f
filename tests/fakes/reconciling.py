"""Our inbox at work over the stand-in GitHub, and the reconciler at hand; the agents do not run."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from gidgethub import sansio

from app.finds import Finds
from app.inbox import Inbox
from app.reconciling import Reconciler
from handlers.desk import Desk
from handlers.dispatch import dispatch
from handlers.github import repository_of
from runner.deliveries import Delivery
from runner.tasks import Repository
from tests.fakes.desk import Office, idle_conductor


@dataclass
class Scene:
    """Everything between a webhook and the store. `begun` is since when we are here.

    `ahead` is how far the reconciler's clock is ahead of GitHub's: so it lets hours go by.
    """

    office: Office
    inbox: Inbox
    reconciler: Reconciler
    finds: Finds
    begun: datetime
    ahead: timedelta = timedelta(0)

    async def settled(self) -> None:
        async with asyncio.timeout(60):
            while await self.office.store.deliveries.depth():
                await asyncio.sleep(0.005)
        assert await self.office.store.deliveries.parked() == []

    async def deliver(self, *deliveries: Delivery) -> None:
        for delivery in deliveries:
            await self.inbox.put(delivery)
        await self.settled()

    async def reconcile(self) -> None:
        await self.reconciler.round(self.begun)
        await self.settled()


@asynccontextmanager
async def scene(office: Office) -> AsyncIterator[Scene]:
    """For as long as the block runs."""
    conductor = idle_conductor(office.store)

    def desk_of(repository: Repository) -> Desk:
        return Desk(office.github.of(repository), conductor, office.store, office.house)

    async def hand_on(delivery: Delivery) -> None:
        payload = json.loads(delivery.body)
        desk = desk_of(repository_of(payload["repository"], office.house))
        await dispatch(sansio.Event(payload, event=delivery.event, delivery_id=delivery.delivery_id), desk)

    inbox = Inbox(office.store.deliveries, hand_on, partial(office.store.register.issue_of, office.house.host))
    finds, begun = Finds(), office.world.now()
    reconciler = Reconciler(
        office.github,
        office.store,
        inbox,
        desk_of,
        office.house,
        finds,
        timedelta(seconds=1),
        timedelta(0),
        lambda: office.world.now() + made.ahead,
    )
    made = Scene(office, inbox, reconciler, finds, begun)
    working = asyncio.create_task(inbox.drain())
    try:
        yield made
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


def delivery_of(guid: str, event: str, payload: Any) -> Delivery:
    """A webhook as our door hands it in."""
    return Delivery("github", "1", guid, event, json.dumps(payload).encode(), datetime.now(UTC))
