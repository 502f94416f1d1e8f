"""The stand-in GitHub is an honest one: its REST, its tokens, its git, its webhooks."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from app.demo.github import Fault, World, bare, shapes_work, webhooks
from app.demo.github.actions import Actor
from app.demo.github.errors import Refused
from app.demo.github.ledger import SecondaryLimit
from app.demo.github.model import App, Installation, Permission
from app.demo.github.rest_checks import run_of_another_app
from tests.fakes.github import Clock, checked

SECRET = "it is a secret to everybody"


@dataclass
class Ours:
    """An App under test: its registration, its key, and what its hook received."""

    world: World
    app: App
    pem: str
    installation: Installation
    session: aiohttp.ClientSession
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: int = 202

    def jwt(self, **claims: Any) -> str:
        now = int(self.world.now().timestamp())
        return jwt.encode({"iat": now - 30, "exp": now + 500, "iss": str(self.app.id), **claims}, self.pem, "RS256")

    async def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> Any:
        status, value, _ = await self.ask(method, path, body, token=token, **headers)
        assert status < 300, (method, path, status, value)
        return value

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        auth = {"Authorization": f"Bearer {self.jwt() if token is None else token}"} if token != "" else {}
        url = path if path.startswith("http") else self.world.api_url + path
        async with self.session.request(
            method, url, json=body, headers={**auth, **headers}, allow_redirects=False
        ) as answer:
            raw = await answer.read()
            value = json.loads(raw) if answer.content_type == "application/json" else raw
            return answer.status, value, answer.headers

    async def token(self, **narrowing: Any) -> str:
        path = f"/app/installations/{self.installation.id}/access_tokens"
        return str((await self.call("POST", path, narrowing or None))["token"])

    def events(self) -> list[str]:
        names = []
        for headers, body in self.received:
            action = json.loads(body).get("action")
            names.append(headers["X-GitHub-Event"] + (f".{action}" if action else ""))
        return names


@pytest.fixture
async def ours(github: World) -> AsyncIterator[Ours]:
    """octo/hello and octo/other, alice who may write, mallory who may not, and our App on the first two."""
    permissions: dict[str, Permission] = {"alice": "write", "rita": "read"}
    await github.add_repository("octo/hello", files={"a.txt": "one\n", "dir/b c.txt": "é\n"}, permissions=permissions)
    await github.add_repository("octo/other", files={"a.txt": "other\n"})
    await github.add_repository("octo/public", files={"a.txt": "public\n"}, private=False)
    github.add_user("mallory")
    received: list[tuple[dict[str, str], bytes]] = []

    async def hook(request: web.Request) -> web.Response:
        received.append((dict(request.headers), await request.read()))
        return web.Response(status=mine.answer)

    application = web.Application()
    application.router.add_post("/hook", hook)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    app, pem = github.add_app("Our App", hook_url=url, hook_secret=SECRET)
    installation = github.add_installation(app, "octo", ["octo/hello", "octo/other"])
    async with aiohttp.ClientSession() as session:
        mine = Ours(github, app, pem, installation, session, received)
        yield mine
        await github.settled()
    await runner.cleanup()


async def git(*args: str, cwd: Path | None = None, check: bool = True) -> tuple[int, str]:
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **{f"GIT_{role}_{what}": "t@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    process = await asyncio.create_subprocess_exec(
        "git", *args, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert not check or process.returncode == 0, out.decode()
    return process.returncode or 0, out.decode()


def remote(ours: Ours, token: str, name: str = "octo/hello") -> str:
    return f"{ours.world.base_url}/{name}.git".replace("http://", f"http://x-access-token:{token}@")


async def branch_with_a_change(
    ours: Ours, tmp_path: Path, branch: str = "claude/issue-1-x", text: str = "two\n"
) -> str:
    """Clone, commit and push over HTTP as our App; answers the SHA."""
    token = await ours.token(repositories=["hello"], permissions={"contents": "write"})
    work = tmp_path / branch.replace("/", "-")
    await git("clone", "--quiet", remote(ours, token), str(work))
    await git("checkout", "--quiet", "-b", branch, cwd=work)
    (work / "a.txt").write_text(text)
    await git("commit", "--quiet", "-am", "Change a", cwd=work)
    await git("push", "--quiet", "origin", branch, cwd=work)
    return (await git("rev-parse", "HEAD", cwd=work))[1].strip()


async def test_every_operation_answers_as_the_contract_says(ours: Ours, tmp_path: Path) -> None:
    """One walk through all of REST; the fixture asserts that no request and no answer broke the contract."""
    world, base = ours.world, "/repos/octo/hello"
    alice = world.act("alice")
    assert (await ours.call("GET", "/app"))["slug"] == "our-app"
    assert len(await ours.call("GET", "/app/installations")) == 1
    assert (await ours.call("GET", base + "/installation"))["id"] == ours.installation.id
    await ours.call("GET", f"/app/installations/{ours.installation.id}")
    token = await ours.token()

    async def call(method: str, path: str, body: Any = None, **headers: str) -> Any:
        return await ours.call(method, path, body, token=token, **headers)

    listed = await call("GET", "/installation/repositories")
    assert [one["full_name"] for one in listed["repositories"]] == ["octo/hello", "octo/other"]
    repository = await call("GET", base)
    assert (await call("GET", f"/repositories/{repository['id']}"))["full_name"] == "octo/hello"
    assert (await call("GET", "/users/alice"))["type"] == "User"
    permission = await call("GET", base + "/collaborators/alice/permission")
    assert permission["permission"] == "write"
    assert (await call("GET", base + "/collaborators/mallory/permission"))["permission"] == "none"
    await call("GET", base + "/labels")

    issue = await alice.open_issue("octo/hello", "Broken", "It **is**", ["claude"])
    one = f"{base}/issues/{issue.number}"
    assert (await call("GET", one))["labels"][0]["name"] == "claude"
    made = await call("POST", base + "/issues", {"title": "By the App", "body": "x", "labels": ["bug"]})
    assert made["performed_via_github_app"]["id"] == ours.app.id
    assert [i["number"] for i in await call("GET", base + "/issues?labels=claude&state=open")] == [issue.number]
    assert (await call("PATCH", one, {"title": "Still broken"}))["title"] == "Still broken"
    assert {lab["name"] for lab in await call("POST", one + "/labels", {"labels": ["bug"]})} == {"claude", "bug"}
    assert len(await call("GET", one + "/labels")) == 2
    assert [lab["name"] for lab in await call("DELETE", one + "/labels/bug")] == ["claude"]

    comment = await call("POST", one + "/comments", {"body": "<!-- cco:task=1 --> hello"})
    assert comment["user"]["login"] == "our-app[bot]"
    assert comment["performed_via_github_app"]["slug"] == "our-app"
    assert len(await call("GET", one + "/comments?per_page=5")) == 1
    there = f"{base}/issues/comments/{comment['id']}"
    await call("GET", there)
    assert (await call("PATCH", there, {"body": "changed"}))["body"] == "changed"
    for target in (one, there):
        status, reaction, _ = await ours.ask("POST", target + "/reactions", {"content": "eyes"}, token=token)
        assert status == 201
        status, again, _ = await ours.ask("POST", target + "/reactions", {"content": "eyes"}, token=token)
        assert (status, again["id"]) == (200, reaction["id"])
        assert len(await call("GET", target + "/reactions")) == 1
        await call("DELETE", f"{target}/reactions/{reaction['id']}")
        assert await call("GET", target + "/reactions?content=eyes") == []
    await call("DELETE", there)

    sha = await branch_with_a_change(ours, tmp_path)
    head = "claude/issue-1-x"
    assert (await call("GET", f"{base}/git/ref/heads/{head}"))["object"]["sha"] == sha
    assert len(await call("GET", base + "/git/matching-refs/heads/claude")) == 1
    assert (await call("GET", f"{base}/branches/{head}"))["commit"]["sha"] == sha
    content = await call("GET", base + "/contents/a.txt")
    assert content["encoding"] == "base64"
    raw = await call("GET", f"{base}/contents/dir/b%20c.txt?ref={head}", Accept="application/vnd.github.raw+json")
    assert raw.decode() == "é\n"
    assert {entry["type"] for entry in await call("GET", base + "/contents/")} == {"file", "dir"}
    compared = await call("GET", f"{base}/compare/main...{head}")
    assert (compared["status"], compared["ahead_by"], compared["files"][0]["filename"]) == ("ahead", 1, "a.txt")

    pull = {"title": "Mend it", "head": head, "base": "main", "body": f"Closes #{issue.number}", "draft": True}
    opened = await call("POST", base + "/pulls", pull)
    assert (opened["draft"], opened["commits"], opened["additions"], opened["head"]["sha"]) == (True, 1, 1, sha)
    number = opened["number"]
    there = f"{base}/pulls/{number}"
    assert len(await call("GET", f"{base}/pulls?head=octo:{head}&state=open&base=main")) == 1
    assert (await call("PATCH", there, {"title": "Mend it well", "body": "Closes #1"}))["title"] == "Mend it well"
    diff = await call("GET", there, Accept="application/vnd.github.diff")
    assert b"+two" in diff
    await call("POST", there + "/requested_reviewers", {"reviewers": ["alice"]})
    assert (await call("GET", there + "/requested_reviewers"))["users"][0]["login"] == "alice"
    the_pull = world.issue("octo/hello", number)
    await alice.review(the_pull, "CHANGES_REQUESTED", "Please", [("a.txt", 1, "why?")])
    assert (await call("GET", there + "/reviews"))[0]["state"] == "CHANGES_REQUESTED"
    remark = (await call("GET", there + "/comments"))[0]
    await call("POST", there + "/reviews", {"event": "COMMENT", "body": "ok"})
    reactions = f"{base}/pulls/comments/{remark['id']}/reactions"
    given = await call("POST", reactions, {"content": "eyes"})
    await call("GET", reactions)
    await call("DELETE", f"{reactions}/{given['id']}")

    run = await call("POST", base + "/check-runs", {"name": "claude", "head_sha": sha, "status": "in_progress"})
    assert run["pull_requests"][0]["number"] == number
    output = {"title": "Done", "summary": "All is well"}
    done = await call("PATCH", f"{base}/check-runs/{run['id']}", {"conclusion": "success", "output": output})
    assert (done["status"], done["conclusion"]) == ("completed", "success")
    await call("GET", f"{base}/check-runs/{run['id']}")
    assert (await call("GET", f"{base}/commits/{head}/check-runs"))["total_count"] == 1
    assert (await call("GET", f"{base}/commits/{sha}/status"))["state"] == "pending"

    mutation = (
        "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { id } } }"
    )
    query = {"query": mutation, "variables": {"id": opened["node_id"]}}
    answer = await call("POST", world.base_url + "/api/graphql", query)
    assert answer["data"]["markPullRequestReadyForReview"]["pullRequest"]["isDraft"] is False
    merged = await call("PUT", there + "/merge", {"merge_method": "merge", "sha": sha})
    assert merged["merged"] is True
    assert (await call("GET", there))["merged_by"]["login"] == "our-app[bot]"
    assert (await call("GET", one))["state"] == "closed"
    assert (await call("GET", base + "/contents/a.txt", Accept="application/vnd.github.raw+json")) == b"two\n"

    await world.settled()
    assert (await ours.call("GET", "/app/hook/deliveries?per_page=3"))[0]["status_code"] == 202


def unsigned(headers: dict[str, str], body: bytes) -> bool:
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return headers["X-Hub-Signature-256"] != f"sha256={mac}"


async def test_webhooks_are_signed_listed_and_sent_again_with_the_same_guid(ours: Ours) -> None:
    alice = ours.world.act("alice")
    issue = await alice.open_issue("octo/hello", "Broken ✗", "body")
    await alice.label(issue, "claude")
    await alice.label(issue, "claude")
    await ours.world.settled()
    assert sorted(ours.events()) == ["issues.labeled", "issues.opened"]
    assert not any(unsigned(headers, body) for headers, body in ours.received)
    headers, body = ours.received[-1]
    assert headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
    assert headers["X-GitHub-Hook-Installation-Target-ID"] == str(ours.app.id)
    assert headers["X-GitHub-Hook-ID"] == str(ours.app.hook_id)
    assert json.loads(body)["installation"]["id"] == ours.installation.id

    ours.answer = 503
    await alice.unlabel(issue, "claude")
    await ours.world.settled()
    assert ours.events().count("issues.unlabeled") == 1, "GitHub sends nothing again by itself"
    newest = (await ours.call("GET", "/app/hook/deliveries"))[0]
    assert (newest["status_code"], newest["action"], newest["redelivery"]) == (503, "unlabeled", False)
    detail = await ours.call("GET", f"/app/hook/deliveries/{newest['id']}")
    assert detail["request"]["payload"]["label"]["name"] == "claude"
    ours.answer = 202
    await ours.call("POST", f"/app/hook/deliveries/{newest['id']}/attempts")
    await ours.world.settled()
    (first, _), (second, _) = [one for one in ours.received if b'"unlabeled"' in one[1]]
    assert first["X-GitHub-Delivery"] == second["X-GitHub-Delivery"] == newest["guid"]
    assert (await ours.call("GET", "/app/hook/deliveries"))[0]["redelivery"] is True


async def test_every_event_has_the_shape_githubs_schemas_say(ours: Ours, tmp_path: Path) -> None:
    """The fixture holds each payload against its schema; here all of them are made to happen."""
    world = ours.world
    ours.app.events.append("push")
    alice, bot = world.act("alice"), Actor(world, ours.app.bot, ours.app)
    issue = await alice.open_issue("octo/hello", "One", "two", ["claude"])
    await alice.edit_issue(issue, title="Other", body="new")
    comment = await bot.comment(issue, "hello")
    await bot.edit_comment(issue, comment, "hello again")
    await alice.unlabel(issue, "claude")
    await alice.close(issue, "not_planned")
    await alice.reopen(issue)
    await bot.delete_comment(issue, comment)
    sha = await branch_with_a_change(ours, tmp_path)
    pull = await bot.open_pull("octo/hello", "Mend", "claude/issue-1-x", "main", "Fixes #1", draft=True)
    await bot.set_draft(pull, draft=False)
    await bot.set_draft(pull, draft=True)
    await bot.set_draft(pull, draft=False)
    await bot.edit_issue(pull, body="Closes #1")
    await alice.label(pull, "bug")
    await alice.unlabel(pull, "bug")
    await alice.comment(pull, "nice")
    await alice.review(pull, "APPROVED", "good", [("a.txt", 1, "here")])
    ci, _ = world.add_app("CI", events=[])
    await run_of_another_app(world, "octo/hello", ci, name="tests", sha=sha, conclusion="failure", summary="no")
    await alice.close(pull)
    await alice.reopen(pull)
    await alice.merge(pull, "squash")
    webhooks.emit_installation(world, "created", ours.installation, alice.user)
    await world.settled()
    assert set(ours.events()) == {
        *(f"issues.{x}" for x in ("opened", "labeled", "edited", "unlabeled", "closed", "reopened")),
        *(f"issue_comment.{x}" for x in ("created", "edited", "deleted")),
        *(f"pull_request.{x}" for x in ("opened", "ready_for_review", "converted_to_draft", "edited", "labeled")),
        *(f"pull_request.{x}" for x in ("unlabeled", "closed", "reopened")),
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
        *("check_run.created", "check_run.completed", "check_suite.completed"),
        *("push", "installation.created"),
    }
    assert issue.state == "closed", "merging a pull request whose body says so closes the issue"


async def test_git_over_http_asks_for_a_live_token_with_the_right_permission(ours: Ours, tmp_path: Path) -> None:
    world = ours.world
    reading = await ours.token(repositories=["hello"], permissions={"contents": "read"})
    elsewhere = await ours.token(repositories=["other"])
    without = await ours.token(repositories=["hello"], permissions={"issues": "write"})
    for token, sentence in (("ghs_nonsense", "Authentication failed"), (elsewhere, "not found"), (without, "403")):
        code, said = await git("clone", remote(ours, token), str(tmp_path / "x"), check=False)
        assert code != 0
        assert sentence in said
    code, said = await git("clone", f"{world.base_url}/octo/hello.git", str(tmp_path / "x"), check=False)
    assert "could not read Username" in said
    await git("clone", "--quiet", f"{world.base_url}/octo/public.git", str(tmp_path / "public"))

    work = tmp_path / "work"
    await git("clone", "--quiet", remote(ours, reading), str(work))
    assert (work / "dir" / "b c.txt").read_text() == "é\n"
    await git("commit", "--quiet", "--allow-empty", "-m", "x", cwd=work)
    code, said = await git("push", "origin", "main", cwd=work, check=False)
    assert code != 0
    assert "Write access to repository not granted" in said or "403" in said
    assert world.ledger.pushes == []


async def test_a_push_moves_the_pull_request_and_is_written_down(ours: Ours, tmp_path: Path) -> None:
    world = ours.world
    sha = await branch_with_a_change(ours, tmp_path)
    pull = await Actor(world, ours.app.bot, ours.app).open_pull("octo/hello", "Mend", "claude/issue-1-x", "main")
    assert (pull.pull and pull.pull.head_sha) == sha
    work = tmp_path / "claude-issue-1-x"
    (work / "new.txt").write_bytes(bytes(range(256)) * 20_000)  # more than git sends in one piece
    await git("add", ".", cwd=work)
    await git("commit", "--quiet", "-m", "More", cwd=work)
    await git("push", "--quiet", "origin", "HEAD", cwd=work)
    after = (await git("rev-parse", "HEAD", cwd=work))[1].strip()
    assert pull.pull
    assert (pull.pull.head_sha, pull.pull.commits, pull.pull.changed_files) == (after, 2, 2)
    push = world.ledger.pushes[-1]
    assert (push.ref, push.before, push.after, push.forced) == ("refs/heads/claude/issue-1-x", sha, after, False)
    assert push.actor == "our-app[bot]"
    await git("commit", "--quiet", "--amend", "-m", "Other", cwd=work)
    code, _ = await git("push", "origin", "HEAD", cwd=work, check=False)
    assert code != 0
    await git("push", "--quiet", "--force", "origin", "HEAD", cwd=work)
    assert world.ledger.pushes[-1].forced
    await world.settled()
    assert ours.events().count("pull_request.synchronize") == 2


async def test_a_token_sees_and_does_only_what_it_was_narrowed_to(ours: Ours) -> None:
    world = ours.world
    issue = await world.act("alice").open_issue("octo/hello", "x")
    await world.add_repository("octo/secret", files={"a": "b"})
    reading = await ours.token(repositories=["hello"], permissions={"issues": "read"})
    path = "/repos/octo/hello/issues/1"
    assert (await ours.ask("GET", path, token=reading))[0] == 200
    status, body, _ = await ours.ask("POST", path + "/comments", {"body": "x"}, token=reading)
    assert (status, body["message"]) == (403, "Resource not accessible by integration")
    assert (await ours.ask("GET", "/repos/octo/hello/pulls", token=reading))[0] == 403
    assert (await ours.ask("GET", "/repos/octo/other/issues", token=reading))[0] == 404
    assert (await ours.ask("GET", "/repos/octo/secret", token=reading))[0] == 404
    assert (await ours.ask("GET", "/repos/octo/hello", token="ghs_wrong"))[0] == 401
    assert (await ours.ask("GET", "/repos/octo/hello", token=""))[0] == 404
    assert issue.comments == []
    tokens = f"/app/installations/{ours.installation.id}/access_tokens"
    assert (await ours.ask("POST", tokens, {"repositories": ["secret"]}))[0] == 422
    assert (await ours.ask("POST", tokens, {"permissions": {"administration": "write"}}))[0] == 422
    scopes = [seen.permissions for seen in world.ledger.requests("GET", path)]
    assert scopes == [{"metadata": "read", "issues": "read"}]


async def test_an_app_is_known_by_a_token_signed_with_its_key_and_not_too_long_lived(ours: Ours) -> None:
    now = int(time.time())
    other_key = ours.world.add_app("Other")[1]
    forged = jwt.encode({"iat": now, "exp": now + 300, "iss": str(ours.app.id)}, other_key, "RS256")
    unsigned_one = jwt.encode({"iat": now, "exp": now + 300, "iss": str(ours.app.id)}, "", "none")
    for token in (forged, unsigned_one, ours.jwt(exp=now - 1), ours.jwt(exp=now + 1200), ours.jwt(iss="1")):
        assert (await ours.ask("GET", "/app", token=token))[0] == 401
    assert (await ours.ask("GET", "/app", token=ours.jwt(iss=ours.app.client_id)))[0] == 200
    assert (await ours.ask("GET", "/app", token=await ours.token()))[0] == 401


async def test_tokens_die_after_an_hour(tmp_path: Path, github_clock: Clock) -> None:
    world = World(tmp_path / "w", clock=github_clock)
    await world.add_repository("octo/hello", files={"a": "b"})
    app, pem = world.add_app("Our App")
    installation = world.add_installation(app, "octo")
    async with checked(world), aiohttp.ClientSession() as session:
        ours = Ours(world, app, pem, installation, session)
        token = await ours.token()
        assert (await ours.ask("GET", "/repos/octo/hello", token=token))[0] == 200
        github_clock.forward(timedelta(minutes=59, seconds=59))
        assert (await ours.ask("GET", "/repos/octo/hello", token=token))[0] == 200
        github_clock.forward(timedelta(seconds=1))
        assert (await ours.ask("GET", "/repos/octo/hello", token=token))[0] == 401
        code, said = await git("ls-remote", remote(ours, token), check=False)
        assert code != 0
        assert "Authentication failed" in said


async def test_what_cannot_be_is_refused_as_github_refuses_it(ours: Ours, tmp_path: Path) -> None:
    token = await ours.token()
    base = "/repos/octo/hello"
    await branch_with_a_change(ours, tmp_path)
    await ours.world.act("alice").open_issue("octo/hello", "x")

    async def refused(method: str, path: str, body: Any) -> Any:
        status, answer, _ = await ours.ask(method, base + path, body, token=token)
        assert status == 422
        return answer["errors"][0]

    pull = {"title": "x", "head": "claude/issue-1-x", "base": "main"}
    assert (await refused("POST", "/pulls", {**pull, "head": "nowhere"}))["field"] == "head"
    assert (await refused("POST", "/pulls", {**pull, "base": "nowhere"}))["field"] == "base"
    assert "No commits between" in (await refused("POST", "/pulls", {**pull, "head": "main"}))["message"]
    await ours.call("POST", base + "/pulls", pull, token=token)
    assert "already exists" in (await refused("POST", "/pulls", pull))["message"]
    assert (await refused("POST", "/issues/1/comments", {"body": "x" * 65_537}))["field"] == "body"
    assert (await refused("POST", "/issues/1/comments", {}))["code"] == "missing_field"
    assert (await refused("POST", "/issues/1/reactions", {"content": "shrug"}))["field"] == "content"
    assert len(ours.world.issue("octo/hello", 1).comments) == 0
    for hostile in (
        "/git/ref/heads/--upload-pack=x",
        "/contents/a.txt?ref=--output=x",
        "/compare/main...-x",
        "/branches/..%2Fx",
    ):
        assert (await ours.ask("GET", base + hostile, token=token))[0] == 404
    assert (await ours.ask("PUT", base + "/pulls/2/merge", {"sha": "0" * 40}, token=token))[0] == 409


async def test_going_over_the_secondary_limit_is_refused_and_on_the_books(ours: Ours) -> None:
    world = ours.world
    world.limit = SecondaryLimit(per_minute=3)
    await world.act("alice").open_issue("octo/hello", "x")
    token = await ours.token()
    answers = [
        await ours.ask("POST", "/repos/octo/hello/issues/1/comments", {"body": str(n)}, token=token) for n in range(4)
    ]
    assert [status for status, _, _ in answers] == [201, 201, 201, 403]
    assert 1 <= int(answers[3][2]["Retry-After"]) <= 61
    assert "secondary rate limit" in answers[3][1]["message"]
    assert len(world.issue("octo/hello", 1).comments) == 3
    assert len(world.ledger.violations) == 1
    assert len(world.violations) == 1
    world.violations.clear()  # it was meant


async def test_faults_happen_as_scripted(ours: Ours) -> None:
    world = ours.world
    issue = await world.act("alice").open_issue("octo/hello", "x")
    token = await ours.token()
    path = "/repos/octo/hello/issues/1/comments"
    world.faults.append(Fault("POST", "/comments$", 502))
    world.faults.append(Fault("POST", "/comments$", "drop"))
    assert (await ours.ask("POST", path, {"body": "1"}, token=token))[0] == 502
    assert issue.comments == []
    with pytest.raises(aiohttp.ClientError):
        await ours.ask("POST", path, {"body": "2"}, token=token)
    assert [comment.body for comment in issue.comments] == ["2"], "it happened, and nobody was told"
    assert (await ours.ask("POST", path, {"body": "3"}, token=token))[0] == 201
    assert [seen.status for seen in world.ledger.requests("POST", path)] == [502, 201, 201]


async def test_conditional_requests_and_pages(ours: Ours) -> None:
    alice = ours.world.act("alice")
    for number in range(5):
        await alice.open_issue("octo/hello", f"Issue {number}")
    token = await ours.token()
    path = "/repos/octo/hello/issues?per_page=2&direction=asc"
    _, found, headers = await ours.ask("GET", path, token=token)
    assert [one["number"] for one in found] == [1, 2]
    again, body, _ = await ours.ask("GET", path, token=token, **{"If-None-Match": headers["ETag"]})
    assert (again, body) == (304, b"")
    following = headers["Link"].partition(">")[0].lstrip("<")
    assert 'rel="next"' in headers["Link"]
    assert [one["number"] for one in await ours.call("GET", following, token=token)] == [3, 4]
    assert int(headers["X-RateLimit-Remaining"]) < int(headers["X-RateLimit-Limit"])


async def test_a_renamed_repository_redirects_to_its_id_and_a_deleted_one_is_gone(ours: Ours) -> None:
    token = await ours.token()
    ours.world.rename_repository("octo/hello", "greetings")
    assert "refs/heads/main" in (await git("ls-remote", remote(ours, token)))[1]
    status, _, headers = await ours.ask("GET", "/repos/octo/hello/issues", token=token)
    assert status == 301
    assert await ours.call("GET", headers["Location"], token=token) == []
    ours.world.delete_repository("octo/greetings")
    assert (await ours.ask("GET", headers["Location"], token=token))[0] == 404


async def test_a_pull_request_from_a_fork(ours: Ours, tmp_path: Path) -> None:
    world = ours.world
    fork = await world.add_fork("octo/public", "mallory")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.txt").write_text("mine\n")
    await bare.commit_tree_of(fork.path, tree, "evil", "Evil")
    pull = await world.act("mallory").open_pull("octo/public", "Please", "mallory:evil", "main")
    shape = shapes_work.pull_request(world, pull)
    assert shape["head"]["repo"]["full_name"] == "mallory/public"
    assert shape["head"]["label"] == "mallory:evil"
    with pytest.raises(Refused):
        await world.act("mallory").label(pull, "claude")
    with pytest.raises(Refused):
        await world.act("mallory").comment(await world.act("alice").open_issue("octo/hello", "x"), "I cannot see this")


async def test_a_pull_request_somebody_merged_by_hand_is_merged(ours: Ours, tmp_path: Path) -> None:
    sha = await branch_with_a_change(ours, tmp_path)
    pull = await Actor(ours.world, ours.app.bot, ours.app).open_pull("octo/hello", "Mend", "claude/issue-1-x", "main")
    person = ours.world.token_of("alice")
    url = remote(ours, person).replace("x-access-token", "alice")
    await git("push", "--quiet", url, "HEAD:refs/heads/main", cwd=tmp_path / "claude-issue-1-x")
    assert pull.state == "closed"
    assert pull.pull
    assert (pull.pull.merged_by, pull.pull.merge_commit_sha) == (ours.world.user("alice"), sha)
    assert ours.world.ledger.pushes[-1].actor == "alice"


async def test_two_that_conflict_cannot_be_merged(ours: Ours, tmp_path: Path) -> None:
    world = ours.world
    bot, alice = Actor(world, ours.app.bot, ours.app), world.act("alice")
    pulls = []
    for text in ("two", "three"):
        await branch_with_a_change(ours, tmp_path, f"claude/{text}", text)
        pulls.append(await bot.open_pull("octo/hello", text, f"claude/{text}", "main"))
    await alice.merge(pulls[0])
    assert pulls[1].pull
    assert not pulls[1].pull.mergeable
    with pytest.raises(Refused, match="merge conflicts"):
        await alice.merge(pulls[1])
    token = await ours.token()
    shape = await ours.call("GET", "/repos/octo/hello/pulls/2", token=token)
    assert (shape["mergeable"], shape["mergeable_state"]) == (False, "dirty")


async def test_history_of_a_text_is_told_by_graphql(ours: Ours) -> None:
    alice = ours.world.act("alice")
    issue = await alice.open_issue("octo/hello", "x", "as it was")
    await alice.edit_issue(issue, body="changed since")
    token = await ours.token()
    fields = "lastEditedAt userContentEdits(first: 5) { nodes { diff } }"
    query = f"query($id: ID!) {{ node(id: $id) {{ ... on Issue {{ {fields} }} }} }}"
    body = {"query": query, "variables": {"id": f"I_{issue.id}"}}
    node = (await ours.call("POST", ours.world.base_url + "/api/graphql", body, token=token))["data"]["node"]
    assert node["lastEditedAt"]
    assert node["userContentEdits"]["nodes"][0]["diff"] == "as it was"
