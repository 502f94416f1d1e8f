"""Wrap a command in bubblewrap, so that it sees its own task and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BWRAP = "bwrap"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What programs read from /etc to find names, certificates and each other; nothing that is secret on a sane machine.
ETC = (
    "alternatives",
    "ca-certificates",
    "group",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "passwd",
    "pki/ca-trust",
    "pki/tls/certs",
    "pki/tls/cert.pem",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)
ROOTS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


@dataclass(frozen=True, slots=True)
class Host:
    """What the sandbox must know of the machine: where the directories beside /usr lead (`lib64` -> `usr/lib64`).

    `links` are symbolic links in /, `directories` the real ones (a machine with an unmerged /usr).
    """

    links: Mapping[str, str]
    directories: tuple[str, ...]


def argv(
    host: Host,
    *,
    writable: Sequence[str],
    readable: Sequence[str],
    env: Mapping[str, str],
    interactive: bool = False,
) -> tuple[str, ...]:
    """The words before a command. Paths are absolute, and the same inside and outside.

    `writable` are the task's own directories: worktree, vault, home and claude. `readable` are the mirror's objects,
    Claude's own file and toolchains outside /usr; what does not exist is left out. `env` is the whole environment.
    A process that shares its terminal with us could type into it, hence --new-session; `interactive` is for a person's
    take-over, on a pty of its own.
    """
    words = [BWRAP, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--die-with-parent", "--uid", "1000", "--gid", "1000"]
    if not interactive:
        words += ["--new-session"]
    words += ["--ro-bind", "/usr", "/usr"]
    for name, target in sorted(host.links.items()):
        words += ["--symlink", target, f"/{name}"]
    for name in host.directories:
        words += ["--ro-bind", f"/{name}", f"/{name}"]
    for name in ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]  # noqa: S108 - its own, empty one
    for path in readable:
        words += ["--ro-bind-try", path, path]
    for path in writable:
        words += ["--bind", path, path]
    words += ["--clearenv"]
    for name, value in sorted(env.items()):
        words += ["--setenv", name, value]
    return tuple(words)
