"""A machine on which every step of every supervisor is chosen by the test: where tmux and Claude would be.

It keeps to the spool's real format and the real lock, so that the service cannot tell the difference.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner import spool
from runner.journal import Journal
from runner.spool import Cause, Exit
from runner.tasks import RunId
from runner.tmux import Pane

COST = 0.25
OVERLOADED = {"is_error": True, "api_error_status": 529, "terminal_reason": "api_error", "result": "Overloaded"}
QUOTA = {"is_error": True, "api_error_status": 429, "api_error": "usage_limit_reached", "result": "Limit reached"}


@dataclass
class Session:
    """What one task's Claude remembers, whichever process it lives in."""

    heard: list[str] = field(default_factory=list)  # texts, in the order in which it took them up
    known: set[str] = field(default_factory=set)  # uuids
    cost: float = 0.0
    asked: int = 0
    alive: int = 0  # processes that work in it


class Supervisor:
    """One launch, from its session to its end."""

    def __init__(self, directory: Path, session: Session) -> None:
        self.directory = directory
        self.session = session
        self.status = "coming"
        self.asking: str | None = None
        self.lock: int | None = None
        self.obeyed: set[str] = set()

    def up(self) -> None:
        """It takes its lock, and Claude hears what it is told."""
        self.lock = spool.hold(self.directory)
        assert self.lock is not None
        self.session.alive += 1
        assert self.session.alive == 1, "two agents write in one worktree"
        self.status = "up"
        self.journal = Journal(self.directory)
        self.journal.write(spool.STARTED, {"pid": 1, "resumed": bool(self.session.known)})
        for message in spool.read_spec(self.directory).messages:
            self.hear(message.uuid, message.text)

    def hear(self, uuid: str, text: str) -> None:
        if uuid not in self.session.known:
            self.session.known.add(uuid)
            self.session.heard.append(text)
            self.say({"type": "command_lifecycle", "command_uuid": uuid, "state": "started"})

    def say(self, line: dict[str, Any]) -> None:
        self.journal.write(spool.CLAUDE, {"line": line})

    def work(self) -> None:
        block = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}}
        self.say({"type": "assistant", "message": {"id": f"m{os.urandom(4).hex()}", "content": [block]}})

    def ask(self) -> None:
        self.session.asked += 1
        self.asking = f"question-{self.session.asked}"
        question = {"question": "Which?", "options": []}
        request = {"subtype": "can_use_tool", "tool_name": "AskUserQuestion", "input": {"questions": [question]}}
        self.say({"type": "control_request", "request_id": self.asking, "request": request})

    def orders(self) -> list[dict[str, Any]]:
        """What lies in the control directory and was not carried out, in order."""
        files = sorted(path for path in (self.directory / "control").iterdir() if not path.name.startswith("."))
        found = {message["uuid"]: message for message in (json.loads(path.read_bytes()) for path in files)}
        return [message for uuid, message in found.items() if uuid not in self.obeyed]

    def obey(self) -> None:
        """All of it, or until the stop in it."""
        for message in self.orders():
            if self.status != "up":
                return
            self.obeyed.add(message["uuid"])
            match message["kind"]:
                case "steer":
                    self.hear(message["uuid"], message["text"])
                case "permit" if message["request"] == self.asking:
                    self.asking = None
                    self.session.heard.append(message["text"])
                    self.journal.write(spool.TAKEN, {"uuid": "u", "what": "permit", "request": message["request"]})
                case "stop":
                    self.end(Cause.stopped, None, message["why"])

    def result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        line = {
            "type": "result",
            "is_error": False,
            "model_usage_since_last_result": {"m": {"costUSD": COST}},
            **result,
        }
        self.session.cost += COST
        self.say(line)
        return line

    def end(self, cause: Cause, result: Mapping[str, Any] | None, detail: str = "") -> None:
        line = None if result is None else self.result(result)
        spool.write_exit(self.directory, Exit(cause, 0, detail, line, 1.0))
        self.die("ended")

    def die(self, status: str = "lost") -> None:
        if self.lock is not None:
            self.session.alive -= 1
            os.close(self.lock)
            self.lock = None
        self.status, self.asking = status, None


class Machine:
    """tmux, as the engine uses it. `launches` are all that were ever started, by run."""

    def __init__(self) -> None:
        self.launches: dict[RunId, list[Supervisor]] = {}
        self.sessions_of: dict[str, Session] = {}  # by Claude's own name for it

    async def launch(self, run_id: RunId, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        directory = Path(argv[-1])
        session = self.sessions_of.setdefault(spool.read_spec(directory).session_id, Session())
        assert session.alive == 0, "one is started beside another"
        self.launches.setdefault(run_id, []).append(Supervisor(directory, session))

    async def show(self, run_id: RunId, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        raise AssertionError("no session was lost")

    async def panes(self) -> dict[RunId, Pane]:
        shown = {"coming", "up"}
        return {run: Pane(1, False) for run, launches in self.launches.items() if launches[-1].status in shown}

    async def kill(self, run_id: RunId) -> None:
        """The supervisor of a session that is killed lives on."""
