"""What `cco setup` saves in CCO_HOME/credentials, for us alone to read."""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from runner.effects import effect

GITHUB = ("app_id", "slug", "url", "api_url", "client_id", "client_secret", "webhook_secret", "html_url")
OF_SETTINGS = ("app_id", "url", "api_url", "webhook_secret")


class Unreadable(Exception):
    """A file of credentials is there and cannot be used; `str()` says which and what to do."""


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """As whom the App asks people who they are."""

    id: str
    secret: str = field(repr=False)


def read_github(home: Path) -> dict[str, str]:
    """The saved settings of the GitHub App, or nothing."""
    try:
        saved = _saved(home)
        key = (home / "credentials" / "github.pem").read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        path = home / "credentials" / "github.json"
        raise Unreadable(f"{path} cannot be used: {exc}; run `cco setup` again, or remove it") from exc
    return {name: saved[name] for name in OF_SETTINGS if saved.get(name)} | {"private_key": key}


def oauth_client(home: Path, app_id: str | None, url: str) -> OAuthClient | None:
    """The saved client of this App on this GitHub. None where there is none, or what is saved is of another."""
    try:
        saved = _saved(home)
    except (OSError, ValueError):
        return None  # where it should be readable, `read_github` has said so
    known, secret = saved.get("client_id"), saved.get("client_secret")
    if not known or not secret or app_id not in {saved.get("app_id"), known} or saved.get("url") != url:
        return None
    return OAuthClient(known, secret)


def _saved(home: Path) -> dict[str, str]:
    path = home / "credentials" / "github.json"
    saved = json.loads(path.read_bytes())
    if not isinstance(saved, dict) or not all(isinstance(value, str) for value in saved.values()):
        raise Unreadable(f"{path} cannot be used: it is not what `cco setup` writes; run `cco setup` again")
    return saved


def save_github(home: Path, saved: dict[str, str], key: str) -> Path:
    """Keep the App's credentials. The key goes first: a github.json that is there has its key."""
    directory = home / "credentials"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(directory / "github.pem", key)
    kept = {name: saved[name] for name in GITHUB if name in saved}
    write_private(directory / "github.json", json.dumps(kept, indent=2) + "\n")
    return directory


def api_token(home: Path) -> str:
    """The token that callers of the API show; made once. Two callers at the same time get the same one."""
    path = home / "api-token"
    for _ in range(2):
        try:
            token = path.read_text("utf-8").strip()
        except FileNotFoundError:
            temporary = path.with_name(f".api-token.{os.getpid()}")
            write_private(temporary, secrets.token_urlsafe(32) + "\n")
            try:
                with effect("file.api-token"):
                    os.link(temporary, path)  # fails where another has made one meanwhile, which is then the one
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        else:
            if len(token) < 16:
                raise Unreadable(f"{path} holds no token of 16 characters: remove it, and one is made")
            return token
    raise Unreadable(f"{path} cannot be made")


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    with effect("file.credential"):
        temporary.replace(path)
