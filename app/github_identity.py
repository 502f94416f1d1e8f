"""Know who we are on GitHub, also when GitHub cannot be asked: agents at work must not wait for it."""

import json
import logging
from pathlib import Path

from app.github import GitHub
from app.settings_model import GitHubSettings
from runner.errors import TryLater
from runner.spool import write_atomically
from runner.tasks import Actor

logger = logging.getLogger(__name__)


async def identity(github: GitHub, settings: GitHubSettings, path: Path) -> Actor:
    """Our App's user, as GitHub says, else as it said last time (kept in `path`). Raises TryLater where neither is."""
    ours = {"app_id": settings.app_id, "api_url": settings.api_url}
    try:
        bot = await github.identify()
    except TryLater as absence:
        kept = _read(path)
        if kept is None or any(kept.get(name) != value for name, value in ours.items()):
            raise
        logger.warning("GitHub does not say who we are, so we go by what it said last: %s", absence)
        return github.be(Actor(str(kept["login"]), int(str(kept["id"])), settings.host))
    said = {**ours, "login": bot.login, "id": bot.id}
    if said != _read(path):
        write_atomically(path, json.dumps(said).encode(), "file.identity")
    return bot


def _read(path: Path) -> dict[str, object] | None:
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) and {"login", "id"} <= set(kept) else None
