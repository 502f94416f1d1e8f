"""What comes from Jira and what is looked for there: webhooks as they are taken, and the tickets that a look finds."""

import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from app import web as server
from app.inbox import Inbox
from app.jira_door import Door, Poller
from app.webhooks import JIRA, Receiver
from runner.deliveries import Delivery
from runner.errors import TryLater
from runner.store import Store, open_store
from tests.fakes.bureau import KNOWN, Bureau
from tests.fakes.desk import idle_conductor

SECRET = "correct horse"
BODY = json.dumps({"webhookEvent": "jira:issue_updated", "issue": {"id": "10007", "key": "PROJ-7"}}).encode()


@dataclass
class Service:
    url: str
    store: Store

    async def post(self, body: bytes = BODY, **change: str | None) -> tuple[int, dict[str, Any]]:
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "X-Atlassian-Webhook-Identifier": "f1f0e5c9a0",
            "X-Hub-Signature": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
        }
        changed = headers | {name.replace("_", "-"): value for name, value in change.items()}
        sent = {name: value for name, value in changed.items() if value is not None}
        async with aiohttp.ClientSession() as http, http.post(self.url, data=io.BytesIO(body), headers=sent) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async def nothing(_: Delivery) -> None: ...

    async with open_store(tmp_path / "door.db") as store:
        receiver = Receiver([SECRET], Inbox(store.deliveries, nothing).put, sender=JIRA)
        app = server.application()
        app.add_routes([web.post("/webhooks/jira", receiver.receive)])
        async with server.serving(app, "127.0.0.1", 0) as port:
            yield Service(f"http://127.0.0.1:{port}/webhooks/jira", store)


async def test_a_webhook_is_stored_once(service: Service) -> None:
    assert await service.post() == (202, {"status": "accepted"})
    assert await service.post() == (202, {"status": "duplicate"})
    [stored] = await service.store.deliveries.pending()
    assert (stored.source, stored.delivery_id, stored.event) == ("jira", "f1f0e5c9a0", "jira:issue_updated")
    assert stored.body == BODY


async def test_one_without_an_identifier_is_known_by_what_it_says(service: Service) -> None:
    assert (await service.post(X_Atlassian_Webhook_Identifier=None))[1] == {"status": "accepted"}
    assert (await service.post(X_Atlassian_Webhook_Identifier=None))[1] == {"status": "duplicate"}
    assert (await service.post(BODY + b" ", X_Atlassian_Webhook_Identifier=None))[1] == {"status": "accepted"}


@pytest.mark.parametrize(
    ("change", "body", "status", "sentence"),
    [
        ({"X_Hub_Signature": None}, BODY, 401, "X-Hub-Signature is missing"),
        ({"X_Hub_Signature": "sha256=" + "0" * 64}, BODY, 401, "not that of any of our webhook secrets"),
        ({"X_Hub_Signature": "sha1=" + "0" * 40}, BODY, 401, "64 hexadecimal digits"),
        ({"X_Atlassian_Webhook_Identifier": "a b"}, BODY, 400, "X-Atlassian-Webhook-Identifier"),
        ({"Content_Type": "text/plain"}, BODY, 400, "must be application/json"),
        ({}, b"{}", 400, "must name its webhookEvent"),
        ({}, b'{"webhookEvent": "../etc"}', 400, "must name its webhookEvent"),
        ({}, b'{"webhookEvent": 7}', 400, "must name its webhookEvent"),
        ({}, b"[]", 400, "must be a JSON object"),
        ({}, b"\xff", 400, "not JSON"),
        ({}, b"{" + b" " * (26 * 2**20), 413, "larger than 25 MB"),
    ],
)
async def test_what_is_no_webhook_of_jiras_is_told_what_is_wrong(
    service: Service, change: dict[str, str | None], body: bytes, status: int, sentence: str
) -> None:
    got, answer = await service.post(body, **change)
    assert got == status
    assert sentence in answer["error"]
    assert await service.store.deliveries.depth() == 0


@dataclass
class Looker:
    """A poller on a real store, and what it handed on."""

    bureau: Bureau
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def round(self) -> list[str]:
        store = self.bureau.office.store
        before = {one.delivery_id for one in await store.deliveries.pending()}
        poller = Poller(self.bureau.client, store, "claude", timedelta(seconds=60), lambda: self.now)
        await poller.round(Inbox(store.deliveries, self._nothing))
        found = [one.delivery_id for one in await store.deliveries.pending() if one.delivery_id not in before]
        return [one.partition("/")[0] for one in found]

    async def _nothing(self, _: Delivery) -> None: ...


async def test_the_first_look_finds_what_is_labelled_and_the_next_what_changed(bureau: Bureau) -> None:
    looker, site = Looker(bureau), bureau.site
    labelled = await site.create("Labelled", labels=("claude",))
    other = await site.create("Other")
    assert await looker.round() == [str(labelled.id)]
    assert await looker.round() == []
    await site.comment(other, "/claude start")
    await site.comment(await site.create("Not ours"), "Hello")
    await site.move(labelled, "In Progress")
    assert sorted(await looker.round()) == sorted([str(labelled.id), str(other.id)])
    assert await looker.round() == []


async def test_what_is_worked_on_is_looked_at_though_no_search_finds_it(bureau: Bureau) -> None:
    looker, site = Looker(bureau), bureau.site
    ticket = await site.create("At work")
    await site.label(ticket)
    await looker.round()
    await bureau.look(ticket)
    await site.unlabel(ticket)
    assert await looker.round() == [str(ticket.id)]
    await site.delete(ticket)
    assert await looker.round() == [str(ticket.id)]
    assert await looker.round() == []


async def test_a_look_that_fails_is_made_again_from_where_the_last_one_was(bureau: Bureau) -> None:
    looker, site = Looker(bureau), bureau.site
    await looker.round()
    ticket = await site.create("Meanwhile", labels=("claude",))
    site.away = True
    looker.now += timedelta(hours=3)
    with pytest.raises(TryLater):
        await looker.round()
    site.away = False
    assert await looker.round() == [str(ticket.id)]


async def test_our_own_doings_are_not_looked_at_and_others_are(bureau: Bureau) -> None:
    office, site = bureau.office, bureau.site
    door = Door(bureau.client, office.github.of, idle_conductor(office.store), office.store, office.house, KNOWN)
    ticket = await site.create("Heard", labels=("claude",))

    async def hear(payload: dict[str, Any]) -> int:
        before = len(site.calls("GET", f"/issue/{ticket.id}$"))
        await door.hand_on(Delivery("jira", "0", "x", "x", json.dumps(payload).encode(), datetime.now(UTC)))
        return len(site.calls("GET", f"/issue/{ticket.id}$")) - before

    about = {"issue": {"id": str(ticket.id), "key": ticket.key}}
    us, anna = (site.users[name].json(site.cloud) for name in ("cco", "anna"))
    where = {"self": f"{site.url}/rest/api/2/issue/{ticket.id}/comment/1"}
    assert await hear({"webhookEvent": "jira:issue_updated", "user": us, **about}) == 0
    assert await hear({"webhookEvent": "comment_created", "comment": {**where, "author": us}}) == 0
    assert await hear({"webhookEvent": "sprint_started", "user": anna}) == 0
    assert await hear({"webhookEvent": "jira:issue_updated", "user": anna, "issue": {"id": "../1"}}) == 0
    assert await hear({"webhookEvent": "comment_created", "comment": {**where, "author": anna}}) == 1
    assert (
        await hear({"webhookEvent": "comment_updated", "comment": {**where, "author": us, "updateAuthor": anna}}) == 1
    )
    assert await hear({"webhookEvent": "jira:issue_updated", "user": anna, **about}) == 1
    (task,) = await office.tasks()
    assert task.subject.key == ticket.key
