"""Look at tasks: ls, show, diff."""

import shutil
from datetime import UTC, datetime
from typing import Any

import click

from app.cli import words
from app.cli.client import service, task_path
from app.cli.references import json_option, task_argument
from app.cli.saying import in_colour, one_line, say, say_json
from app.cli.table import Cell, render
from runner.tasks import RunState
from runner.text import clean, cut

NOT_A_TERMINAL_COLUMNS = 160
HEADINGS = ("ID", "WHAT", "STATE", "TIME", "COST", "PR")
WHAT = HEADINGS.index("WHAT")
LONGEST_PARAGRAPH = 2000


@click.command()
@click.option("--state", type=click.Choice([state.value for state in RunState]), help="Only tasks in this state.")
@click.option("--repository", metavar="OWNER/REPO", help="Only tasks of this repository.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many at most.")
@click.option("--before", metavar="ID", type=click.IntRange(1), help="Go on behind the task with this id.")
@json_option
def ls(state: str | None, repository: str | None, limit: int, before: int | None, as_json: bool) -> None:
    """List tasks, the latest first."""
    answer = service().get("/api/tasks", state=state, repository=repository, limit=limit, before=before).json
    if as_json:
        say_json(answer)
        return
    if answer.get("paused"):
        say("Everything is paused, by cco panic. To go on: cco resume-all\n")
    if answer["tasks"]:
        say(_table(answer["tasks"]))
        if answer.get("next"):
            say(f"\nThere are more: cco ls --before {int(answer['next'])}")
    elif state or repository or before:
        say("No such task.")
    else:
        say("No tasks yet. Label an issue on GitHub, or: cco start https://github.com/OWNER/REPO/issues/42")


@click.command()
@task_argument
@json_option
def show(reference: str, as_json: bool) -> None:
    """Show one task.

    Where it stands, what it waits for and how to answer, its runs, its pull request and its cost.
    """
    task = service().get(task_path(reference)).json
    if as_json:
        say_json(task)
    else:
        say("\n".join(_page(task, datetime.now(UTC))))


@click.command()
@task_argument
def diff(reference: str) -> None:
    """Print what is changed on the task's branch.

    As it was pushed.
    """
    text = clean(service().get(task_path(reference, "diff")).text)
    if not text.strip():
        say("Nothing is changed on the branch yet.")
        return
    say("\n".join(_coloured(line) for line in text.rstrip("\n").split("\n")))


def _table(tasks: list[dict[str, Any]]) -> str:
    rows = [
        (
            Cell(str(int(task["id"]))),
            Cell(f"{one_line(task['subject']['key'])} {one_line(task['subject']['title'])}"),
            Cell(words.state_of(task), words.COLOURS.get(str(task["state"]))),
            Cell(words.elapsed(words.last_run(task))),
            Cell(words.dollars(task["cost_usd"])),
            Cell(words.pull_request(task)),
        )
        for task in tasks
    ]
    # A pipe has no width: what reads it gets whole lines, within reason.
    return render(HEADINGS, rows, shutil.get_terminal_size((NOT_A_TERMINAL_COLUMNS, 24)).columns, WHAT)


def _page(task: dict[str, Any], now: datetime) -> list[str]:
    run, subject = words.last_run(task), task["subject"]
    number = int(task["id"])
    state = click.style(words.state_of(task, now), fg=words.COLOURS.get(str(task["state"])), bold=True)
    lines = [
        click.style(f"{one_line(subject['key'])}  {one_line(subject['title'])}", bold=True),
        f"task {number} · {state} · {words.elapsed(run, now)} · {words.dollars(task['cost_usd'])}",
        "",
        _row("issue", one_line(subject["url"])),
        _row("branch", f"{one_line(task['branch'])} of {one_line(task['repository'])}"),
    ]
    if found := task.get("pull_request"):
        lines.append(_row("pull request", f"{words.pull_request(task)}  {one_line(found['url'])}"))
    if change := task.get("change"):
        lines.append(_row("change", _change(change)))
    if run.get("reason"):
        lines.append(_row("ended", one_line(run["reason"])))
    elif task.get("doing") and not run.get("ended_at"):
        lines.append(_row("doing", one_line(task["doing"])))
    lines += _checklist(task.get("checklist") or [])
    lines += _waits(task, number)
    if answer := clean(task.get("answer") or "").strip():
        lines += ["", cut(answer, LONGEST_PARAGRAPH)]
    lines += ["", *_runs(task["runs"], now)]
    if not run.get("ended_at"):
        lines += ["", f"watch: cco attach {number}    read: cco logs {number}    stop: cco stop {number}"]
    return lines


def _row(name: str, value: str) -> str:
    return f"  {name:<14}{value}"


def _change(change: dict[str, Any]) -> str:
    parts = [words.count(change["commits"], "commit"), words.count(change["files"], "file")]
    return f"{', '.join(parts)}, +{int(change['insertions'])} -{int(change['deletions'])}"


def _checklist(items: list[dict[str, Any]]) -> list[str]:
    marks = {"completed": "✓", "in_progress": ">"}
    return ["", *(f"  {marks.get(item['state'], '·')} {one_line(item['text'])}" for item in items)] if items else []


def _waits(task: dict[str, Any], number: int) -> list[str]:
    """What a person has to say, and how."""
    lines: list[str] = []
    if held := task.get("held_back"):
        lines += ["", "It was not pushed:", *(f"  {one_line(finding)}" for finding in held["findings"])]
    if asked := task.get("asked"):
        lines += ["", *(f"  {line}" for line in clean(asked["text"]).strip().split("\n"))]
        lines += [f"    - {one_line(option)}" for option in asked.get("options") or []]
    if lines:
        lines.append(f"  say: cco approve {number} [text]    or: cco deny {number}")
    return lines


def _runs(runs: list[dict[str, Any]], now: datetime) -> list[str]:
    rows = [
        (
            Cell(f"  {int(run['number'])}"),
            Cell(f"{one_line(run['trigger'])} by {one_line(run['actor'])}"),
            Cell(one_line(run.get("outcome") or run["state"]).replace("_", " "), words.COLOURS.get(run["state"])),
            Cell(words.at(run["started_at"], now) if run.get("started_at") else "-"),
            Cell(words.elapsed(run, now)),
            Cell(words.dollars(run["cost_usd"])),
            Cell(str(int(run["turns"]))),
        )
        for run in runs
    ]
    headings = ("  RUN", "WHY", "OUTCOME", "STARTED", "TIME", "COST", "TURNS")
    return render(headings, rows, NOT_A_TERMINAL_COLUMNS, 1).split("\n")


def _coloured(line: str) -> str:
    if not in_colour():
        return line
    if line.startswith(("diff ", "index ", "--- ", "+++ ")):
        return click.style(line, bold=True)
    if line.startswith("@@"):
        return click.style(line, fg="cyan")
    return click.style(line, fg={"+": "green", "-": "red"}[line[0]]) if line[:1] in {"+", "-"} else line
