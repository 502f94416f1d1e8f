"""The start that the service is measured against: `git worktree add`, a tmux session, and Claude's own start."""

import asyncio
import json
import os
import subprocess
import time
import uuid
from dataclasses import replace

from runner import claude, confinement, sandbox
from runner.spool import Spec
from tests.bench.place import Place

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Bare:
    """A warm clone and a tmux server of its own. Beneath the place's directory, so that it ends with it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._root = place.root / "bare"
        self._clone = self._root / "clone.git"
        self._tmux = ("tmux", "-S", str(self._root / "tmux.sock"), "-f", os.devnull)
        self._turn = asyncio.Lock()  # `worktree add` twice at once in one repository can fail
        self._root.mkdir()
        _run("git", "clone", "--quiet", "--bare", str(place.repository.path), str(self._clone))
        _run(*self._tmux, "new-session", "-d", "-s", "warm", "--", "sleep", "infinity")

    async def start(self, name: str, spec: Spec, *, confined: bool) -> dict[str, float]:
        """Do it once, as `spec` has it, and give the seconds that each part took."""
        root = self._root / name
        first = root / "first.jsonl"
        for directory in ("home", "claude"):
            (root / directory).mkdir(parents=True)
        said = [claude.user_message(str(uuid.uuid4()), f"{name}: {one.text}") for one in spec.messages]
        first.write_text("".join(json.dumps(line) + "\n" for line in said))
        env = {
            **spec.env,
            **claude.ENVIRONMENT,
            "HOME": str(root / "home"),
            "CLAUDE_CONFIG_DIR": str(root / "claude"),
            "ANTHROPIC_API_KEY": self._place.key,
            "IS_SANDBOX": "1",
        }
        own = replace(spec, session_id=str(uuid.uuid4()), worktree=str(root / "worktree"))
        words = claude.argv(own, resume=False)
        if confined:
            directories = [str(root / one) for one in ("worktree", "home", "claude")]
            writable = [*directories, str(self._clone)]
            prefix = sandbox.argv(confinement.host(), writable=writable, readable=[spec.claude], env=env)
            words = [*prefix, "--chdir", own.worktree, *words]
        pane = ["/usr/bin/env", "-i", *(f"{key}={value}" for key, value in env.items())]
        pane += ["sh", "-c", 'cd "$1" && exec <"$2" && shift 2 && exec "$@"', "sh", own.worktree, str(first), *words]

        began = time.monotonic()
        add = ("git", "-C", str(self._clone), "worktree", "add", "--quiet", "-b", name)
        async with self._turn:
            await _run_async(*add, "--", own.worktree, spec.base_sha)
        added = time.monotonic()
        await _run_async(*self._tmux, "new-session", "-d", "-s", name, "-x", "200", "-y", "50", "--", *pane)
        shown = time.monotonic()
        asked = await self._place.first_request(f"{name}: ")
        return {"whole": asked - began, "worktree": added - began, "tmux": shown - added, "claude": asked - shown}

    async def over(self, name: str) -> None:
        """Wait until Claude has left by itself."""
        while name in _run(*self._tmux, "list-sessions", "-F", "#{session_name}").split():
            await asyncio.sleep(0.05)

    def close(self) -> None:
        _run(*self._tmux, "kill-server")


def _run(*argv: str) -> str:
    return subprocess.run(argv, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout


async def _run_async(*argv: str) -> None:
    process = await asyncio.create_subprocess_exec(*argv, env=ENVIRONMENT, stdin=subprocess.DEVNULL)
    if await process.wait() != 0:
        raise RuntimeError(f"{argv[0]} failed: {argv}")
