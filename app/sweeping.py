"""Sweep once a day, as `cco gc` does: by the settings, and quietly."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from app.settings_model import Settings
from runner.mirror import Mirrors
from runner.store import Store
from runner.sweeping import Rules, Sweeper
from runner.tmux import Tmux

logger = logging.getLogger(__name__)

FIRST = timedelta(minutes=10)  # at start there is enough to do
EVERY = timedelta(days=1)


def rules(
    settings: Settings, keep: timedelta | None = None, *, even_unpushed: bool = False, dry_run: bool = False
) -> Rules:
    """As the settings want it, unless something else is asked for."""
    most = int(settings.keep.gigabytes * 1e9) or None
    wanted = timedelta(days=settings.keep.days) if keep is None else keep
    return Rules(wanted, most, even_unpushed, dry_run)


async def daily(
    home: Path, store: Store, mirrors: Mirrors, tmux: Tmux, kept: Rules, now: Callable[[], datetime]
) -> None:
    """Until cancelled. What was never pushed is kept, and the log names it."""
    await asyncio.sleep(FIRST.total_seconds())
    while True:
        try:
            swept = await Sweeper(home, store, mirrors, tmux, kept, now()).sweep()
        except (OSError, sqlite3.Error):
            logger.exception("what nobody needs any more could not be taken away; `cco gc` does it by hand")
        else:
            for one in swept.kept:
                logger.warning("%s is kept: %s", one.what, one.why)
            if swept.removed:
                logger.info("took away %d things that nobody needs, %.1f MB", len(swept.removed), swept.bytes / 1e6)
        await asyncio.sleep(EVERY.total_seconds())
