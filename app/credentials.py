"""What `cco setup` saves in CCO_HOME/credentials, for us alone to read."""

import json
import os
import secrets
from pathlib import Path

GITHUB = ("app_id", "slug", "url", "api_url", "client_id", "client_secret", "webhook_secret", "html_url")
OF_SETTINGS = ("app_id", "url", "api_url", "webhook_secret")


class Unreadable(Exception):
    """A file of credentials is there and cannot be used; `str()` says which and what to do."""


def read_github(home: Path) -> dict[str, str]:
    """The saved settings of the GitHub App, or nothing."""
    path = home / "credentials" / "github.json"
    try:
        saved = json.loads(path.read_bytes())
        key = path.with_suffix(".pem").read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise Unreadable(f"{path} cannot be used: {exc}; run `cco setup` again, or remove it") from exc
    if not isinstance(saved, dict) or not all(isinstance(value, str) for value in saved.values()):
        raise Unreadable(f"{path} cannot be used: it is not what `cco setup` writes; run `cco setup` again")
    return {name: saved[name] for name in OF_SETTINGS if saved.get(name)} | {"private_key": key}


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
    temporary.replace(path)
