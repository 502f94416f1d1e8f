"""The GitHub App as app-manifest.yml describes it (in JSON, which is YAML): what it asks for, and what one lacks."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATH = Path(__file__).parent.parent / "app-manifest.yml"
RANKS = {"none": 0, "read": 1, "write": 2, "admin": 3}
NOWHERE = "https://example.com/set-the-webhook-url"  # GitHub wants an address, also for a hook that is switched off


def read(path: Path = PATH) -> dict[str, Any]:
    """The manifest without what only a host knows."""
    manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return manifest


def filled(manifest: Mapping[str, Any], *, name: str, redirect_url: str, public_url: str | None) -> dict[str, Any]:
    """The manifest of one host's App. Without a public address its webhook is switched off."""
    hook = {"url": hook_url(public_url) if public_url else NOWHERE, "active": public_url is not None}
    url = public_url or manifest["url"]
    back = [callback_url(public_url)] if public_url and not is_relay(public_url) else []
    return {
        **manifest,
        "name": name,
        "url": url,
        "redirect_url": redirect_url,
        "callback_urls": back,
        "hook_attributes": hook,
    }


def hook_url(public_url: str) -> str:
    """Where GitHub sends webhooks: to us, or to a relay that hands them on."""
    public_url = public_url.rstrip("/")
    return public_url if is_relay(public_url) else public_url + "/webhooks/github"


def callback_url(public_url: str) -> str:
    """Where GitHub sends people back to when they sign in."""
    return public_url.rstrip("/") + "/signin/github/callback"


def is_relay(public_url: str) -> bool:
    """GitHub posts to a relay's address, but people do not reach us there."""
    return urlsplit(public_url).hostname == "smee.io"


def lacking(manifest: Mapping[str, Any], permissions: Mapping[str, str], events: Sequence[str]) -> list[str]:
    """What an App must still be given, in the words of its settings page."""
    wanted: Mapping[str, str] = manifest["default_permissions"]
    short = [
        f"permission {name}: {level}"
        for name, level in wanted.items()
        if RANKS.get(permissions.get(name, "none"), 0) < RANKS[level]
    ]
    return [*short, *(f"event {name}" for name in manifest["default_events"] if name not in events)]
