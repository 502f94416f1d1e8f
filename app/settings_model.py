"""The settings there are: types, defaults, and what would be right, said for each."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

DEFAULT_GITHUB_URL = "https://github.com"
DEFAULT_GITHUB_API_URL = "https://api.github.com"


# A part of an address that nobody would write as a word: long, of letters and digits.
_PART = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z]).{20,}")


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("it is not an address")
    if parts.username or parts.password:
        raise ValueError("it holds a password")
    return value.rstrip("/")


def _receiver(value: SecretStr) -> SecretStr:
    _url(value.get_secret_value().partition("?")[0])
    return value  # as it is: to some, a slash at the end is another address


def _long(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 16:
        raise ValueError("it is too short")
    return value


def _discord_url(value: SecretStr) -> SecretStr:
    address, _, query = value.get_secret_value().partition("?")
    if not re.search(r"/webhooks/[0-9]+/[A-Za-z0-9_-]+/?$", address):
        raise ValueError("it is not a webhook's")
    if query and not re.fullmatch(r"thread_id=[0-9]+", query):
        raise ValueError("behind the ? it may say thread_id and nothing else")
    return SecretStr(_url(address) + (f"?{query}" if query else ""))


def _comma_separated(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _path_separated(value: object) -> object:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _not_blank(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.strip():
        raise ValueError("it is empty")
    if text != text.strip():
        raise ValueError("it begins or ends with a blank")
    return value


def _existing(value: Path) -> Path:
    path = value.expanduser()
    if not path.is_absolute():
        raise ValueError("it is not absolute")
    if not path.exists():
        raise ValueError("there is nothing there")
    return path


def rsa_key(value: SecretStr) -> SecretStr:
    # Files and dashboards that keep one line a variable write the line ends as \n.
    text = value.get_secret_value().replace("\\n", "\n").strip() + "\n"
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError) as exc:
        raise ValueError("it cannot be read as a private key") from exc
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("it is not an RSA key")  # noqa: TRY004  pydantic reports a ValueError
    return SecretStr(text)


def _repository_name(value: str) -> str:
    owner, slash, name = value.partition("/")
    if not (owner and slash and name) or "/" in name or " " in value:
        raise ValueError("it is not a repository")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError("it is no time zone that this machine knows") from exc
    return value


Url = Annotated[str, AfterValidator(_url)]
Secret = Annotated[SecretStr, AfterValidator(_not_blank)]
ExistingPath = Annotated[Path, AfterValidator(_existing)]
Login = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$")]
Title = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
RepositoryName = Annotated[str, AfterValidator(_repository_name)]
ChannelName = Annotated[str, Field(min_length=1, max_length=80)]


class Section(BaseModel):
    """One table of cco.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


class GitHubSettings(Section):
    """The GitHub App and where it lives."""

    url: Url = Field(
        default=DEFAULT_GITHUB_URL, description="an address such as https://github.com or https://github.example"
    )
    api_url: Url = Field(
        default=DEFAULT_GITHUB_API_URL,
        description="an address such as https://api.github.com or https://github.example/api/v3",
    )
    app_id: str | None = Field(
        default=None,
        description="the App's number or client id, from its settings page",
        pattern=r"^([0-9]+|Iv[0-9A-Za-z.]+)$",
    )
    private_key: Annotated[SecretStr, AfterValidator(rsa_key)] | None = Field(
        default=None, description="the App's private key in PEM, its line ends as they are or as \\n"
    )
    private_key_file: ExistingPath | None = Field(
        default=None, description="the absolute path of the PEM file that GitHub gave for the App"
    )
    webhook_secret: Annotated[tuple[Secret, ...], BeforeValidator(_comma_separated)] = Field(
        default=(), description="the secret of the App's webhook, or several with commas between while it is changed"
    )

    @model_validator(mode="before")
    @classmethod
    def _api_of_enterprise(cls, values: Any) -> Any:
        if isinstance(values, dict) and "api_url" not in values:
            url = values.get("url")
            if isinstance(url, str) and url.rstrip("/") != DEFAULT_GITHUB_URL:
                return {**values, "api_url": url.rstrip("/") + "/api/v3"}
        return values

    @property
    def host(self) -> str:
        """The host that subjects and repositories are known by, with its port where that is unusual."""
        return urlsplit(self.url).netloc


class SandboxSettings(Section):
    """How agents are confined."""

    mode: Literal["auto", "bwrap", "none"] = Field(default="auto", description="auto, bwrap or none")
    read_only: Annotated[tuple[ExistingPath, ...], BeforeValidator(_path_separated)] = Field(
        default=(), description="absolute paths of toolchains outside /usr that agents may read"
    )


class LimitSettings(Section):
    """What a run, and a day, may cost. Zero dollars is no limit."""

    minutes: float = Field(default=120, gt=0, allow_inf_nan=False, description="minutes that a run may take, above 0")
    silence_minutes: float = Field(
        default=20, gt=0, allow_inf_nan=False, description="minutes without a word from Claude, above 0"
    )
    turns: int = Field(default=200, gt=0, description="turns that a run may take, a whole number above 0")
    dollars: float = Field(
        default=10, ge=0, allow_inf_nan=False, description="dollars that a run may cost; 0 is no limit"
    )
    day_dollars: float = Field(default=100, ge=0, allow_inf_nan=False, description="dollars a UTC day; 0 is no limit")


class KeepSettings(Section):
    """How long, and how much, is kept on this disk of tasks that are over."""

    days: float = Field(default=30, gt=0, allow_inf_nan=False, description="days, above 0")
    gigabytes: float = Field(default=0, ge=0, allow_inf_nan=False, description="gigabytes; 0 is no limit")


class AnthropicSettings(Section):
    """Who pays for Claude, and where it is."""

    api_key: Secret | None = Field(default=None, description="a key from console.anthropic.com")
    oauth_token: Secret | None = Field(default=None, description="the token that `claude setup-token` prints")
    base_url: Url | None = Field(default=None, description="an address such as https://api.anthropic.com")


class SlackSettings(Section):
    """Slack, if it is told of tasks."""

    bot_token: Secret | None = Field(default=None, description="the bot token of the Slack app (xoxb-…)")
    channel: str | None = Field(
        default=None, min_length=1, description="the id of a channel (C0123456789) or its #name"
    )
    signing_secret: Secret | None = Field(default=None, description="the signing secret of the Slack app")
    app_token: Secret | None = Field(default=None, description="the app-level token for Socket Mode (xapp-…)")
    api_url: Url = Field(default="https://slack.com/api", description="an address such as https://slack.com/api/")
    channels: dict[RepositoryName, ChannelName] = Field(
        default={}, description="a channel's id or #name for each repository that has one of its own"
    )
    quiet_hours: str | None = Field(
        default=None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description="two times of the day, such as 22:00-07:00",
    )
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        default="UTC", description="the name of a time zone, such as Europe/Berlin"
    )

    @property
    def hears(self) -> bool:
        """Whether people are heard there, by one door or the other."""
        return self.bot_token is not None and (self.app_token is not None or self.signing_secret is not None)


class JiraSettings(Section):
    """Jira, if tickets start tasks. `projects` says which repository a project's tickets are about."""

    url: Url | None = Field(default=None, description="an address such as https://example.atlassian.net")
    email: str | None = Field(
        default=None, min_length=3, description="the e-mail address of the Jira Cloud user that owns the token"
    )
    token: Secret | None = Field(
        default=None, description="an API token of that user; for Data Center, a personal access token"
    )
    webhook_secret: Secret | None = Field(default=None, description="the secret given to the Jira webhook")
    poll_seconds: float = Field(
        default=60, gt=0, allow_inf_nan=False, description="seconds between two looks at Jira, above 0"
    )
    projects: dict[str, RepositoryName] = Field(
        default={}, description="a repository such as octo/hello for each project key"
    )
    roles: dict[str, Literal["admin", "maintain", "write", "triage", "read"]] = Field(
        default={},
        description="a permission (write, maintain or admin) for each Jira user's id or e-mail address, or Jira group",
    )
    transitions: dict[Literal["started", "in_review", "done"], str] = Field(
        default={}, description="the name of a status for started, in_review and done; each may be left out"
    )

    @property
    def host(self) -> str:
        """The host that tickets are known by, with its port where that is unusual."""
        return urlsplit(self.url or "").netloc


class DiscordSettings(Section):
    """Discord, if it is told of tasks."""

    webhook_url: Annotated[SecretStr, AfterValidator(_discord_url)] | None = Field(
        default=None, description="the address that Discord gives for a channel's webhook"
    )


class WebhookSettings(Section):
    """A program of yours that is told of tasks."""

    url: Annotated[SecretStr, AfterValidator(_receiver)] = Field(
        description="an address such as https://example.com/hook"
    )
    secret: Annotated[Secret, AfterValidator(_long)] = Field(
        description="what signs all that is sent, 16 characters or more"
    )
    repositories: tuple[RepositoryName, ...] = Field(
        default=(), description="repositories such as octo/hello; none are all"
    )


class ReconcileSettings(Section):
    """How often GitHub is looked at for what no webhook told us."""

    seconds: float = Field(default=300, gt=0, allow_inf_nan=False, description="seconds between two looks, above 0")


class LogSettings(Section):
    """How the service writes its log."""

    format: Literal["auto", "human", "json"] = Field(
        default="auto", description="auto (human on a terminal), human or json"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )


class Settings(BaseSettings):
    """All settings. Made by `load`, nowhere else; frozen from then on."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    home: Path = Field(description="the absolute path of a directory that only you can read")
    host: str = Field(default="127.0.0.1", min_length=1, description="the address to listen on, 127.0.0.1 or 0.0.0.0")
    port: int = Field(default=8080, ge=0, le=65535, description="a port from 1 to 65535, or 0 for any free one")
    public_url: Url | None = Field(
        default=None, description="the address under which people and GitHub reach this service"
    )
    trigger_label: str = Field(
        default="claude", min_length=1, max_length=50, description="a label of 1 to 50 characters"
    )
    max_runs: int = Field(default=5, ge=1, le=1000, description="a whole number from 1 to 1000")
    claude_path: ExistingPath | None = Field(default=None, description="the absolute path of a claude executable")
    model: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9][\w.:@/\[\]-]*$", description="a model's name, such as opus"
    )
    api_token: Secret | None = Field(
        default=None, description="the token that callers of /api show; 16 characters or more"
    )
    people: dict[str, Login] = Field(
        default={}, description="a GitHub login for each e-mail address, or for a user's id in Slack or Jira"
    )
    github: GitHubSettings = Field(default_factory=GitHubSettings)
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    keep: KeepSettings = Field(default_factory=KeepSettings)
    anthropic: AnthropicSettings = Field(default_factory=AnthropicSettings)
    slack: SlackSettings = Field(default_factory=SlackSettings)
    jira: JiraSettings = Field(default_factory=JiraSettings)
    discord: DiscordSettings = Field(default_factory=DiscordSettings)
    webhooks: dict[Title, WebhookSettings] = Field(
        default={}, description="a table with url, secret and perhaps repositories for each name of small letters"
    )
    reconcile: ReconcileSettings = Field(default_factory=ReconcileSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # the library passes the other sources by name
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the library passes it
        init_settings: PydanticBaseSettingsSource,
        **_others: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `app.settings.load` passes: its lines name each variable, which the library's sources cannot."""
        return (init_settings,)

    @property
    def base_url(self) -> str:
        """Where people reach this service: the public address, else the one it listens on."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104  compared, not bound
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def secrets(self) -> list[str]:
        """Every secret value there is in the settings, for the redactor."""
        return sorted({value for value in _secret_values(self) if value}, key=len, reverse=True)

    def missing_for_serve(self) -> list[str]:
        """A line for each setting without which the service cannot work."""
        lines = []
        how = "run `cco setup`, or take it from the App's settings page on GitHub"
        if self.github.app_id is None:
            lines.append(f"CCO_GITHUB_APP_ID is not set: {how}")
        if self.github.private_key is None:
            lines.append(f"CCO_GITHUB_PRIVATE_KEY is not set, and CCO_GITHUB_PRIVATE_KEY_FILE neither: {how}")
        if not self.github.webhook_secret:
            lines.append(f"CCO_GITHUB_WEBHOOK_SECRET is not set: {how}")
        if self.anthropic.api_key is None and self.anthropic.oauth_token is None:
            lines.append(
                "ANTHROPIC_API_KEY is not set, and CLAUDE_CODE_OAUTH_TOKEN neither: take a key from "
                "console.anthropic.com, or a token from `claude setup-token`"
            )
        return lines


def _secret_values(model: BaseModel) -> Iterator[str]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        several = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
        for item in several:
            if isinstance(item, SecretStr):
                yield from _with_parts(item.get_secret_value())
            elif isinstance(item, BaseModel):
                yield from _secret_values(item)


def _with_parts(secret: str) -> Iterator[str]:
    """An address is a secret because of what is in it: that alone is one too."""
    yield secret
    if secret.startswith(("http://", "https://")):
        parts = urlsplit(secret)
        yield from (part for part in re.split(r"[/?&=]", f"{parts.path}?{parts.query}") if _PART.fullmatch(part))
