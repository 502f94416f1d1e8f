"""Every link from one document to another leads somewhere, down to its heading; every picture is there and small."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
LARGEST_PICTURE_BYTES = 200_000


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", document.read_text("utf-8")):
        there = document.parent / target if target else document
        assert there.exists(), target
        assert not heading or heading in headings(there), f"{target}#{heading}"


@pytest.mark.parametrize("picture", [*ROOT.glob("docs/**/*.png")], ids=lambda path: path.name)
def test_pictures_are_small_and_say_what_they_show(picture: Path) -> None:
    assert picture.stat().st_size < LARGEST_PICTURE_BYTES
    alternative = re.search(rf"!\[(.*)\]\(docs/pictures/{picture.name}\)", (ROOT / "README.md").read_text("utf-8"))
    assert alternative
    assert len(alternative[1]) > 40


def test_what_refers_to_a_heading_by_name_finds_it() -> None:
    """`runner/confinement.py` sends people there."""
    assert "confinement" in headings(ROOT / "docs" / "operations.md")


def headings(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    found = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}
