"""Open a file beneath a directory that others can write, without ever following a link out of it."""

import contextlib
import os
import stat
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_beneath(root: Path, *parts: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open `root/parts…` one component at a time and return its descriptor, which the caller closes.

    `root` itself is trusted. Raises ValueError for a component that is not one plain name, OSError (ELOOP, ENOTDIR)
    where a component is a symlink, and OSError also when what is found is not a regular file: a pipe planted there
    would otherwise keep us waiting.
    """
    if not parts:
        raise ValueError("open_beneath needs a name beneath its root")
    for part in parts:
        if part in {"", ".", ".."} or "/" in part or "\0" in part:
            raise ValueError(f"{part!r} is not a plain name")
    with contextlib.ExitStack() as opened:
        directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, directory)
        for part in parts[:-1]:
            directory = os.open(part, _DIRECTORY, dir_fd=directory)
            opened.callback(os.close, directory)
        leaf = os.open(parts[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(leaf).st_mode):
        os.close(leaf)
        raise OSError(f"{'/'.join(parts)} is not a regular file")
    os.set_blocking(leaf, True)
    return leaf
