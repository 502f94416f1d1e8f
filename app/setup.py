"""`cco setup`: create the GitHub App by its manifest, from a page on this machine, and save its credentials.

    the person → our page → a form to GitHub → GitHub asks them → back to us with a code → the code becomes the App

Our page is on loopback and wants a token, so nobody else on the machine or in the browser can play our part.
"""

import asyncio
import hmac
import html
import json
import re
import secrets
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from app import credentials, manifest
from app.github import USER_AGENT
from app.web import application, serving
from runner.errors import Refusal

PATIENCE = timedelta(minutes=55)  # GitHub forgets the code after an hour
HOST = "127.0.0.1"
ANSWER = aiohttp.ClientTimeout(total=30)
CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,32}[A-Za-z0-9])?")  # GitHub: 34 characters, unique on all of it
ORGANISATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,98}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Plan:
    """Which App to create: on which GitHub, for whom, and where its webhooks go."""

    home: Path
    url: str
    api_url: str
    name: str
    organisation: str | None = None
    public_url: str | None = None
    port: int = 0
    replace: bool = False

    @property
    def action(self) -> str:
        """Where the form is posted to."""
        of = f"/organizations/{self.organisation}" if self.organisation else ""
        return f"{self.url}{of}/settings/apps/new"


@dataclass(frozen=True, slots=True)
class Created:
    """The App as GitHub made it, without its secrets."""

    slug: str
    app_id: str
    html_url: str
    directory: Path


def suggested_name() -> str:
    """An App's name must be unique on all of GitHub; the person can change it there."""
    return f"cc-orchestrator-{secrets.token_hex(3)}"


def check(plan: Plan) -> None:
    """Raise Refusal where the plan cannot work."""
    if NAME.fullmatch(plan.name) is None:
        raise Refusal("An App's name has at most 34 letters, digits, blanks, dots and dashes.")
    if plan.organisation is not None and ORGANISATION.fullmatch(plan.organisation) is None:
        raise Refusal("--org takes the name of an organisation as it stands in its address on GitHub.")
    file = plan.home / "credentials" / "github.json"
    if file.exists() and not plan.replace:
        raise Refusal(f"There is an App already: {file}. Pass --replace to create another in its place.")


async def set_up(plan: Plan, say: Callable[[str], None], open_page: Callable[[str], object]) -> Created:
    """Serve the page until GitHub has sent the person back, and save what it gave. Raises Refusal."""
    check(plan)
    flow = _Flow(plan)
    app = application()
    app.add_routes([web.get("/", flow.page), web.get("/created", flow.created)])
    async with serving(app, HOST, plan.port) as port:
        flow.plan = replace(plan, port=port)
        address = f"http://{HOST}:{port}/?token={flow.token}"
        say(f"Open this page to create the App on {plan.url}:\n\n    {address}\n")
        say(f"From another machine, first: ssh -L {port}:{HOST}:{port} <this machine>")
        open_page(address)
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                return await flow.result
        except TimeoutError as exc:
            raise Refusal("Nobody came back from GitHub within an hour. Run `cco setup` again.") from exc


def next_steps(created: Created, plan: Plan) -> str:
    """What the person does now."""
    relayed = plan.public_url is not None and manifest.is_relay(plan.public_url)
    steps = [f"Install the App on the repositories it shall work in:\n       {created.html_url}/installations/new"]
    if plan.public_url is None:
        steps.append(
            "Give GitHub an address for webhooks: the service's own (https://…/webhooks/github), or that of a relay "
            f"(https://smee.io/new)\n       It is set, and the webhook made active, at {_settings_page(created, plan)}"
        )
    steps += [
        "Give Claude an account:\n       export ANTHROPIC_API_KEY=…   (or CLAUDE_CODE_OAUTH_TOKEN)",
        "See that nothing is missing:\n       cco doctor",
        "Start the service:\n       "
        + (f"CCO_PUBLIC_URL={shlex.quote(plan.public_url)} " if plan.public_url and not relayed else "")
        + "cco serve",
        "Label an issue `claude`.",
    ]
    listed = "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, start=1))
    return f"{created.slug} is created; its credentials are in {created.directory}\n\n{listed}\n"


class _Flow:
    """One walk through the pages. `result` is set once, by GitHub's redirect."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.token = secrets.token_urlsafe(24)
        self.state = secrets.token_urlsafe(24)
        self.result: asyncio.Future[Created] = asyncio.get_running_loop().create_future()
        self._converting = asyncio.Lock()

    async def page(self, request: web.Request) -> web.Response:
        """The form. It is posted by the person's own click, with the person's own session at GitHub."""
        if not _same(request.query.get("token", ""), self.token):
            return _page("This is not the whole address", "Copy it from the terminal, with its token.", 403)
        wanted = manifest.filled(
            manifest.read(),
            name=self.plan.name,
            redirect_url=f"http://{HOST}:{self.plan.port}/created",
            public_url=self.plan.public_url,
        )
        action = f"{self.plan.action}?state={self.state}"
        form = (
            f'<form method="post" action="{html.escape(action)}">'
            f'<input type="hidden" name="manifest" value="{html.escape(json.dumps(wanted))}">'
            f"<button>Create the App on {html.escape(self.plan.url)}</button></form>"
        )
        asked = "".join(f"<li>{html.escape(f'{k}: {v}')}</li>" for k, v in wanted["default_permissions"].items())
        answer = _page("Create the GitHub App", f"It will ask for:<ul>{asked}</ul>{form}", raw=True)
        # 'self' too: a browser holds the redirect that follows the form against this as well.
        allowed = f"{self.plan.url} 'self'"
        answer.headers["Content-Security-Policy"] = f"default-src 'none'; form-action {allowed}; base-uri 'none'"
        return answer

    async def created(self, request: web.Request) -> web.Response:
        """GitHub sends the person back here with a code, and with the state that only our form had."""
        if not _same(request.query.get("state", ""), self.state):
            return _page("This did not come from our form", "Begin again at the address in the terminal.", 403)
        code = request.query.get("code", "")
        if CODE.fullmatch(code) is None:
            return _page("GitHub gave no code", "Begin again at the address in the terminal.", 400)
        async with self._converting:
            if not self.result.done():
                try:
                    created = await self._convert(code)
                except Refusal as exc:
                    return _page("This did not work", f"{exc} Begin again at the address in the terminal.", 502)
                self.result.set_result(created)
        return _page("The App is created", "Its credentials are saved. Go on in the terminal.")

    async def _convert(self, code: str) -> Created:
        url = f"{self.plan.api_url}/app-manifests/{code}/conversions"
        headers = {"Accept": "application/vnd.github+json", "User-Agent": USER_AGENT}
        try:
            async with (
                aiohttp.ClientSession(timeout=ANSWER) as session,
                session.post(url, headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status != 201:
                    raise Refusal(f"GitHub did not turn the code into an App (status {answer.status}).")
                given: dict[str, Any] = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise Refusal(f"{self.plan.api_url} cannot be asked: {type(exc).__name__}.") from exc
        return self._save(given)

    def _save(self, given: dict[str, Any]) -> Created:
        missing = [name for name in ("id", "slug", "pem", "webhook_secret", "html_url") if not given.get(name)]
        if missing:
            raise Refusal(f"GitHub created an App and left out its {', '.join(missing)}.")
        saved = {name: str(given[name]) for name in credentials.GITHUB if given.get(name)}
        saved |= {"app_id": str(given["id"]), "url": self.plan.url, "api_url": self.plan.api_url}
        directory = credentials.save_github(self.plan.home, saved, str(given["pem"]))
        return Created(saved["slug"], saved["app_id"], saved["html_url"], directory)


def _settings_page(created: Created, plan: Plan) -> str:
    of = f"/organizations/{plan.organisation}" if plan.organisation else ""
    return f"{plan.url}{of}/settings/apps/{created.slug}"


def _same(given: str, ours: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), ours.encode())


def _page(title: str, text: str, status: int = 200, *, raw: bool = False) -> web.Response:
    body = text if raw else f"<p>{html.escape(text)}</p>"
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}</html>'
    return web.Response(text=page, status=status, content_type="text/html")
