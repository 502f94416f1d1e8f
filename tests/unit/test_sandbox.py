"""The words before a confined command."""

from pathlib import Path

from runner import confinement, sandbox
from runner.sandbox import Host

HOST = Host({"bin": "usr/bin", "lib64": "usr/lib64"}, ("lib32",))


def words(**more: object) -> tuple[str, ...]:
    arguments: dict[str, object] = {
        "writable": ["/t/worktree"],
        "readable": ["/m/objects"],
        "env": {"B": "2", "A": "1"},
    }
    return sandbox.argv(HOST, **(arguments | more))  # type: ignore[arg-type]  # the test's own table


def test_namespaces_terminal_and_environment_are_its_own() -> None:
    argv = words()
    for flag in (
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ):
        assert flag in argv
    assert argv[argv.index("--clearenv") + 1 :] == ("--setenv", "A", "1", "--setenv", "B", "2")


def test_a_persons_take_over_keeps_its_own_terminal() -> None:
    assert "--new-session" not in words(interactive=True)


def test_only_the_named_directories_can_be_written() -> None:
    argv = words()
    written = [argv[at + 1] for at, word in enumerate(argv) if word == "--bind"]
    assert written == ["/t/worktree"]
    assert "--dev-bind" not in argv
    objects = argv.index("/m/objects")
    assert argv[objects - 1] == "--ro-bind-try"


def test_unmerged_roots_are_bound_and_merged_ones_linked() -> None:
    argv = " ".join(words())
    assert "--symlink usr/lib64 /lib64" in argv
    assert "--ro-bind /lib32 /lib32" in argv


def test_the_machine_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "bin").symlink_to("usr/bin")
    assert confinement.host(tmp_path) == Host({"bin": "usr/bin"}, ("lib",))


async def test_it_works_here_and_says_why_elsewhere(tmp_path: Path) -> None:
    assert await confinement.why_not() is None
    missing = await confinement.why_not(str(tmp_path / "bwrap"))
    assert missing is not None
    assert "apt-get install bubblewrap" in missing
    refused = tmp_path / "refused"
    refused.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refused.chmod(0o755)
    reason = await confinement.why_not(str(refused))
    assert reason is not None
    assert "No permissions to create new namespace" in reason
