"""docs/operations.md lists every metric with what it says and when to wake somebody, and every check of /readyz."""

import re
from pathlib import Path

from app.metrics import FAMILIES

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
SERVICES = (Path(__file__).parents[2] / "app" / "services.py").read_text("utf-8")


def test_every_metric_is_listed_in_the_words_of_its_help_and_none_is_made_up() -> None:
    listed = re.findall(r"^\| `(cco_\w+)(?:\{(\w+)\})?` \| (.+?) \| (.+) \|$", TEXT, re.MULTILINE)
    table = [(one.name, one.label or "", one.meaning) for one in FAMILIES.values()]
    assert [(name, label, meaning) for name, label, meaning, _ in listed] == table


def test_every_check_of_readyz_is_listed() -> None:
    section = TEXT.split("`/readyz` looks at:")[1].split("\n\n")[1]
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert listed == re.findall(r'"(\w+)"[:\]] ?=? ?health\.Check', SERVICES)
