"""Every row of docs/repositories.md names a test that exists, and says a sentence that the code says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/repositories.md").read_text().splitlines()
    if line.startswith("|")
][2:]


def test_every_row_names_a_test_that_exists() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)\(", tests))
    assert len(ROWS) >= 20
    assert {row[3].strip("`") for row in ROWS} <= defined


def test_every_sentence_is_one_the_code_says() -> None:
    said = [template for name in ("mirror", "remotes", "inspection") for template in _templates(name)]
    for row in ROWS:
        if row[2] not in {"\u2013", "the same"}:
            assert any(template.fullmatch(row[2]) for template in said), row[2]


def _templates(module: str) -> Iterator[re.Pattern[str]]:
    """The sentences in a module, with a gap for whatever varies."""
    for node in ast.walk(ast.parse((ROOT / f"runner/{module}.py").read_text())):
        if isinstance(node, ast.JoinedStr):
            parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in node.values]
            if sum(len(part) for part in parts) > 30:
                yield re.compile("".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ": {}." in node.value:
            yield re.compile(re.escape(node.value).replace(r"\{\}", ".+"))
