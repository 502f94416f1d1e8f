"""Real git in the stand-in's bare repositories: read, compare, merge. Every argv is fixed and every ref is full."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "GitHub",
    "GIT_AUTHOR_EMAIL": "noreply@github.example",
    "GIT_COMMITTER_NAME": "GitHub",
    "GIT_COMMITTER_EMAIL": "noreply@github.example",
    # The directory may belong to another user than ours, as under sudo; it is our own all the same.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class GitFailed(Exception):
    """git said no; the message is its own."""


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: tuple[str, str, str]
    committer: tuple[str, str, str]
    message: str


@dataclass(frozen=True, slots=True)
class FileChange:
    path: str
    status: str
    additions: int
    deletions: int
    sha: str
    patch: str


@dataclass(frozen=True, slots=True)
class TreeEntry:
    mode: str
    type: str
    sha: str
    size: int
    path: str


async def git_bytes(
    repository: Path, *args: str, stdin: bytes = b"", ok: tuple[int, ...] = (0,), env: Mapping[str, str] | None = None
) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "git",
        "-C",
        str(repository),
        *args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**ENVIRONMENT, **(env or {})},
    )
    out, err = await process.communicate(stdin)
    if process.returncode not in ok:
        raise GitFailed(
            f"git {args[0]}: {err.decode(errors='replace').strip() or out.decode(errors='replace').strip()}"
        )
    return out


async def git(repository: Path, *args: str, stdin: bytes = b"", ok: tuple[int, ...] = (0,)) -> str:
    return (await git_bytes(repository, *args, stdin=stdin, ok=ok)).decode(errors="replace").strip()


async def create(
    repository: Path, default_branch: str, files: Mapping[str, str | bytes] | None, from_dir: Path | None
) -> None:
    """Make a bare repository with one first commit; with neither files nor directory it stays empty."""
    await asyncio.to_thread(repository.mkdir, parents=True)
    await git(repository, "init", "--quiet", "--bare", f"--initial-branch={default_branch}", ".")
    for key, value in (("http.receivepack", "true"), ("gc.auto", "0"), ("receive.advertisePushOptions", "false")):
        await git(repository, "config", key, value)
    if not files and from_dir is None:
        return
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        if from_dir is not None:
            shutil.copytree(from_dir, tree, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
        for name, content in (files or {}).items():
            target = tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        await commit_tree_of(repository, tree, default_branch, "First commit")


async def commit_tree_of(repository: Path, tree: Path, branch: str, message: str) -> str:
    """Commit a directory as the whole content of a branch, in one commit on top of it."""
    index = ("-c", f"core.worktree={tree}", "-c", "core.bare=false")
    with tempfile.TemporaryDirectory() as scratch:
        env = {"GIT_INDEX_FILE": str(Path(scratch) / "index"), "GIT_DIR": str(repository), "GIT_WORK_TREE": str(tree)}
        await git_bytes(tree, *index, "add", "--all", "--force", ".", env=env)
        written = (await git_bytes(tree, *index, "write-tree", env=env)).decode().strip()
    tip = await resolve(repository, f"refs/heads/{branch}")
    parent = ("-p", tip) if tip else ()
    sha = await git(repository, "commit-tree", written, *parent, "-m", message)
    await git(repository, "update-ref", f"refs/heads/{branch}", sha)
    return sha


async def refs(repository: Path, prefix: str = "refs/heads/") -> dict[str, str]:
    out = await git(repository, "for-each-ref", "--format=%(refname) %(objectname)", "--", prefix.rstrip("/"))
    pairs = (line.split(" ", 1) for line in out.splitlines())
    return {name: sha for name, sha in pairs if name.startswith(prefix)}


async def resolve(repository: Path, name: str) -> str | None:
    """The commit a full ref or a SHA names, or None; anything that could be an option or an expression is None."""
    if not (re.fullmatch(r"[0-9a-f]{7,40}", name) or (name.startswith("refs/") and safe_ref(name))):
        return None
    out = await git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", ok=(0, 1, 128))
    return out or None


def safe_ref(name: str) -> bool:
    return not re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|^-", name) and not name.endswith(("/", "."))


async def any_ref(repository: Path, name: str) -> str | None:
    """What people write where GitHub takes a branch, a tag or a SHA."""
    for candidate in (name, f"refs/heads/{name}", f"refs/tags/{name}"):
        if sha := await resolve(repository, candidate):
            return sha
    return None


async def commits(repository: Path, expression: str, limit: int = 250) -> list[Commit]:
    """Oldest first; the expression is made of SHAs we resolved ourselves."""
    layout = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x01"
    out = await git_bytes(
        repository, "log", "--reverse", f"--max-count={limit}", f"--format={layout}", expression, "--"
    )
    found = []
    for record in out.decode(errors="replace").split("\x01"):
        if not record.strip():
            continue
        sha, tree, parents, an, ae, ad, cn, ce, cd, message = record.lstrip("\n").split("\x00")
        found.append(Commit(sha, tree, tuple(parents.split()), (an, ae, ad), (cn, ce, cd), message.rstrip("\n")))
    return found


async def commit(repository: Path, sha: str) -> Commit:
    return (await commits(repository, sha, limit=1))[0]


async def merge_base(repository: Path, a: str, b: str) -> str | None:
    return (await git(repository, "merge-base", a, b, ok=(0, 1))) or None


async def count(repository: Path, expression: str) -> int:
    return int(await git(repository, "rev-list", "--count", expression, "--"))


async def diff(repository: Path, before: str, after: str) -> str:
    out = await git_bytes(repository, "diff", "--no-color", "--no-ext-diff", "--no-textconv", before, after, "--")
    return out.decode(errors="replace")


async def changes(repository: Path, before: str, after: str) -> list[FileChange]:
    plain = ("--no-renames", "--no-ext-diff", "--no-textconv", "-z")
    raw = await git_bytes(repository, "diff", "--raw", "--no-abbrev", *plain, before, after, "--")
    numbers = await git_bytes(repository, "diff", "--numstat", *plain, before, after, "--")
    counted: dict[str, tuple[int, int]] = {}
    for line in numbers.decode(errors="replace").split("\0"):
        if line:
            added, deleted, path = line.split("\t", 2)
            counted[path] = (0, 0) if added == "-" else (int(added), int(deleted))
    fields = raw.decode(errors="replace").split("\0")[:-1]
    found = []
    for head, path in zip(fields[::2], fields[1::2], strict=True):
        _, _, old, new, letter = head.split()
        status = {"A": "added", "D": "removed", "T": "changed"}.get(letter, "modified")
        patch = await git_bytes(
            repository, "diff", "--no-color", "--no-ext-diff", "--no-textconv", before, after, "--", f":(literal){path}"
        )
        hunk = patch.decode(errors="replace").partition("\n@@")
        found.append(
            FileChange(path, status, *counted[path], old if letter == "D" else new, "@@" + hunk[2] if hunk[1] else "")
        )
    return found


async def merged_tree(repository: Path, base: str, head: str) -> str | None:
    """The tree of a clean merge, or None where it conflicts."""
    try:
        out = await git(repository, "merge-tree", "--write-tree", base, head)
    except GitFailed:
        return None
    return out.splitlines()[0]


async def write_merge(
    repository: Path,
    branch: str,
    base: str,
    tree: str,
    message: str,
    *,
    parents: tuple[str, ...],
    author: tuple[str, str],
) -> str:
    """Commit a merged tree on a branch, only if the branch still stands where it stood."""
    args = [word for parent in parents for word in ("-p", parent)]
    env = {"GIT_AUTHOR_NAME": author[0], "GIT_AUTHOR_EMAIL": author[1]}
    out = await git_bytes(repository, "commit-tree", tree, *args, "-F", "-", stdin=message.encode(), env=env)
    sha = out.decode().strip()
    await git(repository, "update-ref", f"refs/heads/{branch}", sha, base)
    return sha


async def tree_entry(repository: Path, commit_sha: str, path: str) -> TreeEntry | None:
    found = await tree_entries(repository, commit_sha, path)
    return found[0] if found else None


async def tree_entries(repository: Path, commit_sha: str, path: str, *, inside: bool = False) -> list[TreeEntry]:
    """The entry at a path, or what is inside that directory; the path is taken literally."""
    where = [f"{path}/" if inside and path else path] if path else []
    out = await git_bytes(
        repository, "--literal-pathspecs", "ls-tree", "--full-tree", "-z", "-l", commit_sha, "--", *where
    )
    found = []
    for line in out.decode(errors="replace").split("\0"):
        if line:
            head, name = line.split("\t", 1)
            mode, kind, sha, size = head.split()
            found.append(TreeEntry(mode, kind, sha, 0 if size == "-" else int(size), name))
    return found


async def blob(repository: Path, sha: str) -> bytes:
    return await git_bytes(repository, "cat-file", "blob", sha)
