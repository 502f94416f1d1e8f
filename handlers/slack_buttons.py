"""The buttons below a message in Slack: those that make sense as the task stands, each naming what it answers."""

import hashlib

from slack_sdk.models.blocks import ActionsBlock, ButtonElement, InteractiveElement, LinkButtonElement

from handlers.commands import Verb
from handlers.slack_heard import BUTTON
from runner.tasks import RunState, WaitingFor
from runner.view import TaskView

_LABELS = {Verb.stop: "Stop", Verb.retry: "Try again", Verb.approve: "Approve", Verb.deny: "Deny"}
_STYLES = {Verb.approve: "primary", Verb.stop: "danger"}


def buttons(view: TaskView) -> ActionsBlock:
    """Below the first message. Slack tells the app of every click, also of the one that opens a page."""
    pull_request = view.pull_request
    url = pull_request.url if pull_request is not None else view.task.subject.url
    opening = LinkButtonElement(
        text="Open the pull request" if pull_request is not None else "Open", url=url[:3000], action_id=f"{BUTTON}open"
    )
    return ActionsBlock(elements=[*(_button(view, verb) for verb in offered(view)), opening])


def decision(view: TaskView) -> ActionsBlock | None:
    """Below a reply that asks for a yes or a no."""
    verbs = [verb for verb in offered(view) if verb in {Verb.approve, Verb.deny}]
    return ActionsBlock(elements=[_button(view, verb) for verb in verbs]) if verbs else None


def offered(view: TaskView) -> list[Verb]:
    """What can be done by a click as the task stands."""
    if view.state is RunState.waiting and view.waiting_for is WaitingFor.approval:
        return [Verb.approve, Verb.deny, Verb.stop]
    if view.state.is_active:
        return [Verb.stop] if view.run.stop_asked_by is None else []
    return [Verb.retry] if view.state in {RunState.failed, RunState.stopped} else []


def request_of(view: TaskView) -> str:
    """The question or request that the run waits for an answer to, in short; empty if it waits for none."""
    if view.asked is not None:
        return short(view.asked.request)
    return short(view.held_back.sha) if view.held_back is not None else ""


def short(name: str) -> str:
    """A name for a name, of one length."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def _button(view: TaskView, verb: Verb) -> InteractiveElement:
    asks = verb in {Verb.approve, Verb.deny}
    value = f"{view.task.id}/{request_of(view)}" if asks else f"{view.task.id}"
    return ButtonElement(text=_LABELS[verb], action_id=f"{BUTTON}{verb}", value=value, style=_STYLES.get(verb))
