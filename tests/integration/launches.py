"""A task on disk as the service prepares it, and its launches: real git, bubblewrap, tmux and Claude CLI."""

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.demo import story
from runner import confinement, sandbox, spool
from runner.spool import Exit, Limits, Line, Message, Spec
from runner.tasks import RunId
from runner.tmux import Tmux

KEY = "sk-ant-api03-made-up-key"
DEADLINE_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


def claude_path() -> str:
    spec = importlib.util.find_spec("claude_agent_sdk")
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0], "_bundled", "claude"))


def git(directory: Path, *arguments: str) -> str:
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    argv = ("git", *identity, "-C", str(directory), *arguments)
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout.strip()


@dataclass(slots=True)
class Task:
    """One task's directory beneath a CCO_HOME, with the sample repository checked out."""

    home: Path
    number: int = 7
    session: str = field(default_factory=lambda: str(uuid.uuid4()))
    base: str = ""
    launches: int = 0

    @property
    def root(self) -> Path:
        return self.home / "tasks" / str(self.number)

    @property
    def worktree(self) -> Path:
        return self.root / "worktree"

    @property
    def vault(self) -> Path:
        return self.root / "vault.git"

    @property
    def mirror(self) -> Path:
        return self.home / "mirrors" / "example.org" / "octo" / "eggs.git"

    def prepare(self) -> "Task":
        if not self.mirror.exists():
            seed = self.home / "seed"
            shutil.copytree(story.SAMPLE, seed)
            git(seed, "init", "-q", "-b", "main")
            git(seed, "add", "-A")
            git(seed, "commit", "-qm", "Base")
            self.mirror.parent.mkdir(parents=True)
            git(self.home, "clone", "-q", "--bare", str(seed), str(self.mirror))
            shutil.rmtree(seed)
        self.base = git(self.mirror, "rev-parse", "main")
        for name in ("home", "claude"):
            (self.root / name).mkdir(parents=True)
        git(self.home, "init", "-q", "--bare", str(self.vault))
        (self.vault / "objects" / "info" / "alternates").write_text(f"{self.mirror}/objects\n")
        git(self.vault, "worktree", "add", "-q", "-b", "claude/issue-7-eggs", str(self.worktree), self.base)
        return self

    def env(self, url: str, **more: str) -> dict[str, str]:
        return {
            "PATH": sandbox.PATH,
            "HOME": str(self.root / "home"),
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",
            "CLAUDE_CONFIG_DIR": str(self.root / "claude"),
            "ANTHROPIC_BASE_URL": url,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
            "CLAUDE_CODE_MAX_RETRIES": "1",
            "GIT_AUTHOR_NAME": "cco[bot]",
            "GIT_AUTHOR_EMAIL": "bot@example.org",
            "GIT_COMMITTER_NAME": "cco[bot]",
            "GIT_COMMITTER_EMAIL": "bot@example.org",
            **more,
        }

    def spec(self, url: str, prompt: str = f"# {story.TITLE}\n\n{story.BODY}", *, confined: bool = True) -> Spec:
        self.launches += 1
        env = self.env(url) if confined else self.env(url, IS_SANDBOX="1")
        wrapped = sandbox.argv(
            confinement.host(),
            writable=[str(path) for path in (self.worktree, self.vault, self.root / "home", self.root / "claude")],
            readable=[str(self.mirror / "objects"), claude_path()],
            env=env,
        )
        key = self.home / "credentials" / "key"
        key.parent.mkdir(exist_ok=True, mode=0o700)
        key.write_text(KEY + "\n")
        return Spec(
            task=self.number,
            run=self.number,
            launch=self.launches,
            title=story.TITLE,
            branch="claude/issue-7-eggs",
            claude=claude_path(),
            session_id=self.session,
            sandbox=wrapped if confined else (),
            env=env,
            worktree=str(self.worktree),
            vault=str(self.vault),
            claude_dir=str(self.root / "claude"),
            base_sha=self.base,
            author="cco[bot] <bot@example.org>",
            co_author="Ada <ada@example.org>",
            permission_mode="bypassPermissions",
            key_file=str(key),
            key_variable="ANTHROPIC_API_KEY",
            messages=(Message(str(uuid.uuid4()), prompt),),
            limits=Limits(seconds=50),
        )


@dataclass(slots=True)
class Launch:
    """A launch's spool, as the service sees it."""

    spec: Spec
    directory: Path
    pid: int = 0

    def lines(self) -> list[Line]:
        return list(spool.follow(self.directory, 0))

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [
            line.data["line"]
            for line in self.lines()
            if line.kind == spool.CLAUDE and line.data["line"]["type"] == kind
        ]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line.data for line in self.lines() if line.kind == kind]

    def send(self, kind: str, **data: Any) -> str:
        number = str(uuid.uuid4())
        spool.send(self.directory, kind, number, **data)
        return number

    async def until(self, what: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
        return await until(what, seconds, self.explain)

    async def exit(self) -> Exit:
        ending = await self.until(lambda: spool.read_exit(self.directory))
        await self.until(lambda: not spool.is_alive(self.directory))
        assert isinstance(ending, Exit)
        return ending

    async def tool(self, name: str) -> dict[str, Any]:
        """Until Claude has called this tool; the block."""
        found = await self.until(lambda: [b for b in self.tool_calls() if b["name"] == name])
        assert isinstance(found[0], dict)
        return found[0]

    def tool_calls(self) -> list[dict[str, Any]]:
        return [b for line in self.said("assistant") for b in line["message"]["content"] if b["type"] == "tool_use"]

    def tool_results(self) -> list[str]:
        return [
            b["content"] if isinstance(b["content"], str) else json.dumps(b["content"])
            for line in self.said("user")
            for b in line["message"]["content"]
            if b["type"] == "tool_result"
        ]

    def explain(self) -> str:
        stderr = self.directory / "stderr.log"
        tail = "\n".join(json.dumps(line.data)[:300] for line in self.lines()[-8:])
        return f"{tail}\n{stderr.read_text()[-2000:] if stderr.exists() else ''}"


async def until(what: Callable[[], Any], seconds: float = DEADLINE_SECONDS, explain: Callable[[], str] = str) -> Any:
    """Wait for a condition, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come within {seconds} s:\n{explain()}")
        await asyncio.sleep(0.03)
    return found


async def start(task: Task, spec: Spec, tmux: Tmux, size: tuple[int, int] = (100, 40)) -> Launch:
    """Launch it as the engine does: in a session of its own, the pane standing in the spool."""
    directory = task.root / "runs" / str(spec.run) / "launches" / str(spec.launch)
    spool.create(directory, spec)
    argv = (sys.executable, "-P", "-m", "runner.supervisor", str(directory))
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    env |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    await tmux.launch(RunId(spec.run), argv, directory, env, size)
    launch = Launch(spec, directory)
    await launch.until(lambda: spool.is_alive(directory) or spool.read_exit(directory), 10)
    return launch


def limited(spec: Spec, **limits: Any) -> Spec:
    return replace(spec, limits=replace(spec.limits, **limits))
