"""Sign in with GitHub: there with a state that only this browser can bring back, and back with a code that says who.

    /signin/github → GitHub asks the person → /signin/github/callback → the page that was asked for

Nothing is stored: the state is proven by our key and a cookie of this browser, and says itself until when it is good.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import quote, urlencode

from aiohttp import web

from app.dashboard.rendering import told
from app.dashboard.signing_in import Entrance
from app.manifest import callback_url
from runner.errors import Refusal, TryLater
from runner.tasks import Actor

STATE_LIVES = timedelta(minutes=10)
CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")
BROWSER = re.compile(r"[A-Za-z0-9_-]{32}")
# Where one may come to: the list, filtered or not, and a task.
OURS = re.compile(r"/(\?[A-Za-z0-9_=&-]{0,100})?|/tasks/[0-9]{1,18}")
A_TASK = re.compile(r"/tasks/[0-9]{1,18}(?=/|$)")

# A code, the verifier that proves that it was asked for here, and where it was sent: whose it is.
Ask = Callable[[str, str, str], Awaitable[Actor]]


class WithGitHub:
    """The two steps, and the link that leads to the first. `public_url` is where people reach us."""

    def __init__(self, entrance: Entrance, github_url: str, client_id: str, public_url: str, ask: Ask) -> None:
        self._entrance = entrance
        self._authorize = f"{github_url}/login/oauth/authorize"
        self._client_id = client_id
        self._public_url = public_url
        self._ask = ask

    def routes(self) -> list[web.RouteDef]:
        """For people who are not signed in."""
        return [web.get("/signin/github", self.go), web.get("/signin/github/callback", self.come_back)]

    def link(self, request: web.Request | None = None) -> str:
        """Where signing in begins. It ends at the page that was asked for, if that is one to come to."""
        wanted = "/"
        if request is not None:
            task = A_TASK.match(request.path)
            wanted = task[0] if task else _ours(request.path_qs)
        return f"{self._public_url}/signin/github?to={quote(wanted, safe='')}"

    async def go(self, request: web.Request) -> web.Response:
        """To GitHub, with our state and a challenge that only we can meet."""
        # One for all tabs of a browser, so that each of them comes back well.
        browser = request.cookies.get(self._cookie(request), "")
        if BROWSER.fullmatch(browser) is None:
            browser = secrets.token_urlsafe(24)
        wanted = base64.urlsafe_b64encode(_ours(request.query.get("to", "/")).encode()).decode().rstrip("=")
        until = self._entrance.in_seconds(STATE_LIVES)
        state = f"{until}.{wanted}.{self._entrance.proof('state', until, wanted, browser)}"
        query = {
            "client_id": self._client_id,
            "redirect_uri": callback_url(self._public_url),
            "state": state,
            "code_challenge": _challenge(self._verifier(state, browser)),
            "code_challenge_method": "S256",
        }
        answer = web.Response(status=303, headers={"Location": f"{self._authorize}?{urlencode(query)}"})
        self._remember(request, answer, browser, STATE_LIVES)
        return answer

    async def come_back(self, request: web.Request) -> web.Response:
        """From GitHub. The code is spent only if it was this browser that we sent there, and not long ago."""
        browser = request.cookies.get(self._cookie(request), "")
        state = request.query.get("state", "")
        wanted = self._wanted(state, browser)
        if wanted is None:
            return self._again(403, "That took too long, or did not begin in this browser.")
        code = request.query.get("code", "")
        if "error" in request.query or CODE.fullmatch(code) is None:
            return self._again(403, "GitHub did not say who you are.")
        try:
            person = await self._ask(code, self._verifier(state, browser), callback_url(self._public_url))
        except Refusal as refusal:
            return self._again(403, str(refusal))
        except TryLater as weather:
            return self._again(503, f"{weather}. Try again in a while.")
        answer = web.Response(status=303, headers={"Location": wanted})
        self._entrance.let_in(request, answer, person)
        self._remember(request, answer, "", timedelta(0))
        return answer

    def _wanted(self, state: str, browser: str) -> str | None:
        """The page that was asked for, if the state is ours, this browser's, and not too old."""
        until, _, rest = state.partition(".")
        wanted, _, proof = rest.partition(".")
        if BROWSER.fullmatch(browser) is None or not self._entrance.proves(proof, "state", until, wanted, browser):
            return None
        if self._entrance.is_over(until):
            return None
        return _ours(base64.urlsafe_b64decode(wanted + "=" * (-len(wanted) % 4)).decode())

    def _verifier(self, state: str, browser: str) -> str:
        """RFC 7636's: nobody else can make it, and we can make it again."""
        return self._entrance.proof("verifier", state, browser)

    def _cookie(self, request: web.Request) -> str:
        """With the prefix a browser takes it from this very host alone, not from a neighbour below the same domain."""
        return ("__Host-" if self._entrance.is_secure(request) else "") + self._entrance.cookie + "_github"

    def _remember(self, request: web.Request, answer: web.Response, browser: str, lives: timedelta) -> None:
        answer.set_cookie(
            self._cookie(request),
            browser,
            max_age=int(lives.total_seconds()),
            httponly=True,
            samesite="Lax",
            secure=self._entrance.is_secure(request),
        )

    def _again(self, status: int, sentence: str) -> web.Response:
        return told(status, "You are not signed in", sentence, sign_in=self.link())


def _ours(path: str) -> str:
    return path if OURS.fullmatch(path) else "/"


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
