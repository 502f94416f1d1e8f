"""What is heard in Slack is done on GitHub and in the store, once; and each person is answered where only they see."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from app.demo.github.ledger import Fault
from app.github_people import People
from app.settings_model import SlackSettings
from app.slack import open_slack
from app.slack_hands import Hands
from handlers.messages_slack import Voice
from handlers.reporters.slack import SlackReporter
from handlers.slack import hear
from handlers.slack_heard import meaning
from handlers.slack_office import Office as Hearing
from handlers.slack_rooms import Rooms
from handlers.slack_threads import Threads
from runner.errors import TryLater
from runner.events import ApprovalAsked, Decided, QuestionAsked
from runner.receipts import Receipt
from runner.tasks import RunState, TaskId, WaitingFor
from tests.fakes.desk import Office
from tests.fakes.slack import TOKEN, TWO_WAY, Channel, FakeSlack, slack
from tests.fakes.slack_doors import Envelope

CHANNEL = "C0123456789"
KNOWN = {"UANNA": "anna", "rita@example.com": "rita", "UGHOST": "nobody-there", "anna@example.com": "anna"}


@dataclass
class Place:
    """Our App in octo/hello, and a Slack in which Anna is known by her id and Rita by her address."""

    office: Office
    slack: FakeSlack
    hands: Hands
    hearing: Hearing
    reporter: SlackReporter

    async def hear(self, envelope: Envelope) -> None:
        """What the inbox does with it."""
        heard = meaning(envelope.kind, envelope.payload)
        assert heard is not None
        await hear(self.hearing, heard, datetime.now(UTC))

    async def tell(self) -> str:
        """Bring the only thread up to date; where it is."""
        (view,) = await self.office.store.views()
        view = await self.office.store.view(view.task.id)
        reference = await self.reporter.report(view, None)
        await self.office.store.receipts.save(Receipt(view.task.id, "slack", "x", reference, datetime.now(UTC)))
        return reference.split("/")[1]

    async def waiting(self, *occurred: Any) -> TaskId:
        """The one task's run waits for a person."""
        task = await self.office.run()
        run = (await self.office.store.view(task.id)).run
        if run.state is not RunState.waiting:
            waiting_for = WaitingFor.answer if isinstance(occurred[-1], QuestionAsked) else WaitingFor.approval
            await self.office.store.move(run.id, RunState.waiting, *occurred, waiting_for=waiting_for)
        return task.id


@asynccontextmanager
async def _place(office: Office) -> AsyncIterator[Place]:
    async with slack() as fake, aiohttp.ClientSession() as http:
        fake.scopes = set(TWO_WAY)
        fake.join("UANNA")
        fake.join("URITA", "rita@example.com")
        settings = SlackSettings(bot_token=SecretStr(TOKEN), channel=CHANNEL, api_url=fake.url)
        async with open_slack(settings, timeout_seconds=2) as speaking:
            rooms = Rooms(CHANNEL, {"octo/hello": "C2"})
            fake.channels["C2"] = Channel("C2", "hello")
            hands = Hands(speaking, http, lambda: datetime.now(UTC).timestamp())
            people = People(office.github.of, office.house.host, lambda: datetime.now(UTC))
            hearing = Hearing(
                hands=hands,
                rooms=rooms,
                people=KNOWN,
                store=office.store,
                house=office.house,
                desk_of=lambda _: office.desk(),
                repositories=office.github.repositories,
                visible=people.visible,
            )

            async def recall(task_id: TaskId) -> Receipt | None:
                return await office.store.receipts.of(task_id, "slack")

            voice = Voice(str, None, hears=True)
            threads = Threads(speaking, Rooms(CHANNEL), voice, lambda: datetime.now(UTC), recall)
            yield Place(office, fake, hands, hearing, SlackReporter(threads))


@pytest.fixture
async def place(office: Office) -> AsyncIterator[Place]:
    async with _place(office) as there:
        yield there


async def begun(place: Place) -> str:
    """Anna has labelled an issue, and the thread tells of it."""
    issue = await place.office.issue()
    await place.office.world.act("anna").label(issue, "claude")
    await place.office.work()
    await place.office.run()
    return await place.tell()


async def test_a_yes_answers_the_question_that_it_stands_below_and_no_newer_one(place: Place) -> None:
    """Someone clicks on a message that is older than what they see elsewhere."""
    await begun(place)
    task = await place.waiting(ApprovalAsked("a1", "Bash", "Bash: make"), ApprovalAsked("a2", "Bash", "Bash: rm"))
    thread = await place.tell()
    old = place.slack.channels[CHANNEL].messages[thread]["blocks"][-1]["elements"][0]
    assert old["action_id"] == "cco:approve"

    await place.hear(place.slack.press("UANNA", old, thread))
    assert "Allowed; Claude goes on" in place.slack.told_last("UANNA")
    await place.hear(place.slack.press("UANNA", old, thread))
    assert "That button was for an earlier question" in place.slack.told_last("UANNA")

    decided = [one.event for one in await place.office.store.events(task_id=task) if isinstance(one.event, Decided)]
    assert [(one.request, one.actor, one.allowed) for one in decided] == [("a1", "anna", True)]


async def test_a_question_is_answered_in_the_thread_as_it_is_on_github(place: Place) -> None:
    """A yes alone does not answer it; the answer is taken once, however often it is heard."""
    thread = await begun(place)
    task = await place.waiting(QuestionAsked("q1", "Hard or soft?", ("hard", "soft")))
    await place.hear(_last(place, place.slack.write("UANNA", "approve", thread)))
    assert "a yes does not answer" in str(place.slack.replies(thread)[-1])

    said = place.slack.write("UANNA", "soft, with salt", thread)
    for _ in range(2):
        await place.hear(_last(place, said))
    decided = [one.event for one in await place.office.store.events(task_id=task) if isinstance(one.event, Decided)]
    assert [(one.request, "soft, with salt" in one.text) for one in decided] == [("q1", True)]
    assert len([one for one in place.slack.replies(thread) if "answer Claude was waiting for" in str(one)]) == 1


async def test_whatever_the_order_and_however_often_each_word_is_taken_once(place: Place) -> None:
    """Five people's words, each told three times, shuffled."""
    thread = await begun(place)
    told = [_last(place, place.slack.write("UANNA", f"word number {number}", thread)) for number in range(5)] * 3
    random.Random(20261125).shuffle(told)
    for one in told:
        await place.hear(one)
    instructions = "\n".join(await place.office.instructions())
    assert [instructions.count(f"word number {number}") for number in range(5)] == [1] * 5
    assert [one for one in place.slack.replies(thread) if one["user"] == "U1"] == []


async def test_a_status_in_the_thread_is_answered_once_there(place: Place) -> None:
    """Heard again, because what became of it was lost: the answer is found."""
    thread = await begun(place)
    said = place.slack.write("UANNA", "status", thread)
    place.slack.fail("chat.postMessage", after_effect=True)
    with pytest.raises(TryLater):
        await place.hear(_last(place, said))
    await place.hear(_last(place, said))

    answers = [one for one in place.slack.replies(thread) if one["user"] == "U1"]
    assert len(answers) == 1
    assert "*Claude is working on this.*" in str(answers[0])
    assert place.slack.reactions(said["ts"]) == ["eyes"]


async def test_who_cannot_push_or_is_not_there_is_told_so_alone(place: Place) -> None:
    """Rita may read; the ghost is written in cco.toml and gone from GitHub; nobody knows Eve. Nothing is done."""
    thread = await begun(place)
    for user, told in (("URITA", "rita cannot"), ("UGHOST", "do not know who you are"), ("UEVE", "do not know who")):
        said = place.slack.write(user, "stop", thread)
        await place.hear(_last(place, said))
        await place.hear(place.slack.click(user, "stop", thread))
        assert all(told in one.replace("\u2060", "") for one in place.slack.told(user))
        assert len(place.slack.told(user)) == 2
        assert place.slack.reactions(said["ts"]) == []
    view = await place.office.store.view(TaskId(1))
    assert view.state is RunState.running
    assert view.run.stop_asked_by is None


async def test_a_thread_that_is_no_task_is_left_alone(place: Place) -> None:
    """People talk below each other's messages, too."""
    talk = place.slack.write("UANNA", "lunch?")
    await place.hear(_last(place, place.slack.write("UEVE", "stop", talk["ts"])))
    assert {call.method for call in place.slack.ledger} == set()


@pytest.mark.parametrize("spoilt", ["drop", "cut", 502])
async def test_a_form_makes_one_issue_though_the_answer_is_lost(place: Place, spoilt: Any) -> None:
    """Sent off once and heard three times. The issue says who asked, and mentions and closes nothing."""
    await place.hear(place.slack.type("UANNA", "Mend it @rita\nIt fixes #1 & uses List<int>"))
    (form,) = place.slack.forms.values()
    sent = place.slack.send_off("UANNA", form)
    place.office.world.faults.append(Fault("POST", "/issues$", spoilt))
    with pytest.raises(TryLater):
        await place.hear(sent)
    await place.hear(sent)
    await place.hear(sent)

    (issue,) = place.office.world.repository("octo/hello").issues.values()
    assert issue.title == "Mend it @\u2060rita"
    assert "@rita" not in issue.body
    assert "List\\<int>" in issue.body
    assert "`anna` asked for this from Slack." in issue.body
    (task,) = await place.office.tasks()
    assert task.requester.login == "anna"
    assert len((await place.office.store.view(task.id)).runs) == 1
    assert "On it." in place.slack.told("UANNA")[0]
    assert "I have that already" in place.slack.told_last("UANNA")
    assert place.hearing.rooms.asked_in == {task.subject.identity: CHANNEL}


async def test_a_form_has_the_channels_repository_chosen_and_begins_where_it_was_asked_for(place: Place) -> None:
    """In a channel that is nobody's it begins in the repository's."""
    await place.hear(place.slack.type("UANNA", "Mend it", "C2", "hello"))
    (form,) = place.slack.forms.values()
    assert form["blocks"][1]["element"]["initial_option"]["value"] == "octo/hello"
    place.slack.forms.clear()
    await place.hear(place.slack.type("UANNA", "Mend it", "C9", "elsewhere"))
    (form,) = place.slack.forms.values()
    await place.hear(place.slack.send_off("UANNA", form))
    assert place.hearing.rooms.asked_in == {}
    assert "On it." in place.slack.told_last("UANNA")  # though we are not in that channel


async def test_a_form_that_comes_from_someone_who_lost_their_rights_makes_nothing(place: Place) -> None:
    """They could push when they opened it."""
    await place.hear(place.slack.type("UANNA", "Mend it"))
    (form,) = place.slack.forms.values()
    there = place.office.world.repository("octo/hello")
    there.permissions["anna"] = "read"
    await place.hear(place.slack.send_off("UANNA", form))
    assert "anna cannot" in place.slack.told_last("UANNA").replace("\u2060", "")
    assert there.issues == {}


async def test_a_repository_without_issues_is_said(place: Place) -> None:
    """GitHub says that they are switched off."""
    await place.hear(place.slack.type("UANNA", "Mend it"))
    (form,) = place.slack.forms.values()
    gone = {"message": "Issues has been disabled in this repository."}
    place.office.world.faults.append(Fault("POST", "/issues$", 410, body=gone))
    await place.hear(place.slack.send_off("UANNA", form))
    assert "are issues on?" in place.slack.told_last("UANNA")
    assert await place.office.tasks() == []


async def test_a_form_that_cannot_be_opened_in_time_is_said(place: Place) -> None:
    """The three seconds are over, or the trigger was used: the person is told to ask again."""
    typed = place.slack.type("UANNA", "Mend it")
    place.slack.triggers[typed.payload["trigger_id"]] -= 4
    await place.hear(typed)
    assert "could not open the form in time" in place.slack.told_last("UANNA")
    assert place.slack.forms == {}


async def test_a_form_says_why_there_is_nothing_to_choose(place: Place) -> None:
    """Nobody we know, nothing to push to, or GitHub away: the form that is open says so."""
    for user, told in (("UEVE", "do not know who you are"), ("URITA", "no repository here that you can push to")):
        place.slack.forms.clear()
        await place.hear(place.slack.type(user, "Mend it"))
        assert told in str(place.slack.forms)
    place.slack.forms.clear()
    place.office.world.faults.append(Fault("GET", "/installation/repositories", 503, times=10))
    await place.hear(place.slack.type("UANNA", "Mend it"))
    assert "ask again in a while" in str(place.slack.forms)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "opens a form, and begins a task"),
        ("help", "`/claude list`"),
        ("list", "There are no tasks yet"),
        ("stop", "Say which task"),
        ("stop 99999999999999999999", "There is no task"),
        ("status octo/hello#99", "There is no task `octo/hello#99`"),
    ],
)
async def test_a_command_without_a_task_is_answered(place: Place, text: str, told: str) -> None:
    await place.hear(place.slack.type("UANNA", text))
    assert told in place.slack.told_last("UANNA")
    assert place.slack.forms == {}


async def test_a_reserved_word_is_a_word_unless_it_names_a_task(place: Place) -> None:
    await begun(place)
    await place.hear(place.slack.type("UANNA", "why octo/hello#1"))
    assert "is not there yet" in place.slack.told_last("UANNA")
    await place.hear(place.slack.type("UANNA", "plan the migration"))
    assert "plan the migration" in str(place.slack.forms)


async def test_a_word_for_one_person_finds_its_way(place: Place) -> None:
    """By Slack's address, else where they are; and where neither is possible the operator reads why, once."""
    thread = await begun(place)
    click = place.slack.click("UANNA", "stop", thread)
    place.slack.answers_used.clear()
    await place.hear(click)
    assert "Stopping" in place.slack.told_last("UANNA")
    assert len(place.slack.calls("chat.postEphemeral", done=True)) == 1

    place.slack.scopes -= {"chat:write", "reactions:write"}
    await place.hear(click)
    await place.hear(_last(place, place.slack.write("UANNA", "status", thread)))


async def test_whoever_asked_is_found_in_slack_by_id_or_address(place: Place) -> None:
    place.slack.join("UANNA2", "anna@example.com")
    place.slack.join("UTOM", "tom@example.com", confirmed=False)
    assert await place.hands.user_of({"UANNA": "anna"}, "Anna") == "UANNA"
    assert await place.hands.user_of({"anna@example.com": "anna"}, "anna") == "UANNA2"
    assert await place.hands.user_of({"tom@example.com": "tom", "gone@example.com": "tom"}, "tom") is None
    assert await place.hands.user_of({}, "anna") is None
    assert len(place.slack.calls("users.lookupByEmail")) == 3
    place.slack.fail("users.lookupByEmail", status=503)
    assert await place.hands.user_of({"new@example.com": "anna"}, "anna") is None


def _last(place: Place, event: dict[str, Any]) -> Envelope:
    """How Slack tells of an event."""
    return Envelope("events_api", place.slack.event(event))
