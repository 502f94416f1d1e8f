"""Have something done: start, retry, stop, steer, approve, deny."""

from typing import Any

import click

from app.cli.client import service, task_path
from app.cli.references import json_option, task_argument
from app.cli.saying import one_line, say, say_json
from app.cli.words import state_of


@click.command()
@click.argument("issue_url", metavar="ISSUE_URL")
@json_option
def start(issue_url: str, as_json: bool) -> None:
    """Start work on an issue, by its address.

    As the label would: cco start https://github.com/octo/hello/issues/42
    """
    _report(service().post("/api/tasks", {"url": issue_url}).json, as_json)


@click.command()
@task_argument
@click.argument("text", nargs=-1)
@json_option
def retry(reference: str, text: tuple[str, ...], as_json: bool) -> None:
    """Run a task again, with a word more if you give one.

    Claude goes on in the same session, and reads TEXT first.
    """
    _tell(reference, "retry", text, as_json)


@click.command()
@task_argument
@json_option
def stop(reference: str, as_json: bool) -> None:
    """Stop a task; what is done so far is kept and pushed."""
    _tell(reference, "stop", (), as_json)


@click.command()
@task_argument
@click.argument("text", nargs=-1, required=True)
@json_option
def steer(reference: str, text: tuple[str, ...], as_json: bool) -> None:
    """Say something to a task.

    Claude reads it at its next step; where no run is at work, a new one begins with it.
    """
    _tell(reference, "steer", text, as_json)


@click.command()
@task_argument
@click.argument("text", nargs=-1)
@json_option
def approve(reference: str, text: tuple[str, ...], as_json: bool) -> None:
    """Allow what a task waits for.

    TEXT answers its question, if it asked one.
    """
    _tell(reference, "approve", text, as_json)


@click.command()
@task_argument
@click.argument("text", nargs=-1)
@json_option
def deny(reference: str, text: tuple[str, ...], as_json: bool) -> None:
    """Refuse what a task waits for.

    TEXT says why.
    """
    _tell(reference, "deny", text, as_json)


def _tell(reference: str, verb: str, text: tuple[str, ...], as_json: bool) -> None:
    _report(service().post(task_path(reference, verb), {"text": " ".join(text)}).json, as_json)


def _report(task: dict[str, Any], as_json: bool) -> None:
    """What became of it, as the service answered."""
    if as_json:
        say_json(task)
        return
    say(f"task {int(task['id'])}  {one_line(task['subject']['key'])}: {state_of(task)}")
