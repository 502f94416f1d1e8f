"""Say what a remote repository is, how git shows it a credential, and what its refusals mean for a person."""

import contextlib
import os
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self, TypeVar
from urllib.parse import quote, urlsplit

from runner.errors import Refusal, TryLater
from runner.git import GitFailed
from runner.tasks import Repository

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?")
ASKPASS_PREFIX = ".askpass-"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository on someone else's machine. Its parts become directories here, so they are plain names."""

    url: str  # https://host/owner/repo.git, without a credential
    host: str  # with the port, if the URL has one
    full_name: str  # owner/repo

    def __post_init__(self) -> None:
        owner, _, name = self.full_name.partition("/")
        url = urlsplit(self.url)
        plain = _HOST.fullmatch(self.host) and _NAME.fullmatch(owner) and _NAME.fullmatch(name)
        if not plain or url.scheme not in {"http", "https"} or url.netloc != self.host:
            raise ValueError(f"not a repository's address: {self.url!r} ({self.host!r}, {self.full_name!r})")

    @classmethod
    def of(cls, url: str) -> Self:
        """`https://github.com/octo/hello.git`, with or without the `.git`."""
        parts = urlsplit(url)
        return cls(url, parts.netloc, parts.path.strip("/").removesuffix(".git"))


@dataclass(frozen=True, slots=True)
class Credential:
    """What git answers when a remote asks who we are; never in a URL, an argv, a config or an environment."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if any(character in self.username + self.password for character in "\n\r\0"):
            raise ValueError("a credential is one line")


class Credentials(Protocol):
    """Where credentials come from."""

    async def __call__(
        self, repository: Repository, write: bool, refused: Credential | None = None
    ) -> Credential | None:
        """One to fetch, or to push; `refused` was taken back or ran out before its time, and is not given again."""


async def with_credential(
    credentials: Credentials, repository: Repository, write: bool, talk: Callable[[Credential | None], Awaitable[T]]
) -> T:
    """Talk to the remote; where it does not take our credential, once more with a fresh one."""
    credential = await credentials(repository, write)
    try:
        return await talk(credential)
    except CredentialsRefused:
        if credential is None:
            raise
    return await talk(await credentials(repository, write, credential))


class RepositoryGone(Refusal):
    """The remote says 404: deleted, or the App may no longer see it."""


class CredentialsRefused(Refusal):
    """The remote does not take our token, or the token may not do this."""


class BranchMissing(Refusal):
    """The repository has no such branch; an empty repository has none at all."""


class BranchMoved(Refusal):
    """Someone else's commits are on the branch, or it was deleted; `theirs` is where it stands now."""

    def __init__(self, branch: str, theirs: str | None) -> None:
        self.theirs = theirs
        if theirs is None:
            super().__init__(
                f"The branch `{branch}` was deleted, so nothing was pushed. Restore it, or start again for a new one."
            )
        else:
            super().__init__(
                f"The branch `{branch}` has commits that are not from here (it stands at {theirs[:12]}), so nothing "
                "was pushed over them. Say `/claude retry` to go on from there, or rename that branch."
            )


class PushRefused(Refusal):
    """The remote took the connection and refused the commits: a protected branch, a rule, a hook."""


@contextlib.contextmanager
def answering(remote: Remote, credential: Credential | None, directory: Path) -> Iterator[dict[str, str]]:
    """The environment in which git answers this remote's two questions, and no other's.

    git runs a script that compares the whole prompt, scheme and host included, so that a redirect to another host
    learns nothing. The answers are in a 0600 file beside it, in a 0700 directory that is gone afterwards.
    """
    if credential is None:
        yield {}
        return
    origin = f"{urlsplit(remote.url).scheme}://"
    user = quote(credential.username, safe="")
    lines = (
        f"Username for '{origin}{remote.host}': ",
        credential.username,
        f"Password for '{origin}{user}@{remote.host}': ",
        credential.password,
    )
    with tempfile.TemporaryDirectory(dir=directory, prefix=ASKPASS_PREFIX) as private:
        answers = Path(private, "answers")
        answers.touch(mode=0o600)
        answers.write_text("".join(f"{line}\n" for line in lines))
        script = Path(private, "askpass")
        script.write_text(_ASKPASS)
        script.chmod(0o700)
        yield {"GIT_ASKPASS": os.fspath(script)}


_ASKPASS = """#!/bin/sh
while IFS= read -r question && IFS= read -r answer; do
    if [ "$1" = "$question" ]; then
        printf '%s\\n' "$answer"
        exit 0
    fi
done <"${0%/*}/answers"
exit 1
"""

_GONE = re.compile(r"repository '.*' not found|Repository not found|returned error: 404", re.IGNORECASE)
_UNAUTHORISED = re.compile(r"Authentication failed|could not read (Username|Password)|returned error: (401|403)")
_WEATHER = re.compile(
    r"returned error: (429|5\d\d)|Could not resolve host|Failed to connect|Connection (refused|reset|timed out)"
    r"|Couldn't connect|Operation timed out|RPC failed|early EOF|unexpected disconnect|hung up unexpectedly"
    r"|SSL|gnutls|HTTP/2 stream|Empty reply|Operation too slow|index-pack died|protocol error|invalid server response"
    r"|not valid: is this a git repository|the remote end hung up|expected flush|bad line length|bad pack header"
    r"|http-push failed"
)


def explain(failure: GitFailed, remote: Remote) -> Exception:
    """What this failure to talk to the remote means: a Refusal with its sentence, TryLater, or just the failure."""
    said, name = failure.stderr, remote.full_name
    if _GONE.search(said):
        return RepositoryGone(
            f"The repository {name} cannot be found on {remote.host}. If it was deleted or renamed there is nothing "
            "left to do here; if not, let the GitHub App see it again (its installation's settings)."
        )
    if _UNAUTHORISED.search(said):
        return CredentialsRefused(
            f"{remote.host} refused our access to {name}. Check that the GitHub App is still installed there and "
            "may read and write contents, then say `/claude retry`."
        )
    if failure.exit_code is None or _WEATHER.search(said):
        return TryLater(f"{remote.host} did not answer git for {name}: {said.strip().splitlines()[-1:]}")
    return failure
