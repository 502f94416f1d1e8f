"""What Discord shows of a task: one message with one embed, edited as the task goes on. Nothing is read there."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from handlers.messages import dollars, duration, headline, steps, told_elsewhere, what_to_do, where
from handlers.rewriting import code, rewrite, rewrite_line, shown
from handlers.sanitize import around_addresses, within
from runner.tasks import Outcome, RunState, WaitingFor
from runner.view import TaskView

Redact = Callable[[str], str]

# Discord's own limits, but for a field's, which keeps the whole under 6,000. Whether it counts characters or UTF-16
# units is written nowhere, so we count what is more.
TITLE, DESCRIPTION, FIELD = 256, 4_096, 200

GREY, BLUE, YELLOW, ORANGE, GREEN, PURPLE, RED = 0x95A5A6, 0x3498DB, 0xF1C40F, 0xE67E22, 0x2ECC71, 0x8957E5, 0xE74C3C

_JOINER = "\u2060"  # a word joiner: shows nothing
_SYNTAX = re.compile(r"[\\`*_~|<>\[\]]|:(?=[A-Za-z0-9_~]+:)|^(?=#{1,3} |-# )", re.MULTILINE)


def embed(view: TaskView, redact: Redact, dashboard: str | None, now: datetime | None) -> dict[str, Any]:
    """Where the task stands. Without `now` it says nothing of time: for comparing."""
    parts = [
        f"**{_subject(view)}** {_line(view.task.subject.title, redact, 250)}".rstrip(),
        steps(view, lambda words: _line(words, redact, 200)),
        _told(view, redact),
        _more(view, redact),
        _what_to_do(view, redact),
        "" if view.confined else "**This machine runs Claude without a sandbox.**",
    ]
    text = "\n\n".join(part for part in parts if part)
    return {
        "title": _cut(redact(_plain(headline(view))), TITLE),
        "url": view.task.subject.url,
        "description": _cut(redact(text), DESCRIPTION),
        "color": _colour(view),
        "fields": [{"name": name, "value": value, "inline": True} for name, value in _facts(view, dashboard, now)],
        "footer": {"text": f"task {view.task.id}, run {view.run.id}"},
    }


def _colour(view: TaskView) -> int:
    match view.state, view.outcome:
        case RunState.queued | RunState.starting, _:
            return GREY
        case RunState.waiting, _:
            return ORANGE if view.waiting_for in {WaitingFor.answer, WaitingFor.approval} else YELLOW
        case RunState.running, _:
            return BLUE if view.stalled_minutes is None else YELLOW
        case RunState.publishing, _:
            return BLUE
        case _, Outcome.delivered if view.pull_request is not None and view.pull_request.state == "merged":
            return PURPLE
        case _, Outcome.delivered | Outcome.answered:
            return GREEN
        case _, Outcome.stopped:
            return GREY
        case _:
            return RED


def _told(view: TaskView, redact: Redact) -> str:
    """What people said to it; all of them said it elsewhere."""
    return "\n".join(
        f"{code(one.actor)} said {_line(where(one), redact, 40)}: {_line(one.text, redact, 150)}"
        for one in told_elsewhere(view, "Discord")
    )


def _more(view: TaskView, redact: Redact) -> str:
    """What is asked, why it ended, or what Claude says of its work."""
    if view.state is RunState.waiting and view.waiting_for in {WaitingFor.answer, WaitingFor.approval}:
        return _asked(view, redact)
    if view.state.is_active or view.outcome is Outcome.stopped:
        return ""
    if view.outcome in {Outcome.delivered, Outcome.answered}:
        return _page(view.answer, redact, 1_000)
    return _line(view.run.reason, redact, 500)


def _asked(view: TaskView, redact: Redact) -> str:
    if view.asked is not None and view.waiting_for is WaitingFor.answer:
        options = [f"- {_line(option, redact, 80)}" for option in view.asked.options[:5]]
        return "\n".join([_page(view.asked.text, redact, 500), *options])
    if view.asked is not None:
        return f"It wants to use {code(redact(shown(view.asked.text))[:300])}"
    findings = view.held_back.findings if view.held_back is not None else ()
    lines = [f"- {_line(finding, redact, 150)}" for finding in findings[:5]]
    return "\n".join([*lines, *([f"- and {len(findings) - 5} more"] if len(findings) > 5 else [])])


def _what_to_do(view: TaskView, redact: Redact) -> str:
    """The same as elsewhere, and where to write it."""
    words = redact(what_to_do(view))
    if "`/claude" not in words:
        return words
    places = [_subject(view), *([_pull_request(view)] if view.pull_request is not None else [])]
    return f"{words} Write it on {' or '.join(places)}: nothing is read in Discord."


def _facts(view: TaskView, dashboard: str | None, now: datetime | None) -> list[tuple[str, str]]:
    facts = [("Pull request", _pull_request(view))] if view.pull_request is not None else []
    if view.change is not None:
        files = "1 file" if view.change.files == 1 else f"{view.change.files} files"
        facts.append(("Change", f"{files}, +{view.change.insertions} −{view.change.deletions}"))  # noqa: RUF001  (a minus)
    if now is not None and view.run.started_at is not None:
        facts.append(("Time", duration(view.elapsed_seconds(now))))
    if view.cost_usd > 0:
        facts.append(("Cost", dollars(view.cost_usd)))
    if view.state.is_active:
        facts.append(("Watch", f"`cco attach {view.task.id}`"))
    if dashboard:
        facts.append(("Details", _link(f"{dashboard.rstrip('/')}/tasks/{view.task.id}", "open")))
    return [(name, _cut(value, FIELD)) for name, value in facts]


def _subject(view: TaskView) -> str:
    return _link(view.task.subject.url, view.task.subject.key)


def _pull_request(view: TaskView) -> str:
    if view.pull_request is None:
        return ""
    draft = view.pull_request.draft and view.pull_request.state == "open"
    return _link(view.pull_request.url, f"{'draft #' if draft else '#'}{view.pull_request.number}")


def _link(url: str, words: str) -> str:
    target = re.sub(r"[()<>\s]", lambda found: f"%{ord(found[0]):02X}", url)
    return f"[{_harmless(words)}]({target})"


def _line(text: str, redact: Redact, limit: int) -> str:
    """Someone else's words in one line. Redacted here, and as a whole: Markdown may join what was apart."""
    return within(limit, redact(shown(text)), lambda part: rewrite_line(part, _harmless))[0]


def _page(text: str, redact: Redact, limit: int) -> str:
    return within(limit, redact(shown(text)), lambda part: rewrite(part, _harmless))[0]


def _harmless(words: str) -> str:
    """Plain text, so written that Discord shows it as it is: no mention, no emoji, no spoiler."""
    return around_addresses(words, _escaped)


def _escaped(words: str) -> str:
    return _SYNTAX.sub(lambda found: f"\\{found[0]}", words).replace("@", f"@{_JOINER}")


def _plain(words: str) -> str:
    """One line for a title, where a backslash may be shown as it is."""
    return re.sub(r"[@<]", lambda found: f"{found[0]}{_JOINER}", " ".join(shown(words).split()))


def _cut(text: str, limit: int) -> str:
    """The beginning of a text that is longer, counted in UTF-16 units."""
    if _units(text) <= limit:
        return text
    keep = text[:limit]
    while _units(keep) > limit - 2:
        keep = keep[:-1]
    return f"{keep.rstrip()} …"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
