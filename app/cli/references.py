"""T, as people type it: a task's id, `owner/repo#42` or `PROJ-7`."""

import re
from typing import Any

import click

REFERENCE = re.compile(r"[0-9]+|[A-Za-z0-9][\w.-]*/[\w.-]+#[0-9]+|[A-Za-z][A-Za-z0-9_]*-[0-9]+", re.ASCII)


class Reference(click.ParamType[str]):
    """A task, by what people type."""

    name = "task"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same text, or wrong usage."""
        if not REFERENCE.fullmatch(value):
            self.fail(
                "a task is its id (7), an issue or pull request (octo/hello#42), or a ticket (PROJ-7).", param, ctx
            )
        return str(value)


task_argument = click.argument("reference", metavar="T", type=Reference())
json_option = click.option("--json", "as_json", is_flag=True, help="Print the record for a program to read.")
