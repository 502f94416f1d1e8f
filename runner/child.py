"""One `claude` process: start it, tell it, hear it, hold it to its limits, and see it end."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
import uuid
from typing import IO, Any

from runner import claude, kin, spool
from runner.effects import effect
from runner.launch import SHAPELESS, Launch
from runner.spool import Cause
from runner.text import clean
from runner.tools import LOOKING

MAX_LINE_BYTES = 32 * 1024 * 1024
MAX_STDERR_BYTES = 256 * 1024
TICK_SECONDS = 0.1
GAP_SECONDS = 5.0  # between two ticks, when something kept us from looking
EXPORT_PAUSE_SECONDS = 1.0  # between two looks at HEAD while Claude works
INTERRUPT_SECONDS = 5.0  # from the interrupt to SIGTERM
TERM_SECONDS = 3.0  # from SIGTERM to SIGKILL
PAUSE_SECONDS = 0.6  # the same steps, when everything is to end at once
LEAVE_SECONDS = 20.0  # from the end of standard input to SIGTERM
GO_ON = "Your work was cut off in the middle. Look at where it stands, and go on with it."


class Child:
    """One `claude` process: its pipes, what it was told, what it asked."""

    def __init__(self, launch: Launch, resume: bool) -> None:
        self.launch = launch
        self.resume = resume
        self.spec = launch.spec
        self.result: dict[str, Any] | None = None
        self.refused_session = False
        self.open: set[str] = set()  # our messages that Claude has not finished with
        self.asked: dict[str, claude.Asked] = {}
        self.calls: dict[str, str] = {}  # tool calls under way, by id
        self.look_at_head = False
        self.looked_at = 0.0
        self.nudged = False
        self.began = False  # some message was taken up
        self.idle = False  # a turn is over, and no other has begun
        self.spoke_at = time.monotonic()
        self.steps: list[tuple[float, signal.Signals]] = []
        self.outbox = bytearray()
        self.inbox = bytearray()
        self.skipping = False
        self.last_answer = ""
        self.stderr_tail = bytearray()
        self.closing = False
        self.process: subprocess.Popen[bytes] | None = None
        self.selector = selectors.DefaultSelector()

    def drive(self) -> int | None:
        """Start it and see it through; its exit code, None where it could not be started."""
        try:
            with effect("process.claude"):
                process = self.process = self._start()
        except (OSError, ValueError) as error:
            self.launch.detail = f"claude could not be started: {error}"
            return None
        self.launch.record(spool.STARTED, {"pid": process.pid, "resumed": self.resume})
        for message in self.spec.messages if self.resume or not self.spec.anew else self.spec.anew:
            self._tell(message.uuid, message.text)
        with self.selector:
            for pipe in (process.stdout, process.stderr):
                self._register(pipe)
            if process.stdin is not None:
                os.set_blocking(process.stdin.fileno(), False)
            before = time.monotonic()
            while not self._is_over(process):
                self._wait()
                now = time.monotonic()
                self._tick(now, now - before)
                before = now
        for pipe in (process.stdin, process.stdout, process.stderr):
            _close(pipe)
        return process.wait()

    def last_words(self) -> str:
        """The end of what it said on standard error."""
        lines = clean(self.stderr_tail.decode(errors="replace")).strip().splitlines()
        return " / ".join(lines[-3:])[-400:] or "nothing on standard error"

    def _start(self) -> subprocess.Popen[bytes]:
        spec = self.spec
        variables = dict(claude.ENVIRONMENT)
        descriptors: list[int] = []
        if spec.key_file and spec.key_variable:
            descriptors.append(kin.key_pipe(spec.key_file))
            variables[claude.KEY_DESCRIPTORS[spec.key_variable]] = str(descriptors[0])
        words = claude.argv(spec, self.resume)
        try:
            if not spec.sandbox:
                return kin.start(words, cwd=spec.worktree, env={**spec.env, **variables}, pass_fds=descriptors)
            prefix = [*spec.sandbox, "--chdir", spec.worktree]
            for name, value in variables.items():
                prefix += ["--setenv", name, value]
            return kin.start(
                [*prefix, *words],
                cwd=spec.worktree,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                pass_fds=descriptors,
            )
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _is_over(self, process: subprocess.Popen[bytes]) -> bool:
        """It has ended and said all it had to say. A grandchild that holds its pipes open is not waited for."""
        return process.poll() is not None and not self._pipe_has_more(process)

    def _pipe_has_more(self, process: subprocess.Popen[bytes]) -> bool:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None and not pipe.closed and self._read(pipe):
                return True
        return False

    def _register(self, pipe: IO[bytes] | None) -> None:
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            self.selector.register(pipe, selectors.EVENT_READ)

    def _wait(self) -> None:
        """Until a pipe has something, or a tick is over; then read it."""
        for key, _ in self.selector.select(TICK_SECONDS):
            if isinstance(key.fileobj, int):
                continue
            self._read(key.fileobj)  # type: ignore[arg-type]  # we register pipes and nothing else
        self.launch.pane.flush()
        self._write()

    def _read(self, pipe: IO[bytes]) -> bool:
        """Take what is there; False when there was nothing."""
        try:
            data = os.read(pipe.fileno(), 1 << 18)
        except BlockingIOError:
            return False
        if not data:
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(pipe)
            return False
        if self.process is not None and pipe is self.process.stderr:
            self._complain(data)
        else:
            self.spoke_at = time.monotonic()
            self._receive(data)
        return True

    def _complain(self, data: bytes) -> None:
        self.stderr_tail = (self.stderr_tail + data)[-4096:]
        room = MAX_STDERR_BYTES - self.launch.stderr_bytes
        if room > 0:
            self.launch.stderr_bytes += len(data)
            with (self.launch.directory / "stderr.log").open("ab") as file:
                file.write(data[:room])

    def _receive(self, data: bytes) -> None:
        """Split into lines; one that is longer than any honest one is skipped, and said so."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self.inbox += data[start:end]
            start = end + 1
            raw, self.inbox = bytes(self.inbox), bytearray()
            if self.skipping:
                self.skipping = False
            elif raw.strip():
                self._hear(raw)
        self.inbox += data[start:]
        if len(self.inbox) > MAX_LINE_BYTES:
            self.inbox.clear()
            if not self.skipping:
                self.launch.trouble(f"a line of more than {MAX_LINE_BYTES} bytes was skipped")
            self.skipping = True

    def _hear(self, raw: bytes) -> None:
        line = claude.parse(raw)
        if line is None:
            self.launch.trouble(f"not a JSON line: {raw[:200].decode(errors='replace')}")
            return
        if claude.is_partial(line):
            return  # a sign of life; the whole block follows
        self.launch.record(spool.CLAUDE, {"line": line})
        try:
            self._follow(line)
            if claude.is_result(line):
                self._turn_over(line)
        except SHAPELESS as error:
            self.launch.trouble(f"a line of an unknown shape: {error!r}")

    def _follow(self, line: claude.Json) -> None:
        """Keep in mind what is under way."""
        state = claude.lifecycle(line)
        if state is not None and state[1] in {"completed", "cancelled"}:
            self.open.discard(state[0])
        if state is not None and state[1] == "started":
            self.idle, self.began = False, True
        asked = claude.asked(line)
        if asked is not None:
            self.asked[asked.request] = asked
        self.asked.pop(claude.withdrawn(line) or "", None)
        if claude.is_main(line):
            answer = claude.message_id(line)
            if answer is not None and answer != self.last_answer:
                self.last_answer = answer
                self.launch.answers += 1
        for block in claude.blocks(line, "tool_use"):
            if len(self.calls) < 10_000:
                self.calls[str(block.get("id"))] = str(block.get("name"))
        if line.get("type") == "user":
            for block in claude.blocks(line, "tool_result"):
                if self.calls.pop(str(block.get("tool_use_id")), "") not in LOOKING:
                    self.look_at_head = True

    def _turn_over(self, line: claude.Json) -> None:
        self.result = line
        self.asked.clear()
        self.launch.dollars += claude.cost(line)
        self.idle = True
        self.open.difference_update(map(str, line.get("user_message_uuids", tuple(self.open))))
        if "No conversation found" in json.dumps(line.get("errors") or ""):
            self.refused_session, self.result = True, None
        self._carry_out()
        if self.launch.ending is not None or self.refused_session:
            self._close_stdin()

    def _tick(self, now: float, passed: float) -> None:
        launch = self.launch
        launch.breathe()
        if passed > GAP_SECONDS:  # we were frozen, or busy handing over: nobody looked, and nothing was silent
            self.spoke_at += passed
            passed = 0.0
        kin.bury_orphans(self.process.pid if self.process else None)
        self._carry_out()
        if self.idle and not self.open:
            self._close_stdin()
        if self.asked:
            self.spoke_at = now  # a person is waited for, and that costs nothing
        else:
            launch.worked += passed
        if launch.ending is None and not self.closing:
            self._check_limits(now)
        if not (self.open or self.began or self.closing or self.nudged or self.result or launch.ending):
            # Claude knew every message from before the cut, and waits: without a new word it would wait for ever.
            self.nudged = True
            self._tell(str(uuid.uuid5(uuid.NAMESPACE_URL, f"{launch.directory}/go-on")), GO_ON)
        if self.look_at_head and now - self.looked_at > EXPORT_PAUSE_SECONDS and not self.closing:
            self.look_at_head = False
            launch.hand_over(leftovers=False)
            self.looked_at = time.monotonic()
        while self.steps and now >= self.steps[0][0] and self.process is not None:
            kin.signal_group(self.process, self.steps.pop(0)[1])

    def _check_limits(self, now: float) -> None:
        limits, launch = self.spec.limits, self.launch
        if limits.seconds is not None and launch.worked > limits.seconds:
            self._end(Cause.time, f"{limits.seconds:.0f} seconds of work are over")
        elif limits.silence_seconds is not None and now - self.spoke_at > limits.silence_seconds:
            self._end(Cause.silence, f"nothing was heard for {limits.silence_seconds:.0f} seconds")
        elif limits.turns is not None and launch.answers > limits.turns:
            self._end(Cause.turns, f"the model answered more than {limits.turns} times")
        elif limits.dollars is not None and launch.dollars > limits.dollars and self.open:
            self._end(Cause.dollars, f"${launch.dollars:.2f} of ${limits.dollars:.2f} were spent")

    def _end(self, cause: Cause, detail: str) -> None:
        """Interrupt first, so that Claude can say what it cost; then by force."""
        if self.launch.ending is not None:
            return
        self.launch.ending, self.launch.detail = cause, detail
        now = time.monotonic()
        if self.result is not None and not self.open:
            self._close_stdin()
        else:
            self._say(claude.interrupt("end"))
        self.steps = [
            (now + INTERRUPT_SECONDS, signal.SIGTERM),
            (now + INTERRUPT_SECONDS + TERM_SECONDS, signal.SIGKILL),
        ]

    def _carry_out(self) -> None:
        if self.launch.stop_signal and self.launch.ending is None:
            self._end(Cause.stopped, "the supervisor was told to end")
        for message in self.launch.controls() if not self.closing else ():
            self._obey(message)

    def _obey(self, message: dict[str, Any]) -> None:
        launch = self.launch
        match message.get("kind"):
            case "steer":
                self._tell(str(message["uuid"]), str(message.get("text", "")))
            case "interrupt":
                self._say(claude.interrupt(str(message["uuid"])))
            case "stop":
                launch.taken(message)
                self._end(Cause.stopped, str(message.get("why") or "stopped"))
                return
            case "pause":
                launch.taken(message)
                self._end(Cause.paused, str(message.get("why") or "paused"))
                now = time.monotonic()
                self.steps = [(now + PAUSE_SECONDS, signal.SIGTERM), (now + 2 * PAUSE_SECONDS, signal.SIGKILL)]
                return
            case "permit":
                asked = self.asked.pop(str(message.get("request")), None)
                if asked is None:
                    launch.trouble("an answer came to something that Claude no longer asks")
                    return
                self._say(claude.answer(asked, bool(message.get("allowed")), str(message.get("text") or "")))
            case other:
                launch.trouble(f"a control message of unknown kind: {str(other)[:40]}")
                return
        launch.taken(message)

    def _tell(self, number: str, text: str) -> None:
        self.open.add(number)
        self._say(claude.user_message(number, text))

    def _say(self, line: claude.Json) -> None:
        if not self.closing:
            self.outbox += json.dumps(line).encode() + b"\n"
            self._write()

    def _write(self) -> None:
        pipe = self.process.stdin if self.process else None
        if pipe is None or pipe.closed:
            return
        try:
            while self.outbox:
                del self.outbox[: os.write(pipe.fileno(), self.outbox[:65536])]
        except BlockingIOError:
            return
        except OSError:
            self.outbox.clear()  # it has ended; its exit says the rest
        if self.closing:
            _close(pipe)

    def _close_stdin(self) -> None:
        """The end of its standard input: Claude leaves by itself, or is made to."""
        if not self.closing:
            self.closing = True
            now = time.monotonic()
            leave = TERM_SECONDS if self.launch.ending else LEAVE_SECONDS
            self.steps = [(now + leave, signal.SIGTERM), (now + leave + TERM_SECONDS, signal.SIGKILL)]
            self._write()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None and not pipe.closed:
        with contextlib.suppress(OSError):  # what could not be flushed has no reader
            pipe.close()
