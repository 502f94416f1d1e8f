"""A launch's directory, the only channel between service and supervisor: its format, used from both sides.

    spec.json      written once by the service
    events.jsonl   appended by the supervisor, one JSON object a line: {"seq", "t", "kind", "data"}
    bundles/<n>    commits, exported by the supervisor, named by a `bundle` line once they are whole
    control/       messages from the service, dropped in by rename, in the order of their names
    heartbeat      written every few seconds: for how many seconds it has worked
    lock           held by the supervisor for as long as it lives: that is liveness; it says {"pid", "boot"}
    exit.json      the single proof of an ending
    stderr.log     bounded

Standard library only: the supervisor imports it.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from runner.effects import effect
from runner.space import is_full

LOCK_ATTEMPTS = 40
BETWEEN_ATTEMPTS_SECONDS = 0.025


class Cause(StrEnum):
    """Why the supervisor ended the launch."""

    finished = "finished"  # Claude ended its last turn, with or without an error in the result
    stopped = "stopped"  # we were told to
    paused = "paused"  # so was everything (`runner.panic`): the run goes on later
    time = "time"  # the run's time is over
    silence = "silence"  # nothing came from Claude for too long
    turns = "turns"  # the limit of turns was reached
    dollars = "dollars"  # the limit of dollars was reached
    disk = "disk"  # the disk is full
    crashed = "crashed"  # Claude ended without a result, or could not be started


@dataclass(frozen=True, slots=True)
class Message:
    """A message for Claude. Claude ignores a uuid that it has seen in this session, so sending again is safe."""

    uuid: str
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What is left for this launch. None is no limit."""

    seconds: float | None = None
    silence_seconds: float | None = None
    turns: int | None = None
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """What the supervisor is to do. It holds no secret: the model's key is read from `key_file` and passed on by fd.

    `sandbox` is the argv before every command that touches the worktree (empty: none), `env` that command's whole
    environment. Paths are absolute, and the same inside and outside the sandbox. `author` is "Name <email>".
    """

    task: int
    run: int
    launch: int
    title: str
    branch: str
    claude: str
    session_id: str
    sandbox: tuple[str, ...]
    env: dict[str, str]
    worktree: str
    vault: str
    claude_dir: str
    base_sha: str
    author: str
    co_author: str
    permission_mode: str
    merge_sha: str | None = None
    allowed_tools: tuple[str, ...] = ()
    model: str | None = None
    system_prompt: str = ""
    key_file: str | None = None
    key_variable: str | None = None
    messages: tuple[Message, ...] = ()
    anew: tuple[Message, ...] = ()  # in their place, where Claude has no session to resume
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Exit:
    """How the launch ended. `code` is Claude's exit code, negative for a signal, None where it never started.

    `result` is Claude's last `result` line, if there was one; `detail` one line of explanation for the operator.
    `worked_seconds` are by the supervisor's own clock, which nobody sets.
    """

    cause: Cause
    code: int | None
    detail: str
    result: dict[str, Any] | None
    worked_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of events.jsonl. `end` is the byte offset just behind it."""

    seq: int
    t: float
    kind: str
    data: dict[str, Any]
    end: int


# The kinds of lines. `claude` carries a stream-json line as Claude wrote it; the others are the supervisor's own.
CLAUDE = "claude"  # {"line": {...}}
STARTED = "started"  # {"pid": int, "resumed": bool}
BUNDLE = "bundle"  # {"number": int, "sha": str}
TAKEN = (
    "taken"  # {"uuid": str, "what": str, "actor": str, "text": str, "allowed": bool}: a control message was carried out
)
MERGED = "merged"  # {"sha": str, "clean": bool}: what others pushed was merged, or is Claude's to merge
ENDED = "ended"  # {"cause": str, "detail": str}: the last line; exit.json follows
TROUBLE = "trouble"  # {"what": str}: something the operator should know; the launch goes on


_RESERVE = ".exit"
_RESERVE_BYTES = 64 * 1024


def write_atomically(path: Path, data: bytes, name: str) -> None:
    """Readers see all of it or nothing, also after a power cut. It is the effect `name`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb", opener=_for_us_alone) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with effect("file.remove-half-written"):
            temporary.unlink(missing_ok=True)  # on a full disk it is in the way
        raise
    with effect(name):
        temporary.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def create(spool: Path, spec: Spec) -> None:
    """Make the directory and its spec. Nothing is in it yet that could run."""
    with effect("file.spool"):
        for directory in (spool, spool / "control", spool / "bundles"):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(spool / "spec.json", json.dumps(asdict(spec), ensure_ascii=False).encode(), "file.spec")


def read_spec(spool: Path) -> Spec:
    """The spec as written by `create`."""
    raw = json.loads((spool / "spec.json").read_bytes())
    for name in ("messages", "anew"):
        raw[name] = tuple(Message(**message) for message in raw.get(name, ()))
    raw["limits"] = Limits(**raw["limits"])
    raw["sandbox"] = tuple(raw["sandbox"])
    raw["allowed_tools"] = tuple(raw["allowed_tools"])
    return Spec(**raw)


def follow(spool: Path, offset: int) -> Iterator[Line]:
    """Whole lines of events.jsonl from a byte offset on; a line still being written is left for the next time."""
    try:
        file = (spool / "events.jsonl").open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            offset += len(raw)
            record = json.loads(raw)
            yield Line(record["seq"], record["t"], record["kind"], record["data"], offset)


def boot_id() -> str:
    """Of the machine's present life; another one means that nothing from before lives."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def hold(spool: Path) -> int | None:
    """Take the spool's lock, for as long as the process lives, and say in it who holds it; None if someone else has it.

    Whoever looks whether it is held has it for a moment, so one refusal means little.
    """
    descriptor = os.open(spool / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(BETWEEN_ATTEMPTS_SECONDS)
            continue
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "boot": boot_id()}).encode(), 0)
        return descriptor
    os.close(descriptor)
    return None


def is_alive(spool: Path) -> bool:
    """Whether a supervisor holds the spool's lock. What a file server keeps for a machine's former life is no lock."""
    try:
        descriptor = os.open(spool / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(spool).get("boot", "") in {"", boot_id()}
    finally:
        os.close(descriptor)
    return False


def reserve_exit(spool: Path) -> None:
    """Take the room for the exit at the start, so that an ending can be told on a full disk too."""
    with open(spool / _RESERVE, "wb", opener=_for_us_alone) as file:
        os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)


def holder(spool: Path) -> int | None:
    """The pid of the supervisor that holds the lock now."""
    pid = _holder(spool).get("pid")
    return pid if isinstance(pid, int) and is_alive(spool) else None


def _holder(spool: Path) -> dict[str, Any]:
    try:
        said = json.loads((spool / "lock").read_bytes() or b"{}")
    except (OSError, ValueError):  # it is being written, or an older version does not write it
        return {}
    return said if isinstance(said, dict) else {}


def beat(spool: Path, worked_seconds: float) -> None:
    """A sign of life, and for how long the launch has worked."""
    (spool / "heartbeat").write_text(f"{worked_seconds:.0f}\n")


def last_beat(spool: Path) -> tuple[int, float | None]:
    """A number that changes with every sign of life, and for how long the launch had worked at the last one."""
    try:
        moment = (spool / "heartbeat").stat().st_mtime_ns
        return moment, float((spool / "heartbeat").read_text())
    except FileNotFoundError:
        return 0, None
    except ValueError:  # it is being written, or an older version only touched it
        return moment, None


def write_exit(spool: Path, ending: Exit) -> None:
    """The last thing that a supervisor does with its spool."""
    data = json.dumps(asdict(ending), ensure_ascii=False).encode()
    try:
        write_atomically(spool / "exit.json", data, "file.exit")
    except OSError as error:
        if not is_full(error):
            raise
        _write_into_reserve(spool, data)
    with effect("file.free-reserve"):
        (spool / _RESERVE).unlink(missing_ok=True)


def _write_into_reserve(spool: Path, data: bytes) -> None:
    """Where there is no room for another block, into those that were taken before."""
    if len(data) > _RESERVE_BYTES:
        data = json.dumps(asdict(replace(_exit_of(data), result=None))).encode()
    with (spool / _RESERVE).open("r+b") as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    with effect("file.exit-into-reserve"):
        (spool / _RESERVE).rename(spool / "exit.json")


def read_exit(spool: Path) -> Exit | None:
    """The ending, or None while there is none."""
    try:
        return _exit_of((spool / "exit.json").read_bytes())
    except FileNotFoundError:
        return None


def _exit_of(data: bytes) -> Exit:
    raw = json.loads(data)
    return Exit(Cause(raw["cause"]), raw["code"], raw["detail"], raw["result"], raw.get("worked_seconds"))


def send(spool: Path, kind: str, uuid: str, **data: Any) -> None:
    """Drop a control message: steer (text), interrupt, stop (why), pause (why), permit (request, allowed, text).

    Carried out in the order sent, each uuid once. `actor` is who says it; `shown` is what the pane shows of a steer
    whose `text` is fenced.
    """
    message = json.dumps({"kind": kind, "uuid": uuid, **data}, ensure_ascii=False).encode()
    write_atomically(spool / "control" / f"{time.time_ns():020d}-{uuid}.json", message, "file.control")
