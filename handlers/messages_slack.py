"""What Slack shows of a task: one message that is kept up to date, and replies for what someone must know."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk.models.blocks import Block, ContextBlock, MarkdownTextObject, SectionBlock

from handlers.messages import dollars, duration, headline, steps, told_elsewhere, what_to_do, where
from handlers.mrkdwn import mrkdwn
from handlers.rewriting import shown
from handlers.slack_buttons import buttons, decision, short
from runner.tasks import Outcome, RunState, WaitingFor
from runner.view import TaskView

Redact = Callable[[str], str]

IN_THIS_THREAD = "Write it in this thread, where it needs no `/claude` before it"
NOT_READ_HERE = "Please write it on {places}: this service does not read what is written in Slack."

_JOINER = "\u2060"  # a word joiner: shows nothing, and is in no name that Slack could look up


@dataclass(frozen=True, slots=True)
class Message:
    """A message as Slack takes it: blocks, and for notifications the same in one line."""

    text: str
    blocks: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Voice:
    """How we speak: without the secrets we know, with links to our pages if people reach them.

    `hears`: people can answer here, and click.
    """

    redact: Redact
    dashboard: str | None
    hears: bool


def first_message(view: TaskView, voice: Voice, now: datetime | None) -> Message:
    """Where the task stands. Without `now` it says nothing of time: for comparing."""
    redact = voice.redact
    head = _line(headline(view), redact, 200)
    title = _line(view.task.subject.title, redact, 250)
    blocks: list[Block] = [_section(f"*{head}*\n{_subject(view)}  {title}")]
    if plan := steps(view, lambda words: _line(words, redact, 200)):
        blocks.append(_section(plan))
    if told := _told(view, redact):
        blocks.append(_section(told))
    if not view.confined:
        blocks.append(_section("*This machine runs Claude without a sandbox.*"))
    if facts := _facts(view, voice.dashboard, now):
        blocks.append(_context(facts))
    if voice.hears:
        blocks.append(buttons(view))
    return _message(f"{head} – {_escaped(view.task.subject.key)}: {title}", blocks)  # noqa: RUF001  (a dash between two sayings)


def moment(view: TaskView) -> str | None:
    """A name for what someone must know now, the same for as long as it stands; None if it is nothing new.

    Someone must know when the work is ready, when it failed or was stopped, and when it waits for a person.
    """
    run = f"r{view.run.id}"
    if not view.state.is_active:
        return f"{run} {view.state}"
    if view.state is not RunState.waiting or view.waiting_for not in {WaitingFor.approval, WaitingFor.answer}:
        return None
    if view.asked is not None:
        return f"{run} asked {short(view.asked.request)}"
    return f"{run} held {short(view.held_back.sha)}" if view.held_back is not None else None


def reply(view: TaskView, voice: Voice, now: datetime, requester: str | None = None) -> Message:
    """What someone must know, whole in itself: it is read in a notification, far from the thread.

    `requester` is the Slack user who asked for it, if known: they are called, unless they stopped it themselves.
    """
    redact = voice.redact
    head = _line(headline(view), redact, 200)
    call = f"<@{requester}> " if requester is not None and view.state is not RunState.stopped else ""
    blocks: list[Block] = [_section(f"{call}*{head}*")]
    if more := _more(view, redact):
        blocks.append(_section(more))
    blocks.append(_section(_line(what_to_do(view), redact, 600, code=True)))
    if voice.hears and (asked := decision(view)):
        blocks.append(asked)
    places = [_subject(view), *([_pull_request(view)] if view.pull_request is not None else [])]
    there = " or ".join(places)
    how = f"{IN_THIS_THREAD}, or on {there}." if voice.hears else NOT_READ_HERE.format(places=there)
    blocks.append(_context([how]))
    if facts := _facts(view, voice.dashboard, now, places=False):
        blocks.append(_context(facts))
    return _message(f"{head} – {_escaped(view.task.subject.key)}", blocks)  # noqa: RUF001  (the same)


def words(markdown: str, redact: Redact) -> Message:
    """An answer of ours, which is Markdown."""
    text = mrkdwn(redact(markdown))
    return _message(text, [_section(text)])


def _more(view: TaskView, redact: Redact) -> str:
    """What is asked, why it ended, or what Claude says of its work."""
    if view.state is RunState.waiting:
        return _asked(view, redact)
    if view.outcome in {Outcome.delivered, Outcome.answered}:
        return _quoted(view.answer, redact, 1_500)
    return _line(view.run.reason, redact, 1_000)


def _asked(view: TaskView, redact: Redact) -> str:
    if view.asked is not None and view.waiting_for is WaitingFor.answer:
        options = [f"• {_line(option, redact, 120)}" for option in view.asked.options[:10]]
        return "\n".join([_quoted(view.asked.text, redact, 1_500), *options])
    if view.asked is not None:
        return f"It wants to use `{_line(view.asked.text, redact, 500)}`"
    findings = view.held_back.findings if view.held_back is not None else ()
    lines = [f"• {_line(finding, redact, 250)}" for finding in findings[:10]]
    return "\n".join([*lines, *([f"• and {len(findings) - 10} more"] if len(findings) > 10 else [])])


def _told(view: TaskView, redact: Redact) -> str:
    """What people said in other places."""
    return "\n".join(
        f"• {_line(one.actor, redact, 60)} said {_line(where(one), redact, 40)}: {_line(one.text, redact, 300)}"
        for one in told_elsewhere(view, "Slack")
    )


def _facts(view: TaskView, dashboard: str | None, now: datetime | None, places: bool = True) -> list[str]:
    facts = [_pull_request(view)] if places and view.pull_request is not None else []
    if view.change is not None:
        files = "1 file" if view.change.files == 1 else f"{view.change.files} files"
        facts.append(f"{files}, +{view.change.insertions} −{view.change.deletions}")  # noqa: RUF001  (a minus)
    if now is not None and view.run.started_at is not None:
        facts.append(duration(view.elapsed_seconds(now)))
    if view.cost_usd > 0:
        facts.append(dollars(view.cost_usd))
    if view.state.is_active:
        facts.append(f"watch with `cco attach {view.task.id}`")
    if dashboard:
        facts.append(_link(f"{dashboard.rstrip('/')}/tasks/{view.task.id}", "details"))
    return facts


def _subject(view: TaskView) -> str:
    return _link(view.task.subject.url, view.task.subject.key)


def _pull_request(view: TaskView) -> str:
    if view.pull_request is None:
        return ""
    kind = "draft pull request" if view.pull_request.draft and view.pull_request.state == "open" else "pull request"
    return _link(view.pull_request.url, f"{kind} #{view.pull_request.number}")


def _link(url: str, words: str) -> str:
    target = re.sub(r"[<>|\s]", lambda found: f"%{ord(found[0]):02X}", url).replace("&", "&amp;")
    return f"<{target}|{_escaped(words)}>"


def _line(text: str, redact: Redact, limit: int, code: bool = False) -> str:
    """Someone else's words in one line: they mention nobody, link nowhere, and hold no secret of ours.

    Backticks stay only for `code`, which is our own sentence: three of them would swallow what follows.
    """
    words = " ".join(redact(shown(text)).split())
    return _within(limit, words if code else words.replace("`", "'"))


def _quoted(text: str, redact: Redact, limit: int) -> str:
    lines = redact(shown(text)).replace("`", "'").strip().split("\n")
    words = _within(limit - 2 * len(lines[:30]), "\n".join(line.rstrip() for line in lines[:30]))
    return "\n".join(f"> {line}".rstrip() for line in words.split("\n")) if words else ""


def _within(limit: int, words: str) -> str:
    said, keep = _escaped(words), min(limit, len(words))
    while len(said) > limit:
        keep -= max(1, (len(said) - limit) // 5)
        said = f"{_escaped(words[:keep].rstrip())} …"
    return said


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("@", f"@{_JOINER}")


def _section(text: str) -> SectionBlock:
    return SectionBlock(text=MarkdownTextObject(text=text, verbatim=True))


def _context(facts: list[str]) -> ContextBlock:
    return ContextBlock(elements=[MarkdownTextObject(text=" · ".join(facts), verbatim=True)])


def _message(text: str, blocks: list[Block]) -> Message:
    return Message(text, [block.to_dict() for block in blocks])
