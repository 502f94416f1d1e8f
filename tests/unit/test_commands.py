"""What a comment asks for, and what only looks like it."""

import pytest

from handlers.commands import RESERVED, Command, Verb, parse


@pytest.mark.parametrize(
    ("comment", "commands"),
    [
        ("/claude stop", (Command(Verb.stop),)),
        ("  /claude   STOP.", (Command(Verb.stop),)),
        ("/Claude retry", (Command(Verb.retry),)),
        ("/claude retry with Python 3.12", (Command(Verb.retry, "with Python 3.12"),)),
        ("/claude retry\n\nwith more\nlines", (Command(Verb.retry, "with more\nlines"),)),
        ("/claude use tabs\nand `x`", (Command(Verb.instruct, "use tabs\nand `x`"),)),
        ("/claude instruct nobody", (Command(Verb.instruct, "instruct nobody"),)),
        ("/claude", (Command(Verb.help),)),
        ("/claude\nuse tabs", (Command(Verb.instruct, "use tabs"),)),
        ("Thanks!\r\n/claude approve\r\n", (Command(Verb.approve),)),
        (
            "/claude use this:\n```py\n/claude stop\n```\n",
            (Command(Verb.instruct, "use this:\n```py\n/claude stop\n```"),),
        ),
        ("/claude stop\n/claude retry slowly", (Command(Verb.stop), Command(Verb.retry, "slowly"))),
    ],
)
def test_a_command_is_read(comment: str, commands: tuple[Command, ...]) -> None:
    """The word decides; what follows, to the end or the next command, belongs to it."""
    assert parse(comment) == commands


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "I would say /claude stop",
        "> /claude stop",
        "`/claude stop`",
        "    /claude stop",
        "```\n/claude stop\n```",
        "~~~~\n~~~\n/claude stop\n~~~~",
        "```\nnever closed\n/claude stop",
        "<!-- to stop:\n/claude stop\n-->",
        "/claudette stop",
        "/claude-code stop",
        "- /claude stop",
    ],
)
def test_what_only_speaks_about_a_command_is_none(comment: str) -> None:
    """A quotation, a code block or a longer word does nothing."""
    assert parse(comment) == ()


@pytest.mark.parametrize("verb", sorted(RESERVED))
def test_a_reserved_word_is_never_an_instruction(verb: Verb) -> None:
    """They keep their meaning for the day they have one."""
    assert parse(f"/claude {verb} now") == (Command(verb, "now"),)
