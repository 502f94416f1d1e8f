"""The client of GitHub, against the stand-in: what its tokens may do, how often it asks, how it bears the weather."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import gidgethub
import pytest
from pydantic import SecretStr

from app.demo.github import World
from app.demo.github.ledger import Fault
from app.demo.github.model import App, Installation
from app.github import READ_ATTEMPTS, GitHub, graphql_base, is_below, open_github
from app.github_lane import Rank, Unreached, WriteLane, rank_of
from app.github_tokens import Purpose, _seconds
from app.github_weather import weather
from app.settings_model import GitHubSettings
from runner.errors import Refusal, TryLater
from runner.tasks import Repository
from tests.fakes.people import free_port

INTERVAL = timedelta(milliseconds=50)


@dataclass
class Ours:
    """Our App on a GitHub with two repositories of octo."""

    world: World
    app: App
    pem: str
    installation: Installation
    github: GitHub
    tokens: list[str] = field(default_factory=list)

    def repository(self, name: str = "octo/hello") -> Repository:
        one = self.world.repository(name)
        return Repository("github.com", one.id, name, f"{self.world.base_url}/{name}.git", "main")

    def asked_for_tokens(self) -> list[dict[str, object]]:
        return [one.body for one in self.world.ledger.requests("POST", "/app/installations/.*/access_tokens")]


@pytest.fixture
async def ours(github: World) -> AsyncIterator[Ours]:
    await github.add_repository("octo/hello")
    await github.add_repository("octo/other", private=True)
    app, pem = github.add_app("cc-orchestrator")
    installation = github.add_installation(app, "octo")
    tokens: list[str] = []
    settings = GitHubSettings(
        url=github.base_url, api_url=github.api_url, app_id=str(app.id), private_key=SecretStr(pem)
    )
    async with open_github(settings, write_interval=INTERVAL, on_token=tokens.append) as client:
        yield Ours(github, app, pem, installation, client, tokens)


async def test_a_token_is_for_one_repository_and_for_what_it_is_needed_for(ours: Ours) -> None:
    repository = ours.repository()
    await ours.github.of(repository).getitem("/repos/octo/hello")
    read = await ours.github.credential(repository, write=False)
    write = await ours.github.credential(repository, write=True)
    assert ours.asked_for_tokens() == [
        {"repository_ids": [repository.id], "permissions": purpose.permissions}
        for purpose in (Purpose.api, Purpose.git_read, Purpose.git_write)
    ]
    assert Purpose.git_read.permissions == {"metadata": "read", "contents": "read"}
    assert Purpose.git_write.permissions == {"metadata": "read", "contents": "write"}
    assert Purpose.api.permissions["contents"] == "read"
    assert (read.username, read.password, write.password) == ("x-access-token", ours.tokens[1], ours.tokens[2])
    with pytest.raises(gidgethub.BadRequest):
        await ours.github.of(repository).getitem("/repos/octo/other")


async def test_a_repository_known_by_its_name_alone_gets_a_token_of_its_own(ours: Ours) -> None:
    for name in ("octo/hello", "octo/other"):
        by_name = Repository("github.com", 0, name, "", "")
        assert (await ours.github.of(by_name).getitem(f"/repos/{name}"))["full_name"] == name
    assert [one["repositories"] for one in ours.asked_for_tokens()] == [["hello"], ["other"]]


async def test_forty_at_once_ask_for_one_token_and_look_the_installation_up_once(ours: Ours) -> None:
    repository = ours.repository()
    await asyncio.gather(*(ours.github.of(repository).getitem("/repos/octo/hello") for _ in range(40)))
    assert len(ours.asked_for_tokens()) == 1
    assert len(ours.world.ledger.requests("GET", "/repos/octo/hello/installation")) == 1


async def test_one_caller_that_gives_up_does_not_take_the_answer_from_the_others(ours: Ours) -> None:
    repository = ours.repository()
    first = asyncio.create_task(ours.github.credential(repository, write=False))
    second = asyncio.create_task(ours.github.credential(repository, write=False))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).password == ours.tokens[0]


async def test_a_token_that_github_no_longer_takes_is_replaced_once(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    await api.getitem("/repos/octo/hello")
    ours.world.tokens.clear()
    assert (await api.getitem("/repos/octo/hello"))["full_name"] == "octo/hello"
    assert len(ours.asked_for_tokens()) == 2
    ours.world.faults.append(Fault("GET", "/repos/octo/hello$", 401, times=2))
    with pytest.raises(gidgethub.BadRequest):
        await api.getitem("/repos/octo/hello")
    assert len(ours.asked_for_tokens()) == 3


@pytest.mark.parametrize("path", ["/repos/octo/hello/installation$", "/app/installations/[0-9]+/access_tokens$"])
async def test_a_clock_that_is_wrong_for_a_while_is_weather(ours: Ours, path: str) -> None:
    """What the App signed is out of date when it arrives, as when the machine slept: what is asked for is not lost."""
    message = {"message": "'Expiration time' claim ('exp') must be a numeric value representing the future time"}
    ours.world.faults.append(Fault(".*", path, 401, body=message))
    with pytest.raises(TryLater, match="compare this machine's clock"):
        await ours.github.of(ours.repository()).getitem("/repos/octo/hello")

    assert (await ours.github.of(ours.repository()).getitem("/repos/octo/hello"))["full_name"] == "octo/hello"


async def test_graphql_has_a_token_of_its_own_that_is_replaced_too(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    for _ in range(2):
        with pytest.raises(gidgethub.QueryError):
            await api.graphql("mutation { markPullRequestReadyForReview(input: {pullRequestId: 1}) { x } }")
        ours.world.tokens.clear()
    [first, *_] = ours.asked_for_tokens()
    assert first["permissions"] == Purpose.graphql.permissions
    assert len(ours.asked_for_tokens()) == 2


@pytest.mark.parametrize(
    ("expires_in", "kept"),
    [
        (timedelta(hours=1), timedelta(minutes=50)),
        (timedelta(minutes=4), timedelta(minutes=2)),
        (timedelta(hours=9), timedelta(minutes=50)),  # our clock is behind
        (timedelta(minutes=-5), timedelta(0)),  # our clock is ahead
    ],
)
def test_a_token_is_kept_until_it_is_nearly_out(expires_in: timedelta, kept: timedelta) -> None:
    now = datetime.now(UTC)
    assert _seconds(now + expires_in, now) == kept.total_seconds()


async def test_we_know_who_we_are(ours: Ours) -> None:
    with pytest.raises(RuntimeError):
        _ = ours.github.bot
    await ours.github.identify()
    assert ours.github.bot.login == "cc-orchestrator[bot]"
    assert ours.github.bot.id == ours.app.bot.id
    assert ours.github.bot.host == ours.world.base_url.removeprefix("http://")


async def test_a_repository_without_the_app_is_a_sentence(ours: Ours) -> None:
    await ours.world.add_repository("else/where")
    with pytest.raises(Refusal, match="not installed on else/where"):
        await ours.github.of(ours.repository("else/where")).getitem("/repos/else/where")


async def test_an_installation_that_grants_less_is_a_sentence(ours: Ours) -> None:
    del ours.installation.permissions["checks"]
    with pytest.raises(Refusal, match=r"does not grant what is needed .*checks: write"):
        await ours.github.of(ours.repository()).getitem("/repos/octo/hello")


async def test_a_renamed_repository_is_followed(ours: Ours) -> None:
    repository = ours.repository()
    await ours.github.credential(repository, write=False)
    ours.world.rename_repository("octo/hello", "renamed")
    answer = await ours.github.of(repository).getitem("/repos/octo/hello")
    assert answer["full_name"] == "octo/renamed"


async def test_a_read_bears_two_bad_answers_and_a_write_none(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    await ours.world.act("octo").open_issue("octo/hello", "A title", "A body")
    ours.world.faults.append(Fault("GET", "/repos/octo/hello$", 502, times=2))
    assert (await api.getitem("/repos/octo/hello"))["name"] == "hello"
    ours.world.faults.append(Fault("POST", "/comments$", 502))
    with pytest.raises(TryLater, match="502"):
        await api.post("/repos/octo/hello/issues/1/comments", data={"body": "hello"})
    assert len(ours.world.ledger.requests("POST", ".*/comments")) == 1


CALLS = ["token", "read", "page", "write", "edit", "mutation"]
BRIEF, SLOW = [502, "cut", "html"], ["endless", "drop", timedelta(seconds=3)]


@pytest.mark.parametrize(
    ("kind", "effect"),
    [*itertools.product(CALLS, BRIEF), *itertools.product(["read", "write"], SLOW)],
)
async def test_whatever_goes_wrong_with_whatever_call_is_weather(
    ours: Ours, monkeypatch: pytest.MonkeyPatch, kind: str, effect: Any
) -> None:
    """It is never taken for an answer, and nobody waits for it without end."""
    monkeypatch.setattr("app.github.TIMEOUT", aiohttp.ClientTimeout(total=1, connect=0.5))
    api = ours.github.of(ours.repository())
    issue = await ours.world.act("octo").open_issue("octo/hello", "A title", "A body")
    if kind != "token":
        await api.getitem("/repos/octo/hello")
        posted = await api.post(f"/repos/octo/hello/issues/{issue.number}/comments", data={"body": "hello"})
    mutation = "mutation ($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { x } }"
    method, path, call = {
        "token": ("POST", "/access_tokens$", lambda: api.getitem("/repos/octo/hello")),
        "read": ("GET", "/repos/octo/hello$", lambda: api.getitem("/repos/octo/hello")),
        "page": ("GET", "/comments$", lambda: _all(api.getiter("/repos/octo/hello/issues/1/comments"))),
        "write": ("POST", "/comments$", lambda: api.post("/repos/octo/hello/issues/1/comments", data={"body": "b"})),
        "edit": (
            "PATCH",
            "/comments/",
            lambda: api.patch(f"/repos/octo/hello/issues/comments/{posted['id']}", data={"body": "c"}),
        ),
        "mutation": ("POST", "/graphql$", lambda: api.graphql(mutation, id="1")),
    }[kind]
    ours.world.faults.append(Fault(method, path, effect, times=2 * READ_ATTEMPTS))  # aiohttp asks again by itself, once
    async with asyncio.timeout(20):
        with pytest.raises(TryLater):
            await call()


async def _all(pages: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in pages]


async def test_where_nothing_listens_nothing_was_written_and_nothing_counts(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    await api.getitem("/repos/octo/hello")
    api.base_url = f"http://127.0.0.1:{free_port()}/api/v3"
    with pytest.raises(Unreached):
        await api.post("/repos/octo/hello/issues", data={"title": "hello"})
    traffic = ours.github.traffic()["octo"]
    assert traffic.writes_last_hour == 0
    assert traffic.closed_seconds > 0


async def test_a_used_up_hour_closes_the_lane_until_it_is_over_and_no_token_is_asked_for_meanwhile(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    await api.getitem("/repos/octo/hello")
    ours.world.requests_per_hour = 2
    await api.getitem("/repos/octo/hello")
    assert ours.github.traffic()["octo"].rate_left == 0
    with pytest.raises(TryLater, match="rate limit") as caught:
        await api.getitem("/repos/octo/hello")
    assert caught.value.after is not None
    assert caught.value.after > timedelta(minutes=59)
    seen = len(ours.world.ledger.requests())
    with pytest.raises(TryLater):
        await ours.github.of(ours.repository("octo/other")).getitem("/repos/octo/other")
    assert len(ours.world.ledger.requests()) == seen
    assert ours.github.traffic()["octo"].closed_seconds > 3500


async def test_a_question_in_graphql_does_not_wait_for_the_writes(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    async with ours.github.turn(ours.repository(), True):
        asked = asyncio.create_task(api.graphql('query { node(id: "I_1") { id } }'))
        with pytest.raises(gidgethub.QueryError):
            await asyncio.wait_for(asked, 10)


async def test_git_gets_another_token_where_the_first_is_refused(ours: Ours) -> None:
    repository = ours.repository()
    first = await ours.github.credential(repository, write=True)
    assert await ours.github.credential(repository, write=True) == first
    assert await ours.github.credential(repository, True, first) != first


async def test_a_lost_answer_is_weather(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    await ours.world.act("octo").open_issue("octo/hello", "A title", "A body")
    ours.world.faults.append(Fault("POST", "/comments$", "drop"))
    with pytest.raises(TryLater, match="cannot be reached"):
        await api.post("/repos/octo/hello/issues/1/comments", data={"body": "hello"})


async def test_a_secondary_limit_closes_the_installation_for_as_long_as_github_says(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    await ours.world.act("octo").open_issue("octo/hello", "A title", "A body")
    ours.world.faults.append(Fault("POST", "/comments$", 403, headers={"Retry-After": "40"}))
    with pytest.raises(TryLater) as caught:
        await api.post("/repos/octo/hello/issues/1/comments", data={"body": "hello"})
    assert caught.value.after == timedelta(seconds=40)
    seen = len(ours.world.ledger.requests())
    other = ours.github.of(ours.repository("octo/other"))
    with pytest.raises(TryLater):
        await other.post("/repos/octo/other/issues", data={"title": "hello"})
    with pytest.raises(TryLater):
        await api.getitem("/repos/octo/hello")
    assert not [one for one in ours.world.ledger.requests()[seen:] if one.token_kind == "installation"]


async def test_writes_go_one_by_one_and_a_reaction_before_the_comments_that_wait(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    await ours.world.act("octo").open_issue("octo/hello", "A title", "A body")
    await api.getitem("/repos/octo/hello")
    comments = "/repos/octo/hello/issues/1/comments"
    started = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(api.post(comments, data={"body": f"{number}"}))
        await asyncio.sleep(0)
        group.create_task(api.post("/repos/octo/hello/issues/1/reactions", data={"content": "eyes"}))
    took = asyncio.get_running_loop().time() - started
    posts = ours.world.ledger.requests("POST", ".*/issues/1/.*")
    assert [one.path.rpartition("/")[2] for one in posts] == ["comments", "reactions", "comments", "comments"]
    assert [one.body["body"] for one in posts if one.path.endswith("comments")] == ["0", "1", "2"]
    assert took >= 3 * INTERVAL.total_seconds()


async def test_the_token_goes_nowhere_else(ours: Ours) -> None:
    api = ours.github.of(ours.repository())
    with pytest.raises(ValueError, match="not GitHub's API"):
        await api.getitem("https://evil.example/repos/octo/hello")
    with pytest.raises(ValueError, match="its own"):
        await api.getitem("/repos/octo/hello", oauth_token="another")


@pytest.mark.parametrize(
    ("url", "base", "below"),
    [
        ("https://api.github.com/repos/a/b", "https://api.github.com", True),
        ("https://api.github.com.evil.example/repos", "https://api.github.com", False),
        ("http://api.github.com/repos", "https://api.github.com", False),
        ("https://ghe.example/api/v3/repos", "https://ghe.example/api/v3", True),
        ("https://ghe.example/api/v34/repos", "https://ghe.example/api/v3", False),
    ],
)
def test_what_is_below_the_api(url: str, base: str, below: bool) -> None:
    assert is_below(url, base) is below


def test_where_graphql_is() -> None:
    assert graphql_base("https://api.github.com") == "https://api.github.com"
    assert graphql_base("https://ghe.example/api/v3") == "https://ghe.example/api"


@pytest.mark.parametrize(
    ("status", "headers", "body", "after"),
    [
        (500, {}, b"", None),
        (503, {"retry-after": "7"}, b"", timedelta(seconds=7)),
        (429, {}, b"", timedelta(seconds=60)),
        (429, {"retry-after": "5"}, b"", timedelta(seconds=5)),
        (403, {"retry-after": "5"}, b"", timedelta(seconds=5)),
        (403, {}, b"You have exceeded a secondary rate limit.", timedelta(seconds=60)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030"}, b"", timedelta(seconds=31)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "never"}, b"", timedelta(seconds=60)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}, b"", timedelta(hours=1)),
        (429, {"retry-after": "99999999"}, b"", timedelta(hours=1)),
        (429, {"retry-after": "٣"}, b"", timedelta(seconds=60)),
    ],
)
def test_what_is_weather(status: int, headers: dict[str, str], body: bytes, after: timedelta | None) -> None:
    found = weather(status, headers, body, now=1000)
    assert found is not None
    assert found.after == after


@pytest.mark.parametrize("status", [200, 304, 401, 404, 422])
def test_what_is_an_answer(status: int) -> None:
    assert weather(status, {}, b"") is None
    assert weather(403, {"x-ratelimit-remaining": "10"}, b"Resource not accessible by integration") is None


async def test_a_waiter_that_gives_up_does_not_hold_the_lane() -> None:
    lane = WriteLane(timedelta(milliseconds=10))
    order: list[str] = []

    async def write(name: str) -> None:
        async with lane.write("octo/hello", Rank.news):
            order.append(name)

    tasks = [asyncio.create_task(write(name)) for name in "abc"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5):
        await write("d")
    assert order == ["a", "c", "d"]


def test_reactions_come_first_and_edits_of_what_stands_last() -> None:
    assert rank_of("POST", "/repos/a/b/issues/1/reactions") is Rank.eyes
    assert rank_of("POST", "/repos/a/b/issues/1/comments") is Rank.news
    assert rank_of("PATCH", "/repos/a/b/pulls/1") is Rank.news
    assert rank_of("PATCH", "/repos/a/b/issues/comments/7") is Rank.edit
