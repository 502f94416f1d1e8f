"""What is said about a task wherever it is said: headlines, what it waits for, what to write, how it ended."""

from collections.abc import Callable
from datetime import datetime

from handlers.rewriting import code
from handlers.sanitize import neutralise_line
from runner.tasks import Outcome, RunState, WaitingFor
from runner.view import TaskView, Told


def headline(view: TaskView) -> str:
    """One line of plain text that says where the task stands."""
    if view.paused:
        return "Paused by whoever runs this service"
    match view.state:
        case RunState.queued:
            return _in_line(view)
        case RunState.starting:
            return "Claude is getting the repository ready"
        case RunState.running if view.stalled_minutes is not None:
            return "The process that looks after Claude gives no sign of life"
        case RunState.running:
            return "Claude is working on this"
        case RunState.waiting:
            return _waiting(view)
        case RunState.publishing:
            return "Claude has finished; the work is on its way here"
        case RunState.stopped:
            return f"Stopped by {view.run.stop_asked_by}" if view.run.stop_asked_by else "Stopped"
        case RunState.succeeded | RunState.failed:
            return _ended(view)


def _in_line(view: TaskView) -> str:
    ahead = view.position or 0
    if ahead == 0:
        return "Next in line: Claude starts as soon as there is room"
    return f"Waiting in line: {ahead} {'run is' if ahead == 1 else 'runs are'} ahead of this one"


def _waiting(view: TaskView) -> str:
    match view.waiting_for:
        case WaitingFor.answer:
            return "Claude has a question for you"
        case WaitingFor.approval if view.asked is None and view.held_back:
            return "The work is done, but it needs your yes before it is pushed"
        case WaitingFor.approval:
            return "Claude needs your permission to go on"
        case WaitingFor.quota:
            return f"The usage limit is reached; work goes on {_at(view.run.waiting_until)}"
        case WaitingFor.weather:
            return f"Something outside is having trouble; trying again {_at(view.run.waiting_until)}"
        case _:
            return _in_line(view)


def _ended(view: TaskView) -> str:
    pull_request = view.pull_request
    match view.outcome:
        case Outcome.delivered if pull_request is not None and pull_request.state == "merged":
            return f"Merged: pull request #{pull_request.number}"
        case Outcome.delivered if pull_request is not None and pull_request.state == "closed":
            return f"Pull request #{pull_request.number} was closed without being merged"
        case Outcome.delivered if pull_request is not None:
            return f"Done: pull request #{pull_request.number} is ready for your review"
        case Outcome.delivered:
            return "Done"
        case Outcome.answered:
            return "Done: nothing had to be changed"
        case Outcome.over_limit:
            return "Ended early: a limit was reached"
        case Outcome.unauthorized:
            return "Claude could not start: its credentials were refused"
        case Outcome.out_of_credit:
            return "Claude could not go on: the account has no credit left"
        case Outcome.unavailable:
            return "Gave up for now: something outside stayed out of reach"
        case Outcome.unworkable:
            return "This repository could not be worked on"
        case Outcome.withheld:
            return "The work was not pushed"
        case _:
            return "Something broke on our side"


def what_to_do(view: TaskView) -> str:
    """What a person can do now, in Markdown, with exactly what to write. Empty where there is nothing to say."""
    if view.paused:
        return "It goes on by itself once they let it; nothing that was done so far is lost."
    match view.state, view.waiting_for, view.outcome:
        case (RunState.waiting, WaitingFor.answer, _):
            options = view.asked.options if view.asked else ()
            example = f", for example {code(f'/claude {options[0]}')}" if options else ""
            return f"Answer by writing `/claude` and then your answer{example}."
        case (RunState.waiting, WaitingFor.approval, _) if view.asked is None:
            return "Write `/claude approve` to push it all the same, or `/claude deny` to leave it unpushed."
        case (RunState.waiting, WaitingFor.approval, _):
            return "Write `/claude approve` to allow it, or `/claude deny` and, if you like, what to do instead."
        case (state, _, _) if state.is_active:
            return "Write `/claude` and what you want to tell Claude, or `/claude stop`."
        case (_, _, Outcome.delivered) if view.pull_request is not None and view.pull_request.state != "open":
            return (
                "More to do? Reopen the issue, if it is closed, and write `/claude` and what there: "
                "Claude starts on a new branch."
            )
        case (_, _, Outcome.delivered):
            return "Want something changed? Write `/claude` and what, and Claude goes on from here."
        case (_, _, Outcome.answered):
            return "Not what you meant? Write `/claude` and what you want, and Claude goes on from here."
        case (_, _, Outcome.stopped):
            return "Write `/claude retry` to go on, with a few words on what to do differently if you like."
        case (_, _, Outcome.unauthorized):
            return "Whoever runs this service must renew the credentials for Claude. Then write `/claude retry`."
        case (_, _, Outcome.out_of_credit):
            return "Whoever runs this service must top up the account. Then write `/claude retry`."
        case (_, _, Outcome.unavailable):
            return "Write `/claude retry` when it is back."
        case (_, _, Outcome.over_limit):
            return "What was done so far is kept. Write `/claude retry` to go on from there."
        case (_, _, Outcome.unworkable):
            return "Mend that, and then write `/claude retry`."
        case (_, _, Outcome.withheld):
            return "Write `/claude retry` and what to do differently."
        case _:
            return "Write `/claude retry` to try again; `cco logs` on the machine it ran on has the details."


def question(view: TaskView) -> str:
    """What the run waits for a person to say, in Markdown; empty if it waits for nobody."""
    if view.state is not RunState.waiting or view.waiting_for not in {WaitingFor.answer, WaitingFor.approval}:
        return ""
    if view.asked is not None and view.waiting_for is WaitingFor.answer:
        options = [f"- {neutralise_line(option)}" for option in view.asked.options]
        return "\n".join([neutralise_line(view.asked.text, 2_000), *(["", *options] if options else [])])
    if view.asked is not None:
        return f"It wants to use {code(view.asked.text[:500])}"
    if view.held_back is not None:
        return "\n".join(f"- {neutralise_line(finding, 500)}" for finding in view.held_back.findings[:20])
    return ""


def told_elsewhere(view: TaskView, here: str) -> tuple[Told, ...]:
    """What people told the run in other places than this one, which people here could not know."""
    return tuple(one for one in view.told if one.place != here) if view.state.is_active else ()


def where(told: Told) -> str:
    """The place that it was said in, as people say it."""
    return f"in {told.place}" if told.place else "on GitHub"


def steps(view: TaskView, line: Callable[[str], str]) -> str:
    """How far Claude's own plan is, and what it is at; `line` makes one harmless line of somebody's words."""
    if not view.checklist:
        return ""
    done = sum(item.state == "completed" for item in view.checklist)
    progress = f"{done} of {len(view.checklist)} steps done"
    at = next((item.text for item in view.checklist if item.state == "in_progress"), "")
    return f"{progress}, now: {line(at)}" if at and view.state.is_active else progress


def duration(seconds: float) -> str:
    """How long, as people say it: the longer, the rounder."""
    if seconds < 60:
        return "under a minute"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"


def dollars(amount: float) -> str:
    """What it cost; a cent is the least worth saying."""
    return "less than $0.01" if 0 < amount < 0.005 else f"${amount:.2f}"


def _at(moment: datetime | None) -> str:
    return f"at {moment:%H:%M} UTC on {moment.day} {moment:%B}" if moment else "soon"


def whole(view: TaskView, dashboard: str | None) -> str:
    """Where to read all of what did not fit here."""
    if dashboard:
        return f"[Read the whole]({dashboard.rstrip('/')}/tasks/{view.task.id})"
    return f"`cco show {view.task.id}` shows the whole"
