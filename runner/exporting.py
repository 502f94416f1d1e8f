"""The git commands that run in the sandbox to bring work home, and others' work in: plain argvs, in the worktree."""

from dataclasses import dataclass

NOTHING_TO_COMMIT = 1  # what the last of `commit_leftovers_argv` exits with when there is nothing; not a failure

# The repository's hooks, signing and monitors are not ours to wait for, and could refuse the last commit.
_QUIETLY = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c", "core.fsmonitor=false")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a commit is from."""

    name: str
    email: str

    def __str__(self) -> str:
        """As in a trailer; a name cannot add a line or a second address."""
        return f"{_plain(self.name)} <{_plain(self.email)}>"


def commit_leftovers_argv(author: Identity, requester: Identity | None, subject: str) -> list[list[str]]:
    """Commit what the agent left uncommitted, as .gitignore allows.

    Run them in order and stop at the first that fails; the last one exits NOTHING_TO_COMMIT when there is nothing.
    """
    message = " ".join(subject.split())
    if requester is not None:
        message += f"\n\nCo-authored-by: {requester}"
    as_author = ("-c", f"user.name={_plain(author.name)}", "-c", f"user.email={_plain(author.email)}")
    return [
        ["git", *_QUIETLY, "add", "--all", "--", ":/"],
        ["git", *_QUIETLY, *as_author, "commit", "--quiet", "--no-verify", "--cleanup=whitespace", "-m", message],
    ]


def merge_argv(author: Identity, sha: str) -> list[str]:
    """Take in a commit that others pushed to the branch; fails where it conflicts, or where files are in the way."""
    as_author = ("-c", f"user.name={_plain(author.name)}", "-c", f"user.email={_plain(author.email)}")
    return ["git", *_QUIETLY, *as_author, "merge", "--quiet", "--no-edit", "--no-verify", sha]


def abort_merge_argv() -> list[str]:
    """Back to before the merge."""
    return ["git", *_QUIETLY, "merge", "--abort"]


def head_argv() -> list[str]:
    """Print where the work stands; while that is BASE there is nothing to export."""
    return ["git", "rev-parse", "--verify", "HEAD^{commit}"]


def bundle_argv(base: str) -> list[str]:
    """Write to standard output what HEAD has and BASE has not; exit 128 when that is nothing.

    HEAD is named and no branch is: the agent may have switched to another one, or to none.
    """
    return ["git", "bundle", "create", "--quiet", "--version=2", "-", f"{base}..HEAD"]


def _plain(text: str) -> str:
    return " ".join("".join(c for c in text if c not in "<>" and (c.isprintable() or c.isspace())).split())
