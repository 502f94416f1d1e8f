"""What git means for pull requests: heads that move, what a pull request holds, and merging one for real."""

import re
from typing import Any

from app.demo.github import bare, checks, webhooks
from app.demo.github.bare import GitFailed
from app.demo.github.errors import Refused, invalid
from app.demo.github.ledger import PushSeen
from app.demo.github.model import Issue, IssueEvent, Pull, Repository, User
from app.demo.github.shapes_work import the_pull
from app.demo.github.world import World

NOTHING = "0" * 40
CLOSING = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)\b", re.IGNORECASE)


async def opened(world: World, repository: Repository, head: str, base: str, *, draft: bool) -> Pull:
    """Check what GitHub checks before a pull request may be, and gather what it holds.

    `head` is `branch` or `owner:branch`.
    """
    owner, _, branch = head.rpartition(":")
    source = _head_repository(world, repository, owner)
    if source is None or (sha := await bare.resolve(source.path, f"refs/heads/{branch}")) is None:
        raise invalid("PullRequest", "head", "invalid")
    if (base_sha := await bare.resolve(repository.path, f"refs/heads/{base}")) is None:
        raise invalid("PullRequest", "base", "invalid")
    for other in world.pulls_of(repository):
        pull = the_pull(other)
        if (
            other.state == "open"
            and pull.head_repository is source
            and (pull.head_ref, pull.base_ref) == (branch, base)
        ):
            text = f"A pull request already exists for {source.owner.login}:{branch}."
            raise Refused(
                422,
                "Validation Failed",
                [{"resource": "PullRequest", "code": "custom", "field": "", "message": text}],
            )
    pull = Pull(world.new_id(), source, branch, sha, base, base_sha, draft)
    if source is not repository:
        await bare.git(repository.path, "fetch", "--quiet", "--", str(source.path), sha)
    if await bare.count(repository.path, f"{base_sha}..{sha}") == 0:
        text = f"No commits between {base} and {branch}"
        raise Refused(
            422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "field": "", "message": text}]
        )
    return pull


async def refresh(issue: Issue) -> None:
    """Count again what the pull request holds, and whether it would merge."""
    pull = the_pull(issue)
    path = issue.repository.path
    base = await bare.resolve(path, f"refs/heads/{pull.base_ref}") or pull.base_sha
    await bare.git(path, "update-ref", f"refs/pull/{issue.number}/head", pull.head_sha)
    pull.base_sha = base
    pull.commits = await bare.count(path, f"{base}..{pull.head_sha}")
    start = await bare.merge_base(path, base, pull.head_sha) or bare.EMPTY_TREE
    files = await bare.changes(path, start, pull.head_sha)
    pull.changed_files = len(files)
    pull.additions = sum(one.additions for one in files)
    pull.deletions = sum(one.deletions for one in files)
    pull.mergeable = await bare.merged_tree(path, base, pull.head_sha) is not None


async def patch(issue: Issue) -> str:
    """The whole difference, as `git diff base...head` gives it."""
    pull = the_pull(issue)
    path = issue.repository.path
    start = await bare.merge_base(path, pull.base_sha, pull.head_sha) or bare.EMPTY_TREE
    return await bare.diff(path, start, pull.head_sha)


async def hunk_of(issue: Issue, path: str) -> str | None:
    """The difference in one file of the pull request, or None if it has none there."""
    pull = the_pull(issue)
    where = issue.repository.path
    start = await bare.merge_base(where, pull.base_sha, pull.head_sha) or bare.EMPTY_TREE
    files = await bare.changes(where, start, pull.head_sha)
    return next((one.patch for one in files if one.path == path), None)


async def refs_moved(
    world: World, repository: Repository, who: User, before: dict[str, str], after: dict[str, str]
) -> None:
    """Draw the consequences of a push: the ledger, the push event, heads of pull requests."""
    moved = {ref for ref in before.keys() | after.keys() if before.get(ref) != after.get(ref)}
    for ref in sorted(moved):
        old, new = before.get(ref), after.get(ref)
        forced = bool(old and new) and await bare.merge_base(repository.path, old or "", new or "") != old
        world.ledger.append(PushSeen(world.now(), repository.full_name, who.login, ref, old, new, forced))
        repository.pushed_at = world.now()
        if new and ref.startswith("refs/heads/"):
            await checks.suites_requested(world, repository, new, who)
        await _tell_push(world, repository, who, ref, old=old, new=new, forced=forced)
    for issue in [issue for home in world.repositories.values() for issue in world.pulls_of(home)]:
        pull = the_pull(issue)
        if issue.state != "open":
            continue
        if pull.head_repository is repository and f"refs/heads/{pull.head_ref}" in moved:
            await _head_moved(world, issue, who, after.get(f"refs/heads/{pull.head_ref}"))
        elif issue.repository is repository and (base := after.get(f"refs/heads/{pull.base_ref}")) != pull.base_sha:
            if base and await bare.merge_base(repository.path, base, pull.head_sha) == pull.head_sha:
                _merged(world, issue, who, pull.head_sha)  # somebody merged it by hand and pushed
            else:
                await refresh(issue)


async def merge(
    world: World, issue: Issue, who: User, method: str, *, sha: str | None, title: str, message: str
) -> str:
    """Merge for real in the bare repository; answers the new commit.

    Issues the body says it closes are the caller's to close.
    """
    pull = the_pull(issue)
    path = issue.repository.path
    if pull.merged_at or issue.state == "closed" or pull.draft:
        raise Refused(405, "Pull Request is still a draft" if pull.draft else "Pull Request is not mergeable")
    if sha and sha != pull.head_sha:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    if method == "rebase":
        raise Refused(405, "Rebase merges are not allowed on this repository.")
    before = await bare.refs(path)
    base = before.get(f"refs/heads/{pull.base_ref}", "")
    tree = await bare.merged_tree(path, base, pull.head_sha) if base else None
    if tree is None:
        raise Refused(405, "Pull Request has merge conflicts")
    label = f"{pull.head_repository.owner.login}/{pull.head_ref}"
    subject = title or (
        f"Merge pull request #{issue.number} from {label}" if method == "merge" else f"{issue.title} (#{issue.number})"
    )
    parents = (base, pull.head_sha) if method == "merge" else (base,)
    text = f"{subject}\n\n{message or issue.title}\n"
    author = (who.name, f"{who.id}+{who.login}@users.noreply.github.example")
    try:
        merged = await bare.write_merge(path, pull.base_ref, base, tree, text, parents=parents, author=author)
    except GitFailed as exc:
        raise Refused(409, "Base branch was modified. Review and try the merge again.") from exc
    _merged(world, issue, who, merged)
    await refs_moved(world, issue.repository, who, before, await bare.refs(path))
    return merged


def closed_by(issue: Issue) -> list[Issue]:
    """The open issues a merged pull request's body says it closes; only a merge into the default branch closes."""
    if the_pull(issue).base_ref != issue.repository.default_branch:
        return []
    numbers = {int(number) for number in CLOSING.findall(issue.body)}
    found = [issue.repository.issues.get(number) for number in sorted(numbers)]
    return [one for one in found if one and one.state == "open" and not one.pull]


def _merged(world: World, issue: Issue, who: User, sha: str) -> None:
    pull = the_pull(issue)
    pull.merged_at = issue.closed_at = issue.updated_at = world.now()
    pull.merged_by = issue.closed_by = who
    pull.merge_commit_sha = sha
    issue.state = "closed"
    _note(world, issue, who, "merged", "closed")
    webhooks.emit_issue(world, "closed", issue, who)


def _note(world: World, issue: Issue, who: User, *events: str) -> None:
    issue.events += [IssueEvent(world.new_id(), who, event, world.now()) for event in events]


async def _head_moved(world: World, issue: Issue, who: User, new: str | None) -> None:
    pull = the_pull(issue)
    if new is None:
        issue.state, issue.closed_at, issue.closed_by = "closed", world.now(), who
        issue.updated_at = world.now()
        _note(world, issue, who, "closed", "head_ref_deleted")
        webhooks.emit_issue(world, "closed", issue, who)
        return
    old, pull.head_sha, issue.updated_at = pull.head_sha, new, world.now()
    if pull.head_repository is not issue.repository:
        await bare.git(issue.repository.path, "fetch", "--quiet", "--", str(pull.head_repository.path), new)
    await refresh(issue)
    webhooks.emit_issue(world, "synchronize", issue, who, before=old, after=new)


async def _tell_push(
    world: World, repository: Repository, who: User, ref: str, *, old: str | None, new: str | None, forced: bool
) -> None:
    page = f"{world.base_url}/{repository.full_name}"
    span = new if not old else f"{old}..{new}"
    found = [] if new is None else await bare.commits(repository.path, span or new, limit=20)
    commits = [
        {
            "id": one.sha,
            "tree_id": one.tree,
            "distinct": True,
            "message": one.message,
            "timestamp": one.committer[2],
            "url": f"{page}/commit/{one.sha}",
            "author": {"name": one.author[0], "email": one.author[1]},
            "committer": {"name": one.committer[0], "email": one.committer[1]},
            "added": [],
            "removed": [],
            "modified": [],
        }
        for one in found
    ]
    payload: dict[str, Any] = {
        "ref": ref,
        "before": old or NOTHING,
        "after": new or NOTHING,
        "created": old is None,
        "deleted": new is None,
        "forced": forced,
        "base_ref": None,
        "compare": f"{page}/compare/{(old or NOTHING)[:12]}...{(new or NOTHING)[:12]}",
        "commits": commits,
        "head_commit": commits[-1] if commits else None,
        "pusher": {"name": who.login, "email": None},
    }
    webhooks.emit(world, "push", None, repository, who, **payload)


def _head_repository(world: World, repository: Repository, owner: str) -> Repository | None:
    if owner in {"", repository.owner.login}:
        return repository
    forks = [one for one in world.repositories.values() if one.fork_of is repository and one.owner.login == owner]
    return forks[0] if forks else None
