"""Look at what a task made, object by object in our own mirror, before any of it is pushed."""

import asyncio
import posixpath
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner.git import GitFailed, git, start
from runner.mirror import Mirror
from runner.objects import checked
from runner.secrets import Redactor, Scanner

FILE_LIMIT_BYTES = 100 * 1000 * 1000  # GitHub refuses larger ones (100 MiB); we stop a little before
_LINK_LIMIT_BYTES = 4096
_CHUNK_BYTES = 1 << 16
_NOTHING = "0" * 40


class Kind(StrEnum):
    """What was found."""

    history = "history"
    workflow = "workflow"
    symlink = "symlink"
    submodule = "submodule"
    large_file = "large file"
    secret = "secret"  # noqa: S105 - the word, not one


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason to wait for a person; the sentence names the path and what mends it."""

    kind: Kind
    path: str  # control characters escaped; "" for what is not in a file
    sentence: str


@dataclass(frozen=True, slots=True)
class Change:
    """One path that one commit left different from all its parents."""

    commit: str
    path: str  # as git has it, undecodable bytes surrogate-escaped
    mode: str
    blob: str  # _NOTHING when it was deleted


async def inspect(
    mirror: Mirror, base: str, sha: str, secrets: Sequence[str], *, upstream: Sequence[str] = ()
) -> list[Finding]:
    """Everything about the commits from `base` to `sha` that a person must see first; an empty list means push.

    Every commit counts, not only the last: each is pushed. `upstream` are commits of the remote's own (the base branch
    of today) whose workflow files may be taken over as they are.
    """
    if not await mirror.objects.contains(sha, base):
        sentence = f"The work does not build on the commit it began from ({base[:12]}). Say `/claude retry` to redo it."
        return [Finding(Kind.history, "", sentence)]
    new = await _new_commits(mirror, base, sha, upstream)
    changes = await _changes(mirror, new)
    findings = _workflows(changes)
    findings += await _returned_workflows(mirror, base, sha, upstream)
    findings += await _symlinks(mirror, changes)
    findings += await _submodules(mirror, base, changes)
    findings += await _contents(mirror, new, changes, Redactor(secrets))
    return list(dict.fromkeys(findings))


def shown(path: str) -> str:
    """A path as a person may safely see it: control and direction characters, bad bytes and backticks escaped."""
    return "".join(c if c.isprintable() and c not in "`\\" else _escaped(c) for c in path)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode() if character != "`" else "\\x60"


def is_inside(path: str, target: str) -> bool:
    """Whether a symlink at `path` stays in its tree, whatever other links it passes through.

    Only leading `..` can be judged: after a name, `..` leads wherever that name may be linked to.
    """
    parts = [part for part in target.split("/") if part not in {"", "."}]
    ups = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return not target.startswith("/") and ".." not in parts[ups:] and ups <= path.count("/")


async def _new_commits(mirror: Mirror, base: str, sha: str, upstream: Sequence[str]) -> list[str]:
    known = [f"^{checked(one)}" for one in (base, *upstream)]
    return (await git("rev-list", checked(sha), *known, "--", cwd=mirror.path)).decode().split()


async def _changes(mirror: Mirror, commits: Sequence[str]) -> list[Change]:
    argv = ("diff-tree", "--stdin", "-r", "-c", "--root", "-z", "--raw", "--no-abbrev", "--no-renames")
    lines = "".join(f"{commit}\n" for commit in commits).encode()
    out = await git(*argv, "--no-ext-diff", "--no-textconv", "--ignore-submodules=none", cwd=mirror.path, stdin=lines)
    found, commit = [], ""
    fields = iter(out.decode(errors="surrogateescape").split("\0"))
    for field in fields:
        if field.startswith(":"):  # one colon, one mode and one blob for each parent, then those of the result
            parents = len(field) - len(field.lstrip(":"))
            words = field[parents:].split(" ")
            found.append(Change(commit, next(fields), words[parents], words[2 * parents + 1]))
        elif field.strip():
            commit = field.strip()
    return found


def _workflows(changes: Sequence[Change]) -> list[Finding]:
    return [_workflow(change.path) for change in changes if _is_workflow(change)]


def _is_workflow(change: Change) -> bool:
    path = change.path.casefold()
    return path.startswith(".github/workflows/") or path in {".github", ".github/workflows"}


def _workflow(path: str) -> Finding:
    return Finding(
        Kind.workflow,
        shown(path),
        f"The work changes `{shown(path)}`. What runs in CI is for a person to change: take it out with "
        "`/claude retry without touching the workflows`, or make that change yourself.",
    )


async def _returned_workflows(mirror: Mirror, base: str, sha: str, upstream: Sequence[str]) -> list[Finding]:
    """A merge can bring back an old workflow that no new commit touches: compare the end with the beginning too."""
    then, now, *theirs = [await _tree(mirror, one, ".github/workflows/") for one in (base, sha, *upstream)]
    different = [path for path in {**then, **now} if then.get(path) != now.get(path)]
    return [_workflow(path) for path in sorted(different) if all(now.get(path) != tree.get(path) for tree in theirs)]


async def _tree(mirror: Mirror, sha: str, under: str) -> dict[str, str]:
    out = await git("ls-tree", "-r", "-z", "--full-tree", checked(sha), "--", under, cwd=mirror.path)
    entries = out.decode(errors="surrogateescape").split("\0")[:-1]
    return {path: entry for entry, path in (line.split("\t", 1) for line in entries)}


async def _symlinks(mirror: Mirror, changes: Sequence[Change]) -> list[Finding]:
    links = [change for change in changes if change.mode == "120000"]
    targets: dict[str, str | None] = {}
    async for blob, size, chunks in _objects(mirror, {change.blob for change in links}):
        content = b""
        async for chunk in chunks:
            content = (content + chunk)[:_LINK_LIMIT_BYTES]
        targets[blob] = None if size > _LINK_LIMIT_BYTES else content.decode(errors="surrogateescape")
    found = []
    for change in links:
        target = targets[change.blob]
        if target is None or not is_inside(change.path, target):
            leads = "somewhere too long to read" if target is None else f"to `{shown(target)}`"
            found.append(
                Finding(
                    Kind.symlink,
                    shown(change.path),
                    f"The symlink `{shown(change.path)}` leads {leads}, out of the repository. Make it a relative link "
                    "to a file of the repository, or remove it.",
                )
            )
    return found


async def _submodules(mirror: Mirror, base: str, changes: Sequence[Change]) -> list[Finding]:
    known = set()
    for entry in (await _tree(mirror, base, ".gitmodules")).values():
        known = await _urls(mirror, entry.split(" ")[2]) or set()
    found = []
    for change in changes:
        if posixpath.basename(change.path).casefold() != ".gitmodules" or change.blob == _NOTHING:
            continue
        urls = await _urls(mirror, change.blob)
        path = shown(change.path)
        if urls is None:
            said = f"`{path}` cannot be read as git's configuration. Mend it, or leave it as it was."
            found.append(Finding(Kind.submodule, path, said))
        for url in sorted((urls or set()) - known):
            if not re.match(r"https://[^/\s]", url):
                said = f"`{path}` fetches a submodule from `{shown(url)}`. Use an address that begins with `https://`."
                found.append(Finding(Kind.submodule, path, said))
    return found


async def _urls(mirror: Mirror, blob: str) -> set[str] | None:
    argv = ("config", f"--blob={checked(blob)}", "--no-includes", "-z", "--get-regexp", r"^submodule\..*\.url$")
    try:
        out = await git(*argv, cwd=mirror.path)
    except GitFailed as failure:
        return set() if failure.exit_code == 1 and not failure.stderr else None  # 1 and silent: it names none
    entries = out.decode(errors="surrogateescape").split("\0")[:-1]
    return {entry.partition("\n")[2] for entry in entries}


async def _contents(
    mirror: Mirror, commits: Sequence[str], changes: Sequence[Change], redactor: Redactor
) -> list[Finding]:
    """Sizes and secrets: of each new file once, wherever it is used, and of each commit's message and author."""
    paths = {c.blob: c.path for c in reversed(changes) if c.blob != _NOTHING and c.mode != "160000"}
    found = [_secret("", f"the name of `{shown(redactor.redact(path))}`") for path in {c.path for c in changes}
             if redactor.find([path.encode(errors="surrogateescape")])]  # fmt: skip
    async for name, size, chunks in _objects(mirror, {*paths, *commits}):
        scanner = redactor.scanner()
        await _scan(scanner, chunks)
        path = shown(redactor.redact(paths.get(name, "")))
        if size > FILE_LIMIT_BYTES:
            said = (
                f"`{path}` is {size / 1e6:.0f} MB, and GitHub takes no file over 100 MB. Leave it out, or use Git LFS."
            )
            found.append(Finding(Kind.large_file, path, said))
        if scanner.found:
            found.append(_secret(path, f"`{path}`" if name in paths else f"the message of commit {name[:12]}"))
    return found


def _secret(path: str, where: str) -> Finding:
    return Finding(
        Kind.secret,
        path,
        f"A secret of this service is in {where}. Nothing was pushed. Renew that secret, then say `/claude retry` "
        "to have the work done again without it.",
    )


async def _scan(scanner: Scanner, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        scanner.feed(chunk)


async def _objects(mirror: Mirror, names: set[str]) -> AsyncIterator[tuple[str, int, AsyncIterator[bytes]]]:
    """Each object's name, size, and content in pieces (which must be read to the end), by one git for all."""
    if not names:
        return
    async with start("cat-file", "--batch", cwd=mirror.path, stdin=b"") as process:
        assert process.stdin  # noqa: S101 - for the type checker: `start` was given something to pipe
        assert process.stdout  # noqa: S101 - the same
        for name in sorted(names):
            process.stdin.write(f"{checked(name)}\n".encode())
            await process.stdin.drain()
            header = (await process.stdout.readline()).split()
            if len(header) != 3:
                raise LookupError(f"git has no object {name} in {mirror.path}")
            size = int(header[2])
            yield name, size, _pieces(process.stdout, size)
            await process.stdout.readexactly(1)
        process.stdin.close()
        await process.wait()


async def _pieces(stream: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size > 0:
        piece = await stream.read(min(size, _CHUNK_BYTES))
        if not piece:
            raise EOFError("git ended in the middle of an object")
        size -= len(piece)
        yield piece
