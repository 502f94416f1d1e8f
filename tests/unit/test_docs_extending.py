"""docs/extending.md quotes the code as it stands; and a place really is one file and its entry in one table."""

import ast
import re
from pathlib import Path

from app.places import PLACES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
QUOTED = re.findall(r"`([\w/]+\.py)`[^\n`]*:\n\n```python\n(.*?)```\n", PAGE, re.DOTALL)


def test_every_quotation_stands_in_its_file() -> None:
    assert len(QUOTED) == PAGE.count("```python\n") > 5
    for path, quotation in QUOTED:
        text = (ROOT / path).read_text("utf-8")
        assert _flush_left(quotation) in _flush_left(text), f"{path} has changed: quote it anew"


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:app|handlers|runner|tests)/[\w/.]+)`", PAGE))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_a_place_is_known_to_the_table_and_to_its_own_client_and_to_nobody_else() -> None:
    places = {path.stem for path in (ROOT / "handlers" / "reporters").glob("[a-z]*.py")}
    assert places == set(PLACES)
    for path in (one for package in ("app", "handlers", "runner") for one in (ROOT / package).rglob("*.py")):
        module = path.relative_to(ROOT).as_posix()
        used = _reporters_in(path) - {path.stem, path.stem.removesuffix("_door")}
        assert not used or module == "app/places.py", f"{module} imports {used}"


def _flush_left(code: str) -> str:
    """What is quoted may stand deeper in its file."""
    return "\n".join(line.strip() for line in code.split("\n"))


def _reporters_in(path: Path) -> set[str]:
    imported = [one.module or "" for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.ImportFrom)]
    return {name.rpartition(".")[2] for name in imported if name.startswith("handlers.reporters.")}
