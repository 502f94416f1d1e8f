"""What a launch has beside its `claude` process: journal, pane, control messages, bundles, and what it used up."""

import json
import time
from pathlib import Path
from typing import Any

from runner import exports, spool
from runner.journal import Journal
from runner.pane import Pane
from runner.space import is_full
from runner.spool import Cause
from runner.text import clean
from runner.transcript import Transcript

HEARTBEAT_SECONDS = 2.0
# What a line of an unexpected shape can raise. The agent can write into Claude's own standard output (they are one
# user in there), so a shape that nobody thought of must not end the supervisor.
SHAPELESS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class Launch:
    """One launch, as its supervisor carries it. Everything happens in one thread."""

    def __init__(self, directory: Path, spec: spool.Spec, pane: Pane) -> None:
        self.directory = directory
        self.spec = spec
        self.pane = pane
        self.journal = Journal(directory)
        self.transcript = Transcript(spec.worktree)
        self.done: set[str] = set()  # control messages that were carried out
        self.bundles = 0
        self.exported = spec.base_sha
        self.dollars = 0.0
        self.answers = 0
        self.worked = 0.0  # seconds, without those that a person was waited for
        self.ending: Cause | None = None
        self.detail = ""
        self.stop_signal = False
        self.stderr_bytes = 0
        self.beat_at = -HEARTBEAT_SECONDS

    def record(self, kind: str, data: dict[str, Any]) -> None:
        """On disk first, then on the screen."""
        line = self.journal.write(kind, data)
        try:
            self.pane.show(self.transcript.draw(line, self.pane.width))
        except SHAPELESS:
            self.pane.show(" (a line that cannot be shown)\n")

    def trouble(self, what: str) -> None:
        """Something the operator should know; the launch goes on."""
        self.record(spool.TROUBLE, {"what": clean(what)[:2000]})

    def controls(self) -> list[dict[str, Any]]:
        """Messages that were dropped since the last look, oldest first."""
        found = []
        for name in sorted(path.name for path in (self.directory / "control").iterdir()):
            if name.startswith(".") or name in self.done:
                continue
            self.done.add(name)
            try:
                message = json.loads((self.directory / "control" / name).read_bytes())
                number = str(message["uuid"])
            except (ValueError, KeyError, TypeError, OSError) as error:
                self.trouble(f"control message {name} cannot be read: {error}")
                continue
            if number not in self.done:
                self.done.add(number)
                found.append(message)
        return found

    def taken(self, message: dict[str, Any]) -> None:
        """Say that a control message was carried out."""
        text = message.get("shown") or message.get("text") or message.get("why") or ""
        data = {"uuid": message["uuid"], "what": message["kind"], "text": str(text)[:4000]}
        data |= {key: message[key] for key in ("actor", "allowed", "request") if key in message}
        self.record(spool.TAKEN, data)

    def breathe(self) -> None:
        """Give a sign of life, every few seconds."""
        now = time.monotonic()
        if now - self.beat_at >= HEARTBEAT_SECONDS:
            self.beat_at = now
            spool.beat(self.directory, self.worked)

    def hand_over(self, *, leftovers: bool) -> None:
        """Export what was committed; with the leftovers committed first, once every process of the agent is dead."""
        try:
            if leftovers:
                exports.commit_leftovers(self.spec, self.breathe)
            sha = exports.head(self.spec, self.breathe)
            if sha == self.exported:
                return
            self.bundles += 1
            exports.bundle(self.spec, self.directory / "bundles" / str(self.bundles), self.breathe)
            self.exported = sha
            self.record(spool.BUNDLE, {"number": self.bundles, "sha": sha})
        except (exports.ExportFailed, OSError) as error:
            self.trouble(f"The work could not be handed over: {error}")
            if leftovers and is_full(error):  # there is work that would be missing: it is done again when there is room
                self.ending, self.detail = Cause.disk, str(error)
            elif leftovers:
                self.hand_over(leftovers=False)  # what is committed counts, even if the rest cannot be
