"""Start services by fork from a process that has imported everything: a start costs a tenth of a second, not a whole.

    python -m tests.crash.nursery      reads {"environ": {…}, "log": path, "code": path} a line, answers with the pid

The services are processes like any other: their own pid, signals, locks and files. What one exits with is written to
`code`; a service that was killed leaves none.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

from tests.crash import service
from tests.fakes.house import Process

KILLED = -9


class Forked:
    """A service in the nursery, as a `Popen` would show it."""

    def __init__(self, pid: int, code: Path) -> None:
        self.pid = pid
        self._code = code
        try:
            self._pidfd: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._pidfd = None  # it is gone already
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        if self._pidfd is not None and select.select([self._pidfd], [], [], 0)[0]:
            os.close(self._pidfd)
            self._pidfd = None
        if self._pidfd is None and self.returncode is None:
            self.returncode = int(self._code.read_text()) if self._code.exists() else KILLED
        return self.returncode

    def wait(self) -> int:
        """Until it has ended."""
        if self._pidfd is not None:
            select.select([self._pidfd], [], [])
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Nothing, where it has ended."""
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)


class Nursery:
    """One process that forks, for as long as the tests last."""

    def __init__(self) -> None:
        argv = (sys.executable, "-m", "tests.crash.nursery")
        # What is killed has no say: to measure it would only cost time.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        self._process = subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, environ: Mapping[str, str], log: Path) -> Process:
        """A service with this environment, and nothing else of ours."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        code = log.with_suffix(".code")
        self._process.stdin.write(json.dumps({"environ": dict(environ), "log": str(log), "code": str(code)}) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()), code)

    def close(self) -> None:
        """The end."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be(asked)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _be(asked: Mapping[str, object]) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.environ.clear()
        os.environ.update(asked["environ"])  # type: ignore[call-overload]  # we wrote it ourselves
        log = os.open(str(asked["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
            os.dup2(source, descriptor)
        code = service.main()
    except BaseException:  # noqa: BLE001 - whatever it is, it must not go on as a second nursery
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(str(asked["code"])).write_text(str(code))
        os._exit(code)


if __name__ == "__main__":
    main()
