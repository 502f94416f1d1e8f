"""People, Apps and repositories as GitHub's JSON has them. The plain shape is a webhook's; REST adds to it."""

from datetime import UTC, datetime
from typing import Any

from app.demo.github.model import RANK, App, Installation, Label, Reaction, Repository, User
from app.demo.github.world import World

Json = dict[str, Any]
SUFFIXES = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_when(moment: datetime | None) -> str | None:
    return None if moment is None else when(moment)


def repository_url(world: World, repository: Repository) -> str:
    return f"{world.api_url}/repos/{repository.full_name}"


def user(world: World, person: User) -> Json:
    url = f"{world.api_url}/users/{person.login}"
    page = f"apps/{person.login.removesuffix('[bot]')}" if person.type == "Bot" else person.login
    return {
        "login": person.login,
        "id": person.id,
        "node_id": f"U_{person.id}",
        "avatar_url": f"{world.base_url}/avatars/{person.id}.svg",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{world.base_url}/{page}",
        "followers_url": url + "/followers",
        "following_url": url + "/following{/other_user}",
        "gists_url": url + "/gists{/gist_id}",
        "starred_url": url + "/starred{/owner}{/repo}",
        "subscriptions_url": url + "/subscriptions",
        "organizations_url": url + "/orgs",
        "repos_url": url + "/repos",
        "events_url": url + "/events{/privacy}",
        "received_events_url": url + "/received_events",
        "type": person.type,
        "site_admin": False,
    }


def maybe_user(world: World, person: User | None) -> Json | None:
    return None if person is None else user(world, person)


def public_user(world: World, person: User) -> Json:
    absent = dict.fromkeys(("company", "location", "email", "hireable", "bio", "twitter_username"))
    zero = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
    times = {"created_at": when(person.created_at), "updated_at": when(person.created_at)}
    return {
        **user(world, person),
        "name": person.name,
        "blog": "",
        "user_view_type": "public",
        **absent,
        **zero,
        **times,
    }


def collaborator(world: World, repository: Repository, person: User) -> Json:
    """What `GET …/collaborators/{user}/permission` says: `permission` knows four words, `role_name` six."""
    role = repository.permission_of(person)
    coarse = {"maintain": "write", "triage": "read"}.get(role, role)
    may = {
        word: RANK[role] >= rank
        for word, rank in (("pull", 1), ("triage", 2), ("push", 3), ("maintain", 4), ("admin", 5))
    }
    return {
        "permission": coarse,
        "role_name": role,
        "user": {**user(world, person), "permissions": may, "role_name": role},
    }


def app(world: World, which: App, *, rest: bool = True) -> Json:
    shape = {
        "id": which.id,
        "slug": which.slug,
        "node_id": f"A_{which.id}",
        "owner": user(world, which.owner),
        "name": which.name,
        "description": which.description,
        "external_url": which.external_url,
        "html_url": f"{world.base_url}/apps/{which.slug}",
        "created_at": when(which.created_at),
        "updated_at": when(which.created_at),
        "permissions": which.permissions,
        "events": which.events,
    }
    return {**shape, "client_id": which.client_id} if rest else shape


def maybe_app(world: World, which: App | None, *, rest: bool) -> Json | None:
    return None if which is None else app(world, which, rest=rest)


def installation(world: World, which: Installation) -> Json:
    return {
        "id": which.id,
        "account": user(world, which.account),
        "repository_selection": which.repository_selection,
        "access_tokens_url": f"{world.api_url}/app/installations/{which.id}/access_tokens",
        "repositories_url": f"{world.api_url}/installation/repositories",
        "html_url": f"{world.base_url}/settings/installations/{which.id}",
        "app_id": which.app.id,
        "app_slug": which.app.slug,
        "target_id": which.account.id,
        "target_type": "Organization" if which.account.type == "Organization" else "User",
        "permissions": which.permissions,
        "events": which.app.events,
        "created_at": when(which.created_at),
        "updated_at": when(which.created_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": maybe_user(world, which.suspended_by),
        "suspended_at": maybe_when(which.suspended_at),
    }


def repository(world: World, which: Repository) -> Json:
    """The shape that REST's `repository` and every webhook share."""
    url = repository_url(world, which)
    page = f"{world.base_url}/{which.full_name}"
    host = world.base_url.split("://", 1)[1]
    open_issues = sum(issue.state == "open" for issue in which.issues.values())
    return {
        "id": which.id,
        "node_id": f"R_{which.id}",
        "name": which.name,
        "full_name": which.full_name,
        "private": which.private,
        "owner": user(world, which.owner),
        "html_url": page,
        "description": which.description,
        "fork": which.fork_of is not None,
        "url": url,
        **{name: url + suffix for name, suffix in SUFFIXES.items()},
        "created_at": when(which.created_at),
        "updated_at": when(which.pushed_at),
        "pushed_at": when(which.pushed_at),
        "git_url": f"git://{host}/{which.full_name}.git",
        "ssh_url": f"git@{host}:{which.full_name}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "homepage": None,
        "size": 1,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        "has_issues": True,
        "has_projects": False,
        "has_downloads": False,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": 0,
        "mirror_url": None,
        "archived": which.archived,
        "disabled": False,
        "open_issues_count": open_issues,
        "license": None,
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private" if which.private else "public",
        "forks": 0,
        "open_issues": open_issues,
        "watchers": 0,
        "default_branch": which.default_branch,
    }


def full_repository(world: World, which: Repository) -> Json:
    extra: Json = {
        "network_count": 0,
        "subscribers_count": 0,
        "allow_merge_commit": True,
        "allow_squash_merge": True,
        "allow_rebase_merge": False,
        "delete_branch_on_merge": False,
    }
    if which.fork_of is not None:
        extra["parent"] = extra["source"] = repository(world, which.fork_of)
    return {**repository(world, which), **extra}


def label(world: World, where: Repository, which: Label) -> Json:
    return {
        "id": which.id,
        "node_id": f"LA_{which.id}",
        "url": f"{repository_url(world, where)}/labels/{which.name}",
        "name": which.name,
        "color": which.color,
        "default": which.name in {"bug", "enhancement"},
        "description": which.description,
    }


def reaction(world: World, which: Reaction) -> Json:
    return {
        "id": which.id,
        "node_id": f"REA_{which.id}",
        "user": user(world, which.user),
        "content": which.content,
        "created_at": when(which.created_at),
    }


def rollup(url: str, given: list[Reaction]) -> Json:
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    counts = {kind: sum(one.content == kind for one in given) for kind in kinds}
    return {"url": url, "total_count": len(given), **counts}
