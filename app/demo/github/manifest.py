"""Registering an App from a manifest: a page that asks, a code that comes back, and the App it is turned into."""

import json
import re
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from app.demo.github.errors import Refused
from app.demo.github.model import App, User
from app.demo.github.world import World

CODE_LIFE = timedelta(hours=1)
BY_THEMSELVES = {"installation", "installation_repositories", "installation_target", "github_app_authorization"}


def read(text: str) -> dict[str, Any]:
    """The manifest of a form, checked as GitHub checks it."""
    try:
        manifest = json.loads(text)
    except ValueError as exc:
        raise Refused(400, "The manifest is not JSON") from exc
    if not isinstance(manifest, dict):
        raise Refused(400, "The manifest is not an object")
    for name in ("url", "redirect_url"):
        parts = urlsplit(str(manifest.get(name) or ""))
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise Refused(422, f"Invalid GitHub App configuration: {name} must be a valid URL")
    hook = manifest.get("hook_attributes")
    if hook is not None and (not isinstance(hook, dict) or not str(hook.get("url", "")).startswith("http")):
        raise Refused(422, "Invalid GitHub App configuration: Hook url is not a valid URL")
    back = manifest.get("callback_urls", [])
    if not isinstance(back, list) or not all(urlsplit(str(one)).scheme in {"http", "https"} for one in back):
        raise Refused(422, "Invalid GitHub App configuration: callback_urls must be valid URLs")
    events = manifest.get("default_events", [])
    if not isinstance(events, list) or BY_THEMSELVES & set(map(str, events)):
        raise Refused(422, "Invalid GitHub App configuration: Default events unsupported")
    granted = manifest.get("default_permissions", {})
    if not isinstance(granted, dict) or not set(granted.values()) <= {"read", "write", "admin"}:
        raise Refused(422, "Invalid GitHub App configuration: Default permission records is invalid")
    return manifest


def accept(world: World, manifest: dict[str, Any], owner: User, state: str) -> str:
    """Keep the manifest under a one-time code; answers where the browser goes next."""
    code = secrets.token_hex(20)
    world.manifests[code] = (manifest, owner, world.now() + CODE_LIFE)
    back = str(manifest["redirect_url"])
    return f"{back}{'&' if '?' in back else '?'}{urlencode({'code': code, 'state': state})}"


def convert(world: World, code: str) -> tuple[App, str] | None:
    if not re.fullmatch(r"[0-9a-f]{40}", code) or code not in world.manifests:
        return None
    manifest, owner, expires = world.manifests.pop(code)
    if world.now() >= expires:
        return None
    hook = manifest.get("hook_attributes") or {}
    return world.add_app(
        str(manifest.get("name") or f"App {world.new_id()}"),
        hook_url=hook.get("url") if hook.get("active", True) else None,
        hook_secret=secrets.token_hex(20),
        permissions=manifest.get("default_permissions", {}),
        events=manifest.get("default_events", []),
        owner=owner.login,
        external_url=str(manifest["url"]),
        callback_urls=list(map(str, manifest.get("callback_urls", []))),
    )
