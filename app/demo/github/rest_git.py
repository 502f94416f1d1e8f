"""REST about what is in a repository: itself, refs, branches, files, comparisons; and about people."""

import base64
from typing import Any
from urllib.parse import quote

from aiohttp import web

from app.demo.github import bare, shapes
from app.demo.github.bare import Commit, FileChange, TreeEntry
from app.demo.github.errors import Refused, not_found
from app.demo.github.http import Call
from app.demo.github.model import Repository

LARGEST_CONTENT_BYTES = 1024 * 1024


async def get_repository(call: Call) -> web.Response:
    return web.json_response(shapes.full_repository(call.world, call.repository()))


async def get_user(call: Call) -> web.Response:
    person = call.world.find_user(call.request.match_info["login"])
    if person is None:
        raise not_found()
    return web.json_response(shapes.public_user(call.world, person))


async def get_me(call: Call) -> web.Response:
    """Whose token this is; no App and no installation is anybody."""
    if call.caller.token is not None or call.caller.kind == "app":
        raise Refused(403, "Resource not accessible by integration")
    if call.caller.user is None:
        raise Refused(401, "Requires authentication")
    return web.json_response(shapes.public_user(call.world, call.caller.user))


async def get_permission(call: Call) -> web.Response:
    repository = call.repository()
    person = call.world.find_user(call.request.match_info["login"])
    if person is None:
        raise not_found()
    return web.json_response(shapes.collaborator(call.world, repository, person))


async def get_ref(call: Call) -> web.Response:
    repository = call.repository("read", "contents")
    name = "refs/" + call.request.match_info["ref"]
    sha = (await bare.refs(repository.path, name) if bare.safe_ref(name) else {}).get(name)
    if sha is None:
        raise not_found()
    return web.json_response(_ref(call, repository, name, sha))


async def matching_refs(call: Call) -> web.Response:
    """Every ref whose name begins so, also in the middle of a word."""
    repository = call.repository("read", "contents")
    start = "refs/" + call.request.match_info["ref"]
    found = await bare.refs(repository.path, "refs/")
    return call.page([_ref(call, repository, name, sha) for name, sha in found.items() if name.startswith(start)])


async def get_branch(call: Call) -> web.Response:
    repository = call.repository("read", "contents")
    name = call.request.match_info["branch"]
    sha = await bare.resolve(repository.path, f"refs/heads/{name}")
    if sha is None:
        raise not_found()
    url = f"{shapes.repository_url(call.world, repository)}/branches/{quote(name)}"
    shape = {
        "name": name,
        "commit": _commit(call, repository, await bare.commit(repository.path, sha)),
        "_links": {"self": url, "html": f"{call.world.base_url}/{repository.full_name}/tree/{quote(name)}"},
        "protected": False,
        "protection": {"enabled": False},
        "protection_url": url + "/protection",
    }
    return web.json_response(shape)


async def get_contents(call: Call) -> web.Response:
    """A file or a directory of a branch; `application/vnd.github.raw` gives the file itself."""
    repository = call.repository("read", "contents")
    path = call.request.match_info["path"].strip("/")
    wanted = call.request.query.get("ref") or repository.default_branch
    sha = await bare.any_ref(repository.path, wanted)
    if sha is None:
        raise not_found()
    entry = await bare.tree_entry(repository.path, sha, path) if path else None
    if not path or (entry and entry.type == "tree"):
        found = await bare.tree_entries(repository.path, sha, path, inside=True)
        return web.json_response([_entry(call, repository, wanted, one) for one in found])
    if entry is None or entry.type != "blob":
        raise not_found()
    content = await bare.blob(repository.path, entry.sha)
    if "raw" in call.request.headers.get("Accept", ""):
        return web.Response(body=content, content_type="application/vnd.github.raw")
    small = entry.size <= LARGEST_CONTENT_BYTES
    carried = {
        "content": base64.encodebytes(content).decode() if small else "",
        "encoding": "base64" if small else "none",
    }
    return web.json_response({**_entry(call, repository, wanted, entry), **carried})


async def compare(call: Call) -> web.Response:
    repository = call.repository("read", "contents")
    base_name, dots, head_name = call.request.match_info["basehead"].partition("...")
    path = repository.path
    base, head = await bare.any_ref(path, base_name), await bare.any_ref(path, head_name.rpartition(":")[2])
    start = await bare.merge_base(path, base, head) if dots and base and head else None
    if base is None or head is None or start is None:
        raise not_found()
    if "diff" in call.request.headers.get("Accept", ""):
        return web.Response(text=await bare.diff(path, start, head), content_type="application/vnd.github.diff")
    ahead, behind = await bare.count(path, f"{base}..{head}"), await bare.count(path, f"{head}..{base}")
    word = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}.get((ahead > 0, behind > 0))
    commits = await bare.commits(path, f"{base}..{head}")
    page = f"{call.world.base_url}/{repository.full_name}/compare/{quote(base_name)}...{quote(head_name)}"
    shape = {
        "url": f"{shapes.repository_url(call.world, repository)}/compare/{quote(base_name)}...{quote(head_name)}",
        "html_url": page,
        "permalink_url": page,
        "diff_url": page + ".diff",
        "patch_url": page + ".patch",
        "base_commit": _commit(call, repository, await bare.commit(path, base)),
        "merge_base_commit": _commit(call, repository, await bare.commit(path, start)),
        "status": word or "diverged",
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": [_commit(call, repository, one) for one in commits],
        "files": [_change(call, repository, head, one) for one in await bare.changes(path, start, head)],
    }
    return web.json_response(shape)


def _ref(call: Call, repository: Repository, name: str, sha: str) -> dict[str, Any]:
    url = shapes.repository_url(call.world, repository)
    return {
        "ref": name,
        "node_id": f"REF_{repository.id}_{name}",
        "url": f"{url}/git/{quote(name)}",
        "object": {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"},
    }


def _commit(call: Call, repository: Repository, commit: Commit) -> dict[str, Any]:
    api = shapes.repository_url(call.world, repository)
    page = f"{call.world.base_url}/{repository.full_name}/commit"
    url = f"{api}/commits/{commit.sha}"
    people = {
        role: {"name": who[0], "email": who[1], "date": who[2]}
        for role, who in (("author", commit.author), ("committer", commit.committer))
    }
    accounts = {role: _account(call, who["email"]) for role, who in people.items()}
    return {
        "sha": commit.sha,
        "node_id": f"C_{commit.sha}",
        "url": url,
        "html_url": f"{page}/{commit.sha}",
        "comments_url": url + "/comments",
        "commit": {
            "url": f"{api}/git/commits/{commit.sha}",
            **people,
            "message": commit.message,
            "comment_count": 0,
            "tree": {"sha": commit.tree, "url": f"{api}/git/trees/{commit.tree}"},
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        },
        **accounts,
        "parents": [{"sha": sha, "url": f"{api}/commits/{sha}", "html_url": f"{page}/{sha}"} for sha in commit.parents],
    }


def _account(call: Call, email: str) -> dict[str, Any] | None:
    """Whose address this is: GitHub's own no-reply addresses tell, others we do not know."""
    login = email.partition("@")[0].rpartition("+")[2]
    person = call.world.find_user(login) if "noreply" in email.partition("@")[2] else None
    return shapes.maybe_user(call.world, person)


def _entry(call: Call, repository: Repository, ref: str, entry: TreeEntry) -> dict[str, Any]:
    api = shapes.repository_url(call.world, repository)
    page = f"{call.world.base_url}/{repository.full_name}"
    path = quote(entry.path)
    kind = {"tree": "dir", "commit": "submodule"}.get(entry.type, "symlink" if entry.mode == "120000" else "file")
    view = "tree" if kind == "dir" else "blob"
    links = {
        "self": f"{api}/contents/{path}?ref={quote(ref)}",
        "git": f"{api}/git/{view}s/{entry.sha}",
        "html": f"{page}/{view}/{quote(ref)}/{path}",
    }
    return {
        "name": entry.path.rpartition("/")[2],
        "path": entry.path,
        "sha": entry.sha,
        "size": entry.size,
        "url": links["self"],
        "html_url": links["html"],
        "git_url": links["git"],
        "download_url": f"{page}/raw/{quote(ref)}/{path}" if kind == "file" else None,
        "type": kind,
        "_links": links,
    }


def _change(call: Call, repository: Repository, ref: str, one: FileChange) -> dict[str, Any]:
    page = f"{call.world.base_url}/{repository.full_name}"
    path = quote(one.path)
    shape = {
        "sha": one.sha,
        "filename": one.path,
        "status": one.status,
        "additions": one.additions,
        "deletions": one.deletions,
        "changes": one.additions + one.deletions,
        "blob_url": f"{page}/blob/{ref}/{path}",
        "raw_url": f"{page}/raw/{ref}/{path}",
        "contents_url": f"{shapes.repository_url(call.world, repository)}/contents/{path}?ref={ref}",
    }
    return {**shape, "patch": one.patch} if one.patch else shape
