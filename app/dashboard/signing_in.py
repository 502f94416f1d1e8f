"""Who may look at the pages: a link that `serve` prints, or GitHub's word, becomes a cookie; proven, and not stored.

Everything is derived from the API token, so whoever changes that token signs everybody out, and the token itself stands
in no address, cookie or page.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from app.web import is_loopback
from runner.tasks import Actor

LINK_LIVES = timedelta(hours=1)
SESSION_LIVES = timedelta(days=7)
CSRF_HEADER = "X-CSRF-Token"

# A proxy in front of us adds one of these: what it hands on does not come from this machine's own browser.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


@dataclass(frozen=True, slots=True)
class Session:
    """Someone who is signed in. `csrf` goes into every form of theirs.

    `person` is who GitHub says they are; None for the operator, who came by the link and may see everything.
    """

    id: str
    until: int
    csrf: str
    person: Actor | None = None


class Entrance:
    """Makes the link, the session and the forms' token, and knows its own when it sees them again."""

    def __init__(self, api_token: str, public_url: str | None, now: Callable[[], datetime]) -> None:
        self._key = hmac.digest(api_token.encode(), b"cco dashboard", "sha256")
        self._https = urlsplit(public_url or "").scheme == "https"
        self._now = now
        # Cookies do not keep the ports of a host apart: two services on one machine would sign each other out.
        self.cookie = f"cco_{self.proof('cookie')[:8]}"

    def link(self, base_url: str) -> str:
        """An address that signs in whoever opens it within the hour."""
        until = self.in_seconds(LINK_LIVES)
        return f"{base_url}/signin?token={until}.{self.proof('link', until)}"

    def opens(self, token: str) -> bool:
        """Whether this is the token of a link of ours, and not too old."""
        until, _, proof = token.partition(".")
        return self.proves(proof, "link", until) and not self.is_over(until)

    def let_in(self, request: web.Request, response: web.StreamResponse, person: Actor | None = None) -> None:
        """Begin a session, the operator's or a person's: the browser shows it from now on."""
        until, number = self.in_seconds(SESSION_LIVES), secrets.token_urlsafe(12)
        parts = [number, until]
        if person is not None:
            parts.append(_packed([person.login, person.id, person.host]))
        response.set_cookie(
            self.cookie,
            ".".join([*parts, self.proof("session", *parts)]),
            max_age=int(SESSION_LIVES.total_seconds()),
            httponly=True,
            samesite="Lax",
            secure=self.is_secure(request),
        )

    def let_out(self, response: web.StreamResponse) -> None:
        """The browser forgets the session."""
        response.del_cookie(self.cookie)

    def session(self, request: web.Request) -> Session | None:
        """The session that a request shows, if it is ours and not over."""
        *parts, proof = request.cookies.get(self.cookie, "").split(".")
        if len(parts) not in {2, 3} or not self.proves(proof, "session", *parts) or self.is_over(parts[1]):
            return None
        number, until = parts[:2]
        person = Actor(*_unpacked(parts[2])) if len(parts) == 3 else None
        return Session(number, int(until), self.proof("csrf", *parts), person)

    def is_secure(self, request: web.Request) -> bool:
        """Whether cookies are for TLS alone: there is none on loopback, where some browsers drop a secure cookie."""
        return self._https and not is_loopback(request.headers.get("Host", ""))

    def admits(self, request: web.Request) -> bool:
        """Whether a request to the API comes from one of our own pages, of the operator who is signed in.

        That an Origin is ours is checked for every request; a WebSocket must have one, a change the forms' token.
        The API shows everything, and a person may not see everything: they have the pages.
        """
        session = self.session(request)
        if (
            session is None
            or session.person is not None
            or request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}
        ):
            return False
        if request.method not in {"GET", "HEAD"}:
            return is_the_same(request.headers.get(CSRF_HEADER, ""), session.csrf)
        return "Upgrade" not in request.headers or "Origin" in request.headers

    def proof(self, *parts: str) -> str:
        """A mark that only we can make, for these parts and no others: 43 letters, digits, - and _."""
        mark = hmac.digest(self._key, json.dumps(parts).encode(), "sha256")
        return base64.urlsafe_b64encode(mark).decode().rstrip("=")

    def proves(self, proof: str, *parts: str) -> bool:
        """Whether a mark is ours, of just these parts."""
        return is_the_same(proof, self.proof(*parts))

    def in_seconds(self, span: timedelta) -> str:
        """The moment so far from now, as `is_over` reads it."""
        return str(int((self._now() + span).timestamp()))

    def is_over(self, until: str) -> bool:
        """Whether a moment has passed that we wrote ourselves: prove it first."""
        return int(until) <= self._now().timestamp()


def is_the_same(given: str, wanted: str) -> bool:
    """Compare two marks; the time taken does not tell how much of it was right."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode())


def is_from_this_machine(request: web.Request) -> bool:
    """Whether someone on this machine asks, by a loopback address and with no proxy between."""
    return (
        is_loopback(request.headers.get("Host", ""))
        and is_loopback(_as_host(request.remote or ""))
        and not any(name in request.headers for name in FORWARDED)
    )


def _as_host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _packed(values: list[str | int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _unpacked(text: str) -> list[Any]:
    """What we packed ourselves: prove it first."""
    values: list[Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return values
