"""The network between GitHub and us: it delivers late, twice, in any order, or not at all."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.demo.github import World
from app.demo.github.model import HookDelivery
from tests.fakes.house import House


@dataclass(frozen=True, slots=True)
class Letter:
    """A webhook on its way."""

    guid: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Postman:
    """Takes every webhook that GitHub sends, and hands it over when it pleases. GitHub sees those as failed."""

    house: House
    dice: random.Random
    bag: list[Letter] = field(default_factory=list)
    sent: int = 0
    duplicates: int = 0
    _known: dict[str, HookDelivery] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._hand_over = self.house.world.post
        self.house.world.post = self._take

    async def _take(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
        guid = headers["X-GitHub-Delivery"]
        if guid in self._known:  # GitHub was asked to deliver it again
            return await self._deliver(Letter(guid, body, headers))
        self._known[guid] = next(one for one in reversed(self.house.world.deliveries.values()) if one.guid == guid)
        letter = Letter(guid, body, headers)
        chance = self.dice.random()
        if chance >= 0.05:  # else it is never sent
            self.bag += [letter] * (2 if chance < 0.25 else 1)
            self.duplicates += chance < 0.25
        raise OSError("it is on its way, perhaps")

    async def deliver(self, keep: int = 0) -> None:
        """Hand over what is in the bag, in any order; so many stay in it, for later."""
        self.dice.shuffle(self.bag)
        going, self.bag = self.bag[keep:], self.bag[:keep]

        async def one_after_another() -> None:
            while going:
                letter = going.pop()
                self.sent += 1
                try:
                    await self._deliver(letter)
                except OSError:
                    continue

        async with asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(one_after_another())

    async def _deliver(self, letter: Letter) -> tuple[int, dict[str, str], str]:
        assert self._hand_over is not None
        url = self.house.world.apps[self.house.app_id].hook_url or ""
        code, headers, text = await self._hand_over(url, letter.body, letter.headers)
        if code == 202:
            delivery = self._known[letter.guid]
            delivery.status, delivery.status_code = "OK", code
        return code, headers, text


def failed(world: World) -> list[HookDelivery]:
    """The last attempt of every webhook that was never acknowledged, as GitHub's list of deliveries has it."""
    heard = {one.guid for one in world.deliveries.values() if one.status_code == 202}
    return list({one.guid: one for one in world.deliveries.values() if one.guid not in heard}.values())
