"""Where the Claude Code executable is: the one that was pinned with us, unless the settings name another."""

import importlib.util
from pathlib import Path

from app.settings_model import Settings


def find(settings: Settings) -> Path | None:
    """The executable, or None where the package that carries it has none for this machine.

    The package is not imported: that would cost a second and 70 MB.
    """
    if settings.claude_path is not None:
        return settings.claude_path
    spec = importlib.util.find_spec("claude_agent_sdk")
    for place in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(place) / "_bundled" / "claude"
        if bundled.is_file():
            return bundled
    return None
