"""Cut the contracts we test against out of GitHub's published ones.

    python -m tests.contracts.cut octokit-openapi-*.tgz octokit-webhooks-schemas-*.tgz octokit-webhooks-examples-*.tgz

The three tarballs are npm packages (`npm pack @octokit/openapi` and so on). What is written beside this script: the
REST operations we use with every schema they refer to, the schemas of the webhook events we take, and all examples.
"""

import gzip
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OPERATIONS = {
    "/app": ["get"],
    "/app-manifests/{code}/conversions": ["post"],
    "/app/hook/deliveries": ["get"],
    "/app/hook/deliveries/{delivery_id}": ["get"],
    "/app/hook/deliveries/{delivery_id}/attempts": ["post"],
    "/app/installations": ["get"],
    "/app/installations/{installation_id}": ["get"],
    "/app/installations/{installation_id}/access_tokens": ["post"],
    "/installation/repositories": ["get"],
    "/user": ["get"],
    "/users/{username}": ["get"],
    "/repos/{owner}/{repo}": ["get"],
    "/repos/{owner}/{repo}/branches/{branch}": ["get"],
    "/repos/{owner}/{repo}/check-runs": ["post"],
    "/repos/{owner}/{repo}/check-runs/{check_run_id}": ["get", "patch"],
    "/repos/{owner}/{repo}/collaborators/{username}/permission": ["get"],
    "/repos/{owner}/{repo}/commits/{ref}/check-runs": ["get"],
    "/repos/{owner}/{repo}/commits/{ref}/status": ["get"],
    "/repos/{owner}/{repo}/compare/{basehead}": ["get"],
    "/repos/{owner}/{repo}/contents/{path}": ["get"],
    "/repos/{owner}/{repo}/git/matching-refs/{ref}": ["get"],
    "/repos/{owner}/{repo}/git/ref/{ref}": ["get"],
    "/repos/{owner}/{repo}/installation": ["get"],
    "/repos/{owner}/{repo}/issues": ["get", "post"],
    "/repos/{owner}/{repo}/issues/comments": ["get"],
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ["get", "patch", "delete"],
    "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions": ["get", "post"],
    "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}": ["delete"],
    "/repos/{owner}/{repo}/issues/{issue_number}": ["get", "patch"],
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ["get", "post"],
    "/repos/{owner}/{repo}/issues/{issue_number}/events": ["get"],
    "/repos/{owner}/{repo}/issues/{issue_number}/labels": ["get", "post"],
    "/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}": ["delete"],
    "/repos/{owner}/{repo}/issues/{issue_number}/reactions": ["get", "post"],
    "/repos/{owner}/{repo}/issues/{issue_number}/reactions/{reaction_id}": ["delete"],
    "/repos/{owner}/{repo}/labels": ["get"],
    "/repos/{owner}/{repo}/pulls": ["get", "post"],
    "/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions": ["get", "post"],
    "/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions/{reaction_id}": ["delete"],
    "/repos/{owner}/{repo}/pulls/{pull_number}": ["get", "patch"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/comments": ["get"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/merge": ["put"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers": ["get", "post"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews": ["get", "post"],
    "/repos/{owner}/{repo}/statuses/{sha}": ["post"],
}
EVENTS = {
    "check_run",
    "check_suite",
    "installation",
    "installation_repositories",
    "issue_comment",
    "issues",
    "ping",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "push",
}
# A discriminator adds nothing to oneOf, and cannot tell a directory (a list) from a file.
NOISE = {
    "discriminator",
    "example",
    "examples",
    "externalDocs",
    "summary",
    "tags",
    "title",
    "description",
    "tsAdditionalProperties",
}


def main(openapi: Path, schemas: Path, examples: Path) -> None:
    version, api = read(openapi, "package/generated/api.github.com.json")
    write("github-openapi.json", cut_rest(api, version))
    version, every = read(schemas, "package/schema.json")
    write("github-webhooks.json", cut_webhooks(every, version))
    version, given = read(examples, "package/api.github.com/index.json")
    packed = json.dumps({"source": f"@octokit/webhooks-examples {version}", "events": given}, separators=(",", ":"))
    # No time in the header: the same input makes the same file.
    (HERE / "webhook-examples.json.gz").write_bytes(gzip.compress(packed.encode(), 9, mtime=0))


def read(tarball: Path, name: str) -> tuple[str, Any]:
    """The version of an npm package, and one JSON file of it."""
    with tarfile.open(tarball) as archive:
        found = []
        for member in ("package/package.json", name):
            file = archive.extractfile(member)
            if file is None:
                raise SystemExit(f"{tarball} holds no file {member}")
            found.append(json.load(file))
    return str(found[0]["version"]), found[1]


def write(name: str, content: Any) -> None:
    path = HERE / name
    path.write_text(json.dumps(content, indent=None, separators=(",", ":"), sort_keys=True) + "\n")
    sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")


def cut_rest(api: Any, version: str) -> Any:
    """The operations above, with the components they come to refer to."""
    paths: dict[str, dict[str, Any]] = {}
    for path, methods in OPERATIONS.items():
        for method in methods:
            operation = without_noise(api["paths"][path][method])
            for response in operation["responses"].values():
                if "$ref" not in response:
                    response["description"] = ""  # OpenAPI wants one
            paths.setdefault(path, {})[method] = operation
    components: dict[str, dict[str, Any]] = {}
    open_ends = list(references(paths))
    while open_ends:
        _, _, section, name = open_ends.pop().split("/")
        kept = components.setdefault(section, {})
        if name not in kept:
            kept[name] = without_noise(api["components"][section][name])
            if section == "responses":
                kept[name]["description"] = ""
            open_ends += references(kept[name])
    account = paths["/app/installations"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["items"]
    mend = account["properties"]["account"]
    mend["anyOf"] = mend.pop("allOf")  # it says that an account is a user and an enterprise, both at once
    info = {"title": "GitHub's REST API, the part we use", "version": f"@octokit/openapi {version}"}
    return {"openapi": api["openapi"], "info": info, "paths": paths, "components": components}


def cut_webhooks(every: Any, version: str) -> Any:
    """The schemas of each event and action we take, under `definitions`, named `event$action`."""
    definitions: dict[str, Any] = {}
    open_ends = [f"#/definitions/{name}" for name in every["definitions"] if name.partition("$")[0] in EVENTS]
    open_ends = [name for name in open_ends if "$" in name.rpartition("/")[2]]
    while open_ends:
        name = open_ends.pop().rpartition("/")[2]
        if name not in definitions:
            definitions[name] = without_noise(every["definitions"][name])
            open_ends += references(definitions[name])
    return {"$comment": f"@octokit/webhooks-schemas {version}", "definitions": definitions}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def without_noise(node: Any, *, names: bool = False) -> Any:
    """A schema without its prose. Where the keys are names of properties, all of them stay."""
    if isinstance(node, dict):
        kept = {
            key: without_noise(value, names=key in {"properties", "responses", "headers"} and not names)
            for key, value in node.items()
            if names or not (key in NOISE or key.startswith("x-"))
        }
        return kept if names else with_null(kept)
    if isinstance(node, list):
        return [without_noise(value) for value in node]
    return node


def with_null(schema: Any) -> Any:
    """OpenAPI 3.0 lets `nullable` say nothing to `enum`, `anyOf` and `oneOf`; GitHub means that it does."""
    if schema.get("nullable") is True:
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"].append(None)
        for word in ("anyOf", "oneOf"):
            if word in schema and "type" not in schema:
                schema[word].append({"enum": [None]})
    return schema


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
