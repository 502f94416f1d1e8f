"""docs/assurance.md promises nothing without a test: each one that it names is there and runs, and each row has one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/assurance.md").read_text()
NAMED = re.compile(r"(\*long\* )?`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise")]


def test_every_promise_names_its_tests_and_what_they_measured() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        promise, shown, measured = (cell.strip() for cell in row.strip("|").split(" | "))
        assert promise.endswith("."), row
        assert NAMED.search(shown), row
        assert measured, row
        assert "@" not in measured, row


def test_every_test_that_is_named_is_there_and_is_run() -> None:
    for long, path, name in NAMED.findall(PAGE):
        tree = ast.parse((ROOT / path).read_text())
        found = [
            one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == name
        ]
        assert len(found) == 1, f"{path}::{name}"
        marks = " ".join(ast.unparse(one) for one in found[0].decorator_list)
        assert "xfail" not in marks, name
        assert not re.search(r"mark\.skip\b", marks), name
        assert ("mark.long" in marks) == bool(long), f"{name}: say *long* exactly where it is"


def test_the_long_tests_are_all_part_of_a_promise() -> None:
    promised = {f"{path}::{name}" for _, path, name in NAMED.findall(PAGE)}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for one in ast.parse(file.read_text()).body:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and any(
                "mark.long" in ast.unparse(mark) for mark in one.decorator_list
            ):
                assert f"{file.relative_to(ROOT)}::{one.name}" in promised, one.name


def test_what_is_not_promised_is_said() -> None:
    said = PAGE.partition("## What is not promised")[2]
    for word in ("Power loss", "Prompt injection", "kernel"):
        assert word in said
