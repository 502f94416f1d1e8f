"""People sign in with GitHub, over HTTP against the stand-in: who sees what, who may do what, and who is not fooled."""

import base64
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest

from app.dashboard.signing_in import CSRF_HEADER, Entrance
from app.dashboard.with_github import WithGitHub
from app.demo.github import Fault, World
from runner.tasks import Actor, RunState
from tests.fakes.dashboard import open_pages
from tests.fakes.people import Office, Person, open_office


@pytest.fixture
async def office(github: World, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(github, tmp_path) as office:
        yield office


@pytest.fixture
async def alice(office: Office) -> Person:
    return await office.person("alice")


async def test_a_link_in_a_comment_leads_a_writer_to_the_task(office: Office, alice: Person) -> None:
    authorize = await alice.asked("/tasks/1")
    asked = {name: value for name, (value,) in parse_qs(urlsplit(authorize).query).items()}
    assert asked["client_id"] == office.app.client_id
    assert asked["redirect_uri"] == f"{office.pages.url}/signin/github/callback"
    assert asked["code_challenge_method"] == "S256"
    assert await alice.led(await alice.agrees(authorize)) == "/tasks/1"
    status, text = await alice.get("/tasks/1")
    assert status == 200
    assert "Greet in French" in text
    assert "<span>alice</span>" in text
    (token,) = office.github.app_user_tokens
    assert token not in text + str([one.value for one in alice.browser.cookie_jar])


async def test_a_person_sees_the_tasks_of_repositories_that_they_can_push_to(office: Office, alice: Person) -> None:
    await alice.signs_in()
    status, text = await alice.get("/")
    assert status == 200
    assert "Greet in French" in text
    assert "Something else" not in text
    assert "<b>1</b> in line" in text
    assert "spent today" not in text
    there, nowhere = await alice.get("/tasks/2"), await alice.get("/tasks/3")
    assert there == nowhere
    assert there[0] == 404
    for path in ("/tasks/2/transcript", "/tasks/2/diff", "/tasks/2/diff.txt"):
        assert (await alice.get(path))[0] == 404
    assert (await alice.sends("/tasks/2/stop"))[0] == 404
    assert office.pages.done == []
    await office.pages.sign_in()  # the operator
    _, text = await office.pages.get("/")
    assert "Something else" in text
    assert "spent today" in text


@pytest.mark.parametrize("login", ["rita", "trudy", "mallory"])
async def test_who_cannot_push_sees_nothing_and_can_do_nothing(office: Office, login: str) -> None:
    office.github.add_user("mallory")
    person = await office.person(login)
    assert await person.signs_in("/tasks/1") == "/tasks/1"
    assert (await person.get("/tasks/1"))[0] == 404
    status, text = await person.get("/")
    assert status == 200
    assert "no task in a repository that you can push to" in text
    assert "octo/" not in text
    for verb in ("retry", "steer", "stop", "approve", "deny"):
        assert (await person.sends(f"/tasks/1/{verb}"))[0] == 404
    assert office.pages.done == []


async def test_what_a_person_does_is_done_in_their_name(office: Office, alice: Person) -> None:
    await alice.signs_in()
    for verb in ("retry", "steer", "stop", "approve", "deny"):
        assert (await alice.sends(f"/tasks/1/{verb}"))[0] == 303
    assert [one[0] for one in office.pages.done] == ["retry", "steer", "stop", "approve", "deny"]
    host = office.github.base_url.partition("://")[2]
    assert set(office.pages.by) == {Actor("alice", office.github.user("alice").id, host)}


async def test_what_one_may_see_is_remembered_for_a_minute_and_what_one_may_do_is_not(
    office: Office, alice: Person
) -> None:
    await alice.signs_in("/tasks/1")
    for _ in range(3):
        assert (await alice.get("/tasks/1"))[0] == 200
    assert office.asked_what_they_may("octo/hello", "alice") == 1
    csrf = await alice.csrf()
    del office.github.repository("octo/hello").permissions["alice"]
    assert (await alice.get("/tasks/1"))[0] == 200  # within the minute
    status, text = await alice.sends("/tasks/1/stop", csrf)
    assert status == 403
    assert "@alice cannot" in text
    assert office.pages.done == []
    assert (await alice.get("/tasks/1"))[0] == 404  # what was found out counts for looking, too
    office.github.repository("octo/hello").permissions["alice"] = "write"
    assert (await alice.get("/tasks/1"))[0] == 404
    office.pages.later = timedelta(seconds=61)
    assert (await alice.get("/tasks/1"))[0] == 200


async def test_someone_else_with_the_same_name_is_someone_else(office: Office, alice: Person) -> None:
    await alice.signs_in()
    office.github.user("alice").id += 100_000
    assert (await alice.get("/tasks/1"))[0] == 404


async def test_another_repository_with_the_same_name_is_another(office: Office, alice: Person) -> None:
    await office.github.add_repository("octo/new", permissions={"alice": "admin"})
    office.github.rename_repository("octo/other", "elsewhere")
    office.github.rename_repository("octo/new", "other")
    await alice.signs_in()
    assert (await alice.get("/tasks/2"))[0] == 404
    bob = await office.person("bob")
    office.github.rename_repository("octo/hello", "hi")
    await bob.signs_in()
    assert (await bob.get("/tasks/1"))[0] == 404
    assert (await alice.get("/tasks/1"))[0] == 200  # it was merely renamed


async def test_where_github_does_not_say_nobody_sees_anything(office: Office, alice: Person) -> None:
    await alice.signs_in()
    office.github.faults.append(Fault("GET", r".*/collaborators/.*", 503, times=99))
    status, text = await alice.get("/tasks/1")
    assert status == 503
    assert "Greet" not in text
    office.github.faults.clear()
    (installation,) = office.github.installations.values()
    assert (await alice.get("/tasks/1"))[0] == 200
    office.pages.later = timedelta(seconds=61)
    office.github.installations.clear()
    assert (await alice.get("/tasks/1"))[0] == 404
    assert (await alice.get("/"))[0] == 200
    assert "Greet" not in (await alice.get("/"))[1]
    assert installation.app is office.app


async def test_the_api_and_the_setup_page_are_not_for_people_who_came_by_github(office: Office, alice: Person) -> None:
    await alice.signs_in()
    csrf = await alice.csrf()
    for path in ("/api/tasks", "/api/tasks/1", "/api/tasks/1/events", "/api/tasks/1/diff"):
        assert (await alice.get(path, **{"Sec-Fetch-Site": "same-origin"}))[0] == 401
    async with alice.browser.post(office.pages.url + "/api/tasks/1/stop", headers={CSRF_HEADER: csrf}) as answer:
        assert answer.status == 401
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await alice.browser.ws_connect(office.pages.url + "/api/live?after=0", origin=office.pages.url)
    assert refused.value.status == 401
    assert (await alice.get("/setup"))[0] == 403
    assert "/setup" not in (await alice.get("/"))[1]
    assert office.pages.done == []


async def test_a_state_that_is_not_ours_signs_nobody_in_and_spends_no_code(office: Office, alice: Person) -> None:
    back = await alice.agrees(await alice.asked("/tasks/1"))
    given = {name: value for name, (value,) in parse_qs(urlsplit(back).query).items()}
    until, wanted, proof = given["state"].split(".")
    evil = base64.urlsafe_b64encode(b"https://evil.example/").decode().rstrip("=")
    for wrong in (
        "",
        "..",
        "x",
        f"{until}.{wanted}.",
        f"{until}.{wanted}.{proof[:-1]}",
        f"{int(until) + 1}.{wanted}.{proof}",
        f"{until}.{evil}.{proof}",
        f"é.{wanted}.{proof}",
    ):
        query = urlencode({**given, "state": wrong})
        status, text = await alice.get(f"/signin/github/callback?{query}")
        assert status == 403
        assert "did not begin in this browser" in text
    assert office.github.app_user_tokens == {}
    assert (await alice.get("/"))[0] == 401
    assert await alice.led(back) == "/tasks/1"  # the right one still works


async def test_a_state_is_good_for_ten_minutes(office: Office, alice: Person) -> None:
    back = await alice.agrees(await alice.asked("/tasks/1"))
    office.pages.later = timedelta(minutes=11)
    assert (await alice.get(back))[0] == 403
    assert office.github.app_user_tokens == {}


async def test_a_code_that_was_used_is_of_no_use_and_neither_is_its_state(office: Office, alice: Person) -> None:
    back = await alice.agrees(await alice.asked("/tasks/1"))
    carried = {one.key: one.value for one in alice.browser.cookie_jar}
    await alice.led(back)
    alice.browser.cookie_jar.clear_domain("127.0.0.1")
    assert (await alice.get(back))[0] == 403  # the browser has forgotten
    # Someone who recorded everything, cookies and all, is refused by GitHub.
    cookie = "; ".join(f"{name}={value}" for name, value in carried.items())
    async with alice.browser.get(back, headers={"Cookie": cookie}, allow_redirects=False) as answer:
        assert answer.status == 403
        assert office.pages.entrance.cookie + "=" not in answer.headers.get("Set-Cookie", "")
        assert "Please sign in again" in await answer.text()
    assert len(office.github.app_user_tokens) == 1


async def test_nobody_is_signed_in_as_someone_who_began_elsewhere(office: Office, alice: Person) -> None:
    """Login CSRF: mallory has her own code and state, and brings alice's browser to the address they go to."""
    office.github.add_user("mallory")
    mallory = await office.person("mallory")
    back = await mallory.agrees(await mallory.asked("/"))
    assert (await alice.get(back))[0] == 403
    await alice.asked("/")  # also while alice herself is on her way
    assert (await alice.get(back))[0] == 403
    assert (await alice.get("/"))[0] == 401
    assert office.github.app_user_tokens == {}
    assert await mallory.led(back) == "/"


async def test_a_code_of_another_way_in_is_refused_by_its_challenge(office: Office, alice: Person) -> None:
    """Whoever got hold of a code cannot use it in a way in of their own, where the state would be right."""
    office.github.add_user("mallory")
    mallory = await office.person("mallory")
    stolen = parse_qs(urlsplit(await alice.agrees(await alice.asked("/"))).query)["code"][0]
    own = await mallory.agrees(await mallory.asked("/"))
    swapped = re.sub(r"code=[0-9a-f]+", f"code={stolen}", own)
    assert (await mallory.get(swapped))[0] == 403
    assert (await mallory.get("/"))[0] == 401


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/tasks/1/../../../evil",
        "/tasks/1\r\nSet-Cookie: a=b",
        "/signout",
        "/tasks/1@evil.example",
        "/?to=//evil.example",
        "javascript:alert(1)",
        "",
    ],
)
async def test_one_ends_at_a_page_of_ours(alice: Person, to: str) -> None:
    authorize = await alice.led(f"{alice.url}/signin/github?{urlencode({'to': to})}")
    assert await alice.led(await alice.agrees(authorize)) == "/"


async def test_one_ends_at_the_page_that_one_asked_for(office: Office, alice: Person) -> None:
    for path, wanted in (
        ("/?state=failed&before=7", "/?state=failed&before=7"),
        ("/tasks/17/diff", "/tasks/17"),
        ("/tasks/17?x=<y>", "/tasks/17"),
        ("/setup", "/"),
    ):
        alice.browser.cookie_jar.clear()
        assert await alice.signs_in(path) == wanted
    assert office.pages.done == []


async def test_who_says_no_at_github_is_not_signed_in(alice: Person) -> None:
    back = await alice.agrees(await alice.asked("/"), deed="cancel")
    assert "error=access_denied" in back
    status, text = await alice.get(back)
    assert status == 403
    assert "GitHub did not say who you are" in text
    assert (await alice.get("/"))[0] == 401


async def test_github_being_away_is_said_and_may_be_tried_again(office: Office, alice: Person) -> None:
    back = await alice.agrees(await alice.asked("/tasks/1"))
    office.github.faults.append(Fault("POST", "/login/oauth/access_token", 502, times=1))
    assert (await alice.get(back))[0] == 503
    assert await alice.led(back) == "/tasks/1"


async def test_signing_out_forgets_the_person(alice: Person) -> None:
    await alice.signs_in()
    assert (await alice.sends("/signout"))[0] == 200
    assert (await alice.get("/"))[0] == 401


async def test_a_session_cannot_be_made_into_someone_elses(office: Office, alice: Person) -> None:
    await alice.signs_in()
    name = office.pages.entrance.cookie
    (value,) = [one.value for one in alice.browser.cookie_jar if one.key == name]
    number, until, who, proof = value.split(".")
    bob = base64.urlsafe_b64encode(b'["bob", 1, "github.com"]').decode().rstrip("=")
    alice.browser.cookie_jar.clear()
    for changed in (
        f"{number}.{until}.{bob}.{proof}",
        f"{number}.{until}.{proof}",  # the operator's has no name in it
        f"{number}.{until}..{proof}",
        f'"{number}\\000{until}.{who}.{proof}"',
        f"{number}.{until}.{who}.{proof}.{proof}",
    ):
        assert (await alice.get("/", Cookie=f"{name}={changed}"))[0] == 401
    assert (await alice.get("/", Cookie=f"{name}={value}"))[0] == 200
    office.pages.later = timedelta(days=8)
    assert (await alice.get("/", Cookie=f"{name}={value}"))[0] == 401


async def test_behind_https_every_cookie_is_for_https_alone(tmp_path: Path) -> None:
    """The page is asked for by its public name, as the proxy hands it on."""

    async def ask(code: str, verifier: str, back: str) -> Actor:
        assert (code, len(verifier)) == ("c0de", 43)
        assert back == "https://cco.example/signin/github/callback"
        return Actor("alice", 5)

    def sign_in(entrance: Entrance) -> WithGitHub:
        return WithGitHub(entrance, "https://github.com", "Iv1.x", "https://cco.example", ask)

    async with open_pages(tmp_path, public_url="https://cco.example", sign_in=sign_in) as pages:
        host = {"Host": "cco.example"}
        async with pages.browser.get(pages.url + "/", headers=host) as answer:
            assert 'href="https://cco.example/signin/github?to=%2F"' in await answer.text()
        async with pages.browser.get(pages.url + "/signin/github", headers=host, allow_redirects=False) as answer:
            assert answer.headers["Location"].startswith("https://github.com/login/oauth/authorize?")
            state = parse_qs(urlsplit(answer.headers["Location"]).query)["state"][0]
            ((name, cookie),) = SimpleCookie(answer.headers["Set-Cookie"]).items()
        assert name.startswith("__Host-cco_")
        assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
        assert cookie["samesite"] == "Lax"
        async with pages.browser.get(
            f"{pages.url}/signin/github/callback?code=c0de&state={state}",
            headers={**host, "Cookie": f"{name}={cookie.value}"},
            allow_redirects=False,
        ) as answer:
            assert answer.headers["Location"] == "/"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            given = SimpleCookie("\r\n".join(answer.headers.getall("Set-Cookie")).replace("\r\n", "; "))
        session = given[pages.entrance.cookie]
        assert session["secure"] is True
        assert session["httponly"] is True
        assert given[name].value == ""


async def test_without_a_client_there_is_only_the_link(tmp_path: Path) -> None:
    async with open_pages(tmp_path, public_url="https://cco.example") as pages:
        status, text = await pages.get("/", Host="cco.example")
        assert status == 401
        assert "cco signin" in text
        assert "GitHub" not in text
        assert (await pages.get("/signin/github", Host="cco.example"))[0] == 404


async def test_the_totals_and_the_pages_of_the_list_are_of_what_one_sees(office: Office, alice: Person) -> None:
    await alice.signs_in()
    other, hello = office.known("octo/other"), office.known("octo/hello")
    for number in range(3, 29):
        submission = await office.pages.submit(number, f"Hidden {number}.", other)
    await office.pages.move(submission, RunState.starting, RunState.running)
    for number in range(29, 55):
        await office.pages.submit(number, f"Number {number}.", hello)
    _, text = await alice.get("/")
    assert "<b>0</b> at work" in text
    assert "<b>27</b> in line" in text
    assert "Number 30." in text
    assert "Hidden" not in text
    found = re.search(r'href="(/\?before=\d+)"', text)
    assert found
    _, text = await alice.get(found[1])
    assert "Number 29." in text
    assert "Greet in French" in text
    assert "Hidden" not in text
