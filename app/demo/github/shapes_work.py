"""Issues, comments, pull requests and reviews as GitHub's JSON has them."""

from app.demo.github.model import Comment, Issue, IssueEvent, Pull, Repository, Review, ReviewComment, User
from app.demo.github.shapes import (
    Json,
    label,
    maybe_app,
    maybe_user,
    maybe_when,
    repository,
    repository_url,
    rollup,
    user,
    when,
)
from app.demo.github.world import World


def association(where: Repository, who: User) -> str:
    if who.login == where.owner.login:
        return "OWNER"
    return "COLLABORATOR" if where.permissions.get(who.login, "none") != "none" else "NONE"


def html_url(world: World, which: Issue) -> str:
    kind = "pull" if which.pull else "issues"
    return f"{world.base_url}/{which.repository.full_name}/{kind}/{which.number}"


def issue(world: World, which: Issue, *, rest: bool = True) -> Json:
    where = which.repository
    url = f"{repository_url(world, where)}/issues/{which.number}"
    assignees = [user(world, one) for one in which.assignees]
    shape: Json = {
        "url": url,
        "repository_url": repository_url(world, where),
        "labels_url": url + "/labels{/name}",
        "comments_url": url + "/comments",
        "events_url": url + "/events",
        "html_url": html_url(world, which),
        "id": which.id,
        "node_id": f"I_{which.id}",
        "number": which.number,
        "title": which.title,
        "user": user(world, which.user),
        "labels": [label(world, where, one) for one in which.labels],
        "state": which.state,
        "locked": which.locked,
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": None,
        "comments": len(which.comments),
        "created_at": when(which.created_at),
        "updated_at": when(which.updated_at),
        "closed_at": maybe_when(which.closed_at),
        "author_association": association(where, which.user),
        "active_lock_reason": None,
        "body": which.body,
        "reactions": rollup(url + "/reactions", which.reactions),
        "timeline_url": url + "/timeline",
        "performed_via_github_app": maybe_app(world, which.via_app, rest=rest),
        "state_reason": which.state_reason,
    }
    if which.pull:
        page = html_url(world, which)
        pull_url = f"{repository_url(world, where)}/pulls/{which.number}"
        shape["draft"] = which.pull.draft
        shape["pull_request"] = {
            "url": pull_url,
            "html_url": page,
            "diff_url": page + ".diff",
            "patch_url": page + ".patch",
            "merged_at": maybe_when(which.pull.merged_at),
        }
    if rest:
        shape["closed_by"] = maybe_user(world, which.closed_by)
    return shape


def comment(world: World, on: Issue, which: Comment, *, rest: bool = True) -> Json:
    api = repository_url(world, on.repository)
    url = f"{api}/issues/comments/{which.id}"
    return {
        "url": url,
        "html_url": f"{html_url(world, on)}#issuecomment-{which.id}",
        "issue_url": f"{api}/issues/{on.number}",
        "id": which.id,
        "node_id": f"IC_{which.id}",
        "user": user(world, which.user),
        "created_at": when(which.created_at),
        "updated_at": when(which.updated_at),
        "author_association": association(on.repository, which.user),
        "body": which.body,
        "reactions": rollup(url + "/reactions", which.reactions),
        "performed_via_github_app": maybe_app(world, which.via_app, rest=rest),
    }


def issue_event(world: World, on: Issue, which: IssueEvent) -> Json:
    shape: Json = {
        "id": which.id,
        "node_id": f"IE_{which.id}",
        "url": f"{repository_url(world, on.repository)}/issues/events/{which.id}",
        "actor": user(world, which.actor),
        "event": which.event,
        "commit_id": None,
        "commit_url": None,
        "created_at": when(which.created_at),
        "performed_via_github_app": maybe_app(world, which.via_app, rest=True),
    }
    if which.label is not None:
        shape["label"] = {"name": which.label.name, "color": which.label.color}
    if which.rename is not None:
        shape["rename"] = {"from": which.rename[0], "to": which.rename[1]}
    return shape


def pull_simple(world: World, which: Issue, *, rest: bool = True) -> Json:
    pull = the_pull(which)
    where = which.repository
    api = repository_url(world, where)
    url = f"{api}/pulls/{which.number}"
    page = html_url(world, which)
    issue_url = f"{api}/issues/{which.number}"
    links = {
        "self": url,
        "html": page,
        "issue": issue_url,
        "comments": issue_url + "/comments",
        "review_comments": url + "/comments",
        "review_comment": api + "/pulls/comments{/number}",
        "commits": url + "/commits",
        "statuses": f"{api}/statuses/{pull.head_sha}",
    }
    assignees = [user(world, one) for one in which.assignees]
    merged_sha = pull.merge_commit_sha
    return {
        "url": url,
        "id": pull.id,
        "node_id": f"PR_{pull.id}",
        "html_url": page,
        "diff_url": page + ".diff",
        "patch_url": page + ".patch",
        "issue_url": issue_url,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": links["statuses"],
        "number": which.number,
        "state": which.state,
        "locked": which.locked,
        "title": which.title,
        "user": user(world, which.user),
        "body": which.body,
        "labels": [label(world, where, one) for one in which.labels],
        "milestone": None,
        "active_lock_reason": None,
        "created_at": when(which.created_at),
        "updated_at": when(which.updated_at),
        "closed_at": maybe_when(which.closed_at),
        "merged_at": maybe_when(pull.merged_at),
        "merge_commit_sha": merged_sha,
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "requested_reviewers": [user(world, one) for one in pull.requested_reviewers],
        "requested_teams": [],
        "head": _end(world, pull.head_repository, pull.head_ref, pull.head_sha, rest=rest),
        "base": _end(world, where, pull.base_ref, pull.base_sha, rest=rest),
        "_links": {name: {"href": href} for name, href in links.items()},
        "author_association": association(where, which.user),
        "auto_merge": None,
        "draft": pull.draft,
    }


def pull_request(world: World, which: Issue, *, rest: bool = True) -> Json:
    pull = the_pull(which)
    return {
        **pull_simple(world, which, rest=rest),
        "merged": pull.merged_at is not None,
        "mergeable": pull.mergeable if which.state == "open" else None,
        "rebaseable": False,
        "mergeable_state": _mergeable_state(which, pull),
        "merged_by": maybe_user(world, pull.merged_by),
        "comments": len(which.comments),
        "review_comments": len(pull.review_comments),
        "maintainer_can_modify": False,
        "commits": pull.commits,
        "additions": pull.additions,
        "deletions": pull.deletions,
        "changed_files": pull.changed_files,
    }


def the_pull(which: Issue) -> Pull:
    if which.pull is None:
        raise TypeError(f"#{which.number} is not a pull request")
    return which.pull


def _mergeable_state(which: Issue, pull: Pull) -> str:
    if which.state == "closed":
        return "unknown"
    if not pull.mergeable:
        return "dirty"
    return "draft" if pull.draft else "clean"


def _end(world: World, where: Repository, ref: str, sha: str, *, rest: bool) -> Json:
    shape = repository(world, where) if rest else webhook_repository(world, where)
    return {
        "label": f"{where.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(world, where.owner),
        "repo": shape,
    }


def webhook_repository(world: World, where: Repository) -> Json:
    return {**repository(world, where), "custom_properties": {}}


def review(world: World, on: Issue, which: Review, *, rest: bool = True) -> Json:
    page = f"{html_url(world, on)}#pullrequestreview-{which.id}"
    pull_url = f"{repository_url(world, on.repository)}/pulls/{on.number}"
    return {
        "id": which.id,
        "node_id": f"PRR_{which.id}",
        "user": user(world, which.user),
        "body": which.body,
        "state": which.state if rest else which.state.lower(),
        "html_url": page,
        "pull_request_url": pull_url,
        "author_association": association(on.repository, which.user),
        "_links": {"html": {"href": page}, "pull_request": {"href": pull_url}},
        "submitted_at": when(which.submitted_at),
        "commit_id": which.commit_id,
    }


def review_comment(world: World, on: Issue, which: ReviewComment) -> Json:
    api = repository_url(world, on.repository)
    url = f"{api}/pulls/comments/{which.id}"
    page = f"{html_url(world, on)}#discussion_r{which.id}"
    pull_url = f"{api}/pulls/{on.number}"
    reply = {} if which.in_reply_to_id is None else {"in_reply_to_id": which.in_reply_to_id}
    return {
        "url": url,
        "pull_request_review_id": which.review_id,
        "id": which.id,
        "node_id": f"PRRC_{which.id}",
        "diff_hunk": which.diff_hunk,
        "path": which.path,
        "position": which.line,
        "original_position": which.line,
        "commit_id": which.commit_id,
        "original_commit_id": which.commit_id,
        "user": user(world, which.user),
        "body": which.body,
        "created_at": when(which.created_at),
        "updated_at": when(which.updated_at),
        "html_url": page,
        "pull_request_url": pull_url,
        "author_association": association(on.repository, which.user),
        "_links": {"self": {"href": url}, "html": {"href": page}, "pull_request": {"href": pull_url}},
        "start_line": None,
        "original_start_line": None,
        "start_side": None,
        "line": which.line,
        "original_line": which.line,
        "side": "RIGHT",
        "subject_type": "line",
        "reactions": rollup(url + "/reactions", which.reactions),
        **reply,
    }
