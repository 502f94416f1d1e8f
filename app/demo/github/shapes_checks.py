"""Check runs, check suites and commit statuses as GitHub's JSON has them."""

from typing import Any
from urllib.parse import quote

from app.demo.github.bare import Commit
from app.demo.github.model import CheckRun, Repository, Status
from app.demo.github.shapes import Json, full_repository, maybe_when, repository_url, user, when
from app.demo.github.shapes import app as app_shape
from app.demo.github.world import World


def check_run(world: World, where: Repository, which: CheckRun) -> Json:
    url = f"{repository_url(world, where)}/check-runs/{which.id}"
    page = f"{world.base_url}/{where.full_name}/runs/{which.id}"
    output = {name: which.output.get(name) for name in ("title", "summary", "text")}
    return {
        "id": which.id,
        "name": which.name,
        "node_id": f"CR_{which.id}",
        "head_sha": which.head_sha,
        "external_id": which.external_id,
        "url": url,
        "html_url": page,
        "details_url": which.details_url or page,
        "status": which.status,
        "conclusion": which.conclusion,
        "started_at": when(which.started_at),
        "completed_at": maybe_when(which.completed_at),
        "output": {
            **output,
            "annotations_count": len(which.output.get("annotations", [])),
            "annotations_url": url + "/annotations",
        },
        "check_suite": {"id": which.suite_id},
        "app": app_shape(world, which.app),
        "pull_requests": _pulls_at(world, where, which.head_sha),
    }


def webhook_check_run(world: World, where: Repository, which: CheckRun) -> Json:
    shape = check_run(world, where, which)
    shape["app"] = app_shape(world, which.app, rest=False)
    shape["check_suite"] = check_suite(world, where, which)
    return shape


def check_suite(world: World, where: Repository, which: CheckRun) -> Json:
    """A suite of ours holds one check run."""
    pulls = _pulls_at(world, where, which.head_sha)
    return {
        "id": which.suite_id,
        "node_id": f"CS_{which.suite_id}",
        "head_branch": pulls[0]["head"]["ref"] if pulls else None,
        "head_sha": which.head_sha,
        "status": which.status,
        "conclusion": which.conclusion,
        "url": f"{repository_url(world, where)}/check-suites/{which.suite_id}",
        "before": None,
        "after": which.head_sha,
        "pull_requests": pulls,
        "app": app_shape(world, which.app, rest=False),
        "created_at": when(which.started_at),
        "updated_at": when(which.completed_at or which.started_at),
    }


def told_suite(world: World, where: Repository, which: CheckRun, head: Commit) -> Json:
    """A suite as its own events tell it: with its commit, and how many runs it holds."""
    suite = check_suite(world, where, which)
    return {
        **suite,
        "latest_check_runs_count": int(which.status == "completed"),
        "check_runs_url": suite["url"] + "/check-runs",
        "head_commit": {
            "id": head.sha,
            "tree_id": head.tree,
            "message": head.message,
            "timestamp": head.committer[2],
            "author": {"name": head.author[0], "email": head.author[1]},
            "committer": {"name": head.committer[0], "email": head.committer[1]},
        },
    }


def _pulls_at(world: World, where: Repository, sha: str) -> list[Json]:
    """Pull requests from branches of this very repository: GitHub leaves forks out."""

    def end(ref: str, at: str) -> dict[str, Any]:
        url = repository_url(world, where)
        return {"ref": ref, "sha": at, "repo": {"id": where.id, "url": url, "name": where.name}}

    return [
        {
            "id": one.pull.id,
            "number": one.number,
            "url": f"{repository_url(world, where)}/pulls/{one.number}",
            "head": end(one.pull.head_ref, one.pull.head_sha),
            "base": end(one.pull.base_ref, one.pull.base_sha),
        }
        for one in where.issues.values()
        if one.pull and one.state == "open" and one.pull.head_sha == sha and one.pull.head_repository is where
    ]


def status(world: World, where: Repository, which: Status) -> Json:
    return {
        "url": f"{repository_url(world, where)}/statuses/{which.sha}",
        "avatar_url": user(world, which.creator)["avatar_url"],
        "id": which.id,
        "node_id": f"SC_{which.id}",
        "state": which.state,
        "description": which.description,
        "target_url": which.target_url,
        "context": which.context,
        "created_at": when(which.created_at),
        "updated_at": when(which.created_at),
    }


def combined_status(world: World, where: Repository, sha: str) -> Json:
    """The newest status of each context, and what they come to."""
    latest = {one.context: one for one in where.statuses if one.sha == sha}
    states = {one.state for one in latest.values()}
    together = "failure" if states & {"failure", "error"} else "success" if states == {"success"} else "pending"
    api = repository_url(world, where)
    return {
        "state": together,
        "statuses": [status(world, where, one) for one in latest.values()],
        "sha": sha,
        "total_count": len(latest),
        "repository": full_repository(world, where),
        "commit_url": f"{api}/commits/{quote(sha)}",
        "url": f"{api}/commits/{quote(sha)}/status",
    }
