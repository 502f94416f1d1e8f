"""docs/commands.md says what the commands are, and nothing else."""

import re
from pathlib import Path

import click
import pytest

from app.cli.commands import COMMANDS, cco
from handlers.commands import RESERVED, Verb

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### `cco ([\w-]+)(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))
SHOWN = [name for name, entry in COMMANDS.items() if entry.line]
ARGUMENTS = {"text": "text", "pytest_arguments": "pytest arguments"}
KEPT = [name for name, entry in COMMANDS.items() if not entry.line]


def command(name: str) -> click.Command:
    found = cco.get_command(click.Context(cco), name)
    assert found is not None
    return found


def test_every_command_has_its_section_in_the_order_of_the_help() -> None:
    assert list(SECTIONS) == SHOWN


@pytest.mark.parametrize("name", SHOWN)
def test_the_heading_of_a_command_is_its_usage(name: str) -> None:
    heading = SECTIONS[name].partition("\n")[0]
    options = [option for option in command(name).params if isinstance(option, click.Option)]
    arguments = [one for one in command(name).params if isinstance(one, click.Argument)]
    documented = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", heading)
    assert sorted(documented) == sorted(option.opts[0] for option in options)
    words = [re.escape(word) for word in (one.metavar or ARGUMENTS[one.name or ""] for one in arguments)]
    assert not words or re.match(r" \[?" + r"\]? \[?".join(words) + r"\b", heading.removeprefix(" [--long]"))


@pytest.mark.parametrize("name", SHOWN)
def test_every_option_is_explained(name: str) -> None:
    text = SECTIONS[name].partition("\n")[2]
    for option in command(name).params:
        if isinstance(option, click.Option) and option.opts != ["--json"]:
            assert f"- `{option.opts[0]}" in text


@pytest.mark.parametrize("name", SHOWN)
def test_the_line_in_the_help_is_the_commands_own_first_sentence(name: str) -> None:
    assert (command(name).help or "").split("\n")[0] == COMMANDS[name].line


@pytest.mark.parametrize("name", KEPT)
def test_taken_names_are_said_to_be_taken_and_are_hidden(name: str) -> None:
    taken = PAGE.split("### Taken names")[1].split("\n## ")[0]
    assert f"`{name}`" in taken
    assert command(name).hidden


@pytest.mark.parametrize("verb", sorted(set(Verb) - {Verb.instruct}))
def test_every_comment_command_is_there(verb: Verb) -> None:
    comments = PAGE.split("## In comments")[1]
    if verb in RESERVED:
        assert f"`{verb}`" in comments.split("|\n\n")[1] or f"`/claude {verb}`" in comments.split("|\n\n")[1]
    else:
        assert f"| `/claude {verb}" in comments


def test_no_comment_command_is_made_up() -> None:
    comments = PAGE.split("## In comments")[1]
    written = set(re.findall(r"^\| `/claude ([a-z]+)", comments, re.MULTILINE))
    assert written == {verb.value for verb in set(Verb) - RESERVED - {Verb.instruct}}
