"""The stand-in's pages: a person can do there what people do, and nothing can be done to a person."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from app.demo.github import World, bare
from app.demo.github.actions import Actor
from app.demo.github.checks import run_of_another_app
from app.demo.github.model import Issue


@pytest.fixture
async def browser(github: World) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody at the pages of a GitHub where alice may write to octo/hello, rita only read, and mallory nothing."""
    await github.add_repository("octo/hello", files={"a.txt": "one\n"}, permissions={"alice": "write", "rita": "read"})
    github.add_user("mallory")
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(github.base_url, cookie_jar=jar) as session:
        yield session


async def read(browser: aiohttp.ClientSession, path: str, status: int = 200) -> str:
    async with browser.get(path) as answer:
        assert answer.status == status
        return await answer.text()


async def send(browser: aiohttp.ClientSession, path: str, status: int = 200, /, **form: str) -> str:
    async with browser.post(path, data=form) as answer:
        text = await answer.text()
        assert answer.status == status, text
        return text


async def pull_request(github: World, tmp_path: Path) -> Issue:
    app, _ = github.add_app("Our App")
    github.add_installation(app, "octo")
    path = github.repository("octo/hello").path
    tip = await bare.resolve(path, "refs/heads/main")
    await bare.git(path, "update-ref", "refs/heads/topic", tip or "")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.txt").write_text("one\ntwo <b>bold</b>\n")
    await bare.commit_tree_of(path, tree, "topic", "Two")
    return await Actor(github, app.bot, app).open_pull(
        "octo/hello", "Add two", "topic", "main", "Closes #1", draft=True
    )


async def test_an_issue_from_its_opening_to_its_end(github: World, browser: aiohttp.ClientSession) -> None:
    assert "This is a stand-in for GitHub, on this machine only" in await read(browser, "/")
    await read(browser, "/octo/hello/issues/new")
    page = await send(browser, "/octo/hello/issues", title="Broken", body="It is\r\n**bad**")
    issue = github.issue("octo/hello", 1)
    assert (issue.user.login, issue.body) == ("alice", "It is\n**bad**")
    assert "<strong>bad</strong>" in page
    await send(browser, "/octo/hello/issues/1", deed="label", label="claude")
    assert [label.name for label in issue.labels] == ["claude"]
    assert "Broken" in await read(browser, "/octo/hello")
    await send(browser, "/octo/hello/issues/1", deed="unlabel", label="claude")
    await send(browser, "/octo/hello/issues/1", deed="comment", body="/claude status")
    await send(browser, "/octo/hello/issues/1", deed="edit", title="Still broken", body="x")
    assert "Still broken" in await send(browser, "/octo/hello/issues/1", deed="close", body="")
    assert issue.state == "closed"
    assert [comment.body for comment in issue.comments] == ["/claude status"]
    assert "Broken" not in await read(browser, "/octo/hello?state=open")


async def test_a_pull_request_is_read_reviewed_and_merged(
    github: World, browser: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await github.act("alice").open_issue("octo/hello", "Broken")
    pull = await pull_request(github, tmp_path)
    page = await read(browser, "/octo/hello/issues/2")
    assert "+two &lt;b&gt;bold&lt;/b&gt;" in page
    assert "Draft" in page
    assert "+two" in await read(browser, "/octo/hello/pull/2.diff")
    form = {"verdict": "request changes", "body": "Three?", "path": "a.txt", "line": "2", "remark": "here"}
    await send(browser, "/octo/hello/pull/2", deed="review", **form)
    assert pull.pull
    assert (pull.pull.reviews[0].state, pull.pull.review_comments[0].line) == ("CHANGES_REQUESTED", 2)
    assert "still a draft" in await send(browser, "/octo/hello/pull/2", 405, deed="merge")
    await send(browser, "/octo/hello/pull/2", deed="ready")
    assert "Merged" in await send(browser, "/octo/hello/pull/2", deed="merge", method="merge")
    assert github.issue("octo/hello", 1).state == "closed"
    assert "two" in await read(browser, "/octo/hello/blob/main/a.txt")


async def test_one_sees_and_does_only_what_that_person_may(github: World, browser: aiohttp.ClientSession) -> None:
    await github.act("alice").open_issue("octo/hello", "Broken")
    await send(browser, "/-/act", who="rita", back="/octo/hello/issues/1")
    assert "Put on" not in await read(browser, "/octo/hello/issues/1")
    await send(browser, "/octo/hello/issues/1", 403, deed="label", label="claude")
    await send(browser, "/octo/hello/issues/1", deed="comment", body="me too")
    await send(browser, "/-/act", who="mallory", back="//evil.example/")
    await read(browser, "/octo/hello/issues/1", 404)
    await send(browser, "/octo/hello/issues/1", 404, deed="comment", body="and me")
    issue = github.issue("octo/hello", 1)
    assert [(c.user.login, c.body) for c in issue.comments] == [("rita", "me too")]
    assert issue.labels == []


async def test_no_other_site_presses_our_buttons(github: World, browser: aiohttp.ClientSession) -> None:
    issue = await github.act("alice").open_issue("octo/hello", "Broken")
    form = {"deed": "label", "label": "claude"}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        async with browser.post("/octo/hello/issues/1", data=form, headers=headers) as answer:
            assert answer.status == 403
    assert issue.labels == []
    async with browser.get("/octo/hello/issues/1") as answer:
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_an_app_is_registered_from_a_manifest_and_installed(
    github: World, browser: aiohttp.ClientSession
) -> None:
    manifest = {
        "name": "My Claude",
        "url": "https://example.com",
        "hook_attributes": {"url": "https://example.com/webhooks/github"},
        "redirect_url": "http://127.0.0.1:1/setup/done",
        "default_permissions": {"issues": "write", "contents": "write"},
        "default_events": ["issues", "issue_comment"],
    }
    path = "/organizations/octo/settings/apps/new?state=s1"
    headers = {"Origin": "http://127.0.0.1:8080"}
    async with browser.post(
        path, data={"manifest": json.dumps(manifest)}, headers=headers, allow_redirects=False
    ) as answer:
        back = answer.headers["Location"]
    assert back.startswith("http://127.0.0.1:1/setup/done?code=")
    assert back.endswith("&state=s1")
    code = back.partition("code=")[2].partition("&")[0]
    async with browser.post(f"/api/v3/app-manifests/{code}/conversions") as answer:
        assert answer.status == 201
        made = await answer.json()
    assert (made["slug"], made["owner"]["login"], made["name"]) == ("my-claude", "octo", "My Claude")
    assert made["pem"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert github.apps[made["id"]].hook_secret == made["webhook_secret"]
    async with browser.post(f"/api/v3/app-manifests/{code}/conversions") as answer:
        assert answer.status == 404, "a code is good once"
    for wrong in ('{"default_events": ["installation"]}', '{"redirect_url": "nowhere"}', '{"hook_attributes": {}}'):
        await send(browser, path, 422, manifest=json.dumps({**manifest, **json.loads(wrong)}))
    page = await send(browser, "/apps/my-claude/installations", account="octo")
    assert "1 repositories" in page
    installation = next(iter(github.installations.values()))
    assert installation.permissions == {"metadata": "read", "issues": "write", "contents": "write"}


async def test_files_checks_apps_and_the_ledger_can_be_read(
    github: World, browser: aiohttp.ClientSession, tmp_path: Path
) -> None:
    pull = await pull_request(github, tmp_path)
    assert pull.pull
    app = next(iter(github.apps.values()))
    run = await run_of_another_app(
        github, "octo/hello", app, name="tests", sha=pull.pull.head_sha, conclusion="failure", summary="**two** failed"
    )
    assert "tests" in await read(browser, "/octo/hello/pull/1")
    assert "<strong>two</strong> failed" in await read(browser, f"/octo/hello/runs/{run.id}")
    assert "a.txt" in await read(browser, "/octo/hello/tree/topic")
    assert "two &lt;b&gt;" in await read(browser, "/octo/hello/blob/topic/a.txt")
    for nowhere in (
        "/octo/hello/blob/topic/none",
        "/octo/hello/tree/none",
        "/octo/hello/runs/1",
        "/octo/none",
        "/apps/none",
    ):
        await read(browser, nowhere, 404)
    assert "pull_request" in await read(browser, "/-/ledger")
    assert "issues: write" in await read(browser, "/apps/our-app")
    assert "#live" not in await read(browser, "/-/live.js")
    assert "--page" in await read(browser, "/-/style.css")
    assert ">O<" in await read(browser, f"/avatars/{app.owner.id}.svg")
