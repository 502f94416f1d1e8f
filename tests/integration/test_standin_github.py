"""The stand-in GitHub is an honest one: its REST, its tokens, its limits."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest
from yarl import URL

from app.demo.github import Fault, World
from app.demo.github.checks import run_of_another_app
from app.demo.github.ledger import SecondaryLimit
from app.demo.github.oauth import challenge_of
from tests.fakes.git_client import branch_with_a_change, git, remote
from tests.fakes.github import Clock, checked
from tests.fakes.github_app import Ours


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


async def test_lists_are_filtered_and_fields_are_changed(ours: Ours) -> None:
    alice, base = ours.world.act("alice"), "/repos/octo/hello"
    first = await alice.open_issue("octo/hello", "First", labels=["bug"])
    await alice.open_issue("octo/hello", "Second", labels=["bug", "claude"])
    await alice.close(first)
    token = await ours.token()

    async def titles(query: str) -> list[str]:
        return [one["title"] for one in await ours.call("GET", f"{base}/issues?{query}", token=token)]

    assert await titles("state=open") == ["Second"]
    assert await titles("state=all&sort=updated&direction=asc") == ["Second", "First"], "closing is a change"
    assert await titles("labels=bug,claude&state=all") == ["Second"]
    assert await titles("since=2999-01-01T00:00:00Z") == []
    assert (await ours.ask("GET", f"{base}/issues?since=yesterday", token=token))[0] == 422
    change = {"labels": ["claude"], "state": "open", "assignees": ["alice"], "body": None}
    changed = await ours.call("PATCH", base + "/issues/1", change, token=token)
    assert [label["name"] for label in changed["labels"]] == ["claude"]
    assert (changed["state"], changed["assignee"]["login"]) == ("open", "alice")
    closed = await ours.call(
        "PATCH", base + "/issues/1", {"state": "closed", "state_reason": "not_planned"}, token=token
    )
    assert (closed["state"], closed["state_reason"]) == ("closed", "not_planned")
    assert closed["closed_by"]["login"] == "our-app[bot]"
    assert (await ours.ask("DELETE", base + "/issues/1/labels/none", token=token))[0] == 404
    assert (await ours.ask("GET", base + "/issues/99", token=token))[0] == 404


async def test_checks_and_statuses_keep_githubs_rules(ours: Ours) -> None:
    world, base = ours.world, "/repos/octo/hello"
    ours.installation.permissions["statuses"] = "write"
    token = await ours.token()
    sha = (await ours.call("GET", base + "/git/ref/heads/main", token=token))["object"]["sha"]
    states = {"state": "success", "context": "ci"}
    await ours.call("POST", f"{base}/statuses/{sha}", {"state": "failure", "context": "ci"}, token=token)
    await ours.call("POST", f"{base}/statuses/{sha}", states, token=token)
    assert (await ours.call("GET", f"{base}/commits/main/status", token=token))["state"] == "success"
    ci, _ = world.add_app("CI", events=[])
    run = await run_of_another_app(world, "octo/hello", ci, name="tests", sha=sha, conclusion="failure")
    path = f"{base}/check-runs/{run.id}"
    assert (await ours.ask("PATCH", path, {"conclusion": "success"}, token=token))[0] == 403
    bad = {"name": "x", "head_sha": sha}
    for wrong in (
        {"conclusion": "great"},
        {"status": "completed"},
        {"output": {"title": "no summary"}},
        {"head_sha": "0" * 40},
    ):
        assert (await ours.ask("POST", base + "/check-runs", {**bad, **wrong}, token=token))[0] == 422
    for _ in range(2):
        await ours.call("POST", base + "/check-runs", {**bad, "conclusion": "neutral"}, token=token)
    listed = f"{base}/commits/main/check-runs"
    assert (await ours.call("GET", listed, token=token))["total_count"] == 2, "the newest of each name"
    assert (await ours.call("GET", listed + "?filter=all&check_name=x", token=token))["total_count"] == 2
    assert (await ours.call("GET", f"{listed}?app_id={ci.id}", token=token))["check_runs"][0]["conclusion"] == "failure"


async def test_graphql_refuses_in_the_answer_not_in_the_status(ours: Ours, tmp_path: Path) -> None:
    url = ours.world.base_url + "/api/graphql"
    await branch_with_a_change(ours, tmp_path)
    pull = await ours.world.act("alice").open_pull("octo/hello", "x", "claude/issue-1-x", "main")
    assert pull.pull
    node = f"PR_{pull.pull.id}"

    async def drafts() -> list[bool]:
        return [one["draft"] for one in await ours.call("GET", "/repos/octo/hello/pulls", token=await ours.token())]

    back = f'mutation {{ convertPullRequestToDraft(input: {{pullRequestId: "{node}"}}) {{ clientMutationId }} }}'
    reading = await ours.token(permissions={"pull_requests": "read"})
    refused = await ours.call("POST", url, {"query": back}, token=reading)
    assert refused["errors"][0]["type"] == "FORBIDDEN"
    assert await drafts() == [False]
    token = await ours.token()
    await ours.call("POST", url, {"query": back}, token=token)
    assert await drafts() == [True]
    ready = (
        "mutation($input: MarkPullRequestReadyForReviewInput!) { markPullRequestReadyForReview(input: $input) { id } }"
    )
    variables = {"input": {"pullRequestId": node}}
    await ours.call("POST", url, {"query": ready, "variables": variables}, token=token)
    assert await drafts() == [False]
    unknown = await ours.call("POST", url, {"query": back.replace(node, "PR_0")}, token=token)
    assert unknown["errors"][0]["type"] == "NOT_FOUND"
    assert "errors" in await ours.call("POST", url, {"query": "{ viewer { login } }"}, token=token)
    assert (await ours.ask("POST", url, {"query": back}, token=""))[0] == 401


async def test_an_operation_that_is_not_modelled_is_on_the_books(ours: Ours) -> None:
    assert (await ours.ask("GET", "/repos/octo/hello/stargazers", token=await ours.token()))[0] == 404
    assert len(ours.world.violations) == 2, "the stand-in and the contract both say so"
    ours.world.violations.clear()  # it was meant


async def test_a_person_with_a_token_may_what_that_person_may(ours: Ours) -> None:
    world = ours.world
    await world.act("alice").open_issue("octo/hello", "x")
    path = "/repos/octo/hello/issues/1"
    rita, mallory = world.token_of("rita"), world.token_of("mallory")
    assert (await ours.call("POST", path + "/comments", {"body": "hi"}, token=rita))["user"]["login"] == "rita"
    assert (await ours.ask("POST", path + "/labels", {"labels": ["claude"]}, token=rita))[0] == 403
    assert (await ours.ask("GET", path, token=mallory))[0] == 404
    assert world.issue("octo/hello", 1).labels == []


async def test_a_person_signs_in_to_an_app_which_may_no_more_than_both(ours: Ours) -> None:
    world, app = ours.world, ours.app
    app.callback_urls.append("http://127.0.0.1/back")
    verifier = "v" * 43
    asked = {
        "client_id": app.client_id,
        "redirect_uri": "http://127.0.0.1/back",
        "state": "s&s",
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    ours.session.cookie_jar.update_cookies({"acting": "alice"}, URL(world.base_url))
    url = f"{world.base_url}/login/oauth/authorize"
    for wrong, status in (
        ({"client_id": "Iv1.x"}, 404),
        ({"redirect_uri": "https://evil.example/"}, 422),
        ({"redirect_uri": "http://127.0.0.1/back/further"}, 422),
        ({"code_challenge_method": "plain"}, 422),
    ):
        async with ours.session.get(url, params=asked | wrong) as answer:
            assert answer.status == status

    async def code() -> str:
        form = asked | {"deed": "authorize"}
        async with ours.session.post(url, data=form, allow_redirects=False) as answer:
            back = urlsplit(answer.headers["Location"])
        assert parse_qs(back.query)["state"] == ["s&s"]
        return parse_qs(back.query)["code"][0]

    async def exchanged(code: str, **changed: str) -> Any:
        form = {
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "code": code,
            "code_verifier": verifier,
            **changed,
        }
        headers = {"Accept": "application/json"}
        async with ours.session.post(
            f"{world.base_url}/login/oauth/access_token", data=form, headers=headers
        ) as answer:
            assert answer.status == 200
            return await answer.json()

    assert (await exchanged(await code(), client_secret="guessed"))["error"] == "incorrect_client_credentials"
    assert (await exchanged(await code(), code_verifier="w" * 43))["error"] == "bad_verification_code"
    assert (await exchanged(await code(), redirect_uri="http://127.0.0.1/"))["error"] == "redirect_uri_mismatch"
    assert (await exchanged("guessed"))["error"] == "bad_verification_code"
    good = await code()
    token = (await exchanged(good))["access_token"]
    assert token.startswith("ghu_")
    assert (await exchanged(good))["error"] == "bad_verification_code"  # it was used

    assert (await ours.call("GET", "/user", token=token))["login"] == "alice"
    assert (await ours.ask("GET", "/user", token=""))[0] == 401
    assert (await ours.ask("GET", "/user", token=await ours.token()))[0] == 403
    assert (await ours.ask("GET", "/repos/octo/hello", token=token))[0] == 200
    assert (await ours.ask("GET", "/repos/octo/other", token=token))[0] == 404  # the App may, alice may not
    await world.add_repository("ada/own", permissions={"alice": "admin"})
    assert (await ours.ask("GET", "/repos/ada/own", token=token))[0] == 404  # alice may, the App may not
    assert token not in str(list(world.ledger))
    assert app.client_secret not in str(list(world.ledger))
