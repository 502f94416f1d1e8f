"""A real systemd, as process 1 of namespaces of its own, with nothing but the units that a test gives it.

It sees this machine's files through a layer that keeps its own writes, shares one directory with the test, and uses
this machine's network. In there is a user `cco`, who can reach the Python and the checkout that run the test. It needs
root, and a kernel that lets it mount.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

USER_ID = 64990
SYSTEMD = Path("/lib/systemd/systemd")
BOOT = r"""
set -e
root="$1/root" shared="$2" units="$3"
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mkdir -p "$root$shared"
mount --bind "$shared" "$root$shared"
echo "cco:x:$4:$4::/nonexistent:/bin/sh" >>"$root/etc/passwd"
echo "cco:x:$4:" >>"$root/etc/group"
for reached in $5; do chmod a+rx "$root$reached"; done
rm -rf "$root/etc/systemd/system"
cp -r "$units" "$root/etc/systemd/system"
for harm in tmp.mount systemd-tmpfiles-setup.service; do  # either would empty /tmp, where the checkout may be
    ln -s /dev/null "$root/etc/systemd/system/$harm"
done
cd "$root"
mkdir -p .before
pivot_root . .before
umount -l /.before
exec env -i container=lxc PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    /lib/systemd/systemd --system --unit=sysinit.target --log-target=null --show-status=no
"""


@dataclass(frozen=True, slots=True)
class Systemd:
    """One that runs. `process` is its parent in our own namespace."""

    process: subprocess.Popen[bytes]
    pid: int

    def ctl(self, *arguments: str) -> str:
        """`systemctl` in there; what it says."""
        return self.run("systemctl", *arguments)

    def run(self, *argv: str, cwd: Path = Path("/"), env: Mapping[str, str] | None = None) -> str:
        """A command in there, as root; what it says."""
        done = subprocess.run(
            ("nsenter", "--all", "--target", str(self.pid), f"--wd={cwd}", *argv),
            check=False,
            capture_output=True,
            text=True,
            env=env or {"PATH": os.environ["PATH"]},
        )
        assert done.stdout or done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.ctl("show", unit, "--property", name, "--value")


@contextmanager
def systemd(shared: Path, units: Mapping[str, str]) -> Iterator[Systemd]:
    """For as long as the block runs; the test is skipped where this cannot be done. Nothing that it started is left."""
    if not SYSTEMD.exists() or shutil.which("nsenter") is None:
        pytest.skip("systemd is not installed here")
    group = _group()
    with tempfile.TemporaryDirectory(prefix="cco-sd-") as scratch:
        place = Path(scratch, "place")
        place.mkdir()
        written = Path(scratch, "units")
        written.mkdir()
        for name, text in {**units, "sysinit.target": "[Unit]\nDefaultDependencies=no\n"}.items():
            (written / name).write_text(text)
        namespaces = ("--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--ipc", "--uts")
        argv = ("unshare", *namespaces, "--propagation", "private", "sh", "-c", BOOT, "sh")
        process = subprocess.Popen(
            (*argv, str(place), str(shared), str(written), str(USER_ID), _on_the_way()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())),  # noqa: PLW1509  one thread
        )
        try:
            yield _up(process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
            _take_away(group)


def _on_the_way() -> str:
    """The directories down to what another user must be able to run."""
    goals = (Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[2])
    return " ".join(sorted({str(above) for goal in goals for above in (goal, *goal.resolve().parents)}))


def _group() -> Path:
    """A control group of our own, which is the root of what systemd sees."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    root = next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)
    if root is None:
        pytest.skip("there is no cgroup2 here")
    inside = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    group = root / inside.lstrip("/") / f"cco-sd-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    return group


def _up(process: subprocess.Popen[bytes]) -> Systemd:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            pytest.skip(f"systemd cannot be started here: {process.stderr.read().decode().strip()[-300:]}")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        with suppress(AssertionError, OSError):
            if children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
                found = Systemd(process, int(children[0]))
                assert found.ctl("list-units")
                return found
        time.sleep(0.05)
    raise AssertionError("systemd did not come up")


def _take_away(group: Path) -> None:
    """Once the processes in it are gone."""
    deadline = time.monotonic() + 10
    while group.exists() and time.monotonic() < deadline:
        for path in sorted(group.rglob("*/"), key=lambda one: -len(one.parts)):
            with suppress(OSError):
                path.rmdir()
        with suppress(OSError):
            group.rmdir()
        time.sleep(0.05)
