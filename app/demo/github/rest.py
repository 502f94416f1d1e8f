"""The table of REST operations: method, path, and what answers."""

from aiohttp import web

from app.demo.github import graphql, rest_apps, rest_checks, rest_git, rest_issues, rest_pulls
from app.demo.github.errors import not_found
from app.demo.github.http import Call, Handler, operation

NUMBER = "{number:[0-9]+}"
TABLE: list[tuple[str, str, Handler]] = [
    ("GET", "/app", rest_apps.get_app),
    ("GET", "/app/installations", rest_apps.list_installations),
    ("GET", "/app/installations/{id}", rest_apps.get_installation),
    ("POST", "/app/installations/{id}/access_tokens", rest_apps.create_token),
    ("GET", "/app/hook/deliveries", rest_apps.list_deliveries),
    ("GET", "/app/hook/deliveries/{id}", rest_apps.get_delivery),
    ("POST", "/app/hook/deliveries/{id}/attempts", rest_apps.redeliver),
    ("POST", "/app-manifests/{code}/conversions", rest_apps.convert_manifest),
    ("GET", "/installation/repositories", rest_apps.installation_repositories),
    ("GET", "/user", rest_git.get_me),
    ("GET", "/users/{login}", rest_git.get_user),
]
IN_REPOSITORY: list[tuple[str, str, Handler]] = [
    ("GET", "", rest_git.get_repository),
    ("GET", "/installation", rest_apps.repository_installation),
    ("GET", "/collaborators/{login}/permission", rest_git.get_permission),
    ("GET", "/git/ref/{ref:.+}", rest_git.get_ref),
    ("GET", "/git/matching-refs/{ref:.+}", rest_git.matching_refs),
    ("GET", "/branches/{branch:.+}", rest_git.get_branch),
    ("GET", "/contents/{path:.*}", rest_git.get_contents),
    ("GET", "/compare/{basehead:.+}", rest_git.compare),
    ("GET", "/labels", rest_issues.list_repository_labels),
    ("GET", "/issues", rest_issues.list_issues),
    ("POST", "/issues", rest_issues.create_issue),
    ("GET", f"/issues/{NUMBER}", rest_issues.get_issue),
    ("PATCH", f"/issues/{NUMBER}", rest_issues.update_issue),
    ("GET", f"/issues/{NUMBER}/labels", rest_issues.list_labels),
    ("POST", f"/issues/{NUMBER}/labels", rest_issues.add_labels),
    ("DELETE", f"/issues/{NUMBER}/labels/{{name}}", rest_issues.remove_label),
    ("GET", f"/issues/{NUMBER}/comments", rest_issues.list_comments),
    ("POST", f"/issues/{NUMBER}/comments", rest_issues.create_comment),
    ("GET", f"/issues/{NUMBER}/events", rest_issues.list_events),
    ("GET", "/issues/comments", rest_issues.list_repository_comments),
    ("GET", "/issues/comments/{id}", rest_issues.get_comment),
    ("PATCH", "/issues/comments/{id}", rest_issues.update_comment),
    ("DELETE", "/issues/comments/{id}", rest_issues.delete_comment),
    ("GET", f"/issues/{NUMBER}/reactions", rest_issues.list_issue_reactions),
    ("POST", f"/issues/{NUMBER}/reactions", rest_issues.create_issue_reaction),
    ("DELETE", f"/issues/{NUMBER}/reactions/{{reaction_id}}", rest_issues.delete_issue_reaction),
    ("GET", "/issues/comments/{id}/reactions", rest_issues.list_comment_reactions),
    ("POST", "/issues/comments/{id}/reactions", rest_issues.create_comment_reaction),
    ("DELETE", "/issues/comments/{id}/reactions/{reaction_id}", rest_issues.delete_comment_reaction),
    ("GET", "/pulls", rest_pulls.list_pulls),
    ("POST", "/pulls", rest_pulls.create_pull),
    ("GET", f"/pulls/{NUMBER}", rest_pulls.get_pull),
    ("PATCH", f"/pulls/{NUMBER}", rest_pulls.update_pull),
    ("PUT", f"/pulls/{NUMBER}/merge", rest_pulls.merge_pull),
    ("GET", f"/pulls/{NUMBER}/reviews", rest_pulls.list_reviews),
    ("POST", f"/pulls/{NUMBER}/reviews", rest_pulls.create_review),
    ("GET", f"/pulls/{NUMBER}/comments", rest_pulls.list_review_comments),
    ("GET", f"/pulls/{NUMBER}/requested_reviewers", rest_pulls.list_requested_reviewers),
    ("POST", f"/pulls/{NUMBER}/requested_reviewers", rest_pulls.request_reviewers),
    ("GET", "/pulls/comments/{id}/reactions", rest_issues.list_review_comment_reactions),
    ("POST", "/pulls/comments/{id}/reactions", rest_issues.create_review_comment_reaction),
    ("DELETE", "/pulls/comments/{id}/reactions/{reaction_id}", rest_issues.delete_review_comment_reaction),
    ("POST", "/check-runs", rest_checks.create_check_run),
    ("GET", "/check-runs/{id}", rest_checks.get_check_run),
    ("PATCH", "/check-runs/{id}", rest_checks.update_check_run),
    ("GET", "/commits/{ref:.+}/check-runs", rest_checks.list_check_runs),
    ("GET", "/commits/{ref:.+}/status", rest_checks.get_status),
    ("POST", "/statuses/{sha}", rest_checks.create_status),
]


def routes(prefix: str) -> list[web.RouteDef]:
    """All of REST under a prefix, repositories also by id (where a renamed one redirects to), and GraphQL."""
    found = [web.route(method, prefix + path, operation(handler)) for method, path, handler in TABLE]
    for root in ("/repos/{owner}/{repo}", "/repositories/{repository_id:[0-9]+}"):
        found += [
            web.route(method, prefix + root + path, operation(handler)) for method, path, handler in IN_REPOSITORY
        ]
    # On an Enterprise server GraphQL is beside REST's version, on api.github.com below its root.
    for path in {f"{prefix.removesuffix('/v3')}/graphql", f"{prefix}/graphql"}:
        found.append(web.post(path, operation(graphql.graphql)))
    found.append(web.route("*", prefix + "/{rest:.*}", operation(_unknown)))
    return found


async def _unknown(call: Call) -> web.Response:
    call.world.violated(
        f"{call.caller.name} asked for an operation that is not modelled: {call.request.method} {call.request.path}"
    )
    raise not_found()
