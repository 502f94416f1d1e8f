"""Start work on a ticket for somebody who may ask: in which repository, and what Claude is told of the ticket."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from handlers import commands, jira_people, policy, prompt, starting
from handlers.desk import Desk
from handlers.github import allow, repository_of
from handlers.jira_desk import TicketDesk
from handlers.jira_people import Somebody
from handlers.jira_repository import choose, shown
from handlers.messages_jira import EDITED_SINCE, IS_DONE
from handlers.prompt import Matter
from handlers.rewriting import code
from handlers.sanitize import visible, visible_line
from handlers.tickets import Json, Remark, Ticket, is_person, name_of, names_of, subject_of
from runner.errors import Refusal
from runner.store import Submission
from runner.tasks import Labelling, Repository, Task, TriggerKind, Wish

PLACE = "Jira"
MOST_REMARKS = 500


def must_be_open(ticket: Ticket) -> None:
    """Raise the Refusal that says so, where nobody waits for work on it."""
    if ticket.status.is_done:
        raise Refusal(IS_DONE.format(status=code(ticket.status.name)))


async def start(
    desk: TicketDesk,
    ticket: Ticket,
    task: Task | None,
    remarks: Sequence[Remark],
    us: Json,
    somebody: Somebody,
    kind: TriggerKind,
    wish: str,
    at: datetime,
    *,
    extra: str = "",
    answer: str | None = None,
    labelling: Labelling | None = None,
) -> Submission:
    """Submit the ticket. `answer` is the repository that somebody named, `extra` what they add.

    `at` is when they asked. Raises Refusal, with what to say to them.
    """
    must_be_open(ticket)
    full_name = task.repository.full_name if task else choose(ticket, desk.known.projects, answer)
    payload = await shown(desk.github_of, desk.house, full_name)
    repository = repository_of(payload, desk.house)
    there = desk.in_repository(repository)
    allow(policy.may_work_in(payload))
    asker = await jira_people.allowed(there, somebody, repository)
    await starting.not_while_stopping(there, task)
    if ticket.edited_since(at):
        raise Refusal(EDITED_SINCE)
    said = [one for one in remarks if one.at <= at and one.edited_at <= at]
    matter = Matter(
        key=ticket.key,
        title=visible_line(ticket.title),
        author=name_of(ticket.creator),
        body=ticket.body,
        remarks=await _of_those_who_may(desk, there, repository, said, us),
    )
    message = prompt.of_matter(matter, asker.login, extra, starting.new_boundary())
    branch = task.branch if task else starting.branch_of(ticket.key.lower(), ticket.title)
    if task is not None:
        await starting.begin_again_if_over(there, task)
        branch = (await desk.store.task(task.id)).branch
    wished = Wish(kind, asker, message, wish, visible(extra), at, labelling, PLACE)
    return await desk.conductor.submit(subject_of(desk.jira.host, ticket), repository, branch, wished)


async def _of_those_who_may(
    desk: TicketDesk, there: Desk, repository: Repository, said: Iterable[Remark], us: Json
) -> tuple[prompt.Remark, ...]:
    """What Claude reads of the conversation: nothing of ours, no commands, nothing that is only for some to read."""
    may: dict[tuple[str, ...], bool] = {}
    found: list[prompt.Remark] = []
    for remark in said:
        if (
            remark.mark is not None
            or remark.is_for_some
            or not is_person(remark.author, us)
            or commands.parse(remark.text)
        ):
            continue
        names = tuple(names_of(remark.author))
        if names not in may:
            may[names] = await _may(desk, there, repository, remark.author)
        if may[names]:
            found.append(prompt.Remark(name_of(remark.author), remark.text))
    return tuple(found[-MOST_REMARKS:])


async def _may(desk: TicketDesk, there: Desk, repository: Repository, user: Json) -> bool:
    try:
        await jira_people.allowed(there, await jira_people.identify(desk, user), repository)
    except Refusal:
        return False
    return True
