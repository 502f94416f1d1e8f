"""Hold requests and answers against the slice of GitHub's published contracts that is kept beside this module.

openapi-core finds no operation whose last parameter holds slashes (`contents/{path}`, `git/ref/{ref}`) and checks no
unknown names. So operations are found here, and schemas are checked with the validator that openapi-core stands on.
"""

import functools
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # it ships no types
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

HERE = Path(__file__).parent
HOME = "urn:contract"
ERRORS = {400, 401, 403, 404, 405, 409, 413, 422, 429}
MOVED = {301, 302, 307}
OF_MANY_SEGMENTS = {"path": ".*", "ref": ".+", "branch": ".+", "basehead": ".+"}


@functools.cache
def description() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "github-openapi.json").read_text())
    return found


@functools.cache
def example_deliveries() -> list[tuple[str, dict[str, Any]]]:
    """Every example payload GitHub publishes, with its event."""
    packed = json.loads(gzip.decompress((HERE / "webhook-examples.json.gz").read_bytes()))
    return [(event["name"], payload) for event in packed["events"] for payload in event["examples"]]


def check_request(method: str, path: str, query: dict[str, str], body: bytes) -> list[str]:
    """What is wrong with a request to this path (without the API's prefix), in sentences."""
    found = _operation(method, path)
    if found is None:
        return [f"{method} {path} is not an operation of GitHub's, or not one of the slice"]
    template, operation = found
    where = f"request {method} {template}"
    wrong = list(_wrong_query(operation, query, where))
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if not body:
        if operation.get("requestBody", {}).get("required") and content:
            wrong.append(f"{where}: needs a body")
        return wrong
    if content is None:
        return [*wrong, f"{where}: takes no body"]
    try:
        value = json.loads(body)
    except ValueError:
        return [*wrong, f"{where}: the body is not JSON"]
    wrong += _wrong(content["schema"], value, where)
    known = content["schema"].get("properties")
    if isinstance(value, dict) and known is not None:
        wrong += [f"{where}: does not know {name!r}" for name in value.keys() - known.keys()]
    return wrong


def check_answer(method: str, path: str, status: int, content_type: str, body: bytes) -> list[str]:
    found = _operation(method, path)
    if found is None or status == 304:
        return []
    template, operation = found
    where = f"answer {status} to {method} {template}"
    declared = operation["responses"].get(str(status))
    if status in ERRORS | MOVED and not _is_error(body):
        return [f"{where}: an error without a message"]
    if declared is None:
        if status in ERRORS | MOVED:
            return []
        return [f"{where}: not among {sorted(operation['responses'])}"]
    if "$ref" in declared:
        declared = description()["components"]["responses"][declared["$ref"].rpartition("/")[2]]
    content = declared.get("content")
    if content is None:
        return [f"{where}: has a body"] if body and body != b"{}" else []
    if content_type in content and content_type != "application/json":
        return []
    if content_type.startswith("application/vnd.github.") and content_type.endswith((".raw", ".diff")):
        return []  # media types that the description leaves out
    if content_type != "application/json" or "application/json" not in content:
        return [f"{where}: {content_type} is not among {sorted(content)}"]
    return _wrong(content["application/json"]["schema"], json.loads(body), where)


def check_delivery(event: str, action: str | None, payload: dict[str, Any]) -> list[str]:
    name = f"{event}${action or 'event'}"
    if name not in _webhooks()["definitions"]:
        return [f"webhook {name}: GitHub sends no such thing"]
    validator = Draft7Validator({"$ref": f"{HOME}#/definitions/{name}"}, registry=_registry("webhooks"))
    return [f"webhook {name}: {error.json_path}: {_brief(error)}" for error in validator.iter_errors(payload)]


def middleware(prefix: str, violations: list[str]) -> Middleware:
    """Check everything that passes below the prefix, both ways; an application takes it as its last middleware."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(prefix + "/") or request.path == f"{prefix}/graphql":
            return await handler(request)
        path = re.sub(r"^/repositories/\d+", "/repos/some/one", request.path.removeprefix(prefix))
        wrong = check_request(request.method, path, dict(request.query), await request.read())
        answer = await handler(request)
        # A request that GitHub would refuse, and that we refuse, has been dealt with.
        if answer.status not in {400, 422} or any("is not an operation" in one for one in wrong):
            violations.extend(wrong)
        body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
        violations.extend(check_answer(request.method, path, answer.status, answer.content_type, body))
        return answer

    return check


def _operation(method: str, path: str) -> tuple[str, dict[str, Any]] | None:
    for pattern, template in _templates():
        if pattern.fullmatch(path):
            operation = description()["paths"][template].get(method.lower())
            if operation is not None:
                return template, operation
    return None


@functools.cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    def pattern(template: str) -> re.Pattern[str]:
        parts = re.split(r"\{(\w+)\}", template)
        for at in range(1, len(parts), 2):
            name = parts[at]
            parts[at] = r"\d+" if name.endswith(("_id", "_number")) else OF_MANY_SEGMENTS.get(name, "[^/]+")
        return re.compile("".join(parts[i] if i % 2 else re.escape(parts[i]) for i in range(len(parts))))

    return [(pattern(template), template) for template in description()["paths"]]


def _wrong_query(operation: dict[str, Any], query: dict[str, str], where: str) -> Iterator[str]:
    known = {}
    for given in operation.get("parameters", []):
        name = given.get("$ref", "").rpartition("/")[2]
        parameter = description()["components"]["parameters"][name] if name else given
        if parameter["in"] == "query":
            known[parameter["name"]] = parameter["schema"]
    for name, value in query.items():
        schema = known.get(name)
        if schema is None:
            yield f"{where}: does not know the parameter {name!r}"
        elif schema.get("type") == "integer" and not value.isdecimal():
            yield f"{where}: {name}={value!r} is not a number"
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {name}={value!r} is not among {schema['enum']}"


def _wrong(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    home = {"$ref": f"{HOME}#{_pointer(schema)}"}
    validator = OAS30Validator(home, registry=_registry("rest"), format_checker=oas30_format_checker)
    return [f"{where}: {error.json_path}: {_brief(error)}" for error in validator.iter_errors(value)]


def _brief(error: Any) -> str:
    deepest = max(error.context or [error], key=lambda one: len(one.absolute_path))
    return f"{error.message[:300]} ({deepest.message[:200]})" if deepest is not error else str(error.message[:300])


@functools.cache
def _registry(which: str) -> Registry[Any]:
    contents = description() if which == "rest" else _webhooks()
    resource: Resource[Any] = DRAFT202012.create_resource(contents)
    registry: Registry[Any] = Registry()
    held: Registry[Any] = registry.with_resource(HOME, resource)
    return held


@functools.cache
def _webhooks() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "github-webhooks.json").read_text())
    return found


def _pointer(schema: dict[str, Any]) -> str:
    """Where in the description this very schema stands, so that what it refers to can be found from there."""
    return _pointers()[id(schema)]


@functools.cache
def _pointers() -> dict[int, str]:
    found: dict[int, str] = {}

    def walk(node: Any, at: str) -> None:
        if isinstance(node, dict):
            found[id(node)] = at
            for key, value in node.items():
                walk(value, f"{at}/{key.replace('~', '~0').replace('/', '~1')}")
        elif isinstance(node, list):
            for index, value in enumerate(node):
                walk(value, f"{at}/{index}")

    walk(description(), "")
    return found


def _is_error(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body).get("message"), str)
    except (ValueError, AttributeError):
        return False
