"""Plain pages, where a person can be anybody: open an issue, label it, comment, review, merge."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from app.demo.github import bare, installing, manifest, oauth, pulls, render, shapes_work
from app.demo.github.errors import Refused, not_found
from app.demo.github.http import WORLD
from app.demo.github.model import Comment, Review, ReviewState
from app.demo.github.visit import Visit, page

HERE = Path(__file__).parent
VERDICTS: dict[str, ReviewState] = {
    "approve": "APPROVED",
    "request changes": "CHANGES_REQUESTED",
    "comment": "COMMENTED",
}
LARGEST_VIEW_BYTES = 500_000


def routes() -> list[web.RouteDef]:
    issue = "/{owner}/{repo}/{kind:issues|pull}/{number:[0-9]{1,9}}"
    return [
        web.get("/", page(home)),
        web.get("/login/oauth/authorize", page(oauth.ask)),
        web.post("/login/oauth/authorize", page(oauth.answer)),
        web.post("/login/oauth/access_token", oauth.access_token),
        web.get("/-/{name:style.css|live.js}", static),
        web.post("/-/act", page(act)),
        web.get("/-/ledger", page(ledger)),
        web.get("/avatars/{id}.svg", avatar),
        web.post("/settings/apps/new", page(new_app, from_anywhere=True)),
        web.post("/organizations/{org}/settings/apps/new", page(new_app, from_anywhere=True)),
        web.get("/apps/{slug}", page(show_app)),
        web.get("/apps/{slug}/installations/new", page(show_app)),
        web.post("/apps/{slug}/installations", page(install)),
        web.get("/{owner}/{repo}", page(repository)),
        web.get("/{owner}/{repo}/issues", page(repository)),
        web.get("/{owner}/{repo}/pulls", page(repository)),
        web.get("/{owner}/{repo}/issues/new", page(new_issue)),
        web.post("/{owner}/{repo}/issues", page(create_issue)),
        web.get("/{owner}/{repo}/{view:blob|tree}/{rest:.+}", page(file)),
        web.get("/{owner}/{repo}/runs/{id:[0-9]{1,9}}", page(check_run)),
        web.get("/{owner}/{repo}/pull/{number:[0-9]{1,9}}.diff", page(diff)),
        web.get(issue, page(show_issue)),
        web.post(issue, page(change_issue)),
    ]


async def home(visit: Visit) -> web.Response:
    found = [one for one in visit.world.repositories.values() if visit.may(one, "read")]
    return visit.show("home.html", repositories=found, apps=list(visit.world.apps.values()))


async def act(visit: Visit) -> web.Response:
    back = visit.form.get("back", "/")
    answer = _see(back if back.startswith("/") and not back.startswith("//") else "/")
    answer.set_cookie("acting", visit.world.user(visit.form["who"]).login, httponly=True, samesite="Strict")
    return answer


async def ledger(visit: Visit) -> web.Response:
    entries = [(type(one).__name__, one) for one in reversed(visit.world.ledger[-300:])]
    return visit.show("ledger.html", entries=entries)


async def repository(visit: Visit) -> web.Response:
    where = visit.repository
    shown = visit.request.query.get("state", "open")
    everything = sorted(where.issues.values(), key=lambda one: -one.number)
    some = [one for one in everything if shown in {one.state, "all"}]
    tip = await bare.resolve(where.path, f"refs/heads/{where.default_branch}")
    files = await bare.tree_entries(where.path, tip, "") if tip else []
    return visit.show("repository.html", repository=where, issues=some, files=files, shown=shown)


async def new_issue(visit: Visit) -> web.Response:
    return visit.show("new_issue.html", repository=visit.repository)


async def create_issue(visit: Visit) -> web.Response:
    labels = [visit.form["label"]] if visit.form.get("label") else []
    where = visit.repository
    issue = await visit.actor.open_issue(where, visit.form["title"], _text(visit, "body"), labels)
    return _see(shapes_work.html_url(visit.world, issue))


async def show_issue(visit: Visit) -> web.Response:
    issue = visit.issue
    address = shapes_work.html_url(visit.world, issue).removeprefix(visit.world.base_url)
    if visit.request.path != address:
        return _see(address)
    said: list[Comment | Review] = [*issue.comments, *(issue.pull.reviews if issue.pull else [])]
    said.sort(key=lambda one: (one.created_at if isinstance(one, Comment) else one.submitted_at, one.id))
    sha = issue.pull.head_sha if issue.pull else None
    runs = {(one.app.id, one.name): one for one in issue.repository.check_runs if one.head_sha == sha}
    return visit.show(
        "issue.html",
        issue=issue,
        repository=issue.repository,
        said=said,
        is_review=lambda one: isinstance(one, Review),
        files=render.diff_files(await pulls.patch(issue)) if issue.pull else [],
        runs=list(runs.values()),
        spare=[one for one in issue.repository.labels if one not in issue.labels],
        may_write=visit.may(issue.repository, "write"),
        may_triage=visit.may(issue.repository, "triage"),
    )


async def change_issue(visit: Visit) -> web.Response:
    """One form, one deed; the button's name says which."""
    issue, actor, form = visit.issue, visit.actor, visit.form
    deeds: dict[str, Callable[[], Awaitable[Any]]] = {
        "comment": lambda: actor.comment(issue, _text(visit, "body")),
        "label": lambda: actor.label(issue, form["label"]),
        "unlabel": lambda: actor.unlabel(issue, form["label"]),
        "close": lambda: actor.close(issue),
        "reopen": lambda: actor.reopen(issue),
        "edit": lambda: actor.edit_issue(issue, title=form["title"], body=_text(visit, "body")),
        "merge": lambda: actor.merge(issue, form.get("method", "merge")),
        "ready": lambda: actor.set_draft(issue, draft=False),
        "review": lambda: actor.review(issue, VERDICTS[form["verdict"]], _text(visit, "body"), _remarks(visit)),
    }
    deed = deeds.get(form.get("deed", ""))
    if deed is None:
        raise Refused(422, "The stand-in does not know this deed.")
    if form.get("deed") == "close" and form.get("body", "").strip():
        await actor.comment(issue, _text(visit, "body"))
    await deed()
    return _see(shapes_work.html_url(visit.world, issue))


async def diff(visit: Visit) -> web.Response:
    issue = visit.issue
    if issue.pull is None:
        raise not_found()
    return web.Response(text=await pulls.patch(issue))


async def file(visit: Visit) -> web.Response:
    """A file or a directory; the branch's own slashes are told from the path's by trying."""
    where = visit.repository
    parts = visit.request.match_info["rest"].split("/")
    for cut in range(1, len(parts) + 1):
        ref, path = "/".join(parts[:cut]), "/".join(parts[cut:])
        sha = await bare.any_ref(where.path, ref)
        if sha is None:
            continue
        entry = await bare.tree_entry(where.path, sha, path) if path else None
        if entry and entry.type == "blob":
            raw = await bare.blob(where.path, entry.sha) if entry.size <= LARGEST_VIEW_BYTES else b"(too large to show)"
            text = render.CONTROL.sub("", raw.decode(errors="replace"))
            return visit.show("file.html", repository=where, ref=ref, path=path, text=text, files=[])
        if not path or (entry and entry.type == "tree"):
            files = await bare.tree_entries(where.path, sha, path, inside=True)
            return visit.show("file.html", repository=where, ref=ref, path=path, text=None, files=files)
    raise not_found()


async def check_run(visit: Visit) -> web.Response:
    wanted = int(visit.request.match_info["id"])
    found = next((one for one in visit.repository.check_runs if one.id == wanted), None)
    if found is None:
        raise not_found()
    return visit.show("check_run.html", repository=visit.repository, run=found)


async def new_app(visit: Visit) -> web.Response:
    """The manifest flow: GitHub asks the person for a name first; here the form is taken at its word."""
    owner = visit.actor.user
    org = visit.request.match_info.get("org")
    if org is not None:
        found = visit.world.find_user(org)
        if found is None or found.type != "Organization":
            raise not_found()
        owner = found
    wanted = manifest.read(visit.form.get("manifest", ""))
    return _see(manifest.accept(visit.world, wanted, owner, visit.request.query.get("state", "")))


async def show_app(visit: Visit) -> web.Response:
    app = next((one for one in visit.world.apps.values() if one.slug == visit.request.match_info["slug"]), None)
    if app is None:
        raise not_found()
    installed = [one for one in visit.world.installations.values() if one.app is app]
    owners = {one.owner.login: one.owner for one in visit.world.repositories.values()}
    free = [one for name, one in sorted(owners.items()) if one not in [i.account for i in installed]]
    return visit.show("app.html", app=app, installed=installed, free=free)


async def install(visit: Visit) -> web.Response:
    app = next((one for one in visit.world.apps.values() if one.slug == visit.request.match_info["slug"]), None)
    account = visit.world.find_user(visit.form.get("account", ""))
    if app is None or account is None:
        raise not_found()
    installing.install(visit.world, app, account.login, visit.actor.user)
    return _see(f"/apps/{app.slug}")


async def static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    kind = "text/css" if name.endswith(".css") else "text/javascript"
    return web.Response(text=(HERE / "templates" / name).read_text(), content_type=kind)


async def avatar(request: web.Request) -> web.Response:
    """A disc with the first letter; its colour is the person's number."""
    world = request.app[WORLD]
    person = next((one for one in world.users.values() if str(one.id) == request.match_info["id"]), None)
    letter = person.login[0].upper() if person and person.login[0].isalnum() else "?"
    hue = (person.id * 47) % 360 if person else 0
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">'
        f'<circle cx="20" cy="20" r="20" fill="hsl({hue},45%,45%)"/>'
        '<text x="20" y="27" text-anchor="middle" font-family="sans-serif" font-size="20" fill="#fff">'
        f"{letter}</text></svg>"
    )
    return web.Response(text=svg, content_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"})


def _text(visit: Visit, name: str) -> str:
    """What a form sent; browsers end lines with CR LF, GitHub keeps LF."""
    return visit.form.get(name, "").replace("\r\n", "\n").strip()


def _remarks(visit: Visit) -> list[tuple[str, int, str]]:
    path, line, text = (visit.form.get(name, "").strip() for name in ("path", "line", "remark"))
    return [(path, int(line) if line.isascii() and line.isdecimal() else 1, text)] if path and text else []


def _see(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url})
