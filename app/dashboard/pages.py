"""The pages: all tasks, one task with what a person can do about it, and what is set up."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from app.api import LONGEST_TEXT, OPERATOR, Deeds, whole
from app.dashboard import drawing
from app.dashboard.rendering import HERE, TEMPLATES, html, told
from app.dashboard.signing_in import Entrance, Session, is_from_this_machine, is_the_same
from app.dashboard.with_github import WithGitHub
from app.doctor import Check
from app.github_people import People
from handlers import policy
from handlers.messages import question
from runner.errors import Refusal, TryLater
from runner.store import Store
from runner.tasks import Actor, Outcome, Repository, RunState, Task, TaskId, WaitingFor
from runner.view import TaskView

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


def add_dashboard(
    app: web.Application,
    store: Store,
    deeds: Deeds,
    entrance: Entrance,
    examine: Examine,
    people: People,
    with_github: WithGitHub | None,
) -> None:
    """GET / , /tasks/{id} , /setup, the forms on them, and signing in. `examine` gives the checks of `cco doctor`.

    `people` knows who may see what; `with_github` is None where nobody can sign in with GitHub.
    """
    dashboard = Dashboard(store, deeds, entrance, examine, people, with_github)
    app.add_routes([*dashboard.routes(), *(with_github.routes() if with_github else ())])
    app.router.add_static("/static/", HERE / "static")


class Dashboard:
    """Everything that a person sees in a browser."""

    def __init__(
        self,
        store: Store,
        deeds: Deeds,
        entrance: Entrance,
        examine: Examine,
        people: People,
        with_github: WithGitHub | None,
    ) -> None:
        self._store = store
        self._deeds = deeds
        self._entrance = entrance
        self._examine = examine
        self._people = people
        self._with_github = with_github

    def routes(self) -> list[web.RouteDef]:
        """The pages and their parts."""
        one = "/tasks/{task:[0-9]{1,18}}"
        return [
            web.get("/", self._page(self.tasks)),
            web.get(one, self._page(self.task)),
            web.get(f"{one}/transcript", self._page(self.transcript)),
            web.get(f"{one}/diff", self._page(self.diff)),
            web.get(f"{one}/diff.txt", self._page(self.diff_as_text)),
            web.post(f"{one}/{{verb:retry|stop|steer|approve|deny}}", self._page(self.act)),
            web.get("/setup", self._page(self.setup)),
            web.get("/signin", self.sign_in),
            web.post("/signout", self._page(self.sign_out)),
        ]

    async def sign_in(self, request: web.Request) -> web.Response:
        """The link that `serve` prints: its token becomes a session."""
        if not is_from_this_machine(request):
            return told(403, "Not from here", "That link works on the machine the service runs on.")
        if not self._entrance.opens(request.query.get("token", "")):
            return told(401, "This link does not work any more", _HOW, command="cco signin")
        answer = web.Response(status=303, headers={"Location": "/"})
        self._entrance.let_in(request, answer)
        return answer

    async def sign_out(self, request: web.Request, session: Session) -> web.Response:
        """Forget the session."""
        await _form(request, session)
        answer = self._at_the_door(200, "Signed out")
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
        within = await self._within(session)
        views = await self._store.views(
            state, limit=PAGE + 1, before=None if before is None else TaskId(before), within=within
        )
        counts = await self._store.tallies.states(within)
        now = datetime.now(UTC)
        query = {"state": wanted} if wanted else {}
        return html(
            "tasks.html",
            request,
            session,
            views=views[:PAGE],
            following=urlencode({**query, "before": views[PAGE - 1].task.id}) if len(views) > PAGE else None,
            first=before is None,
            state=state,
            filters=FILTERS,
            paused=self._store.pause.on,
            working=sum(counts.get(one, 0) for one in WORKING),
            queued=counts.get(RunState.queued, 0),
            waiting=counts.get(RunState.waiting, 0),
            # What the whole machine spends is not for those who see a part of it.
            spent=await self._store.tallies.spent(now.date().isoformat()) if within is None else None,
            now=now,
            last_event=last_event,
        )

    async def task(self, request: web.Request, session: Session) -> web.Response:
        """One task, whole."""
        return await self._show(request, session, await self._find(request, session))

    async def act(self, request: web.Request, session: Session) -> web.Response:
        """A form was sent: do it and show the task; what cannot be done is said there."""
        task = await self._find(request, session)
        text = (await _form(request, session)).get("text", "").replace("\r\n", "\n").strip()
        if session.person is not None and not await self._people.may_act(session.person, task.repository):
            return told(403, "That is not allowed", policy.NOT_A_WRITER.format(login=session.person.login))
        try:
            await self._do(task, request.match_info["verb"], text, session.person or OPERATOR)
        except Refusal as refusal:
            return await self._show(request, session, task, 409, str(refusal))
        except TryLater as weather:
            return await self._show(request, session, task, 503, f"That did not work: {weather}. Try again in a while.")
        return web.Response(status=303, headers={"Location": f"/tasks/{task.id}"})

    async def _do(self, task: Task, verb: str, text: str, actor: Actor) -> None:
        if len(text) > LONGEST_TEXT or "\0" in text:
            raise Refusal(f"That is too long: a message has at most {LONGEST_TEXT:,} characters.")
        match verb:
            case "retry":
                await self._deeds.retry(task, text, actor)
            case "steer" if not text:
                raise Refusal("There was nothing in it: write what Claude shall be told.")
            case "steer":
                await self._deeds.steer(task, text, actor)
            case "stop":
                if not await self._deeds.stop(task, text, actor):
                    raise Refusal("It is not running any more, so there is nothing to stop.")
            case _:
                if not await self._deeds.decide(task, verb == "approve", text, actor):
                    raise Refusal("It does not wait for a yes or no any more.")

    async def transcript(self, request: web.Request, session: Session) -> web.Response:
        """The next part of the latest run's transcript, as HTML to be added; X-Next is what to ask for then."""
        view = await self._store.view((await self._find(request, session)).id)
        after = request.query.get("after")
        if after is not None and (len(after) > 40 or not after.replace("/", "", 1).isdecimal()):
            raise web.HTTPBadRequest(text="after is what X-Next said")
        text, following = await self._deeds.transcript(view, after)
        answer = web.Response(text=drawing.terminal(text), content_type="text/html")
        if following is not None:
            answer.headers["X-Next"] = following
        return answer

    async def diff(self, request: web.Request, session: Session) -> web.Response:
        """What is changed on the branch, as HTML to be put into the page."""
        task = await self._find(request, session)
        lines = list(drawing.diff(await self._deeds.diff(task)))
        text = TEMPLATES.get_template("diff.html").render(
            lines=lines[:DIFF_LINES], more=max(0, len(lines) - DIFF_LINES), task=task
        )
        return web.Response(text=text, content_type="text/html")

    async def diff_as_text(self, request: web.Request, session: Session) -> web.Response:
        """The same, whole, to be saved or applied."""
        return web.Response(text=await self._deeds.diff(await self._find(request, session)), content_type="text/plain")

    async def setup(self, request: web.Request, session: Session) -> web.Response:
        """What is configured and what is missing, for whoever sits at the machine."""
        if session.person is not None or not is_from_this_machine(request):
            return told(403, "Not from here", "This page is for whoever runs the service, on its own machine.")
        checks = await self._examine()
        return html("setup.html", request, session, checks=checks, wrong=sum(not one.ok for one in checks))

    async def _find(self, request: web.Request, session: Session) -> Task:
        """The task, if there is one and this is someone who may see it: whoever may not learns nothing."""
        task = await self._store.register.find(request.match_info["task"])
        if task is not None and (
            session.person is None or await self._people.may_look(session.person, task.repository)
        ):
            return task
        raise web.HTTPNotFound(text="There is no such task.")

    async def _within(self, session: Session) -> Sequence[Repository] | None:
        """The repositories whose tasks this session sees; None is all."""
        if session.person is None:
            return None
        return await self._people.visible(session.person, await self._store.register.repositories())

    async def _show(
        self, request: web.Request, session: Session, task: Task, status: int = 200, notice: str = ""
    ) -> web.Response:
        view = await self._store.view(task.id)
        return html(
            "task.html", request, session, status, view=view, notice=notice, path=f"/tasks/{task.id}", **_of_task(view)
        )

    def _page(self, handler: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Only for people who are signed in; what goes wrong is a page as well."""

        @wraps(handler)
        async def shown(request: web.Request) -> web.StreamResponse:
            session = self._entrance.session(request)
            if session is None:
                return self._at_the_door(401, "Please sign in", request)
            try:
                return await handler(request, session)
            except Refusal as refusal:
                return told(409, "That cannot be done", str(refusal))
            except TryLater as weather:
                return told(503, "Not just now", f"{weather}. Try again in a while.")
            except web.HTTPClientError as error:
                return told(error.status, error.reason, error.text or "")

        return shown

    def _at_the_door(self, status: int, title: str, request: web.Request | None = None) -> web.Response:
        """How one signs in here; `request` is what was asked for, where one comes to then."""
        if self._with_github is None:
            return told(status, title, _HOW, command="cco signin")
        sign_in = self._with_github.link(request)
        return told(status, title, _WHO, sign_in=sign_in)


_WHO = "You see the tasks of the repositories that you can push to."
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
