"""Fixtures: a GitHub of our own, running, whose requests, answers and webhooks are held against GitHub's contracts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.demo.github import World, build, running
from tests.contracts import validation

pytest_plugins = ["tests.fakes.github_app"]


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, by: timedelta) -> None:
        self.at += by


@asynccontextmanager
async def checked(world: World, *, port: int = 0) -> AsyncIterator[str]:
    """Run the world with contract checks on; what breaks a contract is gathered in `world.violations`."""
    application = build(world)
    application.middlewares.append(validation.middleware(world.api_prefix, world.violations))
    async with running(world, port=port, application=application) as base_url:
        yield base_url
    for delivery in world.deliveries.values():
        world.violations += validation.check_delivery(delivery.event, delivery.action, delivery.payload)


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[World]:
    """A running GitHub with nothing in it. At the end nothing may have broken its contract or its manners."""
    world = World(tmp_path / "github")
    async with checked(world):
        yield world
    assert not world.violations, "\n".join(world.violations)
