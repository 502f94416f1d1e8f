"""Read the effects from the source: their names, and what has an effect and stands outside any."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"(commit|file|git|tmux|process|http)\.[a-z]+(-[a-z]+)*")
NAMING = {"effect", "transaction", "_changing", "write_atomically"}

# A call by one of these names has an effect, or may have one.
FILES = {"rename", "unlink", "rmdir", "mkdir", "rmtree", "write_text", "write_bytes", "symlink_to", "hardlink_to"}
FILES |= {"ftruncate", "touch", "copyfile", "copytree", "chmod"}
OF_OS = {"write", "link", "symlink"}  # a word with other meanings elsewhere
PROCESSES = {"Popen", "create_subprocess_exec", "kill", "killpg", "pidfd_send_signal", "send_signal"}
REQUESTS = {"post", "patch", "put", "delete", "graphql"}
COMMITS = {"commit", "executescript"}
READING_GIT = {"rev-parse", "rev-list", "cat-file", "merge-base", "diff-tree", "for-each-ref", "check-ref-format"}
READING_GIT |= {"ls-remote", "ls-tree", "bundle verify"}


def sources() -> Iterator[Path]:
    """The modules of the product; the demonstration is a stand-in of its own."""
    for package in ("runner", "handlers", "app"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "demo" not in path.relative_to(ROOT).parts:
                yield path


def effects() -> list[str]:
    """Every name of an effect, in the order of the source. Two places may not share one."""
    found: list[str] = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _called(node) in NAMING:
                words = [one.value for one in node.args if isinstance(one, ast.Constant)]
                found += [word for word in words if isinstance(word, str) and NAME.fullmatch(word)]
    return found


def points() -> list[str]:
    """Both sides of every effect."""
    return [f"{name}/{side}" for name in effects() for side in ("before", "after")]


def outside() -> list[str]:
    """`module:function calls what` for each call that has an effect and stands in no `with effect(…)`."""
    return [line for path in sources() for line in outside_of(path.relative_to(ROOT).as_posix(), path.read_text())]


def outside_of(module: str, text: str) -> list[str]:
    """The same of one module's text."""
    finder = _Outside(module)
    finder.visit(ast.parse(text))
    return finder.found


class _Outside(ast.NodeVisitor):
    def __init__(self, module: str) -> None:
        self.module = module
        self.functions: list[str] = []
        self.inside = 0
        self.found: list[str] = []

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.functions.append(node.name)
        inside, self.inside = self.inside, 0  # what a nested function does, it does when it is called
        self.generic_visit(node)
        self.inside = inside
        self.functions.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = _function  # noqa: N815 - ast's own names

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        names = any(
            isinstance(one.context_expr, ast.Call) and _called(one.context_expr) == "effect" for one in node.items
        )
        self.inside += names
        self.generic_visit(node)
        self.inside -= names

    visit_With = visit_AsyncWith = _with  # noqa: N815 - ast's own names

    def visit_Call(self, node: ast.Call) -> None:
        if not self.inside and _has_effect(node):
            self.found.append(f"{self.module}:{'.'.join(self.functions)} {ast.unparse(node.func)}")
        self.generic_visit(node)


def _has_effect(node: ast.Call) -> bool:
    called = _called(node)
    owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    if called == "replace":  # of os and of Path; that of str and of a record takes more, or names
        return owner == "os" or (len(node.args) == 1 and not node.keywords)
    if called in OF_OS:
        return owner == "os"
    if called == "run":
        return owner == "subprocess"
    if called in {"git", "_talk"}:
        first = node.args[0] if node.args else None
        return not (isinstance(first, ast.Constant) and first.value in READING_GIT)
    if called == "rename":  # a repository's, in our own rows
        return not owner.endswith("store")
    if called in REQUESTS:
        return isinstance(node.func, ast.Attribute) and owner not in {"web", "request"}
    return called in FILES | PROCESSES | COMMITS


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
