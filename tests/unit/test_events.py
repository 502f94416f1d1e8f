"""Events survive their way through JSON, also from another version."""

from dataclasses import fields

import pytest

from runner.events import (
    KINDS,
    AgentSaid,
    BranchPushed,
    ChecklistChanged,
    ChecklistItem,
    QuestionAsked,
    WorkHeldBack,
    decode,
    encode,
    with_text,
)

SAMPLES = {
    "float | None": 2.5,
    "int": 3,
    "float": 0.25,
    "bool": True,
    "str": "word",
    "tuple[str, ...]": ("one", "two"),
    "str | None": "word",
}


def sample(name: str) -> object:
    """One event of this kind, every field filled."""
    kind = KINDS[name]
    if kind is ChecklistChanged:
        return ChecklistChanged((ChecklistItem("Read", "completed"), ChecklistItem("Write", "pending")))
    return kind(
        **{
            field.name: SAMPLES[field.type.__name__ if type(field.type) is type else str(field.type)]
            for field in fields(kind)
        }
    )


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_of_event_comes_back_as_it_was(name: str) -> None:
    event = sample(name)
    kind, data = encode(event)  # type: ignore[arg-type]  # made by its own class
    assert kind == name
    assert decode(kind, data) == event


def test_a_field_that_a_newer_version_wrote_is_left_out() -> None:
    assert decode("AgentSaid", '{"text":"hello","mood":"good"}') == AgentSaid("hello")


def test_a_kind_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        decode("MoonLanded", "{}")


def test_every_text_in_an_event_can_be_changed_and_nothing_else() -> None:
    pushed = BranchPushed("secret", "secret", 1, 2, 3, 4)
    assert with_text(pushed, lambda text: text.replace("secret", "…")) == BranchPushed("…", "…", 1, 2, 3, 4)
    asked = QuestionAsked("r", "secret?", ("secret", "b"))
    assert with_text(asked, lambda text: text.replace("secret", "…")) == QuestionAsked("r", "…?", ("…", "b"))
    held = WorkHeldBack("sha", ("secret here",))
    assert with_text(held, str.upper) == WorkHeldBack("SHA", ("SECRET HERE",))
    changed = ChecklistChanged((ChecklistItem("secret", "pending"),))
    assert with_text(changed, lambda _: "x") == ChecklistChanged((ChecklistItem("x", "pending"),))
