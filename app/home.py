"""Where everything is kept: CCO_HOME alone, for what must be quick, or must work though another setting is wrong."""

import os
from collections.abc import Mapping
from pathlib import Path


class SettingsError(Exception):
    """Settings are wrong or missing; each of `lines` names one, says what is wrong and what would be right."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def home_alone(environ: Mapping[str, str] | None = None) -> Path:
    """CCO_HOME and no other setting."""
    return home_in(given(environ))


def given(environ: Mapping[str, str] | None) -> dict[str, str]:
    """The variables that are set: an empty one is not."""
    return {name: value for name, value in (os.environ if environ is None else environ).items() if value.strip()}


def home_in(variables: Mapping[str, str]) -> Path:
    """CCO_HOME, wherever it is said or by default."""
    if "CCO_HOME" in variables:
        chosen = Path(variables["CCO_HOME"]).expanduser()
    elif "XDG_DATA_HOME" in variables:
        chosen = Path(variables["XDG_DATA_HOME"]) / "cc-orchestrator"
    else:
        chosen = Path(variables.get("HOME", "~")).expanduser() / ".local" / "share" / "cc-orchestrator"
    home = chosen.resolve()  # once: git records real paths
    right = "it must be a directory that is used for nothing else"
    if home in {Path("/"), Path(variables.get("HOME", "~")).expanduser().resolve()}:
        raise SettingsError([f"CCO_HOME is {str(home)!r}: it would be closed to everyone else; {right}"])
    if home.exists() and not home.is_dir():
        raise SettingsError([f"CCO_HOME is {str(home)!r}: it is not a directory; {right}"])
    return home
