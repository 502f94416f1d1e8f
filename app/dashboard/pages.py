"""The pages: all tasks, one task with what a person can do about it, and what is set up."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import jinja2
from aiohttp import web
from markupsafe import Markup

from app.api import LONGEST_TEXT, Deeds, whole
from app.dashboard import drawing
from app.dashboard.signing_in import Entrance, Session, is_from_this_machine, is_the_same
from app.doctor import Check
from handlers.messages import dollars, headline, question
from runner.errors import Refusal, TryLater
from runner.store import Store
from runner.tasks import Outcome, RunState, Task, TaskId, WaitingFor
from runner.text import clean
from runner.view import TaskView

HERE = Path(__file__).parent
PAGE = 25
DIFF_LINES = 5_000
FORM_LIMIT = 4 * LONGEST_TEXT + 4_096

# What the states are called where one chooses among them; the two that pass within moments are not offered.
FILTERS = {
    None: "All",
    RunState.queued: "In line",
    RunState.running: "At work",
    RunState.waiting: "Waiting",
    RunState.succeeded: "Done",
    RunState.failed: "Failed",
    RunState.stopped: "Stopped",
}

WORKING = (RunState.starting, RunState.running, RunState.publishing)

Page = Callable[[web.Request, Session], Awaitable[web.Response]]
Examine = Callable[[], Awaitable[Sequence[Check]]]


def add_dashboard(app: web.Application, store: Store, deeds: Deeds, entrance: Entrance, examine: Examine) -> None:
    """GET / , /tasks/{id} , /setup, the forms on them, and signing in. `examine` gives the checks of `cco doctor`."""
    dashboard = Dashboard(store, deeds, entrance, examine)
    app.add_routes(dashboard.routes())
    app.router.add_static("/static/", HERE / "static")


class Dashboard:
    """Everything that a person sees in a browser."""

    def __init__(self, store: Store, deeds: Deeds, entrance: Entrance, examine: Examine) -> None:
        self._store = store
        self._deeds = deeds
        self._entrance = entrance
        self._examine = examine

    def routes(self) -> list[web.RouteDef]:
        """The pages and their parts."""
        one = "/tasks/{task:[0-9]{1,18}}"
        return [
            web.get("/", self._page(self.tasks)),
            web.get(one, self._page(self.task)),
            web.get(f"{one}/transcript", self._page(self.transcript)),
            web.get(f"{one}/diff", self._page(self.diff)),
            web.post(f"{one}/{{verb:retry|stop|steer|approve|deny}}", self._page(self.act)),
            web.get("/setup", self._page(self.setup)),
            web.get("/signin", self.sign_in),
            web.post("/signout", self._page(self.sign_out)),
        ]

    async def sign_in(self, request: web.Request) -> web.Response:
        """The link that `serve` prints: its token becomes a session."""
        if not is_from_this_machine(request):
            return _told(403, "Not from here", "That link works on the machine the service runs on.")
        if not self._entrance.opens(request.query.get("token", "")):
            return _told(401, "This link does not work any more", _HOW, "cco signin")
        answer = web.Response(status=303, headers={"Location": "/"})
        self._entrance.let_in(answer)
        return answer

    async def sign_out(self, request: web.Request, session: Session) -> web.Response:
        """Forget the session."""
        await _form(request, session)
        answer = _told(200, "Signed out", _HOW, "cco signin")
        self._entrance.let_out(answer)
        return answer

    async def tasks(self, request: web.Request, session: Session) -> web.Response:
        """All tasks, the latest first."""
        wanted = request.query.get("state")
        if wanted is not None and wanted not in RunState.__members__:
            raise web.HTTPNotFound(text="There is no such state.")
        state, before = RunState(wanted) if wanted else None, whole(request, "before", None)
        last_event = (
            await self._store.last_event()
        )  # first: what happens meanwhile is told again, and nothing is missed
        views = await self._store.views(state, limit=PAGE + 1, before=None if before is None else TaskId(before))
        counts = await self._store.counts()
        now = datetime.now(UTC)
        query = {"state": wanted} if wanted else {}
        return _html(
            "tasks.html",
            request,
            session,
            views=views[:PAGE],
            following=urlencode({**query, "before": views[PAGE - 1].task.id}) if len(views) > PAGE else None,
            first=before is None,
            state=state,
            filters=FILTERS,
            working=sum(counts.get(one, 0) for one in WORKING),
            queued=counts.get(RunState.queued, 0),
            waiting=counts.get(RunState.waiting, 0),
            spent=await self._store.spent(now.date().isoformat()),
            now=now,
            last_event=last_event,
        )

    async def task(self, request: web.Request, session: Session) -> web.Response:
        """One task, whole."""
        return await self._show(request, session, await self._find(request))

    async def act(self, request: web.Request, session: Session) -> web.Response:
        """A form was sent: do it and show the task; what cannot be done is said there."""
        task = await self._find(request)
        text = (await _form(request, session)).get("text", "").replace("\r\n", "\n").strip()
        try:
            await self._do(task, request.match_info["verb"], text)
        except Refusal as refusal:
            return await self._show(request, session, task, 409, str(refusal))
        except TryLater as weather:
            return await self._show(request, session, task, 503, f"That did not work: {weather}. Try again in a while.")
        return web.Response(status=303, headers={"Location": f"/tasks/{task.id}"})

    async def _do(self, task: Task, verb: str, text: str) -> None:
        if len(text) > LONGEST_TEXT or "\0" in text:
            raise Refusal(f"That is too long: a message has at most {LONGEST_TEXT:,} characters.")
        match verb:
            case "retry":
                await self._deeds.retry(task, text)
            case "steer" if not text:
                raise Refusal("There was nothing in it: write what Claude shall be told.")
            case "steer":
                await self._deeds.steer(task, text)
            case "stop":
                if not await self._deeds.stop(task, text):
                    raise Refusal("It is not running any more, so there is nothing to stop.")
            case _:
                if not await self._deeds.decide(task, verb == "approve", text):
                    raise Refusal("It does not wait for a yes or no any more.")

    async def transcript(self, request: web.Request, _: Session) -> web.Response:
        """The next part of the latest run's transcript, as HTML to be added; X-Next is what to ask for then."""
        view = await self._store.view((await self._find(request)).id)
        after = request.query.get("after")
        if after is not None and (len(after) > 40 or not after.replace("/", "", 1).isdecimal()):
            raise web.HTTPBadRequest(text="after is what X-Next said")
        text, following = await self._deeds.transcript(view, after)
        answer = web.Response(text=drawing.terminal(text), content_type="text/html")
        if following is not None:
            answer.headers["X-Next"] = following
        return answer

    async def diff(self, request: web.Request, _: Session) -> web.Response:
        """What is changed on the branch, as HTML to be put into the page."""
        task = await self._find(request)
        lines = list(drawing.diff(await self._deeds.diff(task)))
        html = TEMPLATES.get_template("diff.html").render(
            lines=lines[:DIFF_LINES], more=max(0, len(lines) - DIFF_LINES), task=task
        )
        return web.Response(text=html, content_type="text/html")

    async def setup(self, request: web.Request, session: Session) -> web.Response:
        """What is configured and what is missing, for whoever sits at the machine."""
        if not is_from_this_machine(request):
            return _told(403, "Not from here", "This page is shown only on the machine the service runs on.")
        checks = await self._examine()
        return _html("setup.html", request, session, checks=checks, wrong=sum(not one.ok for one in checks))

    async def _find(self, request: web.Request) -> Task:
        task = await self._store.find(request.match_info["task"])
        if task is None:
            raise web.HTTPNotFound(text="There is no such task.")
        return task

    async def _show(
        self, request: web.Request, session: Session, task: Task, status: int = 200, notice: str = ""
    ) -> web.Response:
        view = await self._store.view(task.id)
        return _html(
            "task.html", request, session, status, view=view, notice=notice, path=f"/tasks/{task.id}", **_of_task(view)
        )

    def _page(self, handler: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Only for people who are signed in; what goes wrong is a page as well."""

        @wraps(handler)
        async def shown(request: web.Request) -> web.StreamResponse:
            session = self._entrance.session(request)
            if session is None:
                return _told(401, "Please sign in", _HOW, "cco signin")
            try:
                return await handler(request, session)
            except Refusal as refusal:
                return _told(409, "That cannot be done", str(refusal))
            except web.HTTPClientError as error:
                return _told(error.status, error.reason, error.text or "")

        return shown


_HOW = "On the machine that the service runs on, this command prints a link that signs you in:"


def _of_task(view: TaskView) -> dict[str, Any]:
    waits = view.waiting_for if view.state is RunState.waiting else None
    asks = waits if waits in {WaitingFor.answer, WaitingFor.approval} else None
    explained = view.outcome in {None, Outcome.delivered, Outcome.answered}
    return {
        "asks": asks,
        # The answers that it suggests are buttons here.
        "question": drawing.markdown(view.asked.text if view.asked and view.asked.options else question(view)),
        "answer": drawing.markdown(view.answer) if view.answer and not view.state.is_active else "",
        "said": drawing.markdown(view.said) if view.said and view.state is RunState.running else "",
        "why": "" if explained else view.run.reason,
        "now": datetime.now(UTC),
        "last_event": view.last_event,
    }


async def _form(request: web.Request, session: Session) -> dict[str, str]:
    """The fields of a form that one of our own pages sent."""
    if request.headers.get("Origin") is None:  # one of another site is refused before it comes here
        raise web.HTTPForbidden(text="This form did not come from a page.")
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text="This is not a form.")
    if request.content_length is None or request.content_length > FORM_LIMIT:
        raise web.HTTPRequestEntityTooLarge(FORM_LIMIT, request.content_length or 0)
    fields = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    if not is_the_same(fields.get("csrf", ""), session.csrf):
        raise web.HTTPForbidden(text="This form is too old. Go back, reload the page and send it again.")
    return fields


def _html(
    template: str, request: web.Request, session: Session | None, status: int = 200, **values: object
) -> web.Response:
    local = session is not None and is_from_this_machine(request)
    given = {"path": request.path_qs, "csrf": session.csrf if session else "", "local": local, **values}
    answer = web.Response(text=TEMPLATES.get_template(template).render(given), status=status, content_type="text/html")
    # With no-referrer a browser sends a form's Origin as `null`, and then we could not tell our own forms.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def _told(status: int, title: str, sentence: str, command: str = "") -> web.Response:
    """A page that says one thing."""
    text = TEMPLATES.get_template("told.html").render(title=title, sentence=sentence, command=command, path="", csrf="")
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
