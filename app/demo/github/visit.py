"""One look at a page: who is looking, what they may see, and that the request comes from a page of ours."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from aiohttp import web

from app.demo.github import render
from app.demo.github.actions import Actor
from app.demo.github.errors import Refused, not_found
from app.demo.github.http import WORLD
from app.demo.github.ledger import RequestSeen
from app.demo.github.model import RANK, Issue, Repository, User
from app.demo.github.shapes import when
from app.demo.github.world import World

POLICY = "default-src 'none'; frame-ancestors 'none'" + "".join(
    f"; {what}-src 'self'" for what in ("style", "script", "img", "connect")
)
EMOJI = {
    "+1": "👍",
    "-1": "👎",
    "laugh": "😄",
    "confused": "😕",
    "heart": "❤️",
    "hooray": "🎉",
    "rocket": "🚀",
    "eyes": "👀",
}
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.filters.update(markdown=render.markdown, when=when)
TEMPLATES.globals.update(emoji=EMOJI)

Page = Callable[["Visit"], Awaitable[web.StreamResponse]]


class Visit:
    """One request for a page: by whom, and where."""

    def __init__(self, request: web.Request, form: dict[str, str]) -> None:
        self.request = request
        self.world: World = request.app[WORLD]
        self.form = form
        self.people = sorted((u for u in self.world.users.values() if u.type == "User"), key=lambda u: u.login)
        chosen = request.cookies.get("acting", "")
        self.user: User | None = next((u for u in self.people if u.login == chosen), None) or self._likeliest()

    @property
    def actor(self) -> Actor:
        if self.user is None:
            raise Refused(403, "There is nobody here yet to act as.")
        return Actor(self.world, self.user)

    @property
    def repository(self) -> Repository:
        where = self.request.match_info
        found = self.world.find_repository(f"{where['owner']}/{where['repo']}")
        if found is None or not self.may(found, "read"):
            raise not_found()
        return found

    @property
    def issue(self) -> Issue:
        found = self.repository.issues.get(int(self.request.match_info["number"]))
        if found is None:
            raise not_found()
        return found

    def may(self, repository: Repository, least: str) -> bool:
        has = repository.permission_of(self.user) if self.user else "none" if repository.private else "read"
        return RANK[has] >= {"read": 1, "triage": 2, "write": 3}[least]

    def show(self, template: str, status: int = 200, **facts: Any) -> web.Response:
        html = TEMPLATES.get_template(template).render(
            people=self.people, acting=self.user, world=self.world, here=self.request.path_qs, **facts
        )
        return web.Response(
            text=html, status=status, content_type="text/html", headers={"Content-Security-Policy": POLICY}
        )

    def _likeliest(self) -> User | None:
        """Who may most, so that a newcomer can do everything at once."""
        rank = {
            u.login: max([0, *(RANK[r.permission_of(u)] for r in self.world.repositories.values())])
            for u in self.people
        }
        return max(self.people, key=lambda u: rank[u.login], default=None)


def page(handler: Page, *, from_anywhere: bool = False) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A page of ours: asked for by our name, and sent only from our own pages."""

    async def handle(request: web.Request) -> web.StreamResponse:
        world = request.app[WORLD]
        form = {name: str(value) for name, value in (await request.post()).items()} if request.method == "POST" else {}
        visit = Visit(request, form)
        try:
            _check_origin(world, request, from_anywhere=from_anywhere)
            answer = await handler(visit)
        except Refused as refused:
            answer = visit.show("refused.html", status=refused.status, refused=refused)
        if request.method == "POST":
            world.ledger.append(
                RequestSeen(
                    at=world.now(),
                    method=request.method,
                    path=request.path,
                    query=request.query_string,
                    actor=visit.user.login if visit.user else "anonymous",
                    token_kind="page",  # noqa: S106 - a word, not a token
                    permissions={},
                    repositories=(),
                    body=form,
                    status=answer.status,
                    answer=None,
                )
            )
        return answer

    return handle


def _check_origin(world: World, request: web.Request, *, from_anywhere: bool) -> None:
    """Any site a person visits can send requests to loopback: let none of them press our buttons."""
    ours = urlsplit(world.base_url)
    if request.host not in {ours.netloc, f"localhost:{ours.port}"}:
        raise Refused(403, f"This is {world.base_url}, and answers to no other name.")
    origin = request.headers.get("Origin")
    if request.method == "POST" and not from_anywhere and origin not in {None, f"http://{request.host}"}:
        raise Refused(403, "This form was sent from another site.")
