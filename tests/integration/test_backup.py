"""A backup is whole, secret and true while writes go on; what is no backup of ours changes nothing."""

import asyncio
import io
import json
import sqlite3
import stat
import tarfile
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner import backup, restore
from runner.backup import CannotKeep
from runner.effects import _observers
from runner.events import BranchPushed, CommitsExported, LaunchStarted, WorkspacePrepared
from runner.store import open_store
from runner.tasks import Actor, Outcome, Repository, Run, RunState, Subject, TaskId, TriggerKind, Wish

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HELLO = Repository("github.com", 7, "octo/hello", "https://github.com/octo/hello.git", "main")
MANY = 300


def subject(number: int) -> Subject:
    url = f"https://github.com/octo/hello/issues/{number}"
    return Subject("github", f"github.com/7/{number}", f"octo/hello#{number}", url, "A bug")


async def submitted(home: Path, numbers: range) -> None:
    async with open_store(home / "cco.db") as store:
        for number in numbers:
            wish = Wish(TriggerKind.label, Actor("anna", 5), "do it", f"wish-{number}")
            await store.submit(subject(number), HELLO, f"claude/issue-{number}", wish)


async def worked(home: Path, task_id: int, sha: str, *, pushed: bool, outcome: Outcome | None = None) -> Run:
    """A run that handed over one bundle, which is there, and perhaps pushed it."""
    async with open_store(home / "cco.db") as store:
        run = await store.active_run(TaskId(task_id))
        assert run is not None
        await store.move(run.id, RunState.starting, WorkspacePrepared("main", "b" * 40, "claude/x"))
        await store.begin_launch(run.id)
        await store.move(run.id, RunState.running, LaunchStarted(1, "bwrap"), CommitsExported(1, 1, sha))
        if pushed:
            await store.record(TaskId(task_id), BranchPushed("claude/x", sha, 1, 1, 1, 0), run_id=run.id)
        if outcome is not None:
            await store.settle(run.id, outcome, "so it was")
        place = home / f"tasks/{task_id}/runs/{run.id}/launches/1/bundles"
        place.mkdir(parents=True)
        (place / "1").write_bytes(f"bundle of {sha}".encode())
        return await store.run(run.id)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Some tasks, settings and credentials; nothing is at work."""
    place = tmp_path / "home"
    (place / "credentials").mkdir(mode=0o700, parents=True)
    (place / "credentials" / "github.pem").write_text("a key\n")
    (place / "cco.toml").write_text("max_runs = 3\n")
    (place / "api-token").write_text("t" * 32)
    asyncio.run(submitted(place, range(1, 4)))
    return place


def tasks_in(database: Path) -> int:
    with closing(sqlite3.connect(database)) as db:
        return int(db.execute("SELECT count(*) FROM tasks").fetchone()[0])


def test_a_backup_made_while_writes_go_on_is_whole_and_comes_back_as_it_was(home: Path, tmp_path: Path) -> None:
    asyncio.run(submitted(home, range(4, MANY)))
    over = threading.Event()
    written: list[int] = []

    async def write() -> None:
        async with open_store(home / "cco.db") as store:
            number = MANY
            while not over.is_set():
                wish = Wish(TriggerKind.label, Actor("anna", 5), "do it", f"wish-{number}")
                await store.submit(subject(number), HELLO, f"claude/issue-{number}", wish)
                written.append(number)
                number += 1

    writer = threading.Thread(target=lambda: asyncio.run(write()))
    writer.start()
    try:
        while not written:
            over.wait(0.01)
        manifest = backup.make(home, tmp_path / "kept", NOW, "0.1.0")
        seen = len(written)
        while len(written) == seen:
            over.wait(0.01)  # nobody had to wait for us
    finally:
        over.set()
        writer.join()

    assert MANY - 1 < manifest.tasks <= MANY + len(written)
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "kept"]

    other = tmp_path / "other"
    restored = restore.restore(other, tmp_path / "kept", NOW)
    assert restored.aside is None
    assert tasks_in(other / "cco.db") == manifest.tasks
    assert (other / "credentials" / "github.pem").read_text() == "a key\n"
    assert (other / "cco.toml").read_text() == "max_runs = 3\n"
    assert stat.S_IMODE(other.stat().st_mode) == 0o700
    with closing(sqlite3.connect(other / "cco.db")) as db:  # every task is whole
        for table in ("runs", "triggers", "events"):
            assert db.execute(f"SELECT count(DISTINCT task_id) FROM {table}").fetchone()[0] == manifest.tasks


def test_commits_that_were_not_pushed_are_in_it_and_no_others(home: Path, tmp_path: Path) -> None:
    asyncio.run(worked(home, 1, "1" * 40, pushed=True, outcome=Outcome.stopped))
    held = asyncio.run(worked(home, 2, "2" * 40, pushed=False, outcome=Outcome.withheld))
    at_work = asyncio.run(worked(home, 3, "3" * 40, pushed=True))

    manifest = backup.make(home, tmp_path / "kept", NOW, "0.1.0")
    bundles = [one.name for one in manifest.files if one.name.startswith("tasks/")]
    assert bundles == [f"tasks/{n}/runs/{run.id}/launches/1/bundles/1" for n, run in ((2, held), (3, at_work))]
    assert manifest.unpushed == ("task 2 (octo/hello#2)",)

    restore.restore(tmp_path / "other", tmp_path / "kept", NOW)
    assert (tmp_path / "other" / bundles[0]).read_bytes() == b"bundle of " + b"2" * 40


def test_a_symlink_in_a_task_leads_nowhere(home: Path, tmp_path: Path) -> None:
    run = asyncio.run(worked(home, 1, "1" * 40, pushed=False))
    bundle = home / f"tasks/1/runs/{run.id}/launches/1/bundles/1"
    bundle.unlink()
    bundle.symlink_to("/etc/passwd")
    (home / "credentials" / "stray").symlink_to("/etc/passwd")

    manifest = backup.make(home, tmp_path / "kept", NOW, "0.1.0")
    assert [one.name for one in manifest.files] == ["cco.db", "cco.toml", "api-token", "credentials/github.pem"]
    assert manifest.unpushed == ("task 1 (octo/hello#1)",)


def test_a_backup_replaces_nothing_and_a_damaged_database_makes_none(home: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("something else")
    with pytest.raises(CannotKeep, match="is there already"):
        backup.make(home, tmp_path / "kept", NOW, "0.1.0")
    assert (tmp_path / "kept").read_text() == "something else"

    size = (home / "cco.db").stat().st_size
    with (home / "cco.db").open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 8192)
    with pytest.raises(CannotKeep, match=r"damaged|cannot be copied"):
        backup.make(home, tmp_path / "second", NOW, "0.1.0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "kept"]


def test_what_was_there_is_kept_aside_and_forgotten_numbers_are_not_given_again(home: Path, tmp_path: Path) -> None:
    backup.make(home, tmp_path / "kept", NOW, "0.1.0")
    asyncio.run(submitted(home, range(4, 9)))
    (home / "cco.toml").write_text("max_runs = 9\n")
    (home / "tasks" / "8" / "runs" / "77").mkdir(parents=True)

    restored = restore.restore(home, tmp_path / "kept", NOW)
    assert restored.aside == home / "before-restore-20261125T120000"
    assert stat.S_IMODE(restored.aside.stat().st_mode) == 0o700
    assert tasks_in(restored.aside / "cco.db") == 8
    assert (restored.aside / "cco.toml").read_text() == "max_runs = 9\n"
    assert tasks_in(home / "cco.db") == 3
    assert (home / "cco.toml").read_text() == "max_runs = 3\n"

    async def next_one() -> tuple[int, int]:
        async with open_store(home / "cco.db") as store:
            noted = await store.marks.restored()
            assert noted is not None
            assert (noted.made_at, noted.looked) == (NOW, False)
            wish = Wish(TriggerKind.label, Actor("anna", 5), "do it", "wish-100")
            new = await store.submit(subject(100), HELLO, "claude/issue-100", wish)
            return new.task.id, new.run.id

    assert asyncio.run(next_one()) == (9, 78)


def refused(home: Path, source: Path) -> str:
    """Restore, which must change nothing; what it says."""
    before = {path.relative_to(home): path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    with pytest.raises(CannotKeep) as why:
        restore.restore(home, source, NOW)
    before.setdefault(Path("lock"), 0)
    after = {path.relative_to(home): path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    assert {**after, Path("lock"): 0} == {**before, Path("lock"): 0}
    return str(why.value)


def changed(source: Path, target: Path, name: str, data: bytes | None, *, more: str | None = None) -> Path:
    """The same backup with another content of one file (None: without it), or with one file more."""
    with tarfile.open(source) as old, tarfile.open(target, "w:gz") as new:
        for member in old:
            there = old.extractfile(member)
            assert there is not None
            content = there.read()
            if member.name == name:
                if data is None:
                    continue
                content = data
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
        if more is not None:
            new.addfile(tarfile.TarInfo(more))
    return target


def test_what_is_no_whole_backup_of_ours_is_refused_and_changes_nothing(home: Path, tmp_path: Path) -> None:
    backup.make(home, tmp_path / "kept", NOW, "0.1.0")
    whole = (tmp_path / "kept").read_bytes()
    (tmp_path / "text").write_text("not a backup")
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    assert "cannot be read as a backup" in refused(home, tmp_path / "text")
    assert "cannot be read as a backup" in refused(home, tmp_path / "cut")
    assert "cannot be read as a backup" in refused(home, tmp_path / "nothing there")
    other = changed(tmp_path / "kept", tmp_path / "other", "cco.toml", b"max_runs = 4\n")
    assert "cco.toml is not what it was" in refused(home, other)
    less = changed(tmp_path / "kept", tmp_path / "less", "cco.toml", None)
    assert "cco.toml is missing" in refused(home, less)
    more = changed(tmp_path / "kept", tmp_path / "more", "", b"", more="../outside")
    assert "'../outside'" in refused(home, more)
    assert not (tmp_path / "outside").exists()


def test_a_backup_of_a_newer_version_is_refused(home: Path, tmp_path: Path) -> None:
    manifest = backup.make(home, tmp_path / "kept", NOW, "9.9.9")
    raw = json.loads(manifest.to_json()) | {"schema": 9999}
    newer = changed(tmp_path / "kept", tmp_path / "newer", "manifest.json", json.dumps(raw).encode())
    assert "made by a newer version (9.9.9, schema 9999" in refused(home, newer)


def test_nothing_is_restored_beside_a_running_service(home: Path, tmp_path: Path) -> None:
    backup.make(home, tmp_path / "kept", NOW, "0.1.0")
    with restore._alone(home):
        assert "a service runs on CCO_HOME=" in refused(home, tmp_path / "kept")


class Cut(Exception):
    """The machine stops here."""


@pytest.mark.parametrize("nth", range(12))
def test_a_restore_that_is_cut_off_is_finished_or_has_changed_nothing(home: Path, tmp_path: Path, nth: int) -> None:
    asyncio.run(worked(home, 2, "2" * 40, pushed=False, outcome=Outcome.withheld))
    backup.make(home, tmp_path / "kept", NOW, "0.1.0")
    asyncio.run(submitted(home, range(4, 9)))
    (home / "cco.toml").write_text("max_runs = 9\n")
    passed = 0

    def cut(name: str, side: str) -> None:
        nonlocal passed
        if name.startswith("file.") and passed == nth:
            raise Cut
        passed += name.startswith("file.")

    _observers.append(cut)
    try:
        restore.restore(home, tmp_path / "kept", NOW)
    except Cut:
        pass
    finally:
        _observers.remove(cut)

    if restore.is_cut_off(home):
        restore.finish(home)
    old = tasks_in(home / "cco.db") == 8
    assert tasks_in(home / "cco.db") == (8 if old else 3)
    assert (home / "cco.toml").read_text() == ("max_runs = 9\n" if old else "max_runs = 3\n")
    assert (home / "credentials" / "github.pem").read_text() == "a key\n"
    assert (home / "tasks/2/runs/2/launches/1/bundles/1").exists()
    assert old == (nth == 0)
    assert not [path for path in home.iterdir() if path.name.startswith(("restoring", ".restoring"))]
    if not old:
        assert tasks_in(next(home.glob("before-restore-*")) / "cco.db") == 8
