"""What a branch is called, and how a wish is known."""

import pytest

from handlers.starting import branch_of, next_branch, wish_id


@pytest.mark.parametrize(
    ("title", "branch"),
    [
        ("Fix the parser", "claude/issue-42-fix-the-parser"),
        ("Über-Größe: naïve café", "claude/issue-42-uber-groe-naive-cafe"),
        ("解析器が壊れた", "claude/issue-42"),
        ("../../etc; rm -rf $HOME", "claude/issue-42-etc-rm-rf-home"),
        ("one two three four five six seven eight nine ten", "claude/issue-42-one-two-three-four-five-six-seven-eight"),
        ("x" * 60, "claude/issue-42-" + "x" * 40),
        ("refs.lock", "claude/issue-42-refs-lock"),
    ],
)
def test_a_branch_is_named_for_its_issue(title: str, branch: str) -> None:
    """Plain letters, cut between words, nothing that git or a shell would take for something else."""
    assert branch_of("issue-42", title) == branch


def test_branches_are_counted() -> None:
    """Also where the title ends in a number."""
    first = "claude/issue-42-python-3"
    assert next_branch(first, []) == f"{first}-2"
    assert next_branch(first, [first]) == f"{first}-2"
    assert next_branch(f"{first}-2", [first, f"{first}-2"]) == f"{first}-3"


def test_the_same_source_is_the_same_wish() -> None:
    """Another is another."""
    assert wish_id("7/0") == wish_id("7/0") != wish_id("7/1")
