"""The stand-in GitHub is an honest one: its REST, its tokens, its git, its webhooks."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from app.demo.github import World
from app.demo.github.model import App, Installation

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
    ) -> tuple[int, Any, dict[str, str]]:
        auth = {"Authorization": f"Bearer {self.jwt() if token is None else token}"} if token != "" else {}
        url = path if path.startswith("http") else self.world.api_url + path
        async with self.session.request(
            method, url, json=body, headers={**auth, **headers}, allow_redirects=False
        ) as answer:
            raw = await answer.read()
            value = json.loads(raw) if answer.content_type == "application/json" else raw
            return answer.status, value, dict(answer.headers)

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
    permissions = {"alice": "write", "rita": "read"}
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
