"""What a launch is told: from the rules of the house, a task and its run to the supervisor's spec. Pure."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from runner.spool import Limits, Message, Spec
from runner.tasks import Actor, Run, Task, Trigger

# Fixed, so that the same launch always gets the same message ids, and Claude ignores one it has seen.
_IDS = uuid.UUID("6f1d2c1e-0b57-4d8e-9a43-6a1f5b0c7d11")

CONTINUE = (
    "You were interrupted and have been started again; the worktree is as you left it. Continue where you stopped. "
    "If the work is done, end with the summary."
)

ANEW = (
    "You worked on this before, in a session that is gone. The worktree is as it was left, and `git log` shows what "
    "was committed. Look at where the work stands, and go on from there. If it is done, end with the summary."
)


@dataclass(frozen=True, slots=True)
class Rules:
    """How this house runs agents. Dollars are US dollars; a limit of None is no limit.

    `confinement` is `bwrap` or `none`; `refusal` says why agents cannot be started here, if they cannot.
    `key_file` holds the model's key, which reaches Claude by an inherited descriptor.
    """

    bot: Actor
    claude: Path
    confinement: str
    refusal: str | None = None
    read_only: tuple[Path, ...] = ()
    model: str | None = None
    system_prompt: str = ""
    key_file: Path | None = None
    key_variable: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    max_runs: int = 5
    max_starting: int = 4
    run_time: timedelta | None = timedelta(hours=2)
    run_silence: timedelta | None = timedelta(minutes=20)
    run_turns: int | None = None
    run_dollars: float | None = 10.0
    day_dollars: float | None = None


def messages(run: Run, triggers: Sequence[Trigger], answers: Sequence[Message]) -> tuple[Message, ...]:
    """What Claude is told at the start of a launch.

    What it has not acknowledged is said (again: it ignores what it has seen), then the answers that came while no
    process was there to hear them. A launch that is not the first ends with a word to go on, so that there is a turn.
    """
    as_answers = {answer.uuid for answer in answers}
    unheard = [one for one in triggers if not one.acknowledged and one.uuid not in as_answers]
    told = [*(Message(one.uuid, one.instruction) for one in unheard), *answers]
    if run.launch > 1:
        told.append(Message(str(uuid.uuid5(_IDS, f"{run.id}/{run.launch}")), CONTINUE))
    return tuple(told)


def anew(
    run: Run, first: Trigger, triggers: Sequence[Trigger], answers: Sequence[Message], *, before: bool
) -> tuple[Message, ...]:
    """What Claude is told instead where its session is gone, and all that it had heard with it.

    `first` is what the task began with; `before` says that some launch of the task worked already.
    """
    answering = {one.uuid for one in answers}
    told = [Message(one.uuid, one.instruction) for one in triggers if one.uuid not in answering]
    if before and first.uuid not in {one.uuid for one in triggers}:
        told.insert(0, Message(str(uuid.uuid5(_IDS, f"{run.id}/{run.launch}/first")), first.instruction))
    told += answers
    if before:
        told.append(Message(str(uuid.uuid5(_IDS, f"{run.id}/{run.launch}/anew")), ANEW))
    return tuple(told)


def limits(rules: Rules, run: Run, worked: timedelta) -> Limits:
    """What is left to this launch of what the run may use, of which it has `worked` already."""
    left = None if rules.run_time is None else max(rules.run_time - worked, min(rules.run_time, timedelta(minutes=1)))
    return Limits(
        seconds=None if left is None else left.total_seconds(),
        silence_seconds=None if rules.run_silence is None else rules.run_silence.total_seconds(),
        turns=None if rules.run_turns is None else max(rules.run_turns - run.turns, 1),
        dollars=None if rules.run_dollars is None else max(rules.run_dollars - run.cost_usd, 0.01),
    )


def environment(rules: Rules, run: Run, root: Path) -> dict[str, str]:
    """The whole environment of everything that runs for the task. It holds no credential.

    The hook in the vault adds CCO_CO_AUTHOR to every commit message.
    """
    return {
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "HOME": str(root / "home"),
        "CLAUDE_CONFIG_DIR": str(root / "claude"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
        "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
        "CLAUDE_CODE_MAX_RETRIES": "3",  # longer weather is ours to wait for, without a process
        "DISABLE_AUTOUPDATER": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "true",
        "CCO_CO_AUTHOR": co_author(run.actor),
        **rules.env,
    }


def co_author(actor: Actor) -> str:
    """As in a trailer; empty for somebody whom GitHub does not know."""
    return f"{actor.login} <{actor.email}>" if actor.id else ""


def spec(
    rules: Rules,
    task: Task,
    run: Run,
    root: Path,
    env: dict[str, str],
    sandbox: tuple[str, ...],
    told: tuple[Message, ...],
    told_anew: tuple[Message, ...],
    left: Limits,
    merge_sha: str | None,
) -> Spec:
    """The whole of it. `root` is the task's directory; `merge_sha` is what others pushed to the branch meanwhile."""
    if task.base_sha is None:
        raise ValueError(f"task {task.id} has no base: its workspace was never prepared")
    return Spec(
        task=task.id,
        run=run.id,
        launch=run.launch,
        title=f"{task.subject.key} {task.subject.title}",
        branch=task.branch,
        claude=str(rules.claude),
        session_id=task.session_id,
        sandbox=sandbox,
        env=env,
        worktree=str(root / "worktree"),
        vault=str(root / "vault.git"),
        claude_dir=str(root / "claude"),
        base_sha=task.base_sha,
        merge_sha=merge_sha,
        author=f"{rules.bot.login} <{rules.bot.email}>",
        co_author=co_author(run.actor),
        permission_mode="bypassPermissions" if rules.confinement == "bwrap" else "acceptEdits",
        allowed_tools=() if rules.confinement == "bwrap" else UNCONFINED_TOOLS,
        model=rules.model,
        system_prompt=rules.system_prompt,
        key_file=str(rules.key_file) if rules.key_file else None,
        key_variable=rules.key_variable,
        messages=told,
        anew=told_anew,
        limits=left,
    )


# Without a sandbox Claude may read, edit and commit; what else it wants to run, a person allows.
UNCONFINED_TOOLS = (
    "Read",
    "Edit",
    "Write",
    "Glob",
    "Grep",
    "Bash(git status:*)",
    "Bash(git diff:*)",
    "Bash(git log:*)",
    "Bash(git add:*)",
    "Bash(git commit:*)",
    "Bash(python3 -m unittest:*)",
    "Bash(python3 -m pytest:*)",
    "Bash(npm test:*)",
    "Bash(make test:*)",
)
