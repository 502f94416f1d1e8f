"""A program that is told of tasks by plain webhooks: signed, in order, at least once, and what is twice has one id."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.outgoing import Refused, open_outgoing
from handlers.reporters.webhooks import PlainWebhook, signature
from handlers.reporting import Reporting
from runner import events as happened
from runner.errors import TryLater
from runner.records import task_json
from runner.store import Store, open_store
from runner.tasks import Outcome, Repository, RunState
from tests.factories import HELLO, NOON, ended, run, task, view
from tests.fakes.receiver import FakeReceiver, receiver
from tests.integration.test_discord import Clock, World, until

SECRET = "xoxb-no-such-secret"


def redact(text: str) -> str:
    return text.replace(SECRET, "[redacted]")


@asynccontextmanager
async def hook(fake: FakeReceiver, repositories: tuple[str, ...] = ()) -> AsyncIterator[PlainWebhook]:
    """The reporter as the settings make it."""
    async with open_outgoing(timeout_seconds=1) as outgoing:
        post = outgoing.posting("the webhook pager", fake.url)
        yield PlainWebhook("pager", post, fake.secret, repositories, redact, lambda: NOON)


@pytest.fixture
async def fake() -> AsyncIterator[FakeReceiver]:
    async with receiver() as fake:
        yield fake


async def test_it_is_the_task_as_the_api_shows_it_signed_over_what_was_sent(fake: FakeReceiver) -> None:
    seen = view(run=ended(Outcome.answered))
    async with hook(fake) as pager:
        reference = await pager.report(seen, None)
    (told,) = fake.ledger
    assert told.status == 204
    assert told.headers["Content-Type"] == "application/json"
    assert told.headers["X-CCO-Delivery"] == told.json["id"] == reference
    assert told.headers["X-CCO-Signature-256"] == signature(fake.secret, told.body)
    assert told.json["event"] == "task.succeeded"
    assert told.json["at"] == "2026-11-23T12:00:00.000Z"
    assert told.json["task"] == task_json(seen) | {"runs": told.json["task"]["runs"]}


async def test_the_same_state_has_the_same_id_whenever_it_is_sent_and_another_has_another(fake: FakeReceiver) -> None:
    """Also one that was there before: what is told is not only the state."""
    first, later = view(run=run(RunState.running)), view(happened.AgentSaid("hm"), run=run(RunState.running))
    async with hook(fake) as pager:
        ids = [await pager.report(seen, None) for seen in (first, first, later)]
        assert ids[0] == ids[1] != ids[2]
        assert pager.digest(first) == pager.digest(later)
        assert pager.digest(first) != pager.digest(view(run=ended(Outcome.answered)))


async def test_only_its_repositories_are_told(fake: FakeReceiver) -> None:
    other = Repository("github.com", 2, "octo/other", "https://github.com/octo/other.git", "main")
    async with hook(fake, ("Octo/Hello",)) as pager:
        assert pager.wants(view(task=task(repository=HELLO)))
        assert not pager.wants(view(task=task(repository=other)))


async def test_secrets_are_taken_out_of_every_word_of_it(fake: FakeReceiver) -> None:
    subject = replace(task().subject, title=f'"{SECRET}"')
    seen = view(
        happened.AgentSaid(SECRET),
        happened.ChecklistChanged((happened.ChecklistItem(f"use {SECRET}", "pending"),)),
        run=run(RunState.running, reason=SECRET),
        task=task(subject=subject),
    )
    async with hook(fake) as pager:
        await pager.report(seen, None)
    assert SECRET.encode() not in fake.ledger[0].body
    assert fake.ledger[0].json["task"]["checklist"] == [{"text": "use [redacted]", "state": "pending"}]


@pytest.mark.parametrize(
    ("trouble", "kind", "after"),
    [
        ({"status": 500}, TryLater, None),
        ({"status": 503, "headers": {"Retry-After": "40"}}, TryLater, timedelta(seconds=40)),
        ({"status": 429, "headers": {"Retry-After": "999999999"}}, TryLater, timedelta(hours=1)),
        ({"status": 429, "headers": {"Retry-After": "Wed, 25 Nov 2026 23:00:00 GMT"}}, TryLater, None),
        ({"delay": 30.0}, TryLater, None),
        ({"after_effect": True}, TryLater, None),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, Refused, timedelta(minutes=5)),
        ({"status": 401}, Refused, timedelta(minutes=5)),
        ({"status": 410}, Refused, timedelta(minutes=5)),
    ],
)
async def test_only_2xx_is_success_no_redirect_is_followed_and_no_address_is_said(
    fake: FakeReceiver,
    caplog: pytest.LogCaptureFixture,
    trouble: dict[str, Any],
    kind: type[TryLater],
    after: timedelta | None,
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.fail(1, **trouble)
    async with hook(fake) as pager:
        with pytest.raises(TryLater, match="the webhook pager") as error:
            await pager.report(view(), None)
    assert (type(error.value) is Refused, error.value.after) == (kind is Refused, after)
    said = caplog.text + str(error.getrepr(style="long", chain=True)) + repr(pager)
    assert fake.token not in said
    assert fake.secret not in said
    assert [one.path for one in fake.ledger if one.path == "/elsewhere"] == []


async def test_what_changes_while_it_is_down_is_told_once_as_it_stands_then(tmp_path: Path, fake: FakeReceiver) -> None:
    """And in order: of one task there is never more than one post under way."""
    clock = Clock()
    async with open_store(tmp_path / "cco.db") as store, hook(fake) as made:
        world = World(store, None, None, clock, None)  # type: ignore[arg-type]  # of it only what fills the store
        pager = replace(made, now=clock.now)
        fake.fail(3, status=503)
        fake.fail(1, after_effect=True)
        loop = asyncio.create_task(Reporting(store, [pager], clock.now, clock.sleep).run())
        try:
            begun = await world.start()
            await world.deliver(begun)
            await until(lambda: bool(fake.taken()) and fake.ledger[-1].status == 204)
            async with asyncio.timeout(20):
                while not await _all_is_said(store, pager, begun.task_id):
                    await asyncio.sleep(0.01)
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
    told = [one.json for one in fake.ledger]
    assert [one.status for one in fake.ledger] == [503, 503, 503, 0, 204]
    assert told[-1]["event"] == "task.succeeded"
    assert told[-1]["id"] == told[-2]["id"]
    assert [one["id"] for one in fake.taken()] == [told[-1]["id"]]
    order = [one["task"]["last_event"] for one in told]
    assert order == sorted(order)


async def _all_is_said(store: Store, pager: PlainWebhook, task_id: Any) -> bool:
    """And that is written down."""
    receipt = await store.receipts.of(task_id, pager.name)
    return receipt is not None and receipt.digest == pager.digest(await store.view(task_id))


async def test_an_operator_is_told_once_until_it_takes_something_again(
    fake: FakeReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    async with hook(fake) as pager:
        for trouble in (302, 302, 401, 0, 404):
            fake.fail(1 if trouble else 0, status=trouble)
            with suppress(Refused):
                await pager.report(view(), None)
    said = [one.getMessage().partition(";")[0] for one in caplog.records if one.levelname == "ERROR"]
    assert said == [f"the webhook pager hears nothing of the tasks: the webhook pager answers {n}" for n in (302, 404)]
