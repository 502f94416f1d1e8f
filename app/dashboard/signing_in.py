"""Who may look at the pages: the link that `serve` prints becomes a cookie; both are proven, neither is stored.

Everything is derived from the API token, so whoever changes that token signs everybody out, and the token itself stands
in no address, cookie or page.
"""

import base64
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from app.web import is_loopback

LINK_LIVES = timedelta(hours=1)
SESSION_LIVES = timedelta(days=7)
CSRF_HEADER = "X-CSRF-Token"

# A proxy in front of us adds one of these: what it hands on does not come from this machine's own browser.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


@dataclass(frozen=True, slots=True)
class Session:
    """Someone who is signed in. `csrf` goes into every form of theirs."""

    id: str
    until: int
    csrf: str


class Entrance:
    """Makes the link, the session and the forms' token, and knows its own when it sees them again."""

    def __init__(self, api_token: str, now: Callable[[], datetime]) -> None:
        self._key = hmac.digest(api_token.encode(), b"cco dashboard", "sha256")
        self._now = now
        # Cookies do not keep the ports of a host apart: two services on one machine would sign each other out.
        self.cookie = f"cco_{self._proof('cookie')[:8]}"

    def link(self, base_url: str) -> str:
        """An address that signs in whoever opens it within the hour."""
        until = self._from_now(LINK_LIVES)
        return f"{base_url}/signin?token={until}.{self._proof('link', until)}"

    def opens(self, token: str) -> bool:
        """Whether this is the token of a link of ours, and not too old."""
        until, _, proof = token.partition(".")
        return self._is(proof, "link", until) and not self._is_over(until)

    def let_in(self, response: web.StreamResponse) -> None:
        """Begin a session: the browser shows it from now on.

        The cookie is this host's alone, and that is loopback, where there is no TLS: so it is not marked as secure.
        """
        until, number = self._from_now(SESSION_LIVES), secrets.token_urlsafe(12)
        response.set_cookie(
            self.cookie,
            f"{number}.{until}.{self._proof('session', number, until)}",
            max_age=int(SESSION_LIVES.total_seconds()),
            httponly=True,
            samesite="Lax",
        )

    def let_out(self, response: web.StreamResponse) -> None:
        """The browser forgets the session."""
        response.del_cookie(self.cookie)

    def session(self, request: web.Request) -> Session | None:
        """The session that a request shows, if it is ours and not over."""
        number, _, rest = request.cookies.get(self.cookie, "").partition(".")
        until, _, proof = rest.partition(".")
        if not self._is(proof, "session", number, until) or self._is_over(until):
            return None
        return Session(number, int(until), self._proof("csrf", number, until))

    def admits(self, request: web.Request) -> bool:
        """Whether a request to the API comes from one of our own pages, of someone who is signed in.

        That an Origin is ours is checked for every request; a WebSocket must have one, a change the forms' token.
        """
        session = self.session(request)
        if session is None or request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return False
        if request.method not in {"GET", "HEAD"}:
            return is_the_same(request.headers.get(CSRF_HEADER, ""), session.csrf)
        return "Upgrade" not in request.headers or "Origin" in request.headers

    def _proof(self, *parts: str) -> str:
        mark = hmac.digest(self._key, "\0".join(parts).encode(errors="surrogateescape"), "sha256")
        return base64.urlsafe_b64encode(mark).decode().rstrip("=")

    def _is(self, proof: str, *parts: str) -> bool:
        return is_the_same(proof, self._proof(*parts))

    def _from_now(self, span: timedelta) -> str:
        return str(int((self._now() + span).timestamp()))

    def _is_over(self, until: str) -> bool:
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
