"""docs/architecture.md lists every event with what it says, and no other."""

import re
from pathlib import Path

from runner.events import KINDS

TEXT = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8")


def test_every_event_is_listed_in_the_words_of_its_docstring() -> None:
    listed = re.findall(r"^\| `([A-Z]\w+)` \| (.+) \|$", TEXT.split("## Events")[1], re.MULTILINE)
    assert listed == [(name, " ".join((kind.__doc__ or "").split())) for name, kind in KINDS.items()]
