"""A git remote over HTTP for tests: `git http-backend` behind aiohttp, with Basic authentication."""

import asyncio
import base64
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from runner.mirror import Credential, Remote

CREDENTIAL = Credential("x-access-token", "ghs_a-token-for-tests-0123456789")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_NAME": who.lower() for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": f"{who.lower()}@example.org" for who in ("AUTHOR", "COMMITTER")},
}


def run_git(where: Path, *argv: str, stdin: bytes | None = None) -> str:
    """Git as someone else runs it: the author of a repository, or the agent in its sandbox."""
    done = subprocess.run(
        ["git", *argv], cwd=where, env=ENVIRONMENT, input=stdin, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(errors="surrogateescape").strip()


class GitRemote:
    """Repositories under one root, as a remote that wants a password shows them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = ""
        self.requests: list[str] = []
        self.instead: list[web.Response] = []  # said once each, in place of an answer
        self.hangs = False

    def create(self, full_name: str, files: dict[str, str] | None = None) -> Remote:
        """A new repository, with one commit on main if it is given files."""
        bare = self.root / f"{full_name}.git"
        bare.parent.mkdir(parents=True, exist_ok=True)
        run_git(self.root, "init", "-q", "--bare", "-b", "main", str(bare))
        run_git(bare, "config", "http.receivepack", "true")
        if files is not None:
            self.commit(full_name, "main", files)
        return Remote.of(f"http://{self.host}/{full_name}.git")

    def path(self, full_name: str) -> Path:
        return self.root / f"{full_name}.git"

    def head(self, full_name: str, branch: str) -> str | None:
        out = run_git(self.path(full_name), "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        return out or None

    def commit(self, full_name: str, branch: str, files: dict[str, str], message: str = "a commit") -> str:
        """Someone else pushes a commit to a branch, made from main if it is new."""
        start = self.head(full_name, branch) or self.head(full_name, "main")
        lines = [f"commit refs/heads/{branch}\ncommitter A Person <person@example.org> 1700000000 +0000\n".encode()]
        lines.append(b"data %d\n%s\n" % (len(message.encode()), message.encode()))
        if start:
            lines.append(f"from {start}\n".encode())
        for path, content in files.items():
            quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
            data = content.encode()
            lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (quoted.encode(), len(data), data))
        run_git(self.path(full_name), "fast-import", "--quiet", stdin=b"".join(lines))
        return self.head(full_name, branch) or ""

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path_qs}")
        while self.hangs:
            await asyncio.sleep(0.1)
        if self.instead:
            return self.instead.pop(0)
        given = base64.b64encode(f"{CREDENTIAL.username}:{CREDENTIAL.password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {given}":
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        if not self.root.joinpath(*request.path.strip("/").split("/")[:2]).exists():
            return web.Response(status=404)
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            env={
                **ENVIRONMENT,
                "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": request.method,
                "PATH_INFO": request.path,
                "QUERY_STRING": request.query_string,
                "CONTENT_TYPE": request.headers.get("Content-Type", ""),
                "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
                "REMOTE_USER": "bot",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        out, _ = await process.communicate(await request.read())
        head, _, body = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return web.Response(status=int(headers.pop("Status", "200")[:3]), headers=headers, body=body)


@contextlib.asynccontextmanager
async def git_remote(root: Path) -> AsyncIterator[GitRemote]:
    """Serve the repositories beneath `root` on a loopback port."""
    remote = GitRemote(root)
    root.mkdir(exist_ok=True)
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", remote.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        remote.host = f"127.0.0.1:{runner.addresses[0][1]}"
        yield remote
    finally:
        await runner.cleanup()
