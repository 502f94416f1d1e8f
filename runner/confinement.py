"""Find out whether this machine can confine an agent, by doing it."""

import asyncio
import os
from pathlib import Path

from runner import sandbox

_INSTALL = "apt-get install bubblewrap   (Fedora: dnf install bubblewrap; Arch: pacman -S bubblewrap)"
_ALLOW = (
    "see docs/operations.md, “Confinement”: an AppArmor profile for bwrap, or sysctl kernel.unprivileged_userns_clone=1"
)


def host(root: Path = Path("/")) -> sandbox.Host:
    """What `sandbox.argv` must know of this machine."""
    links: dict[str, str] = {}
    directories: list[str] = []
    for name in sandbox.ROOTS:
        path = root / name
        if path.is_symlink():
            links[name] = str(path.readlink())
        elif path.is_dir():
            directories.append(name)
    return sandbox.Host(links, tuple(directories))


async def why_not(binary: str = sandbox.BWRAP) -> str | None:
    """None where bubblewrap works; else a sentence that says what is wrong and the command that mends it.

    On some distributions user namespaces are switched off, so the file being there says nothing: it is run.
    """
    argv = sandbox.argv(host(), writable=(), readable=(), env={"PATH": sandbox.PATH})
    try:
        process = await asyncio.create_subprocess_exec(
            binary,
            *argv[1:],
            "/usr/bin/env",
            "true",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", os.defpath)},  # the service's own holds secrets
        )
    except FileNotFoundError:
        return f"bubblewrap is not installed. To mend it: {_INSTALL}"
    try:
        _, said = await asyncio.wait_for(process.communicate(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"bubblewrap did not end within ten seconds. To mend it: {_ALLOW}"
    if process.returncode == 0:
        return None
    reason = said.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
    return f"bubblewrap does not work here ({reason[0][:200]}). To mend it: {_ALLOW}"
