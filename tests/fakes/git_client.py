"""git as a client of the stand-in GitHub uses it."""

import asyncio
from pathlib import Path

from tests.fakes.github_app import Ours


async def git(*args: str, cwd: Path | None = None, check: bool = True) -> tuple[int, str]:
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **{f"GIT_{role}_{what}": "t@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    process = await asyncio.create_subprocess_exec(
        "git", *args, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert not check or process.returncode == 0, out.decode()
    return process.returncode or 0, out.decode()


def remote(ours: Ours, token: str, name: str = "octo/hello") -> str:
    return f"{ours.world.base_url}/{name}.git".replace("http://", f"http://x-access-token:{token}@")


async def branch_with_a_change(
    ours: Ours, tmp_path: Path, branch: str = "claude/issue-1-x", text: str = "two\n"
) -> str:
    """Clone, commit and push over HTTP as our App; answers the SHA."""
    token = await ours.token(repositories=["hello"], permissions={"contents": "write"})
    work = tmp_path / branch.replace("/", "-")
    await git("clone", "--quiet", remote(ours, token), str(work))
    await git("checkout", "--quiet", "-b", branch, cwd=work)
    (work / "a.txt").write_text(text)
    await git("commit", "--quiet", "-am", "Change a", cwd=work)
    await git("push", "--quiet", "origin", branch, cwd=work)
    return (await git("rev-parse", "HEAD", cwd=work))[1].strip()
