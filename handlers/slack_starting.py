"""Begin a task from Slack: a form with the text and a repository, and the issue on GitHub that comes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import gidgethub
from gidgethub.abc import GitHubAPI

from handlers import answers, policy, slack_forms, starting
from handlers.desk import Desk
from handlers.github import allow, identity_of, is_ours, repository_of, when
from handlers.messages_slack import words
from handlers.mrkdwn import markdown
from handlers.rewriting import code
from handlers.sanitize import neutralise, plain_line
from handlers.slack_heard import Filled, Pointed, Typed
from handlers.slack_office import PLACE, Office, asker, permitted
from runner.effects import effect
from runner.errors import Refusal, TryLater
from runner.tasks import Actor, Repository, TriggerKind

TOO_LATE = "I could not open the form in time: Slack gives me three seconds. Please ask again."
NOT_NOW = "GitHub does not tell me now which repositories you can push to. Please ask again in a while."
NO_ISSUE = "GitHub does not let me open an issue in {name}: {why}. Is the App installed there, and are issues on?"
REFUSALS = frozenset({403, 404, 410})
CLOCKS_DIFFER = timedelta(minutes=10)
MOST_ASKED_ABOUT = 100
AT_ONCE = 20


async def typed(office: Office, heard: Typed, text: str) -> None:
    """`/claude` and a text that is no command."""
    await _open(office, heard, text)


async def pointed(office: Office, heard: Pointed) -> None:
    """“Make this a task”: the form has the message's words, and knows where it stands."""
    await _open(office, heard, heard.text, heard)


async def filled(office: Office, heard: Filled, at: datetime) -> None:
    """The form was sent off: an issue, once, and its first run."""
    named = Repository(office.house.host, 0, heard.repository, "", "")
    desk = office.desk_of(named)
    with _refusing(heard.repository):
        payload = await desk.gh.getitem(f"/repos/{heard.repository}")
    repository = repository_of(payload, office.house)
    allow(policy.may_work_in(payload))
    actor = await permitted(office, desk, repository, heard.where.user)
    with _refusing(heard.repository):
        issue = await _issue(office, desk, repository, heard, actor, at)
    if (room := office.rooms.known(heard.where.channel, heard.channel_name)) is not None:
        office.rooms.asked_in[identity_of(repository, issue["number"])] = room
    submission = await starting.begin(
        desk,
        payload,
        issue,
        when(issue["created_at"]),
        actor,
        TriggerKind.command,
        starting.wish_id(f"slack/{heard.key}"),
        place=PLACE,
    )
    view = await office.store.view(submission.task.id)
    answer = answers.submitted(submission, view, None)
    told = f"{answer} It is [{repository.full_name}#{issue['number']}]({issue['html_url']})."
    await office.hands.whisper(heard.where, words(told, office.house.redact))


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """What GitHub says no to is told to the person: no issues there, or no App any more."""
    try:
        yield
    except gidgethub.BadRequest as error:
        if error.status_code not in REFUSALS:
            raise
        raise Refusal(NO_ISSUE.format(name=name, why=plain_line(str(error)))) from error


async def _open(office: Office, heard: Typed | Pointed, text: str, message: Pointed | None = None) -> None:
    form = await office.hands.open_form(heard.trigger, slack_forms.getting_ready())
    if form is None:
        raise Refusal(TOO_LATE)
    try:
        names = await _repositories(office, heard.where.user, heard.where.channel, heard.channel_name)
        link = await office.hands.link_to(message.spot) if message is not None else ""
    except (Refusal, TryLater) as why:
        sentence = str(why) if isinstance(why, Refusal) else NOT_NOW
        await office.hands.change_form(form, slack_forms.saying(words(sentence, office.house.redact)))
        return
    usual = office.rooms.repository_of(heard.where.channel, heard.channel_name)
    chosen = usual if usual in names else names[0] if len(names) == 1 else None
    asking = slack_forms.asking(text, names, chosen, heard.where, heard.channel_name, link)
    await office.hands.change_form(form, asking)


async def _repositories(office: Office, user: str, channel: str, channel_name: str) -> list[str]:
    """Those that this person can push to: the channel's own first, then those that have tasks, then all others."""
    there = {one["full_name"]: one async for one in office.repositories() if not one.get("archived")}
    if not there:
        raise Refusal(slack_forms.NO_REPOSITORY)
    usual = office.rooms.repository_of(channel, channel_name)
    at_work = {one.full_name for one in await office.store.register.repositories()}
    ordered = sorted(there, key=lambda name: (name != usual, name not in at_work, name.casefold()))
    candidates = [repository_of(there[name], office.house) for name in ordered[:MOST_ASKED_ABOUT]]
    actor = await asker(office, office.desk_of(candidates[0]).gh, user)
    found: list[str] = []
    for start in range(0, len(candidates), AT_ONCE):  # GitHub minds a hundred questions at the same time
        found += [one.full_name for one in await office.visible(actor, candidates[start : start + AT_ONCE])]
    if not found:
        raise Refusal(slack_forms.NO_REPOSITORY)
    return found


async def _issue(
    office: Office, desk: Desk, repository: Repository, heard: Filled, actor: Actor, at: datetime
) -> dict[str, Any]:
    """The issue that this form became, or becomes now."""
    marker = f"<!-- cco:slack={heard.key} -->"
    if (found := await _find(office, desk.gh, repository, marker, at)) is not None:
        return found
    source = f"[a message in Slack]({heard.link})" if heard.link else "Slack"
    body = f"{neutralise(markdown(heard.text))}\n\n---\n{code(actor.login)} asked for this from {source}.\n{marker}"
    title = plain_line(next(line for line in heard.text.splitlines() if line.strip()))
    redact = office.house.redact
    with effect("http.issue-from-slack"):
        made: dict[str, Any] = await desk.gh.post(
            f"/repos/{repository.full_name}/issues", data={"title": redact(title), "body": redact(body)}
        )
    return made


async def _find(
    office: Office, gh: GitHubAPI, repository: Repository, marker: str, at: datetime
) -> dict[str, Any] | None:
    """Anyone can write a marker; it counts in an issue of our own App."""
    since = quote((at - CLOCKS_DIFFER).strftime("%Y-%m-%dT%H:%M:%SZ"))
    creator = quote(office.house.bot.login)
    url = f"/repos/{repository.full_name}/issues?state=all&creator={creator}&since={since}&per_page=100"
    async for issue in gh.getiter(url):
        if is_ours(issue, office.house) and marker in (issue.get("body") or ""):
            return dict(issue)
    return None
