"""Bring what we know of an issue up to what GitHub shows of it now: begin, end, or follow its pull request.

Webhooks say only where to look, so it does not matter in which order they come, how often, or whether at all: the
reconciler looks by itself, and comes to the same place.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gidgethub
from gidgethub import routing, sansio

from handlers import looking_first, policy, starting
from handlers.desk import Desk
from handlers.differences import Begin, End, Follow, Known, Seen, Step, decide
from handlers.gathering import as_it_stood
from handlers.github import (
    actor_of,
    allow,
    answer_once,
    events_of,
    identity_of,
    issue_now,
    look_at_issue,
    permission_of,
    repository_of,
)
from handlers.sanitize import neutralise
from handlers.standing import Labelled, Standing, last_closed, standing_of
from runner.errors import Refusal
from runner.store import Store
from runner.tasks import PullRequest, Repository, Task, TriggerKind

logger = logging.getLogger(__name__)

router = routing.Router()

EVENT = "reconciliation"  # what the reconciler's own deliveries are called; GitHub sends nothing of that name

MERGED = "the pull request was merged"
PULL_REQUEST_CLOSED = "the pull request was closed"
BRANCH_DELETED = "the branch was deleted"


@router.register(EVENT)
async def looked_for(event: sansio.Event, desk: Desk) -> None:
    """The reconciler found a difference. By now it may be gone again."""
    repository = repository_of(event.data["repository"], desk.house)
    if "issue" in event.data:
        await bring_up_to_date(desk, event.data["repository"], event.data["issue"]["number"])
        return
    number = event.data["pull_request"]["number"]
    task = await desk.store.register.of_pull_request(repository.host, repository.id, number)
    if task is not None:
        await bring_task_up_to_date(desk, event.data["repository"], task)


async def bring_up_to_date(
    desk: Desk, payload: Mapping[str, Any], number: int, picture: Mapping[str, Any] | None = None
) -> Seen:
    """An issue, its task if it has one, and the task's pull request. `picture` is the issue as a webhook has it.

    Gives what was seen. Doing it again changes nothing.
    """
    known, seen = await look(desk, payload, number)
    await _act(desk, payload, number, known, seen, picture)
    return seen


async def bring_task_up_to_date(desk: Desk, payload: Mapping[str, Any], task: Task) -> Seen:
    """The same, from the task."""
    if task.subject.source == "github" and task.subject.number is not None:
        return await bring_up_to_date(desk, payload, task.subject.number)
    known = await what_we_know(desk.store, task, task.subject.identity)
    seen = await _see_pull_request(desk, repository_of(payload, desk.house), known, Seen(None, Standing()))
    await _act(desk, payload, None, known, seen, None)
    return seen


async def differences(desk: Desk, payload: Mapping[str, Any], number: int) -> list[Step]:
    """What `bring_up_to_date` would do about an issue, undone."""
    known, seen = await look(desk, payload, number)
    return decide(known, seen, desk.house.trigger_label)


async def look(desk: Desk, payload: Mapping[str, Any], number: int) -> tuple[Known, Seen]:
    """What we know of an issue, and what GitHub shows."""
    repository = repository_of(payload, desk.house)
    identity = identity_of(repository, number)
    known = await what_we_know(desk.store, await desk.store.register.of_subject("github", identity), identity)
    issue, events = await asyncio.gather(
        _issue(desk, repository, number), events_of(desk.gh, repository, number), return_exceptions=True
    )
    if isinstance(issue, BaseException):
        raise issue
    if issue is None:
        seen = Seen(None, Standing(), is_gone=True)
    elif isinstance(events, BaseException):
        raise events
    else:
        seen = Seen(issue, standing_of(events, desk.house.trigger_label))
    return known, await _see_pull_request(desk, repository, known, seen)


async def what_we_know(store: Store, task: Task | None, identity: str) -> Known:
    """What is written down of a subject, whichever tracker it is in."""
    run = await store.active_run(task.id) if task else None
    asked_at = await store.asked_last(run.id) if run else None
    return Known(task, run, asked_at, await store.marks.answered(identity))


async def _issue(desk: Desk, repository: Repository, number: int) -> dict[str, Any] | None:
    """The issue, or None where it was deleted or has moved to another repository."""
    try:
        issue = await issue_now(desk.gh, repository, number)
    except gidgethub.BadRequest as error:
        if error.status_code in {404, 410}:
            return None
        raise
    there = str(issue.get("repository_url", "")).rpartition("/repos/")[2]
    if there.casefold() != repository.full_name.casefold():  # somebody renamed the repository, or moved the issue
        moved = await desk.gh.getitem(f"/repos/{there}")
        return issue if moved["id"] == repository.id else None
    return issue


async def _see_pull_request(desk: Desk, repository: Repository, known: Known, seen: Seen) -> Seen:
    """Also the task's pull request, and who ended it."""
    ours = known.task.pull_request if known.task else None
    if ours is None or ours.state == "merged":
        return seen
    there = await desk.gh.getitem(f"/repos/{repository.full_name}/pulls/{ours.number}")
    state = "merged" if there.get("merged") or there.get("merged_at") else str(there["state"])
    now = PullRequest(ours.number, there["html_url"], state, bool(there.get("draft")))
    over = last_closed(await events_of(desk.gh, repository, ours.number), PULL_REQUEST_CLOSED)
    if over is not None and known.run is not None:
        over = replace(over, why=await _why_over(desk, repository, there, state))
    return replace(seen, pull_request=now, pull_request_over=over)


async def _why_over(desk: Desk, repository: Repository, there: Mapping[str, Any], state: str) -> str:
    if state != "closed":
        return MERGED if state == "merged" else PULL_REQUEST_CLOSED
    try:
        await desk.gh.getitem(f"/repos/{repository.full_name}/git/ref/heads/{there['head']['ref']}")
    except gidgethub.BadRequest as error:
        if error.status_code == 404:
            return BRANCH_DELETED
        raise
    return PULL_REQUEST_CLOSED


async def _act(
    desk: Desk,
    payload: Mapping[str, Any],
    number: int | None,
    known: Known,
    seen: Seen,
    picture: Mapping[str, Any] | None,
) -> None:
    for step in decide(known, seen, desk.house.trigger_label):
        match step:
            case Follow(pull_request) if known.task is not None:
                await desk.store.follow_pull_request(known.task.id, pull_request)
            case End(_, by, why) if known.task is not None:
                await desk.conductor.stop(known.task.id, by, why)
            case Begin(labelled) if number is not None and seen.issue is not None:
                await _begin(desk, payload, seen.issue, seen.standing, labelled, picture)
            case _:
                pass


async def _begin(
    desk: Desk,
    payload: Mapping[str, Any],
    issue: Mapping[str, Any],
    standing: Standing,
    labelled: Labelled,
    picture: Mapping[str, Any] | None,
) -> None:
    """Answer a label: with a run, or with a sentence to whoever may not ask for one."""
    repository, number = repository_of(payload, desk.house), int(issue["number"])
    identity, labelling = identity_of(repository, number), labelled.labelling
    if not policy.speaks_for_itself(labelled.by):
        logger.info("label by %s on %s: not a person", labelled.by.get("login"), issue["html_url"])
        await desk.store.marks.answer(identity, labelling)
        return
    try:
        await _begin_for(desk, payload, issue, standing, labelled, picture)
    except Refusal as refusal:
        said = neutralise(str(refusal))
        await answer_once(desk.gh, desk.house, repository, number, f"label-{labelling.number}", labelling.at, said)
        if issue["state"] != "open":
            return  # once it is open again, the label that is still there counts
    await desk.store.marks.answer(identity, labelling)


async def _begin_for(
    desk: Desk,
    payload: Mapping[str, Any],
    issue: Mapping[str, Any],
    standing: Standing,
    labelled: Labelled,
    picture: Mapping[str, Any] | None,
) -> None:
    repository, asker = repository_of(payload, desk.house), actor_of(labelled.by, desk.house)
    identity, at = identity_of(repository, issue["number"]), labelled.labelling.at
    allow(policy.may_work_in(payload))
    allow(policy.may_work_on_issue(issue))
    allow(policy.may_command(asker.login, await permission_of(desk.gh, repository, asker)))
    wish = starting.wish_id(f"label/{identity}/{labelled.labelling.number}")
    if await looking_first.was_served(desk, repository, issue["number"], at):
        logger.info("the label on %s was served before the database was restored", issue["html_url"])
        return
    if await desk.store.knows(wish):
        await look_at_issue(desk.gh, repository, issue["number"])
        return
    await starting.not_while_stopping(desk, await desk.store.register.of_subject("github", identity))
    picture = await as_it_stood(desk, picture, issue, standing, at)
    outcomes = await asyncio.gather(  # 👀 may have to wait for its turn to write; the work need not
        look_at_issue(desk.gh, repository, issue["number"]),
        starting.begin(desk, payload, picture, at, asker, TriggerKind.label, wish, labelling=labelled.labelling),
        return_exceptions=True,  # neither ends with the other
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
