"""The API and the live feed over HTTP, on a real store."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from app import web as server
from app.api import OPERATOR, Api, Deeds, only_with
from app.live import Live
from app.metrics import Metrics, Numbers
from runner.errors import Refusal
from runner.events import AgentSaid, PullRequestOpened
from runner.store import Store, Submission, open_store
from runner.tasks import Actor, Repository, Subject, Task, TaskId, TriggerKind, Wish
from runner.view import TaskView

TOKEN = "t" * 32
HELLO = Repository("github.com", 7, "octo/hello", "https://github.com/octo/hello.git", "main")


@dataclass
class Service:
    store: Store
    url: str
    session: aiohttp.ClientSession
    live: Live
    done: list[tuple[Any, ...]] = field(default_factory=list)
    active: bool = True

    async def submit(self, number: int = 42, title: str = "A title") -> Submission:
        url = f"https://github.com/octo/hello/issues/{number}"
        subject = Subject("github", f"github.com/7/{number}", f"octo/hello#{number}", url, title)
        wish = Wish(TriggerKind.label, Actor("ada", 5), "do it", f"wish-{number}")
        return await self.store.submit(subject, HELLO, f"claude/issue-{number}", wish)

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.session.get(self.url + path, headers={"Authorization": f"Bearer {TOKEN}", **headers}) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {TOKEN}", **headers}
        async with self.session.post(self.url + path, json=body, headers=sent) as answer:
            return answer.status, await answer.json()

    # What the API has done here is written down, and nothing else happens.

    def deeds(self) -> Deeds:
        async def start(url: str) -> TaskId:
            if "issues" not in url:
                raise Refusal("This is not the address of an issue.")
            self.done.append(("start", url))
            return (await self.submit(50)).task.id

        async def retry(task: Task, text: str, actor: Actor) -> None:
            assert actor is OPERATOR
            self.done.append(("retry", task.id, text))

        async def steer(task: Task, text: str, actor: Actor) -> None:
            assert actor is OPERATOR
            self.done.append(("steer", task.id, text))

        async def stop(task: Task, text: str, actor: Actor) -> bool:
            assert actor is OPERATOR
            self.done.append(("stop", task.id, text))
            return self.active

        async def decide(task: Task, allowed: bool, text: str, actor: Actor) -> bool:
            assert actor is OPERATOR
            self.done.append(("decide", task.id, allowed, text))
            return self.active

        async def diff(_: Task) -> str:
            return "+ é\n"

        async def transcript(_: TaskView, after: str | None) -> tuple[str, str | None]:
            return ("first", "1/5") if after is None else ("second", None)

        return Deeds(start, retry, steer, stop, decide, diff, transcript)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with open_store(tmp_path / "cco.db") as store, aiohttp.ClientSession() as session:
        live = Live(store, slow_seconds=1.0)
        service = Service(store, "", session, live)
        app = server.application()
        app.middlewares.append(only_with(TOKEN))
        app.add_routes([*Api(store, service.deeds()).routes(), web.get("/api/live", live.listen)])

        async def nothing_wrong() -> dict[str, str]:
            return {}

        async def measured() -> Numbers:
            return {"cco_runs": {"queued": 1, "running": 0}, "cco_inbox_depth": 2.5}

        metrics = Metrics()
        metrics.add(measured)
        server.add_health(app, nothing_wrong, metrics.text)
        running = asyncio.create_task(live.run())
        async with server.serving(app, "127.0.0.1", 0) as port:
            service.url = f"http://127.0.0.1:{port}"
            yield service
            await live.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_task_has_what_the_contract_says(service: Service) -> None:
    submission = await service.submit()
    await service.store.record(submission.task.id, PullRequestOpened(43, "https://github.com/octo/hello/pull/43"))
    status, task = await service.get(f"/api/tasks/{submission.task.id}")
    assert status == 200
    assert task["subject"] == {
        "source": "github",
        "key": "octo/hello#42",
        "url": "https://github.com/octo/hello/issues/42",
        "title": "A title",
    }
    assert (task["repository"], task["state"], task["branch"]) == ("octo/hello", "queued", "claude/issue-42")
    assert task["pull_request"]["number"] == 43
    assert task["pull_request"]["state"] == "open"
    assert task["cost_usd"] == 0
    assert task["created_at"].endswith("Z")
    [run] = task["runs"]
    expected = {"number", "state", "trigger", "actor", "started_at", "ended_at", "outcome", "cost_usd", "turns"}
    assert expected <= set(run)
    assert (run["trigger"], run["actor"], run["outcome"]) == ("label", "ada", None)


@pytest.mark.parametrize("reference", ["1", "octo%2Fhello%2342", "octo%2Fhello%2343"])
async def test_a_task_is_found_by_what_people_type(service: Service, reference: str) -> None:
    submission = await service.submit()
    await service.store.record(submission.task.id, PullRequestOpened(43, "https://github.com/octo/hello/pull/43"))
    status, task = await service.get(f"/api/tasks/{reference}")
    assert (status, task["id"]) == (200, 1)


async def test_pages_of_tasks_follow_each_other(service: Service) -> None:
    for number in range(5):
        await service.submit(number)
    _, first = await service.get("/api/tasks?limit=3")
    _, second = await service.get(f"/api/tasks?limit=3&before={first['next']}")
    assert [task["id"] for task in first["tasks"] + second["tasks"]] == [5, 4, 3, 2, 1]
    assert second["next"] is None
    assert len((await service.get("/api/tasks?state=queued&repository=octo/hello"))[1]["tasks"]) == 5
    empty = {"tasks": [], "next": None, "paused": False}
    assert (await service.get("/api/tasks?state=running"))[1] == empty


async def test_events_follow_each_other(service: Service) -> None:
    task_id = (await service.submit()).task.id
    await service.store.record(task_id, AgentSaid("one"), AgentSaid("two"))
    _, first = await service.get(f"/api/tasks/{task_id}/events?limit=2")
    _, second = await service.get(f"/api/tasks/{task_id}/events?after={first['next']}")
    assert [event["kind"] for event in first["events"] + second["events"]] == ["RunQueued", "AgentSaid", "AgentSaid"]
    assert second["events"][0]["data"] == {"text": "two"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/tasks?state=happy", 400),
        ("/api/tasks?limit=0", 400),
        ("/api/tasks?limit=201", 400),
        ("/api/tasks?before=x", 400),
        ("/api/tasks?before=99999999999999999999", 400),
        ("/api/tasks/17", 404),
        ("/api/tasks/99999999999999999999999", 404),
        ("/api/tasks/octo%2Fhello%239", 404),
        ("/api/tasks/%00", 404),
        ("/api/tasks/" + "a" * 1000, 404),
        ("/api/nothing", 404),
        ("/api/tasks/17/retry", 405),
    ],
)
async def test_a_wrong_question_gets_a_sentence(service: Service, path: str, status: int) -> None:
    got, answer = await service.get(path)
    assert got == status
    assert answer["error"]


async def test_nothing_is_said_without_the_token(service: Service) -> None:
    await service.submit()
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "é"}):
        for path in ("/api/tasks", "/api/tasks/1", "/api/live", "/api/nothing"):
            async with service.session.get(service.url + path, headers=headers) as answer:
                assert answer.status == 401
                assert "octo" not in await answer.text()


async def test_what_a_caller_has_done(service: Service) -> None:
    await service.submit()
    for verb in ("retry", "stop", "steer", "approve", "deny"):
        status, task = await service.post(f"/api/tasks/octo%2Fhello%2342/{verb}", {"text": "as I say"})
        assert (status, task["id"]) == (202, 1)
    assert service.done == [
        ("retry", 1, "as I say"),
        ("stop", 1, "as I say"),
        ("steer", 1, "as I say"),
        ("decide", 1, True, "as I say"),
        ("decide", 1, False, "as I say"),
    ]
    status, task = await service.post("/api/tasks", {"url": "https://github.com/octo/hello/issues/50"})
    assert (status, task["subject"]["key"]) == (202, "octo/hello#50")


async def test_what_cannot_be_done_is_a_sentence(service: Service) -> None:
    await service.submit()
    service.active = False
    assert (await service.post("/api/tasks/1/stop"))[0] == 409
    assert (await service.post("/api/tasks/1/approve"))[0] == 409
    assert (await service.post("/api/tasks/1/steer", {"text": " "}))[0] == 400
    assert (await service.post("/api/tasks/1/retry", {"text": 5}))[0] == 400
    assert (await service.post("/api/tasks/1/retry", [1]))[0] == 400
    assert (await service.post("/api/tasks", {}))[0] == 400
    status, answer = await service.post("/api/tasks", {"url": "https://github.com/octo"})
    assert (status, answer["error"]) == (409, "This is not the address of an issue.")
    async with service.session.post(
        service.url + "/api/tasks/1/retry",
        data=b'{"text": ""}',
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/plain"},
    ) as response:
        assert response.status == 400


async def test_diff_and_transcript_are_text(service: Service) -> None:
    await service.submit()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with service.session.get(service.url + "/api/tasks/1/diff", headers=headers) as answer:
        assert (answer.content_type, await answer.text()) == ("text/plain", "+ é\n")
    async with service.session.get(service.url + "/api/tasks/1/transcript", headers=headers) as answer:
        assert (await answer.text(), answer.headers["X-Next"]) == ("first", "1/5")
    async with service.session.get(service.url + "/api/tasks/1/transcript?after=1/5", headers=headers) as answer:
        assert await answer.text() == "second"
        assert "X-Next" not in answer.headers


async def test_another_host_and_another_sites_page_are_refused(service: Service) -> None:
    assert (await service.get("/api/tasks", Host="evil.example"))[0] == 421
    assert (await service.get("/api/tasks", Origin="https://evil.example"))[0] == 403
    assert (await service.get("/api/tasks", Origin="null"))[0] == 403
    assert (await service.get("/api/tasks", Origin=service.url))[0] == 200
    async with service.session.get(service.url + "/livez", headers={"Host": "anything"}) as answer:
        assert answer.status == 200


async def test_health_and_metrics(service: Service) -> None:
    async with service.session.get(service.url + "/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ready", "wrong": {}})
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert len(answer.headers["X-Request-Id"]) == 16
    async with service.session.get(service.url + "/metrics") as answer:
        lines = (await answer.text()).splitlines()
        start = lines.index("# TYPE cco_runs gauge")
        assert lines[start - 1 : start + 6] == [
            "# HELP cco_runs Runs that have not ended, by state.",
            "# TYPE cco_runs gauge",
            'cco_runs{state="queued"} 1.0',
            'cco_runs{state="running"} 0.0',
            "# HELP cco_inbox_depth Deliveries that are stored and not yet handled.",
            "# TYPE cco_inbox_depth gauge",
            "cco_inbox_depth 2.5",
        ]


async def receive(listening: aiohttp.ClientWebSocketResponse, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        return [json.loads(await listening.receive_str()) for _ in range(count)]


def listen(service: Service, query: str = "") -> Any:
    return service.session.ws_connect(service.url + "/api/live" + query, headers={"Authorization": f"Bearer {TOKEN}"})


async def test_events_arrive_live_in_order_and_none_is_skipped_on_reconnect(service: Service) -> None:
    task_id = (await service.submit()).task.id
    async with listen(service, "?after=0") as listening:
        assert [event["kind"] for event in await receive(listening, 1)] == ["RunQueued"]
        await service.store.record(task_id, AgentSaid("one"), AgentSaid("two"))
        assert [event["data"]["text"] for event in await receive(listening, 2)] == ["one", "two"]
    await service.store.record(task_id, AgentSaid("three"))
    async with listen(service, "?after=3") as listening:
        await service.store.record(task_id, AgentSaid("four"))
        events = await receive(listening, 2)
    assert [(event["id"], event["data"]["text"]) for event in events] == [(4, "three"), (5, "four")]


async def test_a_socket_may_listen_to_one_task(service: Service) -> None:
    await service.submit(1)
    async with listen(service, "?after=0&task=2") as listening:
        await service.submit(2)
        assert [event["task"] for event in await receive(listening, 1)] == [2]


async def test_without_after_only_what_comes_is_heard(service: Service) -> None:
    task_id = (await service.submit()).task.id
    async with listen(service) as listening:
        await service.store.record(task_id, AgentSaid("new"))
        assert [event["data"] for event in await receive(listening, 1)] == [{"text": "new"}]


async def test_more_than_is_kept_comes_from_the_store_without_a_gap(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.live.KEPT", 10)
    task_id = (await service.submit()).task.id
    async with listen(service, "?after=0") as listening:
        for number in range(20):
            await service.store.record(task_id, *(AgentSaid(f"{number}-{part}") for part in range(5)))
        assert [event["id"] for event in await receive(listening, 101)] == list(range(1, 102))
    async with listen(service, "?after=3") as listening:
        assert [event["id"] for event in await receive(listening, 98)] == list(range(4, 102))


async def test_a_client_that_takes_nothing_is_let_go_and_misses_nothing_when_it_returns(service: Service) -> None:
    task_id = (await service.submit()).task.id
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", int(service.url.rpartition(":")[2])))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    asked = [
        "GET /api/live?after=0 HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {TOKEN}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    writer.write("\r\n".join([*asked, "", ""]).encode())
    assert b"101" in await reader.readline()
    text = "x" * 100_000
    async with listen(service, "?after=0") as attentive:
        received_by_another = asyncio.create_task(receive(attentive, 101))
        for _ in range(100):
            await service.store.record(task_id, AgentSaid(text))
        assert len(await received_by_another) == 101
    async with asyncio.timeout(30):
        while service.live.listeners:
            await asyncio.sleep(0.01)
    received = bytearray()
    async with asyncio.timeout(30):
        while chunk := await reader.read(1 << 20):
            received += chunk
    writer.close()
    assert len(received) < 101 * len(text)
    assert received.endswith(b"\x88\x0a" + (1013).to_bytes(2, "big") + b"too slow")
    async with listen(service, "?after=0") as again:
        assert [event["id"] for event in await receive(again, 101)] == list(range(1, 102))
