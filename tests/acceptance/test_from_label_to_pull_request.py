"""The main job, whole: a label goes on an issue, and a pull request comes out."""

from app.demo import story
from app.demo.replies import Say, Use
from tests.fakes.house import BOT, SUMMARY, commits, done, house, waits
from tests.fakes.slack_blocks import words


async def test_a_labelled_issue_becomes_a_pull_request_that_people_can_follow() -> None:
    async with house(slack=True) as it:
        issue = await it.ask(story.TITLE, body=story.BODY)

        (pull,) = await it.until(lambda: it.pulls(issue))
        await it.says(issue, "Done", f"pull request #{pull.number}")
        await it.says(pull, "Done")
        assert pull.pull is not None
        (check,) = it.repository.check_runs
        await it.until(lambda: check.conclusion == "success")
        assert check.head_sha == pull.pull.head_sha

        assert [(one.content, one.user.login) for one in issue.reactions] == [("eyes", BOT)]
        assert pull.user.login == BOT
        assert not pull.pull.draft
        assert f"Closes #{issue.number}" in pull.body
        assert "`1.5h` is an hour and a half again." in pull.body
        assert it.tests_pass(pull.pull.head_ref)
        assert not it.tests_pass("main")

        (branch,) = it.branches()
        assert branch == pull.pull.head_ref == f"claude/issue-{issue.number}-1-5h-is-read-as-five-hours"
        author, committer, message = it.git("log", "-1", "--format=%an%x00%cn%x00%B", branch).strip().split("\0")
        alice = it.world.user("alice")
        assert (author, committer) == (BOT, BOT)
        host = it.world.base_url.removeprefix("http://")
        assert message.endswith(f"Co-authored-by: alice <{alice.id}+alice@users.noreply.{host}>")
        assert it.git("rev-list", "--count", f"main..{branch}").strip() == "1"

        assert [one.body["draft"] for one in it.world.ledger.requests("POST", "/repos/.*/pulls")] == [True]
        assert len(it.world.ledger.requests("POST", f"/repos/.*/issues/{issue.number}/comments")) == 1
        assert len(it.world.ledger.requests("POST", f"/repos/.*/issues/{pull.number}/comments")) == 1
        assert len(it.world.ledger.requests("PATCH", "/repos/.*/issues/comments/.*")) >= 2
        assert [(one.ref, one.forced) for one in it.world.ledger.pushes] == [(f"refs/heads/{branch}", False)]
        assert it.most_agents == 1

        assert it.slack is not None
        slack = it.slack
        await it.until(lambda: slack.threads() and slack.replies(slack.threads()[0]["ts"]))
        (thread,) = slack.threads()
        (reply,) = slack.replies(thread["ts"])
        assert f"#{pull.number}" in words(reply)
        assert len(slack.calls("chat.postMessage", done=True)) == 2
        assert slack.calls("chat.update", done=True)


async def test_five_issues_at_once_take_turns_and_all_end_in_their_own_pull_requests() -> None:
    async with house(environ={"CCO_MAX_RUNS": "2"}) as it:
        issues = []
        for n in range(5):  # one is heard before the next is asked: webhooks may overtake each other
            turns = [commits(f"page-{n}.txt", f"Page {n}\n"), waits()], [done(f"Page {n}.")]
            issues.append(await it.ask(f"Write page {n}", *turns))
            await it.until(lambda: it.statuses(issues[-1]))

        await it.until(lambda: len(it.agents()) == 2)
        await it.says(issues[2], "Next in line")
        await it.says(issues[3], "1 run is ahead of this one")
        await it.says(issues[4], "2 runs are ahead of this one")
        assert sorted(it.sessions()) == ["r1", "r2"]
        assert not any(it.pulls(issue) for issue in issues[2:])

        def all_done() -> bool:
            it.let_go()
            return all("Done" in it.status(issue) for issue in issues)

        await it.until(all_done, 120)
        assert it.most_agents == 2
        for n, issue in enumerate(issues):
            (pull,) = it.pulls(issue)
            assert pull.pull is not None
            assert not pull.pull.draft
            changed = it.git("diff", "--name-only", f"main...{pull.pull.head_ref}").split()
            assert changed == [f"page-{n}.txt"]
            assert f"Page {n}." in pull.body
        assert len(it.branches()) == 5


async def test_where_nothing_had_to_change_the_answer_is_a_comment_and_there_is_no_pull_request() -> None:
    async with house() as it:
        issue = await it.ask("What is the longest egg?", [done("Nothing to mend: an ostrich's takes two hours.")])

        said = await it.says(issue, "Done: nothing had to be changed")
        assert "an ostrich's takes two hours" in said
        assert it.pulls(issue) == []
        assert it.branches() == {}
        assert it.world.ledger.pushes == []
        assert it.world.ledger.requests("POST", ".*/pulls") == []


async def test_what_claude_left_uncommitted_is_committed_and_in_the_pull_request() -> None:
    async with house() as it:
        issue = await it.ask(
            "Forget to commit",
            [commits("committed.txt"), Use("Bash", {"command": "echo left > 'left behind.txt'; echo >> README.md"})],
            [done()],
        )

        await it.says(issue, "Done")
        (pull,) = it.pulls(issue)
        assert pull.pull is not None
        branch = pull.pull.head_ref
        assert it.file(branch, "left behind.txt") == "left\n"
        assert it.file(branch, "committed.txt") == "Something new\n"
        assert it.git("log", "--format=%an", f"main..{branch}").split() == [BOT, BOT]
        assert it.git("log", "--format=%(trailers:key=Co-authored-by)", f"main..{branch}").count("alice@") == 2
        assert SUMMARY in pull.body


async def test_claude_finds_no_secret_wherever_it_looks() -> None:
    look = (
        "env; cat /proc/*/environ /proc/*/cmdline; git config --list; git remote -v; cat ../vault.git/config; "
        "ls -la ../.. ../../.. / /tmp; cat ../../../credentials/* ../../../api-token ../../../cco.toml; "
        "grep -r . ../runs ~ $CLAUDE_CONFIG_DIR --include=*.json --include=*.jsonl | head -c 20000; true"
    )
    async with house() as it:
        issue = await it.ask("Look around", [Use("Bash", {"command": look.replace("; ", " ; ")})], [Say("Nothing.")])

        await it.says(issue, "Done")
        told = "\n".join(it.model.requests[-1].tool_results)
        assert "CLAUDE_CONFIG_DIR" in told  # it did look
        assert not [secret for secret in it.secrets() if secret in told]
