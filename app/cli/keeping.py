"""Keep what cannot be had again, and take away the rest: backup, restore, gc."""

import asyncio
import json
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import click

from app.cli.client import settings_or_fail
from app.cli.panicking import home_or_fail
from app.cli.references import json_option
from app.cli.saying import Failed, one_line, say, say_json
from app.cli.words import count
from app.home import SettingsError, home_alone
from app.sweeping import rules as sweep_rules
from runner import backup as keeping
from runner import restore as taking_back
from runner.backup import CannotKeep, Manifest
from runner.migrating import newest
from runner.mirror import Mirrors
from runner.store import open_store
from runner.sweeping import Rules, Sweeper, Swept
from runner.tmux import Tmux

file_argument = click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@file_argument
@json_option
def backup(*, file: Path, as_json: bool) -> None:
    """Put what cannot be had again into one file.

    The database, settings, credentials, and commits that were not pushed; while the service runs or not. The file is
    secret: whoever has it can act as the App.
    """
    try:
        manifest = keeping.make(home_or_fail().resolve(), file.absolute(), datetime.now(UTC), _version())
    except CannotKeep as exc:
        raise Failed(f"{exc}.") from None
    if as_json:
        say_json({"file": str(file.absolute()), "bytes": file.stat().st_size, **_record(manifest)})
        return
    say(f"{file} holds {size(file.stat().st_size)}, and only you can read it:")
    _tell(manifest)
    say("It holds credentials: keep it as you keep a password. To take it back: cco restore FILE")


@click.command()
@file_argument
@json_option
def restore(*, file: Path, as_json: bool) -> None:
    """Take a backup back.

    The service must not run. What was there is moved aside, and kept. When the service starts again, it asks GitHub
    first what happened since, so that nothing is done twice.
    """
    try:
        home = home_alone()
    except SettingsError as exc:
        raise Failed("\ncco: ".join(exc.lines)) from None
    try:
        restored = taking_back.restore(home, file.absolute(), datetime.now(UTC))
    except CannotKeep as exc:
        raise Failed(f"{exc}. Nothing was changed.") from None
    except OSError as exc:
        raise Failed(
            f"{exc.filename or home} cannot be written: {exc.strerror}. Say it again when that is mended."
        ) from None
    if as_json:
        aside = None if restored.aside is None else str(restored.aside)
        say_json({"home": str(home), "aside": aside, **_record(restored.manifest)})
        return
    say(f"Restored into {home} what was kept on {one_line(restored.manifest.made_at)}:")
    _tell(restored.manifest)
    if restored.aside is not None:
        say(f"What was there before is kept in {restored.aside}. Remove it when all is well: it holds credentials.")
    say("Start the service: cco serve. It asks GitHub first what happened since the backup was made.")


@click.command()
@click.option(
    "--older-than", metavar="DAYS", type=click.FloatRange(0), help="Of tasks over for so long; else CCO_KEEP_DAYS."
)
@click.option("--dry-run", is_flag=True, help="Only say what it would take away.")
@click.option("--force-unpushed", is_flag=True, help="Take away also what was never pushed, and name it.")
@json_option
def gc(*, older_than: float | None, dry_run: bool, force_unpushed: bool, as_json: bool) -> None:
    """Take away what nobody needs any more, and say what it freed.

    Directories of tasks that are over and old, and what crashes left behind; beside a running service or without one.
    What was never pushed is kept, and named. A task can go on afterwards: Claude begins a new session on its branch.
    """
    settings = settings_or_fail()
    days = settings.keep.days if older_than is None else older_than
    rules = sweep_rules(settings, keep=timedelta(days=days), even_unpushed=force_unpushed, dry_run=dry_run)
    try:
        home = home_or_fail().resolve()
        if keeping.schema_of(home / keeping.DATABASE) != newest():
            raise Failed("the database is of another version: start the service once with this one, then say it again.")
        swept = asyncio.run(_sweep(home, rules))
    except (OSError, sqlite3.Error) as exc:
        raise Failed(f"this cannot be done here: {getattr(exc, 'strerror', None) or exc}.") from None
    if as_json:
        say_json({"dry_run": dry_run, "freed_bytes": swept.bytes, **asdict(swept)})
        return
    for removed in swept.removed:
        say(f"  {size(removed.bytes):>9}  {one_line(removed.what)}: {one_line(removed.why)}")
    for kept in swept.kept:
        say(f"  kept       {one_line(kept.what)}: {one_line(kept.why)}")
    say(f"{'It would free' if dry_run else 'Freed'} {size(swept.bytes)}.")
    if not force_unpushed and any("pushed" in kept.why or "only here" in kept.why for kept in swept.kept):
        say("To take away also what was never pushed: cco gc --force-unpushed")


async def _sweep(home: Path, rules: Rules) -> Swept:
    async with open_store(home / keeping.DATABASE) as store:
        mirrors = Mirrors(home, alone=False)
        return await Sweeper(home, store, mirrors, Tmux(home / "tmux.sock"), rules, datetime.now(UTC)).sweep()


def _tell(manifest: Manifest) -> None:
    for one in manifest.files:
        say(f"  {size(one.bytes):>9}  {one_line(one.name)}")
    say(f"{count(manifest.tasks, 'task')}, {count(manifest.runs, 'run')}, {manifest.active_runs} of them not ended.")
    if manifest.unpushed:
        say(f"With the unpushed commits of {', '.join(map(one_line, manifest.unpushed))}.")


def _record(manifest: Manifest) -> dict[str, object]:
    record: dict[str, object] = json.loads(json.dumps(asdict(manifest)))
    return record


def size(amount: int) -> str:
    """Bytes, as people read them."""
    number = float(amount)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _version() -> str:
    try:
        return metadata.version("cc-orchestrator")
    except metadata.PackageNotFoundError:
        return "a checkout"
