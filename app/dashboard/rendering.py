"""Write a page: the templates, and that whatever stands in them is only text."""

from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import jinja2
from aiohttp import web
from markupsafe import Markup

from app.dashboard import drawing
from app.dashboard.signing_in import Session, is_from_this_machine
from handlers.messages import dollars, headline
from runner.text import clean
from runner.view import TaskView

HERE = Path(__file__).parent


def html(template: str, request: web.Request, session: Session, status: int = 200, **values: object) -> web.Response:
    """A page for someone who is signed in."""
    person = session.person
    local = person is None and is_from_this_machine(request)
    given = {"path": request.path_qs, "csrf": session.csrf, "person": person, "local": local, **values}
    answer = web.Response(text=TEMPLATES.get_template(template).render(given), status=status, content_type="text/html")
    # With no-referrer a browser sends a form's Origin as `null`, and then we could not tell our own forms.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def told(status: int, title: str, sentence: str, *, command: str = "", sign_in: str = "") -> web.Response:
    """A page that says one thing. `command` is for a terminal, `sign_in` where one signs in with GitHub."""
    given = {"title": title, "sentence": sentence, "command": command, "sign_in": sign_in}
    text = TEMPLATES.get_template("told.html").render(given, path="", csrf="", person=None)
    return web.Response(text=text, status=status, content_type="text/html")


def _safe(value: object) -> object:
    """Everything that a template writes loses what could act on a page's reader, ESC and bidi controls."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _address(url: str) -> str:
    """An address that may stand in a link; anything but http and https leads nowhere."""
    try:
        return url if urlsplit(url).scheme in {"http", "https"} else "#"
    except ValueError:
        return "#"


def _elapsed(view: TaskView, now: datetime) -> str:
    return drawing.duration(view.elapsed_seconds(now))


def _stamp(moment: datetime) -> int:
    """Milliseconds, as browsers count."""
    return int(moment.timestamp() * 1000)


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=_safe,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"address": _address, "dollars": dollars, "stamp": _stamp}
TEMPLATES.globals |= {"headline": headline, "elapsed": _elapsed, "duration": drawing.duration}
