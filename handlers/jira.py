"""Bring what we know of a ticket up to what Jira shows of it now: begin, end, and answer the commands in its comments.

Webhooks and polling only say where to look (docs/decisions/webhooks-only-say-where-to-look.md): both end here, and
doing it again changes nothing.
"""

import logging
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers import answers, commands, doing, jira_people, starting
from handlers.commands import RESERVED, Command, Verb
from handlers.differences import Begin, End, Seen, decide
from handlers.doing import Asked, message_of
from handlers.jira_desk import TicketDesk
from handlers.jira_repository import named_in
from handlers.jira_starting import PLACE, must_be_open, start
from handlers.messages_jira import ALREADY_IN, IS_DONE, NOT_FOR_ALL
from handlers.reconciling import what_we_know
from handlers.rewriting import code
from handlers.sanitize import neutralise
from handlers.standing import Labelled
from handlers.tickets import (
    STATUS_MARK,
    Json,
    Remark,
    Ticket,
    identity_of,
    is_person,
    is_same,
    name_of,
    remark_of,
    standing_of,
    ticket_of,
)
from runner.effects import effect
from runner.errors import Refusal
from runner.tasks import Task, TriggerKind

logger = logging.getLogger(__name__)

TICKET_GONE = "the ticket is gone"

# A comment may be listed after one that is newer: the clocks of a Data Center's nodes differ a little.
OVERLAP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one ticket: what Jira shows, and what we had written down before."""

    desk: TicketDesk
    ticket: Ticket
    remarks: Sequence[Remark]
    seen: Seen
    us: Json
    done: Set[str]

    @property
    def identity(self) -> str:
        return identity_of(self.desk.jira.host, self.ticket.id)

    @property
    def mark(self) -> str:
        """Up to which its comments were answered."""
        return f"comments/jira/{self.identity}"

    async def task(self) -> Task | None:
        return await self.desk.store.register.of_subject("jira", self.identity)


async def bring_up_to_date(desk: TicketDesk, ticket_id: str) -> None:
    """Look at a ticket, and do what follows. Raises TryLater."""
    us = await desk.jira.me()
    raw = await desk.jira.ticket(ticket_id)
    identity = identity_of(desk.jira.host, ticket_id)
    task = await desk.store.register.of_subject("jira", identity)
    if raw is None:
        if task is not None:
            await desk.conductor.stop(task.id, PLACE, TICKET_GONE)
        return
    remarks = [remark_of(one) for one in await desk.jira.comments(ticket_id)]
    ticket, label = ticket_of(raw, desk.jira.url), desk.house.trigger_label
    done = await desk.jira.done_statuses()
    standing = standing_of(ticket, label, done, us)
    seen = Seen({"labels": [{"name": one} for one in ticket.labels]}, standing)
    look = Look(desk, ticket, remarks, seen, us, done)
    began_at: datetime | None = None
    for step in decide(await what_we_know(desk.store, task, identity), seen, label):
        match step:
            case End(_, by, why) if task is not None:
                await desk.conductor.stop(task.id, by, why)
            case Begin(labelled):  # what was said before it is meant for before
                began_at = ticket.counts_since(labelled.labelling.at, done)
                await _answer_all(look, [one for one in remarks if one.at < began_at])
                await _begin(look, labelled, began_at)
            case _:
                pass
    await _answer_all(look, [one for one in remarks if began_at is None or one.at >= began_at])
    await _all_are_answered(look)


async def _begin(look: Look, labelled: Labelled, at: datetime) -> None:
    """Answer a label, which counts since `at`: with a run, or with a sentence to whoever may not ask for one."""
    labelling, marks = labelled.labelling, look.desk.store.marks
    if not is_person(labelled.by, look.us):
        logger.info("label by %s on %s: not a person", name_of(labelled.by), look.ticket.key)
        await marks.answer(look.identity, labelling)
        return
    if await _was_served(look, labelling.at):
        logger.info("the label on %s was served before the database was restored", look.ticket.key)
        await marks.answer(look.identity, labelling)
        return
    if look.ticket.status.is_done and labelling.at < look.desk.begun:
        return  # long over: nobody asks for anything
    wish = starting.wish_id(f"label/jira/{look.identity}/{labelling.number}")
    try:
        if not await look.desk.store.knows(wish):
            must_be_open(look.ticket)
            somebody = await jira_people.identify(look.desk, labelled.by)
            await start(
                look.desk,
                look.ticket,
                await look.task(),
                look.remarks,
                look.us,
                somebody,
                TriggerKind.ticket,
                wish,
                at,
                labelling=labelling,
            )
    except Refusal as refusal:
        await _answer_once(look, f"label-{labelling.number}", neutralise(str(refusal)))
        if look.ticket.status.is_done:
            return  # once it is open again, the label that is still there counts
    await marks.answer(look.identity, labelling)


async def _was_served(look: Look, at: datetime) -> bool:
    """Whether a label of the time that a restore has taken from us was served: we told of the ticket after it."""
    restored = await look.desk.store.marks.restored()
    if restored is None or not restored.made_at <= at <= restored.restored_at:
        return False
    ours = [one for one in look.remarks if is_same(one.author, look.us) and (one.mark or {}).get("is") == STATUS_MARK]
    return any(one.edited_at >= at for one in ours)


async def _answer_all(look: Look, remarks: Sequence[Remark]) -> None:
    """Carry out every command in these comments that nobody answered, in order."""
    since = await look.desk.store.marks.at(look.mark)
    for remark in remarks:
        if remark.at >= look.desk.begun and (since is None or remark.at > since - OVERLAP):
            await _answer(look, remark)


async def _all_are_answered(look: Look) -> None:
    """Up to the last comment there is."""
    since = await look.desk.store.marks.at(look.mark)
    if look.remarks and (since is None or look.remarks[-1].at > since):
        await look.desk.store.marks.reached(look.mark, look.remarks[-1].at)


async def _answer(look: Look, remark: Remark) -> None:
    found = commands.parse(remark.text)
    if not found or remark.mark is not None or not is_person(remark.author, look.us):
        return
    if remark.edited_by is not None and not is_same(remark.edited_by, remark.author):
        return  # these may be somebody else's words
    if _is_answered(look, remark.id):
        return
    said: list[str] = []
    for number, command in enumerate(found):
        try:
            answer = await _carry_out(look, remark, command, f"jira/{look.identity}/{remark.id}/{number}")
        except Refusal as refusal:
            answer = neutralise(str(refusal))
        if answer not in said:
            said.append(answer)
    await _answer_once(look, remark.id, "\n\n---\n\n".join(said))


async def _carry_out(look: Look, remark: Remark, command: Command, name: str) -> str:
    desk, wish = look.desk, starting.wish_id(name)
    if remark.is_for_some:
        raise Refusal(NOT_FOR_ALL)
    somebody = await jira_people.identify(desk, remark.author)
    task = await look.task()
    begins = command.verb in {Verb.instruct, Verb.retry}
    if begins and not await desk.store.knows(wish):
        if (status := look.ticket.done_at(remark.at, look.done)) is not None:
            raise Refusal(IS_DONE.format(status=code(status)))
        withdrawn = look.seen.withdrawn_since(remark.at)
        if withdrawn is not None and not look.ticket.status.is_done:
            return answers.overtaken(withdrawn.why)
    if task is None:
        return await _without_task(look, remark, command, wish, somebody)
    answer = named_in(command.text) if command.verb is Verb.instruct else None
    if answer is not None and "/" in answer:
        return ALREADY_IN.format(there=code(task.repository.full_name))
    there = desk.in_repository(task.repository)
    actor = await jira_people.allowed(there, somebody, task.repository)
    if begins and await desk.store.active_run(task.id) is None:
        must_be_open(look.ticket)
    asked = Asked(actor, command, wish, remark.at, message_of(actor), PLACE)
    return await doing.carry_out(there, task, asked)


async def _without_task(look: Look, remark: Remark, command: Command, wish: str, somebody: jira_people.Somebody) -> str:
    label = look.desk.house.trigger_label
    if command.verb is Verb.help:
        return answers.helping(label)
    if command.verb in RESERVED:
        return answers.not_yet(command.verb)
    if command.verb not in {Verb.instruct, Verb.retry}:
        return answers.no_task(label)
    first, _, rest = command.text.partition("\n")
    answer = named_in(first)
    submission = await start(
        look.desk,
        look.ticket,
        None,
        look.remarks,
        look.us,
        somebody,
        TriggerKind.command,
        wish,
        remark.at,
        extra=rest.strip() if answer else command.text,
        answer=answer,
    )
    return answers.submitted(submission, await look.desk.store.view(submission.task.id), None)


def _is_answered(look: Look, key: str) -> bool:
    """By our own account: anyone can set a property."""
    return any(is_same(one.author, look.us) and (one.mark or {}).get("answer") == key for one in look.remarks)


async def _answer_once(look: Look, key: str, text: str) -> None:
    """Comment, unless this was answered before."""
    if not _is_answered(look, key):
        with effect("http.jira-answer"):
            await look.desk.jira.comment(look.ticket.id, look.desk.house.redact(text), {"answer": key})
