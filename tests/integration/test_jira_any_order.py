"""Whenever we look at a ticket (after each thing that is done, after some, or at the end), we end in the same place."""

import random

from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from tests.fakes.bureau import Bureau
from tests.fakes.jira import Comment, Ticket

Deed = tuple[str, str]

DEEDS = st.one_of(
    st.tuples(st.sampled_from(["label", "unlabel"]), st.just("")),
    st.tuples(st.just("move"), st.sampled_from(["To Do", "In Progress", "Done"])),
    st.tuples(
        st.just("say"), st.sampled_from(["/claude stop", "/claude retry", "/claude add a test", "/claude status", "Hm"])
    ),
)


@given(story=st.lists(DEEDS, min_size=1, max_size=8), dice=st.randoms(use_true_random=False))
@example([("label", ""), ("say", "/claude stop"), ("unlabel", ""), ("label", "")], random.Random(1))
@example([("say", "/claude retry"), ("move", "Done"), ("move", "To Do")], random.Random(2))
@example([("move", "Done"), ("label", ""), ("move", "To Do"), ("say", "/claude stop")], random.Random(3))
@example([("move", "Done"), ("label", ""), ("say", "/claude stop"), ("move", "To Do")], random.Random(4))
@example(
    [("label", ""), ("unlabel", ""), ("say", "/claude retry"), ("say", "/claude stop"), ("label", "")], random.Random(9)
)
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=settings.default.max_examples // 5)
async def test_the_end_is_the_same_whenever_we_look(bureau: Bureau, story: list[Deed], dice: random.Random) -> None:
    here, there = await bureau.site.create("Here"), await bureau.site.create("There")
    said_here = [await _act(bureau, here, deed, look=True) for deed in story]
    said_there = [await _act(bureau, there, deed, look=dice.random() < 0.3) for deed in story]
    for _ in range(2):
        await bureau.look(there)
    note(f"here: {bureau.site.answers(here)}; there: {bureau.site.answers(there)}")
    assert await _is_at_work(bureau, there) == await _is_at_work(bureau, here)
    for ticket, said in ((here, said_here), (there, said_there)):
        for comment in (one for one in said if one is not None):
            is_command = bureau.site.plain(comment.body) != "Hm"
            assert len(bureau.site.answer_to(ticket, comment.id)) == is_command


async def _act(bureau: Bureau, ticket: Ticket, deed: Deed, *, look: bool) -> Comment | None:
    what, words = deed
    said: Comment | None = None
    match what:
        case "label" if "claude" not in ticket.labels:
            await bureau.site.label(ticket)
        case "unlabel":
            await bureau.site.unlabel(ticket)
        case "move":
            await bureau.site.move(ticket, words)
        case "say":
            said = await bureau.site.comment(ticket, words)
        case _:
            pass
    if look:
        await bureau.look(ticket)
    return said


async def _is_at_work(bureau: Bureau, ticket: Ticket) -> bool:
    host = bureau.site.url.removeprefix("http://")
    task = await bureau.office.store.register.of_subject("jira", f"{host}/{ticket.id}")
    return bool(task and await bureau.office.store.active_run(task.id))
