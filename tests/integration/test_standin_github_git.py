"""Real git at the stand-in GitHub, and what a push means for pull requests."""

from pathlib import Path

import pytest

from app.demo.github import bare, shapes_work
from app.demo.github.actions import Actor
from app.demo.github.errors import Refused
from tests.fakes.git_client import branch_with_a_change, git, remote
from tests.fakes.github_app import Ours


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
