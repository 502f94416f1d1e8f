"""The help lists what there is, and is there at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.commands import COMMANDS
from tests.fakes.service import invoke

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_lists_every_command_that_is_there(option: str) -> None:
    result = invoke(option)
    assert result.exit_code == 0
    listed = {line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ") and line.split()}
    assert {name for name, entry in COMMANDS.items() if entry.line} <= listed
    assert not {name for name, entry in COMMANDS.items() if not entry.line} & listed


@pytest.mark.parametrize("name", [name for name, entry in COMMANDS.items() if entry.line])
def test_every_command_has_its_own_help(name: str) -> None:
    result = invoke(name, "-h")
    assert result.exit_code == 0
    assert COMMANDS[name].line in " ".join(result.stdout.split())


def test_an_unknown_command_is_wrong_usage() -> None:
    result = invoke("lss")
    assert result.exit_code == 2
    assert "lss" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        ("['--help']", "{'pydantic', 'aiohttp', 'asyncio', 'http.client', 'jinja2'}"),
        ("['ls', '-h']", "{'aiohttp', 'gidgethub', 'slack_sdk', 'jira', 'git', 'aiosqlite', 'jinja2'}"),
    ],
)
def test_a_command_imports_only_what_it_needs(arguments: str, heavy: str) -> None:
    code = (
        f"import sys; sys.argv = ['cco', *{arguments}]\n"
        "from app.__main__ import main\n"
        f"try: main()\nexcept SystemExit: print('found', sorted({heavy} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines()[-1] == "found []"
