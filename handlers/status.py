"""The living status comment, the pull request's words and the check run's: everything GitHub shows of a task."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from handlers.messages import dollars, duration, headline, question, told_elsewhere, what_to_do, where, whole
from handlers.rewriting import code
from handlers.sanitize import neutralise, neutralise_and_tell, neutralise_line, plain_line
from runner.events import ChecklistItem
from runner.tasks import Outcome, Run, RunId, RunState, TaskId
from runner.view import TaskView

COMMENT_LIMIT = 65_536  # GitHub's own, in characters
TICKET_LIMIT = 32_767  # Jira's own, in characters of what it keeps, which is longer than our Markdown
CHECK_LIMIT = 65_535  # GitHub's own, in bytes as far as we know: so we count bytes
TITLE_LIMIT = 120

Place = Literal["issue", "pull request", "ticket"]
SAID_HERE: dict[Place, str] = {"issue": "", "pull request": "", "ticket": "Jira"}  # what was said there is seen there
LIMIT: dict[Place, int] = {"issue": COMMENT_LIMIT, "pull request": COMMENT_LIMIT, "ticket": TICKET_LIMIT}

# While there is, or may be, a session to look into.
WATCHABLE = frozenset({RunState.running, RunState.waiting})

STALLED = (
    "Nothing was heard from it for {minutes} minutes. It may come back by itself; if it does not, it is ended, and "
    "Claude goes on from where it was. `/claude stop` ends it now, and keeps the work."
)
NOT_CONFINED = "**This machine runs Claude without a sandbox.** It can read and change whatever its user can."

# Between these the body of the pull request is ours; what people write around it is theirs, and stays.
WORDS_BEGIN = "<!-- cco:words -->"
WORDS_END = "<!-- cco:words end -->"

MARK = {"pending": " ", "in_progress": " ", "completed": "x"}


def marker(task_id: TaskId) -> str:
    """By this a status comment is found again; it counts only in a comment of our own App."""
    return f"<!-- cco:task={task_id} -->"


ANY_MARKER = "<!-- cco:task="
_RUN = re.compile(r"<!-- cco:task=\d+ --><!-- cco:run=(?P<run>\d+) (?P<word>[a-z_]+) -->")


def run_marker(run: Run) -> str:
    """What the comment is about, for a service that has forgotten it: which run, and what came of it."""
    return f"<!-- cco:run={run.id} {run.outcome if not run.state.is_active and run.outcome else run.state} -->"


def told_run(body: str) -> tuple[RunId, Outcome | None] | None:
    """The inverse, from a status comment: the run, and its outcome if it had ended. None: an older version wrote it."""
    found = _RUN.match(body)
    if found is None:
        return None
    return RunId(int(found["run"])), Outcome(found["word"]) if found["word"] in set(Outcome) else None


def status_comment(view: TaskView, place: Place, dashboard: str | None, now: datetime | None) -> str:
    """The one comment that tells how a task stands. Without `now` it says nothing of time: for comparing."""
    marks = "" if place == "ticket" else f"{marker(view.task.id)}{run_marker(view.run)}\n"
    parts = [f"{marks}### {neutralise_line(headline(view))}"]
    if (held := question(view)) or view.state.is_active:
        parts += [held, _told(view, place), _checklist(view.checklist), _doing(view)]
    else:
        parts += [_why(view), _checklist(view.checklist)]
        if view.outcome is Outcome.answered or (place != "pull request" and view.answer):
            room = LIMIT[place] - 8_000
            parts.append(_cut(view.answer, room - len(_checklist(view.checklist)), view, dashboard))
    parts.append(what_to_do(view))
    if not view.confined:
        parts.append(NOT_CONFINED)
    parts.append(_footer(view, place, dashboard, now))
    return "\n\n".join(part for part in parts if part)


def _checklist(items: tuple[ChecklistItem, ...]) -> str:
    lines = []
    for item in items[:100]:
        text = neutralise_line(item.text, 200)
        lines.append(f"- [{MARK.get(item.state, ' ')}] {f'**{text}**' if item.state == 'in_progress' else text}")
    if len(items) > 100:
        lines.append(f"- and {len(items) - 100} more")
    return "\n".join(lines)


def _told(view: TaskView, place: Place) -> str:
    """What people said in other places."""
    return "\n".join(
        f"- {code(one.actor)} said {where(one)}: {neutralise_line(one.text, 300)}"
        for one in told_elsewhere(view, SAID_HERE[place])
    )


def _doing(view: TaskView) -> str:
    if view.state is RunState.waiting and view.retry is not None:
        return f"What happened: {neutralise_line(view.retry.what)} (attempt {view.retry.attempt})"
    if view.state is not RunState.running:
        return ""
    if view.stalled_minutes is not None:
        return STALLED.format(minutes=view.stalled_minutes)
    now = f"Now: {code(view.doing[:200])}" if view.doing else ""
    said = "\n".join(f"> {line}".rstrip() for line in neutralise(view.said, 600).split("\n")) if view.said else ""
    return "\n\n".join(part for part in (said, now) if part)


def _why(view: TaskView) -> str:
    """Why it ended, where the headline does not say it all."""
    if view.outcome in {Outcome.delivered, Outcome.answered, Outcome.stopped} or not view.run.reason:
        return ""
    return neutralise_line(view.run.reason, 1_000)


def _footer(view: TaskView, place: Place, dashboard: str | None, now: datetime | None) -> str:
    parts = []
    if view.pull_request and place != "pull request":
        draft = (
            "draft pull request" if view.pull_request.draft and view.pull_request.state == "open" else "pull request"
        )
        parts.append(f"[{draft} #{view.pull_request.number}]({view.pull_request.url})")
    if view.change:
        parts.append(_change(view))
        parts.append(f"branch {code(view.task.branch)}")
    if now is not None and view.run.started_at is not None:
        parts.append(duration(view.elapsed_seconds(now)))
    if view.cost_usd > 0:
        parts.append(dollars(view.cost_usd))
    if view.state in WATCHABLE:
        parts.append(f"watch with `cco attach {view.task.id}`")
    if dashboard:
        parts.append(f"[details]({dashboard.rstrip('/')}/tasks/{view.task.id})")
    return f"<sub>{' · '.join(parts)}</sub>" if parts else ""


def _change(view: TaskView) -> str:
    change = view.change
    if change is None:
        return ""
    commits = "1 commit" if change.commits == 1 else f"{change.commits} commits"
    files = "1 file" if change.files == 1 else f"{change.files} files"
    return f"{commits}, {files}, +{change.insertions} −{change.deletions}"  # noqa: RUF001  (a minus, as GitHub writes it)


def _cut(text: str, limit: int, view: TaskView, dashboard: str | None) -> str:
    said, cut = neutralise_and_tell(text, limit)
    return f"{said}\n\n{whole(view, dashboard)}" if cut else said


@dataclass(frozen=True, slots=True)
class PullRequestWords:
    """The title and the body of a pull request."""

    title: str
    body: str


def pull_request_words(view: TaskView, dashboard: str | None) -> PullRequestWords:
    """What the pull request says: as a draft what it is for, at the end what Claude did."""
    subject = view.task.subject
    title = plain_line(subject.title, TITLE_LIMIT) or f"Work on {subject.key}"
    if subject.source == "jira":  # Jira links what has the ticket's key in its title
        title = f"{subject.key}: {title}"
    if subject.source == "github" and subject.number is not None:
        closes = f"Closes #{subject.number}"
    else:
        closes = f"For [{neutralise_line(subject.key)}]({subject.url})"
    if view.answer:
        work = _cut(view.answer, COMMENT_LIMIT - 4_000, view, dashboard)
    else:
        work = "Claude is still at work on this; its own words follow when it is done."
    asked = f"asked for by {code(view.task.requester.login)}"
    cost = [dollars(view.cost_usd)] if view.cost_usd > 0 else []
    details = [f"[details]({dashboard.rstrip('/')}/tasks/{view.task.id})"] if dashboard else []
    footer = f"<sub>Written by Claude Code, {' · '.join([asked, *cost, *details])}</sub>"
    return PullRequestWords(title, f"{WORDS_BEGIN}\n{work}\n\n{closes}\n\n{footer}\n{WORDS_END}")


@dataclass(frozen=True, slots=True)
class CheckWords:
    """A check run: GitHub's status and conclusion, and the words beside them."""

    status: Literal["queued", "in_progress", "completed"]
    conclusion: Literal["success", "failure", "neutral", "cancelled"] | None
    title: str
    summary: str


def check_words(view: TaskView, dashboard: str | None) -> CheckWords:
    """What the check run on the last pushed commit says."""
    summary = [question(view), _why(view), _checklist(view.checklist), what_to_do(view)]
    if not view.state.is_active and view.answer:
        summary.append(_cut(view.answer, 30_000, view, dashboard))
    text = "\n\n".join(part for part in summary if part)
    text = text.encode()[:CHECK_LIMIT].decode(errors="ignore")
    title = plain_line(headline(view), TITLE_LIMIT)
    if view.state.is_active:
        return CheckWords("queued" if view.state is RunState.queued else "in_progress", None, title, text)
    match view.outcome:
        case Outcome.delivered | Outcome.answered:
            return CheckWords("completed", "success", title, text)
        case Outcome.stopped:
            return CheckWords("completed", "cancelled", title, text)
        case _:
            return CheckWords("completed", "failure", title, text)
