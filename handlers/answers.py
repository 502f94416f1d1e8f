"""What is answered to a command, in a comment where it was given."""

from handlers.commands import Verb
from handlers.messages import headline, question, what_to_do
from handlers.rewriting import code
from handlers.sanitize import neutralise_line
from runner.store import Submission
from runner.submitting import Submitted
from runner.tasks import RunState, WaitingFor
from runner.view import TaskView

HELP = """\
Here is what you can write, as the first word of a line:

| | |
| --- | --- |
| `/claude` and anything else | tell Claude: it hears it while it works, or goes on with it if it has ended |
| `/claude retry` | try again; more words say what to do differently |
| `/claude stop` | stop; what was done so far is kept |
| `/claude status` | how it stands |
| `/claude approve`, `/claude deny` | answer what Claude waits for |
| `/claude help` | this |

Anyone who can push to this repository can do this. The label {label} on an issue starts the work, and taking it off \
stops it.
"""

STOPPING = "Stopping. What was done so far is kept; `/claude retry` goes on from there."
NOTHING_TO_STOP = "Nothing is running here, so there is nothing to stop."
NOTHING_TO_DECIDE = "Nothing waits for a yes or no here."
ASKED_IN_WORDS = "Claude asked a question that a yes does not answer. Write `/claude` and your answer."
NO_TASK = "There is no work of mine here yet. Put the label {label} on the issue, or write `/claude` and what you want."
NOT_OURS = "This pull request is not one of mine. Put the label {label} on an issue, and I will open one for it."
FORGOTTEN = (
    "This pull request is mine, but the service was restored from a backup that is older than it. "
    "Write the same on #{number}, and I go on from here."
)
NOT_YET = "{command} is not there yet. The word is kept for it, so I did not pass it on to Claude."
ASKED_SINCE = (
    "What runs now was asked for after you wrote this, and I only read it now. Write `/claude stop` again to end it."
)
OVERTAKEN = "I only read this now, and {why} after you wrote it, so I did not begin. Write it again, and I will."
ON_IT = "On it."
HAVE_IT = "I have that already."
PASSED_ON = "Passed on; Claude reads it at its next step."
AT_WORK = "There is a run already, so there is nothing to try again. `/claude stop` ends it."


def helping(label: str) -> str:
    """All commands."""
    return HELP.format(label=code(label)).strip()


def no_task(label: str) -> str:
    """On an issue that nobody has labelled."""
    return NO_TASK.format(label=code(label))


def not_ours(label: str) -> str:
    """On somebody else's pull request."""
    return NOT_OURS.format(label=code(label))


def forgotten(number: int) -> str:
    """On a pull request of ours that the database does not know."""
    return FORGOTTEN.format(number=number)


def not_yet(verb: Verb) -> str:
    """A word that will mean something one day."""
    return NOT_YET.format(command=code(f"/claude {verb}"))


def overtaken(why: str) -> str:
    """A command that came late, after `why` would have ended what it began."""
    return OVERTAKEN.format(why=why)


def status(view: TaskView) -> str:
    """How it stands, and what one can do."""
    return "\n\n".join(
        part for part in (f"**{neutralise_line(headline(view))}.**", question(view), what_to_do(view)) if part
    )


def decided(allowed: bool) -> str:
    """The yes or no has reached the run."""
    return "Allowed; Claude goes on." if allowed else "Denied; Claude is told so."


def submitted(submission: Submission, view: TaskView, waited_for: WaitingFor | None) -> str:
    """An instruction was taken. `waited_for` is what the run waited for when it came."""
    if submission.kind is Submitted.unchanged:
        return f"{HAVE_IT} {_stands(view)}"
    if submission.kind is Submitted.queued:
        ahead = view.position or 0
        return ON_IT if ahead == 0 and not view.paused else f"{ON_IT} {_stands(view)}"
    if waited_for is WaitingFor.answer:
        return "That is the answer Claude was waiting for; it goes on."
    if view.state is RunState.running:
        return PASSED_ON
    return f"Passed on; Claude reads it when it goes on. {_stands(view)}"


def _stands(view: TaskView) -> str:
    return f"{neutralise_line(headline(view))}."
