"""The main job, whole: a label goes on an issue, and a pull request comes out."""

from app.demo import story
from tests.fakes.house import BOT, house


async def test_a_labelled_issue_becomes_a_pull_request_that_people_can_follow() -> None:
    async with house(slack=True) as it:
        issue = await it.ask(story.TITLE, body=story.BODY)

        (pull,) = await it.until(lambda: it.pulls(issue))
        await it.says(issue, "Done", f"pull request #{pull.number}")
        await it.says(pull, "Done")
        assert pull.pull is not None
        checks = [one for one in it.repository.check_runs if one.head_sha == pull.pull.head_sha]
        await it.until(lambda: [one.conclusion for one in checks] == ["success"])

        assert [(one.content, one.user.login) for one in issue.reactions] == [("eyes", BOT)]
        assert pull.user.login == BOT
        assert not pull.pull.draft
        assert f"Closes #{issue.number}" in pull.body
        assert "`1.5h` is an hour and a half again." in pull.body
        assert it.tests_pass(pull.pull.head_ref)
        assert not it.tests_pass("main")

        opened = it.world.ledger.requests("POST", r"/repos/.*/pulls")
        assert [one.body["draft"] for one in opened] == [True]
        (branch,) = it.branches()
        assert branch == pull.pull.head_ref == f"claude/issue-{issue.number}-1-5h-is-read-as-five-hours"
        assert it.git("log", "--format=%an|%cn", f"main..{branch}").split() == [f"{BOT}|{BOT}"]
        assert not [one for one in it.world.ledger.pushes if one.forced]
