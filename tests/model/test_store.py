"""The real store against a plain model of it in Python, through crashes: both run on the one transition table."""

import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from runner import events as happened
from runner.events import Event
from runner.store import Reading, Store, open_store
from runner.submitting import Submitted
from runner.tasks import TRANSITIONS, IllegalTransition, Outcome, RunId, RunState, TaskId, TriggerKind, WaitingFor, Wish
from tests.integration.test_store import ALICE, HELLO, subject

T = TypeVar("T")
MAX_RUNS, MAX_STARTING = 2, 1
PERSONS = {WaitingFor.approval, WaitingFor.answer}

# A process that dies with a transaction open, in which it has done its worst.
KILLED = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE runs SET state = 'failed', waiting_for = NULL")
db.execute("DELETE FROM triggers")
db.execute("DELETE FROM events WHERE id > 3")
os.kill(os.getpid(), 9)
"""


@dataclass
class Said:
    """A wish as the model keeps it."""

    uuid: str
    kind: TriggerKind
    said: str
    joined: bool
    acknowledged: bool = False


@dataclass
class AModelRun:
    """A run as the model keeps it."""

    task: int
    state: RunState = RunState.queued
    waiting_for: WaitingFor | None = None
    keeps_process: bool = False
    stop: bool = False
    outcome: Outcome | None = None
    launch: int = 0
    offset: int = 0
    cost: float = 0.0
    asked: dict[str, str] = field(default_factory=dict)  # what Claude asks: the request, and the answer's uuid
    open: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    @property
    def holds_slot(self) -> bool:
        at_work = self.state in {RunState.starting, RunState.running, RunState.publishing}
        return at_work or (self.waiting_for in PERSONS and self.keeps_process)

    @property
    def in_line(self) -> bool:
        return self.state is RunState.queued or self.waiting_for is WaitingFor.slot

    def move(self, to: RunState, waiting_for: WaitingFor | None = None, *, keeps_process: bool = False) -> None:
        self.state, self.waiting_for, self.keeps_process = to, waiting_for, keeps_process


class TheStore(RuleBasedStateMachine):
    """What people, the conductor and a supervisor do to the store, in any order, with a crash anywhere between."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="cco-model-"))
        self.path = self.directory / "cco.db"
        self.loop = asyncio.Runner()
        self.open()
        self.numbers = count(1)
        self.tasks: dict[int, int] = {}  # by the number of the issue
        self.runs: dict[int, AModelRun] = {}
        self.wishes: dict[str, int] = {}  # the issue, by what was wished

    def open(self) -> None:
        async def opened() -> Store:
            self.stack = AsyncExitStack()
            return await self.stack.enter_async_context(open_store(self.path))

        self.store = self.do(opened())

    def do(self, what: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(what)

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.loop.close()
        shutil.rmtree(self.directory)

    # What people do

    @rule(issue=st.integers(1, 3), label=st.booleans(), words=st.sampled_from(["", "With salt."]))
    def wishes_something(self, issue: int, label: bool, words: str) -> None:
        self.submit(issue, label, "" if label else words, f"wish-{next(self.numbers)}")

    @precondition(lambda self: self.wishes)
    @rule(data=st.data(), label=st.booleans())
    def is_delivered_again(self, data: st.DataObject, label: bool) -> None:
        uuid = data.draw(st.sampled_from(sorted(self.wishes)))
        self.submit(self.wishes[uuid], label, "", uuid)

    def submit(self, issue: int, label: bool, words: str, uuid: str) -> None:
        kind = TriggerKind.label if label else TriggerKind.command
        made = self.do(self.store.submit(subject(issue), HELLO, "b", Wish(kind, ALICE, f"Do {uuid}.", uuid, words)))
        self.tasks.setdefault(issue, made.task.id)
        assert made.task.id == self.tasks[issue]
        active = self.active(issue)
        if uuid in self.wishes:
            assert made.kind is Submitted.unchanged
            return
        if active is not None and label:
            assert (made.kind, made.run.id) == (Submitted.unchanged, active)
            return
        self.wishes[uuid] = issue
        wish = Said(uuid, kind, words, joined=active is not None)
        if active is None:
            assert made.kind is Submitted.queued
            self.gather(issue, made.run.id, kind)
        else:
            assert (made.kind, made.run.id) == (Submitted.joined, active)
            run = self.runs[active]
            if run.waiting_for is WaitingFor.answer and run.open:
                run.asked[run.open.pop(0)] = uuid
        self.runs[made.run.id].said.append(wish)

    def gather(self, issue: int, run_id: int, kind: TriggerKind) -> None:
        """Whatever was said in vain comes along, unless it is said again by this."""
        before = [one for one in self.runs.values() if one.task == issue]
        knows = any(said.acknowledged for one in before for said in one.said)
        new = self.runs[run_id] = AModelRun(issue)
        for one in before:
            along = [
                said
                for said in one.said
                if not said.acknowledged and (said.said or (knows and kind is not TriggerKind.label))
            ]
            one.said = [said for said in one.said if said not in along]
            new.said += along
        for said in new.said:
            said.joined = False
        new.said.sort(key=lambda said: int(said.uuid.removeprefix("wish-")))

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def asks_to_stop(self, data: st.DataObject) -> None:
        issue = data.draw(st.sampled_from(sorted(self.tasks)))
        stopped = self.do(self.store.ask_to_stop(TaskId(self.tasks[issue]), "alice", "enough"))
        active = self.active(issue)
        assert (stopped.id if stopped else None) == active
        if active is not None:
            self.runs[active].stop = True
            if self.runs[active].in_line:
                self.ended(active, Outcome.stopped)

    # What the conductor does

    @rule()
    def claims(self) -> None:
        claimed = self.do(self.store.claim(MAX_RUNS, MAX_STARTING))
        busy = sum(run.holds_slot for run in self.runs.values())
        starting = sum(run.state is RunState.starting for run in self.runs.values())
        line = sorted(number for number, run in self.runs.items() if run.in_line)
        if busy >= MAX_RUNS or starting >= MAX_STARTING or not line:
            assert claimed is None
        else:
            assert claimed is not None
            assert claimed.id == line[0]
            self.runs[claimed.id].move(RunState.starting)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), to=st.sampled_from(RunState), what=st.sampled_from(WaitingFor))
    def moves(self, data: st.DataObject, to: RunState, what: WaitingFor) -> None:
        """Anywhere: what the table does not have is refused, and leaves no trace."""
        number = data.draw(st.sampled_from(sorted(self.runs)))
        run = self.runs[number]
        waiting_for = what if to is RunState.waiting else None
        if to not in TRANSITIONS[run.state]:
            with pytest.raises(IllegalTransition):
                self.do(self.store.move(RunId(number), to, waiting_for=waiting_for))
        elif to.is_active:
            self.do(self.store.move(RunId(number), to, waiting_for=waiting_for))
            run.move(to, waiting_for)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def settles(self, data: st.DataObject, outcome: Outcome) -> None:
        number = data.draw(st.sampled_from(sorted(self.runs)))
        if outcome.state in TRANSITIONS[self.runs[number].state]:
            self.do(self.store.settle(RunId(number), outcome, "why"))
            self.ended(number, outcome)
        else:
            with pytest.raises(IllegalTransition):
                self.do(self.store.settle(RunId(number), outcome, "why"))

    def ended(self, number: int, outcome: Outcome) -> None:
        run = self.runs[number]
        run.move(outcome.state)
        run.outcome, run.open = outcome, []
        unheard = [said for said in run.said if not said.acknowledged]
        if outcome is not Outcome.stopped and any(said.joined for said in unheard):
            run.said = [said for said in run.said if said.acknowledged]
            following = AModelRun(run.task, said=unheard)
            for said in unheard:
                said.joined = False
            self.runs[max(self.runs) + 1] = following

    # What a supervisor writes down

    @precondition(lambda self: self.at(RunState.starting))
    @rule(data=st.data())
    def launches(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.at(RunState.starting)))
        begun = self.do(self.store.begin_launch(RunId(number)))
        started = happened.LaunchStarted(begun.launch, "bwrap")
        self.do(self.store.move(RunId(number), RunState.running, started))
        run = self.runs[number]
        run.move(RunState.running)
        run.launch, run.offset = run.launch + 1, 0

    @precondition(lambda self: self.at(RunState.running, RunState.waiting))
    @rule(data=st.data(), what=st.sampled_from(["heard", "tool", "turn", "question", "approval"]))
    def says(self, data: st.DataObject, what: str) -> None:
        number = data.draw(st.sampled_from(self.at(RunState.running, RunState.waiting)))
        run = self.runs[number]
        request = f"ask-{next(self.numbers)}"
        event: Event
        match what:
            case "heard" if run.said:
                said = data.draw(st.sampled_from(run.said))
                event, said.acknowledged = happened.InstructionTaken(said.uuid), True
            case "turn":
                event = happened.TurnEnded(0.25, 2, False, "Done.")
                run.cost += 0.25
            case "question":
                event = happened.QuestionAsked(request, "Which?", ())
                self.asks(run, request, WaitingFor.answer)
            case "approval":
                event = happened.ApprovalAsked(request, "Bash", "Bash: ls")
                self.asks(run, request, WaitingFor.approval)
            case _:
                event = happened.ToolUsed("Bash", "Bash: ls")
        run.offset += 10
        self.do(self.store.read_on(RunId(number), Reading(run.offset, f"{run.offset}"), [event]))

    def asks(self, run: AModelRun, request: str, what: WaitingFor) -> None:
        run.open.append(request)
        if run.state is RunState.running:
            run.move(RunState.waiting, what, keeps_process=True)

    @precondition(lambda self: any(run.asked for run in self.runs.values()))
    @rule(data=st.data())
    def takes_the_answer(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(number for number, run in self.runs.items() if run.asked)))
        run = self.runs[number]
        request = data.draw(st.sampled_from(sorted(run.asked)))
        self.do(self.store.record(TaskId(self.tasks[run.task]), happened.DecisionTaken(request), run_id=RunId(number)))
        uuid = run.asked.pop(request)
        for one in self.runs.values():
            for said in one.said:
                said.acknowledged |= said.uuid == uuid

    # What breaks

    @rule()
    def crashes(self) -> None:
        self.do(self.stack.aclose())
        self.open()

    @precondition(lambda self: self.runs)
    @rule()
    def another_writer_is_killed(self) -> None:
        argv = (sys.executable, "-I", "-S", "-c", KILLED, str(self.path))
        assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL

    # What holds whatever happened

    @invariant()
    def is_as_the_model_has_it(self) -> None:
        for number, run in self.runs.items():
            row = self.do(self.store.run(RunId(number)))
            assert (row.state, row.waiting_for, row.launch) == (run.state, run.waiting_for, run.launch)
            assert (row.stop_asked_by is not None, row.outcome) == (run.stop, run.outcome)
            assert row.cost_usd == run.cost
            assert (row.ended_at is None) == row.state.is_active
            assert self.do(self.store.reading(RunId(number))).offset == run.offset
            said = [(one.uuid, one.joined, one.acknowledged) for one in self.do(self.store.triggers(RunId(number)))]
            assert said == [(one.uuid, one.joined, one.acknowledged) for one in run.said]
        everywhere = [said.uuid for run in self.runs.values() for said in run.said]
        assert sorted(everywhere) == sorted(self.wishes)  # each wish is in one run, none is lost

    @invariant()
    def is_told_as_it_is(self) -> None:
        line = sorted(number for number, run in self.runs.items() if run.in_line)
        for issue, task_id in self.tasks.items():
            mine = sorted(number for number, run in self.runs.items() if run.task == issue)
            assert sum(self.runs[number].state.is_active for number in mine) <= 1
            view = self.do(self.store.view(TaskId(task_id)))
            assert [one.id for one in view.runs] == mine
            latest = self.runs[mine[-1]]
            assert (view.state, view.waiting_for, view.outcome) == (latest.state, latest.waiting_for, latest.outcome)
            assert view.cost_usd == sum(self.runs[number].cost for number in mine)
            assert view.position == (line.index(mine[-1]) if mine[-1] in line else None)
            assert (view.asked.request if view.asked else None) == (latest.open[0] if latest.open else None)

    @invariant()
    def has_a_cause_for_everything(self) -> None:
        """The events alone, read in order, take every run along the table to where it stands."""
        recorded = self.do(self.store.events(limit=-1))
        assert [one.id for one in recorded] == list(range(1, len(recorded) + 1))
        for number, run in self.runs.items():
            mine = [one.event for one in recorded if one.run_id == number]
            path = [RunState.queued, *(RunState(one.state) for one in mine if isinstance(one, happened.RunMoved))]
            assert isinstance(mine[0], happened.RunQueued)
            assert all(after in TRANSITIONS[before] for before, after in pairwise(path))
            assert path[-1] is run.state
            assert sum(isinstance(one, happened.RunSettled) for one in mine) == (not run.state.is_active)
        day = datetime.now(UTC).date().isoformat()
        assert self.do(self.store.tallies.spent(day)) == sum(run.cost for run in self.runs.values())

    # Looking

    def active(self, issue: int) -> int | None:
        mine = [number for number, run in self.runs.items() if run.task == issue and run.state.is_active]
        return mine[0] if mine else None

    def at(self, *states: RunState) -> list[int]:
        return sorted(number for number, run in self.runs.items() if run.state in states)


def test_the_store_is_its_model_through_every_crash() -> None:
    examples = max(1, settings().max_examples // 4)
    run_state_machine_as_test(TheStore, settings=settings(max_examples=examples, stateful_step_count=40))
