"""Watch a task at work: its transcript as text, or its tmux session itself."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click

from app.cli.client import Service, service, settings_or_fail, task_path
from app.cli.references import task_argument
from app.cli.saying import Failed, say
from app.cli.words import last_run, state_of
from runner.text import clean

SOCKET = "tmux.sock"
BETWEEN_LOOKS_SECONDS = 0.5


@click.command()
@task_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends. Ctrl-C leaves; the run goes on.")
def logs(reference: str, follow: bool) -> None:
    """Print what Claude did and said.

    In the latest run, as its tmux session shows it.
    """
    try:
        _print_transcript(service(), reference, follow=follow)
    except KeyboardInterrupt:
        say()


@click.command()
@task_argument
@click.option("--read-only", is_flag=True, help="Only watch: no key reaches the session, and its size stays.")
def attach(reference: str, read_only: bool) -> None:
    """Enter the tmux session of a running task.

    C-b d leaves it; the run goes on.
    """
    task = service().get(task_path(reference)).json
    number, run = int(task["id"]), last_run(task)
    if run.get("ended_at"):
        raise Failed(f"task {number} is not running ({state_of(task)}). Read what happened: cco logs {number}")
    if os.environ.get("TMUX"):
        raise Failed(
            "this terminal is inside tmux already, and tmux does not nest well: detach first (C-b d), or take "
            f"another terminal. To read along from here: cco logs -f {number}"
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failed(f"attach needs a terminal. To read along without one: cco logs -f {number}")
    tmux = shutil.which("tmux")
    if tmux is None:
        raise Failed("tmux is not installed here. See what is missing: cco doctor")
    home = settings_or_fail().home
    session = f"=r{int(run['number'])}"
    if not _has_session(tmux, home, session):
        raise Failed(f"task {number} has no session now ({state_of(task)}). Read along: cco logs -f {number}")
    # A path to a socket may have 107 bytes: from its own directory it is short.
    os.chdir(home)
    view = ["-f", "read-only,ignore-size"] if read_only else []
    os.execv(tmux, [tmux, "-S", SOCKET, "attach", *view, "-t", session])  # noqa: S606  that is what we want: tmux takes our place


def _has_session(tmux: str, home: Path, session: str) -> bool:
    try:
        asked = subprocess.run(
            [tmux, "-S", SOCKET, "has-session", "-t", session], cwd=home, capture_output=True, check=False
        )
    except FileNotFoundError:  # of CCO_HOME: the service has another one
        return False
    return asked.returncode == 0


def _print_transcript(asked: Service, reference: str, *, follow: bool) -> None:
    """Part by part, until there is no more; with `follow`, until no more can come."""
    after: str | None = None
    while True:
        answer = asked.get(task_path(reference, "transcript"), after=after)
        if answer.text:
            say(clean(answer.text), nl=False)
        nothing_new = not answer.text and answer.next == after
        after = answer.next
        if after is None or (nothing_new and not follow):
            return
        if nothing_new:
            time.sleep(BETWEEN_LOOKS_SECONDS)
