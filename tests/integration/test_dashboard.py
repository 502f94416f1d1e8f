"""The dashboard over HTTP, on a real store: who sees it, what it shows, and what can be done there."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from app.dashboard.signing_in import CSRF_HEADER, Entrance
from runner.errors import Refusal
from runner.events import (
    AgentSaid,
    ApprovalAsked,
    BranchPushed,
    ChecklistChanged,
    ChecklistItem,
    PullRequestOpened,
    QuestionAsked,
    TurnEnded,
)
from runner.tasks import Outcome, RunState, WaitingFor
from tests.fakes.dashboard import TOKEN, Pages, open_pages

HOSTILE = "<script>alert(1)</script> \x1b[31mred\x1b[0m \x9b2J \u202egnp.exe \"onload='x'"


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    """Someone is signed in."""
    async with open_pages(tmp_path) as pages:
        await pages.sign_in()
        yield pages


PRIVATE = ["/", "/tasks/1", "/tasks/1/transcript", "/tasks/1/diff", "/setup", "/api/tasks", "/api/tasks/1/diff"]


async def test_nothing_is_shown_before_one_has_signed_in(tmp_path: Path) -> None:
    async with open_pages(tmp_path) as pages:
        await pages.submit()
        for path in PRIVATE:
            status, text = await pages.get(path)
            assert status == 401
            assert "octo" not in text
        assert "cco signin" in (await pages.get("/"))[1]
        assert (await pages.send("/tasks/1/stop", "guessed"))[0] == 401
        assert pages.done == []


async def test_the_link_signs_in_and_the_token_is_in_neither_it_nor_the_cookie(tmp_path: Path) -> None:
    async with open_pages(tmp_path) as pages:
        link = pages.entrance.link(pages.url)
        async with pages.browser.get(link, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Path=/" in cookie
        assert "Secure" not in cookie
        assert TOKEN not in link + cookie
        assert [(await pages.get(path))[0] for path in ("/", "/setup", "/api/tasks")] == [200, 200, 200]


async def test_a_wrong_or_an_old_link_signs_nobody_in(tmp_path: Path) -> None:
    async with open_pages(tmp_path) as pages:
        good = pages.entrance.link("").rpartition("=")[2]
        until, _, proof = good.partition(".")
        other = Entrance("o" * 32, None, pages.now).link("").rpartition("=")[2]
        for wrong in (
            "",
            ".",
            "x.y",
            proof,
            f"{int(until) + 1}.{proof}",
            f"{until}.{proof[:-1]}",
            TOKEN,
            other,
            "é.\udcff",
        ):
            async with pages.browser.get(
                pages.url + "/signin", params={"token": wrong.encode(errors="ignore").decode()}
            ) as answer:
                assert answer.status == 401
                assert "Set-Cookie" not in answer.headers
        pages.later = timedelta(minutes=61)
        assert (await pages.get(f"/signin?token={good}"))[0] == 401
        assert (await pages.get("/"))[0] == 401


async def test_the_link_and_the_setup_page_work_on_this_machine_only(tmp_path: Path) -> None:
    async with open_pages(tmp_path, public_url="https://cco.example") as pages:
        link = pages.entrance.link("")
        assert (await pages.get(link, Host="cco.example"))[0] == 403
        assert (await pages.get(link, **{"X-Forwarded-For": "192.0.2.1"}))[0] == 403
        assert (await pages.get("/"))[0] == 401
        await pages.sign_in()
        cookie = {"Cookie": _cookie(pages)}
        assert (await pages.get("/setup", Host="cco.example", **cookie))[0] == 403
        assert (await pages.get("/setup", **{"X-Forwarded-For": "192.0.2.1"}))[0] == 403
        status, text = await pages.get("/", Host="cco.example", **cookie)
        assert status == 200
        assert "/setup" not in text
        assert "/setup" in (await pages.get("/"))[1]


async def test_a_session_ends_after_a_week_and_when_its_owner_says_so(pages: Pages) -> None:
    pages.later = timedelta(days=6)
    assert (await pages.get("/"))[0] == 200
    pages.later = timedelta(days=8)
    assert (await pages.get("/"))[0] == 401
    assert (await pages.get("/api/tasks"))[0] == 401
    pages.later = timedelta(0)
    assert (await pages.send("/signout"))[0] == 200
    assert (await pages.get("/"))[0] == 401


@pytest.mark.parametrize("change", ["number", "until", "proof", "none"])
async def test_a_session_that_somebody_changed_is_none(pages: Pages, change: str) -> None:
    name, _, value = _cookie(pages).partition("=")
    number, until, proof = value.split(".")
    changed = {
        "number": f"other.{until}.{proof}",
        "until": f"{number}.{int(until) + 9}.{proof}",
        "proof": f"{number}.{until}.{'A' * len(proof)}",
        "none": "",
    }[change]
    pages.browser.cookie_jar.clear()
    assert (await pages.get("/", Cookie=f"{name}={value}"))[0] == 200
    assert (await pages.get("/", Cookie=f"{name}={changed}"))[0] == 401


async def test_another_host_and_another_sites_page_are_refused(pages: Pages) -> None:
    await pages.submit()
    assert (await pages.get("/", Host="evil.example"))[0] == 421
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        assert (await pages.get("/", Origin=origin))[0] == 403
        assert (await pages.send("/tasks/1/stop", Origin=origin))[0] == 403
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await pages.browser.ws_connect(pages.url + "/api/live", origin=origin)
        assert refused.value.status == 403
    assert pages.done == []


async def test_a_form_without_its_token_or_its_page_does_nothing(pages: Pages) -> None:
    await pages.submit()
    csrf = await pages.csrf()
    assert (await pages.send("/tasks/1/stop", ""))[0] == 403
    assert (await pages.send("/tasks/1/stop", csrf[:-1]))[0] == 403
    async with pages.browser.post(pages.url + "/tasks/1/stop", data={"csrf": csrf}) as answer:
        assert answer.status == 403  # no Origin
    async with pages.browser.post(
        pages.url + "/tasks/1/stop", data=f"csrf={csrf}", headers={"Origin": pages.url, "Content-Type": "text/plain"}
    ) as answer:
        assert answer.status == 415
    async with pages.browser.post(
        pages.url + "/tasks/1/stop", data={"csrf": csrf, "text": "x" * 200_000}, headers={"Origin": pages.url}
    ) as answer:
        assert answer.status == 413
    await pages.sign_in()  # another session
    assert (await pages.send("/tasks/1/stop", csrf))[0] == 403
    assert pages.done == []


async def test_every_form_does_what_it_says(pages: Pages) -> None:
    await pages.submit()
    for verb in ("retry", "steer", "stop", "approve", "deny"):
        status, text = await pages.send(f"/tasks/1/{verb}")
        assert status == 200  # after the redirect
        assert "Next in line" in text
    assert pages.done == [(verb, 1, "as I\nsay") for verb in ("retry", "steer", "stop", "approve", "deny")]


async def test_what_cannot_be_done_is_said_on_the_page(pages: Pages) -> None:
    await pages.submit()
    pages.active = False
    status, text = await pages.send("/tasks/1/stop")
    assert status == 409
    assert "there is nothing to stop" in text
    assert "The parser drops the last line" in text
    assert (await pages.send("/tasks/1/approve"))[0] == 409
    pages.refusal = Refusal("Task 1 is at work already.")
    status, text = await pages.send("/tasks/1/retry")
    assert (status, "Task 1 is at work already." in text) == (409, True)
    assert (await pages.send("/tasks/1/explode"))[0] == 404
    assert (await pages.get("/tasks/99"))[0] == 404
    assert (await pages.get("/tasks/999999999999999999999"))[0] == 404
    assert (await pages.get("/?state=happy"))[0] == 404
    assert (await pages.get("/?before=x"))[0] == 400
    assert (await pages.get("/tasks/1/transcript?after=../x"))[0] == 400


async def test_the_api_takes_the_session_of_a_page(pages: Pages) -> None:
    await pages.submit()
    url = pages.url + "/api/tasks/1/stop"
    csrf = await pages.csrf()
    for headers in ({}, {CSRF_HEADER: "wrong"}, {CSRF_HEADER: csrf, "Sec-Fetch-Site": "same-site"}):
        async with pages.browser.post(url, headers=headers) as answer:
            assert answer.status == 401
    assert pages.done == []
    async with pages.browser.post(url, headers={CSRF_HEADER: csrf}) as answer:
        assert answer.status == 202
    assert pages.done == [("stop", 1, "")]
    assert (await pages.get("/api/tasks", **{"Sec-Fetch-Site": "cross-site"}))[0] == 401
    assert (await pages.get("/api/tasks", **{"Sec-Fetch-Site": "same-origin"}))[0] == 200
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await pages.browser.ws_connect(pages.url + "/api/live")  # no Origin: not a browser, and no token
    assert refused.value.status == 401
    async with pages.browser.ws_connect(pages.url + "/api/live?after=0", origin=pages.url) as socket:
        assert (await socket.receive_json())["kind"] == "RunQueued"


async def test_hostile_text_is_only_text(pages: Pages) -> None:
    submission = await pages.submit(title=HOSTILE)
    await pages.move(submission, RunState.starting, RunState.running)
    items = (ChecklistItem(HOSTILE, "pending"),)
    await pages.record(submission, AgentSaid(HOSTILE), ChecklistChanged(items), QuestionAsked("q", HOSTILE, (HOSTILE,)))
    pages.changed = f"diff --git a/{HOSTILE} b/x\n@@ -1 +1 @@\n-{HOSTILE}\n+{HOSTILE}\n"
    pages.parts = [f"\x1b[31m{HOSTILE}\x1b[0m\n\x1b]0;title\x07\x1b[2J"]
    said = [(await pages.get(path))[1] for path in ("/", "/tasks/1", "/tasks/1/diff", "/tasks/1/transcript")]
    await pages.move(submission, RunState.waiting, waiting_for=WaitingFor.answer)
    said.append((await pages.get("/tasks/1"))[1])
    await pages.move(submission, RunState.running)
    ended = TurnEnded(0.1, 3, False, f"{HOSTILE}\n\n[x](javascript:alert) ![y](https://evil.example/p.png) <b>z</b>")
    await pages.record(submission, ended)
    await pages.settle(submission, Outcome.crashed, HOSTILE)
    said.append((await pages.get("/tasks/1"))[1])
    for text in said:
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "<script>alert" not in text
        assert not {"\x1b", "\x9b", "\u202e", "\x07"} & set(text)
        assert "\"onload='" not in text
    assert 'href="javascript' not in said[-1]
    assert "<img" not in said[-1].partition("<main>")[2]
    assert "&lt;b&gt;z" in said[-1]


async def test_the_list_tells_each_task_in_a_line_and_the_totals(pages: Pages) -> None:
    submission = await pages.submit(1, "First")
    await pages.submit(2, "Second")
    await pages.move(submission, RunState.starting, RunState.running)
    steps = (ChecklistItem("a", "completed"), ChecklistItem("b", "pending"))
    opened = PullRequestOpened(43, "https://github.com/octo/hello/pull/43")
    await pages.record(submission, ChecklistChanged(steps), opened, TurnEnded(0.25, 2, False, ""))
    _, text = await pages.get("/")
    for words in (
        "Claude is working on this",
        "Next in line",
        "1/2",
        "Draft #43",
        "$0.25</b> spent today",
        "octo/hello#1",
    ):
        assert words in text
    assert "<b>1</b> at work" in text
    assert "<b>1</b> in line" in text
    _, text = await pages.get("/?state=queued")
    assert "Second" in text
    assert "First" not in text
    assert "No task is in this state" in (await pages.get("/?state=failed"))[1]


async def test_older_tasks_are_a_page_away(pages: Pages) -> None:
    for number in range(1, 28):
        await pages.submit(number, f"Number {number}.")
    _, text = await pages.get("/?state=queued")
    assert "Number 3." in text
    assert "Number 2." not in text
    assert "/?state=queued&amp;before=3" in text
    _, text = await pages.get("/?state=queued&before=3")
    assert "Number 2." in text
    assert "Older" not in text


async def test_a_task_shows_what_it_waits_for_and_how_to_answer(pages: Pages) -> None:
    submission = await pages.submit()
    await pages.move(submission, RunState.starting, RunState.running)
    await pages.record(submission, ApprovalAsked("r", "Bash", "Bash: rm -rf build"))
    await pages.move(submission, RunState.waiting, waiting_for=WaitingFor.approval)
    _, text = await pages.get("/tasks/1")
    assert "Claude needs your permission to go on" in text
    assert "<code>Bash: rm -rf build</code>" in text
    assert 'action="/tasks/1/approve"' in text
    assert 'formaction="/tasks/1/deny"' in text
    assert 'action="/tasks/1/retry"' not in text


async def test_a_task_that_is_over_shows_the_whole_answer_and_its_runs(pages: Pages) -> None:
    submission = await pages.submit()
    await pages.move(submission, RunState.starting, RunState.running, RunState.publishing)
    whole = "Done **well**.\n\n" + "word " * 30_000
    pushed = BranchPushed("claude/issue-42", "a" * 40, 1, 2, 30, 4)
    await pages.record(submission, pushed, TurnEnded(1.5, 12, False, whole))
    await pages.settle(submission, Outcome.delivered)
    _, text = await pages.get("/tasks/1")
    assert "Done <strong>well</strong>." in text
    assert text.count("word") >= 30_000
    for words in ("delivered", "$1.50", "+30", "−4", 'action="/tasks/1/retry"', f'data-sha="{"a" * 40}"'):  # noqa: RUF001  a minus
        assert words in text
    assert 'action="/tasks/1/stop"' not in text


async def test_diff_and_transcript_come_in_colour(pages: Pages) -> None:
    await pages.submit()
    assert (await pages.get("/tasks/1/diff"))[0] == 409
    pages.changed = "diff --git a/x b/x\n@@ -1 +1 @@\n-old\n+new\n"
    status, text = await pages.get("/tasks/1/diff")
    assert (status, '<span class="removed">-old</span><span class="added">+new</span>' in text) == (200, True)
    pages.parts = ["\x1b[1;32mgood\x1b[0m\n"]
    async with pages.browser.get(pages.url + "/tasks/1/transcript") as answer:
        assert (await answer.text(), answer.headers["X-Next"]) == ('<span class="b f2">good</span>\n', "1/1")
    async with pages.browser.get(pages.url + "/tasks/1/transcript?after=1/1") as answer:
        assert (await answer.text(), answer.headers["X-Next"]) == ("", "1/1")


async def test_setup_says_what_is_missing_and_what_mends_it(pages: Pages) -> None:
    status, text = await pages.get("/setup")
    assert status == 200
    for words in ("1 of 2 checks failed", "ANTHROPIC_API_KEY is not set", "export ANTHROPIC_API_KEY=sk-ant-…"):
        assert words in text


async def test_what_a_page_is_made_of_is_there_for_everyone_and_runs_no_script_of_its_own(pages: Pages) -> None:
    async with pages.browser.get(pages.url + "/") as answer:
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "same-origin"  # or a form's Origin would be null
        assert answer.headers["Cache-Control"] == "no-store"
        text = await answer.text()
    assert text.count("<script") == text.count('<script src="/static/') == 1
    assert "style=" not in text
    pages.browser.cookie_jar.clear()
    for name, kind in (("dashboard.js", "javascript"), ("dashboard.css", "text/css"), ("icon.svg", "image/svg+xml")):
        async with pages.browser.get(pages.url + "/static/" + name) as answer:
            assert answer.status == 200
            assert kind in answer.headers["Content-Type"]
    assert (await pages.get("/static/../pages.py"))[0] == 404
    assert (await pages.get("/static/%2e%2e/pages.py"))[0] in {403, 404}


def _cookie(pages: Pages) -> str:
    return "; ".join(f"{one.key}={one.value}" for one in pages.browser.cookie_jar)
