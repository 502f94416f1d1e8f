"""The stand-in GitHub tells an App what happened, as GitHub does."""

import hashlib
import hmac
import json
from datetime import timedelta
from pathlib import Path

from app.demo.github import installing
from app.demo.github.actions import Actor
from app.demo.github.checks import run_of_another_app
from tests.fakes.git_client import branch_with_a_change
from tests.fakes.github_app import SECRET, Ours


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
    second = installing.install(world, ours.app, "octo", alice.user, ["octo/public"])
    installing.change_repositories(world, second, alice.user, add=("octo/hello",), remove=("octo/public",))
    installing.suspend(world, second, alice.user)
    installing.uninstall(world, second, alice.user)
    await world.settled()
    assert set(ours.events()) == {
        *(f"issues.{x}" for x in ("opened", "labeled", "edited", "unlabeled", "closed", "reopened")),
        *(f"issue_comment.{x}" for x in ("created", "edited", "deleted")),
        *(f"pull_request.{x}" for x in ("opened", "ready_for_review", "converted_to_draft", "edited", "labeled")),
        *(f"pull_request.{x}" for x in ("unlabeled", "closed", "reopened")),
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
        *("check_run.created", "check_run.completed", "check_suite.completed"),
        *("push", "check_suite.requested"),
        *(f"installation.{x}" for x in ("created", "suspend", "deleted")),
        *("installation_repositories.added", "installation_repositories.removed"),
    }
    assert issue.state == "closed", "merging a pull request whose body says so closes the issue"


async def test_a_hook_that_does_not_answer_in_time_has_failed(ours: Ours) -> None:
    world = ours.world
    world.hook_timeout = timedelta(seconds=0.1)
    ours.silent.set()
    await world.act("alice").open_issue("octo/hello", "x")
    await world.settled()
    ours.silent.clear()
    assert (await ours.call("GET", "/app/hook/deliveries"))[0]["status"] == "timed out"
    ours.app.hook_url = "http://127.0.0.1:1/nobody"
    await world.act("alice").open_issue("octo/hello", "y")
    await world.settled()
    assert (await ours.call("GET", "/app/hook/deliveries"))[0]["status_code"] == 502
    first, second = await ours.call("GET", "/app/hook/deliveries")
    older = await ours.call("GET", f"/app/hook/deliveries?per_page=1&cursor={first['id']}")
    assert [one["id"] for one in older] == [second["id"]]
    assert (await ours.ask("GET", "/app/hook/deliveries/1"))[0] == 404


async def test_an_app_hears_only_what_it_asked_for_and_where_it_is_installed(ours: Ours) -> None:
    alice = ours.world.act("alice")
    ours.app.events[:] = ["issue_comment"]
    issue = await alice.open_issue("octo/hello", "x")
    elsewhere = await alice.open_issue("octo/public", "x")
    await alice.comment(elsewhere, "not for you")
    await alice.comment(issue, "for you")
    await ours.world.settled()
    assert ours.events() == ["issue_comment.created"]


def unsigned(headers: dict[str, str], body: bytes) -> bool:
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return headers["X-Hub-Signature-256"] != f"sha256={mac}"
