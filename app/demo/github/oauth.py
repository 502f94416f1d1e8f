"""Sign in with GitHub: a page that asks the person, a code that their browser carries, a token for the App."""

import base64
import hashlib
import hmac
import secrets
from datetime import timedelta
from urllib.parse import urlencode

from aiohttp import web

from app.demo.github.errors import Refused, not_found
from app.demo.github.http import WORLD
from app.demo.github.ledger import RequestSeen
from app.demo.github.model import App, Consent, UserToken
from app.demo.github.visit import Visit
from app.demo.github.world import World

CODE_LIVES = timedelta(minutes=10)
TOKEN_LIVES = timedelta(hours=8)
ASKED = ("client_id", "redirect_uri", "state", "code_challenge")


async def ask(visit: Visit) -> web.Response:
    """Ask the person whether the App may know who they are."""
    query = visit.request.query
    app = _app(visit.world, query.get("client_id", ""))
    if query.get("code_challenge_method", "S256") != "S256":
        raise Refused(422, "The code_challenge_method must be S256.")
    _checked(app, query.get("redirect_uri", ""))
    return visit.show("authorize.html", app=app, asked={name: query.get(name, "") for name in ASKED})


async def answer(visit: Visit) -> web.Response:
    """They said yes or no: back to the App."""
    form = visit.form
    app = _app(visit.world, form.get("client_id", ""))
    back = _checked(app, form.get("redirect_uri", ""))
    if form.get("deed") == "authorize":
        code = secrets.token_hex(10)
        visit.world.consents[code] = Consent(
            app, visit.actor.user, back, form.get("code_challenge", ""), visit.world.now() + CODE_LIVES
        )
        told = {"code": code}
    else:
        told = {"error": "access_denied", "error_description": "The user has denied your application access."}
    query = urlencode({**told, "state": form.get("state", "")})
    return web.Response(status=303, headers={"Location": f"{back}{'&' if '?' in back else '?'}{query}"})


async def access_token(request: web.Request) -> web.Response:
    """A code becomes a token, once. What is wrong is said with status 200, as GitHub does."""
    world = request.app[WORLD]
    given = {name: str(value) for name, value in (await request.post()).items()}
    try:
        said = _granted(world, given)
    except Refused as refused:
        said = {"error": refused.args[0], "error_description": "See the documentation."}
    world.ledger.append(
        RequestSeen(
            at=world.now(),
            method="POST",
            path=request.path,
            query="",
            actor="anonymous",
            token_kind="none",  # noqa: S106 - a word, not a token
            permissions={},
            repositories=(),
            body=sorted(given),
            status=200,
            answer=sorted(said),
        )
    )
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response(said)
    return web.Response(text=urlencode(said), content_type="application/x-www-form-urlencoded")


def _granted(world: World, given: dict[str, str]) -> dict[str, str | int]:
    app = next((one for one in world.apps.values() if one.client_id == given.get("client_id")), None)
    if app is None or not hmac.compare_digest(app.client_secret.encode(), given.get("client_secret", "").encode()):
        raise Refused(200, "incorrect_client_credentials")
    consent = world.consents.get(given.get("code", ""))
    if consent is None or consent.app is not app or world.now() >= consent.expires_at:
        raise Refused(200, "bad_verification_code")
    del world.consents[given["code"]]
    if given.get("redirect_uri", consent.redirect_uri) != consent.redirect_uri:
        raise Refused(200, "redirect_uri_mismatch")
    if consent.code_challenge and consent.code_challenge != challenge_of(given.get("code_verifier", "")):
        raise Refused(200, "bad_verification_code")
    token = UserToken("ghu_" + secrets.token_hex(18), app, consent.user, world.now() + TOKEN_LIVES)
    world.app_user_tokens[token.value] = token
    return {
        "access_token": token.value,
        "expires_in": int(TOKEN_LIVES.total_seconds()),
        "refresh_token": "ghr_" + secrets.token_hex(38),
        "refresh_token_expires_in": 15_897_600,
        "scope": "",
        "token_type": "bearer",
    }


def challenge_of(verifier: str) -> str:
    """RFC 7636's S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _app(world: World, client_id: str) -> App:
    found = next((one for one in world.apps.values() if one.client_id == client_id), None)
    if found is None:
        raise not_found()
    return found


def _checked(app: App, redirect_uri: str) -> str:
    """Only addresses that the App has named, exactly; the first where none is given."""
    if not redirect_uri and app.callback_urls:
        return app.callback_urls[0]
    if redirect_uri not in app.callback_urls:
        raise Refused(422, "The redirect_uri is not associated with this application.")
    return redirect_uri
