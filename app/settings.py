"""Every setting, checked at start: the environment first, then cco.toml, then what `cco setup` saved.

Only this module and `app.home` read the environment. A setting is named by its variable (`CCO_GITHUB_APP_ID`), also
where it stands in cco.toml (`[github] app_id`). An empty variable is one that is not set.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from app import credentials
from app.home import SettingsError, given, home_in
from app.settings_model import Section, Settings, rsa_key

__all__ = ["SettingsError", "documented", "load", "make_home"]

# The variables whose name is not simply CCO_ and the place in cco.toml.
OWN_NAMES: dict[tuple[str, ...], str] = {
    ("sandbox", "mode"): "CCO_SANDBOX",
    ("anthropic", "api_key"): "ANTHROPIC_API_KEY",
    ("anthropic", "oauth_token"): "CLAUDE_CODE_OAUTH_TOKEN",
    ("anthropic", "base_url"): "ANTHROPIC_BASE_URL",
}
ONLY_IN_FILE = {
    ("people",),
    ("jira", "projects"),
    ("jira", "roles"),
    ("jira", "transitions"),
    ("slack", "channels"),
    ("webhooks",),
}
SAFE_TO_SHOW = 60  # characters of a wrong value that are repeated in its line


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check everything. Raises SettingsError with a line for each thing that is wrong."""
    variables = given(environ)
    home = home_in(variables)
    names = dict(_names(Settings))
    found = _from_environment(variables, names)
    lines = [*_unknown_variables(variables, names)]
    in_file, wrong_file = _from_file(home / "cco.toml")
    lines += wrong_file
    if in_file.pop("home", None) is not None:
        lines.append("cco.toml: home cannot be set here, where it is: set CCO_HOME in the environment")
    for name, field in Settings.model_fields.items():
        if _is_section(field) and not isinstance(in_file.get(name, {}), dict):
            lines.append(f"cco.toml: {name} is {in_file.pop(name)!r}: it must be a table, written [{name}]")
    merged = _merge(in_file, found)
    try:
        saved = credentials.read_github(home)
    except credentials.Unreadable as exc:
        lines.append(str(exc))
    else:
        merged = _with_saved(merged, saved)
    merged["home"] = home
    try:
        settings = Settings(**merged)
    except ValidationError as exc:
        raise SettingsError([*lines, *_lines(exc, names)]) from None
    lines += _contradictions(settings)
    key_file = settings.github.private_key_file
    if key_file is not None and settings.github.private_key is None:
        try:
            key = rsa_key(SecretStr(key_file.read_text("utf-8")))
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else exc
            lines.append(f"CCO_GITHUB_PRIVATE_KEY_FILE is {str(key_file)!r}: {why}; it must be the App's PEM file")
        else:
            github = settings.github.model_copy(update={"private_key": key})
            settings = settings.model_copy(update={"github": github})
    if lines:
        raise SettingsError(lines)
    return settings


def make_home(home: Path) -> None:
    """Make CCO_HOME if it is not there, and close it to everyone else."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if home.stat().st_mode & 0o077:
            home.chmod(0o700)
        writable = os.access(home, os.W_OK | os.X_OK)
    except OSError as exc:
        raise SettingsError([f"CCO_HOME is {str(home)!r}: {exc.strerror}; it must be a directory of yours"]) from exc
    if not writable:
        raise SettingsError([f"CCO_HOME is {str(home)!r}: it cannot be written; it must be a directory of yours"])


def documented() -> list[tuple[str, str, str]]:
    """Name, default and meaning of every setting, for the documentation and its test."""
    return [(name, *_default_and_meaning(field)) for name, (_, field) in _names(Settings)]


def _names(
    model: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[tuple[str, ...], FieldInfo]]]:
    """The variable of every setting, with its place and its field."""
    for name, field in model.model_fields.items():
        place = (*path, name)
        if _is_section(field):
            yield from _names(cast("type[Section]", field.annotation), place)
        else:
            yield _name(place), (place, field)


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, Section)


def _name(place: tuple[str, ...]) -> str:
    return OWN_NAMES.get(place) or "CCO_" + "_".join(place).upper()


def _from_environment(
    variables: Mapping[str, str], names: Mapping[str, tuple[tuple[str, ...], FieldInfo]]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, (place, _) in names.items():
        if name in variables and place != ("home",) and place not in ONLY_IN_FILE:
            _put(values, place, variables[name])
    return values


def _unknown_variables(
    variables: Mapping[str, str], names: Mapping[str, tuple[tuple[str, ...], FieldInfo]]
) -> Iterator[str]:
    for variable in sorted(variables):
        if not variable.startswith("CCO_"):
            continue
        if variable not in names:
            yield f"{variable} is not a setting{_nearest(variable, list(names))}"
        elif names[variable][0] in ONLY_IN_FILE:
            yield f"{variable} cannot be given in the environment: write it in cco.toml as a table"


def _nearest(word: str, words: list[str]) -> str:
    close = get_close_matches(word, words, n=1)
    return f": did you mean {close[0]}?" if close else ": see docs/configuration.md for those there are"


def _from_file(path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        return tomllib.loads(path.read_text("utf-8")), []
    except FileNotFoundError:
        return {}, []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        return {}, [f"cco.toml cannot be read: {exc}; it must be TOML in UTF-8 ({path})"]
    except OSError as exc:
        return {}, [f"cco.toml cannot be read: {exc.strerror}; it must be a file that you can read ({path})"]


def _with_saved(values: dict[str, Any], saved: dict[str, str]) -> dict[str, Any]:
    """Add what setup saved, unless another App or another GitHub is asked for, whose credentials these are not."""
    github = values.get("github", {})
    if not saved or not isinstance(github, dict):
        return values
    if any(
        str(github[name]).rstrip("/") != saved[name] for name in ("app_id", "url") if name in github and name in saved
    ):
        return values
    if "private_key_file" in github:
        saved = {name: value for name, value in saved.items() if name != "private_key"}
    return {**values, "github": {**saved, **github}}


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _put(values: dict[str, Any], place: tuple[str, ...], value: str) -> None:
    for part in place[:-1]:
        values = values.setdefault(part, {})
    values[place[-1]] = value


def _lines(error: ValidationError, names: Mapping[str, tuple[tuple[str, ...], FieldInfo]]) -> list[str]:
    fields = {place: (name, field) for name, (place, field) in names.items()}
    lines: dict[str, str] = {}
    for mistake in error.errors():
        place = tuple(str(part) for part in mistake["loc"])
        known = next((place[:size] for size in (1, 2) if place[:size] in fields), None)
        if known is None:
            dotted = ".".join(place)
            lines[dotted] = f"cco.toml: {dotted} is not a setting{_nearest(dotted, ['.'.join(one) for one in fields])}"
            continue
        name, field = fields[known]
        field = _within(field, place[len(known) :])
        where = name if known not in ONLY_IN_FILE else "cco.toml: " + ".".join(place)
        why = str(mistake["ctx"]["error"]) if mistake["type"] == "value_error" else mistake["msg"]
        lines.setdefault(
            where, f"{where}{_shown(field, mistake['input'])}: {_lower(why)}; it must be {field.description}"
        )
    return list(lines.values())


def _shown(field: FieldInfo, value: object) -> str:
    if _holds_secrets(field.annotation) or not isinstance(value, str | int | float | Path):
        return " is wrong"
    text = str(value)
    return f" is {text if len(text) <= SAFE_TO_SHOW else text[:SAFE_TO_SHOW] + '…'!r}"


def _within(field: FieldInfo, place: tuple[str, ...]) -> FieldInfo:
    """What is meant in a table of tables, as `[webhooks.pager] url`; else the field itself."""
    for model in get_args(field.annotation):
        if isinstance(model, type) and issubclass(model, BaseModel) and place[1:] and place[1] in model.model_fields:
            return model.model_fields[place[1]]
    return field


def _holds_secrets(annotation: object) -> bool:
    models = [one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    inner = [field.annotation for model in models for field in model.model_fields.values()]
    return "Secret" in str(annotation) or any(_holds_secrets(one) for one in inner)


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _contradictions(settings: Settings) -> Iterator[str]:
    github, slack, jira = settings.github, settings.slack, settings.jira
    if github.private_key is not None and github.private_key_file is not None:
        yield "CCO_GITHUB_PRIVATE_KEY and CCO_GITHUB_PRIVATE_KEY_FILE are both set: leave one out"
    if slack.channel is not None and slack.bot_token is None:
        yield "CCO_SLACK_BOT_TOKEN is not set, but CCO_SLACK_CHANNEL is: set both, or neither"
    if slack.bot_token is not None and slack.channel is None:
        yield "CCO_SLACK_CHANNEL is not set, but CCO_SLACK_BOT_TOKEN is: set both, or neither"
    for name, secret in (("CCO_SLACK_APP_TOKEN", slack.app_token), ("CCO_SLACK_SIGNING_SECRET", slack.signing_secret)):
        if secret is not None and slack.bot_token is None:
            yield f"CCO_SLACK_BOT_TOKEN is not set, but {name} is: who hears in Slack must be able to answer there"
    if slack.quiet_hours is not None and len(set(slack.quiet_hours.split("-"))) == 1:
        yield f"CCO_SLACK_QUIET_HOURS is {slack.quiet_hours!r}: it must begin and end at different times"
    if jira.url is not None or jira.email is not None or jira.token is not None:
        for name, value in (("URL", jira.url), ("TOKEN", jira.token)):
            if value is None:
                yield (
                    f"CCO_JIRA_{name} is not set, but other settings of Jira are: set URL and TOKEN (and EMAIL, for "
                    "Jira Cloud), or none"
                )
    if settings.api_token is not None and len(settings.api_token.get_secret_value()) < 16:
        yield "CCO_API_TOKEN is too short: it must have 16 characters or more; leave it out and one is made for you"
    if settings.limits.silence_minutes > settings.limits.minutes:
        yield "CCO_LIMITS_SILENCE_MINUTES is more than CCO_LIMITS_MINUTES: it must be less, or it means nothing"


def _default_and_meaning(field: FieldInfo) -> tuple[str, str]:
    default = "" if field.is_required() or field.default in (None, (), {}) else str(field.default)
    return default, field.description or ""
