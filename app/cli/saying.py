"""How the command line speaks: a failure is one line, colour is for terminals, and text of strangers is cleaned."""

import json
import os
import sys
from typing import IO, Any

import click

from runner.text import clean


class Failed(click.ClickException):
    """What was asked for did not happen. One sentence that says why and what to do; exit 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """On stderr, as `cco: sentence`."""
        click.echo(f"cco: {self.format_message()}", file=file, err=file is None)


def say(text: str = "", *, nl: bool = True) -> None:
    """Print our own words; what strangers wrote in them has gone through `clean` or `one_line` before."""
    click.echo(text, nl=nl, color=in_colour())


def say_json(value: object) -> None:
    """Print a record for a program. Escaped to ASCII: no text in it can speak to the terminal."""
    click.echo(json.dumps(value, indent=2))


def in_colour() -> bool:
    """On a terminal that wants it. NO_COLOR is a habit of terminals (no-color.org), not a setting of ours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def one_line(text: object) -> str:
    """A stranger's text as one harmless line."""
    return " ".join(clean(str(text)).split())
