"""Real git over HTTP: `git http-backend`, behind the same tokens as everything else."""

import asyncio

from aiohttp import web

from app.demo.github import access, bare, pulls
from app.demo.github.access import Caller
from app.demo.github.errors import Refused, not_found
from app.demo.github.http import WORLD
from app.demo.github.ledger import RequestSeen
from app.demo.github.model import Repository
from app.demo.github.world import World

SERVICES = {"git-upload-pack": "read", "git-receive-pack": "write"}


def routes() -> list[web.RouteDef]:
    return [
        web.get("/{owner}/{repo}.git/info/refs", serve),
        web.post("/{owner}/{repo}.git/{service:git-upload-pack|git-receive-pack}", serve),
    ]


async def serve(request: web.Request) -> web.StreamResponse:
    world = request.app[WORLD]
    service = request.match_info.get("service") or request.query.get("service", "")
    caller = access.by_password(world, request)
    answer = await _answer(world, request, caller, service)
    token = caller.token if caller else None
    world.ledger.append(
        RequestSeen(
            at=world.now(),
            method=request.method,
            path=request.path,
            query=request.query_string,
            actor=caller.name if caller else "anonymous",
            token_kind=caller.kind if caller else "none",
            permissions=dict(token.permissions) if token else {},
            repositories=access.names_of(world, token),
            body=None,
            status=answer.status,
            answer=None,
        )
    )
    return answer


async def _answer(world: World, request: web.Request, caller: Caller | None, service: str) -> web.StreamResponse:
    if service not in SERVICES:
        return web.Response(status=403, text="Please upgrade your git client.\n")
    name = f"{request.match_info['owner']}/{request.match_info['repo']}"
    repository = world.find_repository(name) or world.repositories.get(world.renamed.get(name.lower(), 0))
    refused = _refusal(world, request, caller, repository, SERVICES[service])
    if refused is not None or repository is None:
        return refused or web.Response(status=404)
    if repository.full_name.lower() != name.lower():
        new = request.path.replace(name, repository.full_name, 1)
        query = f"?{request.query_string}" if request.query_string else ""
        return web.Response(status=301, headers={"Location": f"{world.base_url}{new}{query}"})
    if service == "git-receive-pack" and request.method == "POST" and caller is not None:
        return await _receive(world, request, repository, caller)
    return await _run(request, repository, service, caller)


def _refusal(
    world: World, request: web.Request, caller: Caller | None, repository: Repository | None, least: str
) -> web.Response | None:
    """A stranger is asked who they are, whether or not the repository exists; who is known hears 404 or 403."""
    if caller is None and "Authorization" in request.headers:
        return _who_are_you("Invalid username or token.\n")
    try:
        if repository is None:
            raise not_found()
        access.allow(world, caller or Caller("none"), repository, least, "contents")
    except Refused as refused:
        if caller is None:
            return _who_are_you("Repository not found.\n")
        text = "Repository not found.\n" if refused.status == 404 else "Write access to repository not granted.\n"
        return web.Response(status=refused.status, text=text)
    return None


async def _receive(world: World, request: web.Request, repository: Repository, caller: Caller) -> web.StreamResponse:
    """Take a push, one at a time, and let the world hear of what moved before the pusher does."""
    who = caller.actor(world).user
    async with world.write_lock:
        before = await bare.refs(repository.path, "refs/")
        answer = await _run(request, repository, "git-receive-pack", caller)
        after = await bare.refs(repository.path, "refs/")
        await pulls.refs_moved(world, repository, who, before, after)
    return answer


async def _run(request: web.Request, repository: Repository, service: str, caller: Caller | None) -> web.Response:
    """One CGI request. aiohttp has inflated the body already, so git is told its true length and no encoding."""
    body = await request.read()
    tail = "/info/refs" if request.method == "GET" else f"/{service}"
    environment = {
        **bare.ENVIRONMENT,
        "GIT_PROJECT_ROOT": str(repository.path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repository.path.name}{tail}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": f"service={service}" if request.method == "GET" else "",
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": request.remote or "",
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        # receive-pack wants somebody; authorisation has been settled above.
        **({"REMOTE_USER": caller.name} if caller else {}),
    }
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, err = await process.communicate(body)
    head, found, content = out.partition(b"\r\n\r\n")
    if not found:
        return web.Response(status=500, text=err.decode(errors="replace"))
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))
    status = int(headers.pop("Status", "200 OK").split()[0])
    return web.Response(status=status, body=content, headers=headers)


def _who_are_you(text: str) -> web.Response:
    return web.Response(status=401, text=text, headers={"WWW-Authenticate": 'Basic realm="GitHub"'})
