"""How agents run here, from the settings and from what this machine can do."""

import logging
import os
from datetime import timedelta
from pathlib import Path

from app import claude_cli
from app.opening import CannotServe
from app.settings_model import Settings
from handlers.desk import House
from handlers.prompt import SYSTEM
from runner import confinement
from runner.launching import Rules
from runner.spool import write_atomically

logger = logging.getLogger(__name__)


async def rules_of(settings: Settings, home: Path, house: House) -> Rules:
    """The rules of this house. Raises CannotServe where Claude Code or its credential is missing."""
    confined = settings.sandbox.mode != "none"
    refusal = None
    if not confined:
        logger.warning("CCO_SANDBOX=none: agents can read and write whatever this user can")
    elif why_not := await confinement.why_not():
        refusal = (
            "The machine that I run on cannot confine Claude, so I start nothing there. "
            f"Whoever runs this service can mend it: {why_not}"
        )
        logger.error("no agent is started: %s", why_not)
    variable, key = _model_key(settings)
    key_file = home / "credentials" / "model-key"
    key_file.parent.mkdir(mode=0o700, exist_ok=True)
    if not key_file.exists() or key_file.read_bytes() != key.encode():  # a full disk keeps us from no start
        write_atomically(key_file, key.encode(), "file.model-key")
    read_only = settings.sandbox.read_only
    env = {"PATH": _path(read_only) if confined else os.environ.get("PATH", os.defpath)}
    if settings.anthropic.base_url is not None:
        env["ANTHROPIC_BASE_URL"] = settings.anthropic.base_url
    limits = settings.limits
    return Rules(
        bot=house.bot,
        claude=_claude(settings),
        confinement="bwrap" if confined else "none",
        refusal=refusal,
        read_only=read_only,
        model=settings.model,
        system_prompt=SYSTEM,
        key_file=key_file,
        key_variable=variable,
        env=env,
        max_runs=settings.max_runs,
        run_time=timedelta(minutes=limits.minutes),
        run_silence=timedelta(minutes=limits.silence_minutes),
        run_turns=limits.turns,
        run_dollars=limits.dollars or None,
        day_dollars=limits.day_dollars or None,
    )


def _claude(settings: Settings) -> Path:
    found = claude_cli.find(settings)
    if found is None:
        raise CannotServe("the Claude Code CLI is not installed: run ./cco again, or set CCO_CLAUDE_PATH")
    return found.resolve()


def _model_key(settings: Settings) -> tuple[str, str]:
    """The variable and the value of the credential; an API key wins, as it does in Claude Code."""
    anthropic = settings.anthropic
    if anthropic.api_key is not None:
        return "ANTHROPIC_API_KEY", anthropic.api_key.get_secret_value()
    if anthropic.oauth_token is not None:
        return "CLAUDE_CODE_OAUTH_TOKEN", anthropic.oauth_token.get_secret_value()
    raise CannotServe("ANTHROPIC_API_KEY is not set, and CLAUDE_CODE_OAUTH_TOKEN neither")


def _path(read_only: tuple[Path, ...]) -> str:
    """What is on the PATH in the sandbox: the toolchains that agents may read, then the system's."""
    return os.pathsep.join([*(str(path / "bin") for path in read_only), "/usr/local/bin", "/usr/bin", "/bin"])
