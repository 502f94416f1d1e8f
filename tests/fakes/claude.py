"""Drive the real Claude Code CLI headless, in a repository and a home of its own."""

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.demo import story

Line = dict[str, Any]
Send = Callable[[Line], None]
DEADLINE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class World:
    """A clone of the sample repository, and the directories Claude Code calls home."""

    root: Path

    @property
    def repository(self) -> Path:
        return self.root / "work tree é"

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        argv = ("git", "-C", str(self.repository), *identity, *arguments)
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=_own_git()).stdout

    def tests_pass(self) -> bool:
        argv = ("python3", "-m", "unittest")
        return subprocess.run(argv, check=False, cwd=self.repository, capture_output=True).returncode == 0


@dataclass(frozen=True, slots=True)
class Session:
    """What one start of the CLI said."""

    lines: Sequence[Line]
    code: int

    @property
    def id(self) -> str:
        return str(self.lines[-1]["session_id"])

    @property
    def results(self) -> list[Line]:
        return self.of("result")

    def of(self, kind: str, subtype: str | None = None) -> list[Line]:
        return [line for line in self.lines if line["type"] == kind and subtype in (None, line.get("subtype"))]


def build(root: Path) -> World:
    world = World(root)
    for name in ("home", "claude"):
        (root / name).mkdir(parents=True)
    shutil.copytree(story.SAMPLE, world.repository, ignore=shutil.ignore_patterns("__pycache__"))
    world.git("init", "-q", "-b", "main")
    world.git("add", "-A")
    world.git("commit", "-q", "-m", "Begin")
    return world


def cli() -> str:
    found = importlib.util.find_spec("claude_agent_sdk")
    assert found is not None
    assert found.submodule_search_locations
    return str(Path(found.submodule_search_locations[0]) / "_bundled" / "claude")


def said(text: str, name: str | None = None) -> Line:
    return {"type": "user", "uuid": name or str(uuid.uuid4()), "message": {"role": "user", "content": text}}


def allow(asked: Line, **answers: Any) -> Line:
    given = {"behavior": "allow", "updatedInput": asked["request"]["input"] | answers}
    return _answer(asked, given)


def deny(asked: Line, message: str) -> Line:
    return _answer(asked, {"behavior": "deny", "message": message})


async def drive(
    world: World,
    base_url: str,
    first: Sequence[Line],
    *arguments: str,
    seen: Callable[[Line, Send], None] = lambda _line, _send: None,
    mode: str = "bypassPermissions",
    environment: Mapping[str, str | None] | None = None,
    results: int = 1,
    pass_fds: Sequence[int] = (),
) -> Session:
    """Run the CLI until it has given so many results, then close its input; `seen` may answer each line."""
    argv = ("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose")
    process = await asyncio.create_subprocess_exec(
        cli(),
        *argv,
        *("--permission-mode", mode, *arguments),
        cwd=world.repository,
        env=_environment(world, base_url, environment or {}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
        pass_fds=pass_fds,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin = process.stdin

    def send(line: Line) -> None:
        stdin.write(json.dumps(line).encode() + b"\n")

    lines: list[Line] = []
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            for line in first:
                send(line)
            async for raw in process.stdout:
                lines.append(json.loads(raw))
                seen(lines[-1], send)
                if sum(line["type"] == "result" for line in lines) == results:
                    stdin.close()
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Session(lines, code)


def _answer(asked: Line, given: Line) -> Line:
    response = {"subtype": "success", "request_id": asked["request_id"], "response": given}
    return {"type": "control_response", "response": response}


def _own_git() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}


def _environment(world: World, base_url: str, changes: Mapping[str, str | None]) -> dict[str, str]:
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(world.root / "home"),
        "CLAUDE_CONFIG_DIR": str(world.root / "claude"),
        "CLAUDE_CODE_TMPDIR": str(world.root),
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": "dummy",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "DISABLE_AUTOUPDATER": "1",
        "IS_SANDBOX": "1",
        "GIT_AUTHOR_NAME": "claude",
        "GIT_AUTHOR_EMAIL": "claude@example.org",
        "GIT_COMMITTER_NAME": "claude",
        "GIT_COMMITTER_EMAIL": "claude@example.org",
        "GIT_CONFIG_NOSYSTEM": "1",
    } | dict(changes)
    return {name: value for name, value in given.items() if value is not None}
