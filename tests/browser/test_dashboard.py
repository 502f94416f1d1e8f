"""The dashboard in a real browser: it stays up to date by itself, and its own policy forbids nothing of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from app.demo.github import World
from runner.events import AgentSaid, BranchPushed, ChecklistChanged, ChecklistItem, QuestionAsked
from runner.tasks import Outcome, RunState, TaskId, WaitingFor
from tests.browser.chromium import CHROMIUM, Tab, open_tab
from tests.fakes.dashboard import Pages, open_pages
from tests.fakes.people import open_office

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


@dataclass
class Watching:
    """Someone who has opened the link, and the pages they look at. `mark` goes when the page is loaded again."""

    pages: Pages
    tab: Tab

    async def open(self, path: str) -> None:
        await self.tab.open(self.pages.url + path)
        await self.tab.value("window.mark = true")
        await self.tab.until("document.getElementById('link') && typeof listen === 'function'")

    async def stays_until(self, expression: str) -> float:
        seconds = await self.tab.until(expression)
        assert await self.tab.value("window.mark") is True, "the page was loaded again"
        return seconds


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[Watching]:
    async with open_pages(tmp_path) as pages, open_tab(tmp_path) as tab:
        await tab.open(pages.entrance.link(pages.url))
        yield Watching(pages, tab)
        assert tab.errors == []


def says(words: str) -> str:
    return f"document.body.innerText.includes({words!r})"


async def test_a_change_of_state_appears_within_a_second_without_a_reload(watching: Watching) -> None:
    pages = watching.pages
    submission = await pages.submit()
    await watching.open("/")
    await watching.stays_until(says("Next in line"))
    await pages.move(submission, RunState.starting, RunState.running)
    assert await watching.stays_until(says("Claude is working on this")) < 1.0
    await watching.stays_until(
        "/^[1-9]\\d* s$/.test(document.querySelector('time[data-since]').textContent)"
    )  # it ticks
    await pages.submit(43, "Another one")
    assert await watching.stays_until(says("Another one")) < 1.0


async def test_a_task_is_followed_to_its_end(watching: Watching) -> None:
    pages, tab = watching.pages, watching.tab
    submission = await pages.submit()
    await pages.move(submission, RunState.starting, RunState.running)
    await watching.open(f"/tasks/{submission.task.id}")
    await pages.record(submission, ChecklistChanged((ChecklistItem("Read <b>it</b>", "in_progress"),)))
    assert await watching.stays_until(says("Read <b>it</b>")) < 1.0
    pages.parts.append("\x1b[32mfirst part\x1b[0m\n")
    await watching.stays_until("document.querySelector('#transcript .f2')?.textContent === 'first part'")
    pages.parts.append("<script>document.title='taken'</script>\n")
    await pages.record(submission, AgentSaid("a word"))
    await watching.stays_until("document.getElementById('transcript').textContent.includes('<script>')")
    pages.changed = "diff --git a/x b/x\n@@ -1 +1 @@\n-old\n+new\n"
    await pages.record(submission, BranchPushed("claude/issue-42", "a" * 40, 1, 1, 1, 1))
    await watching.stays_until("document.querySelector('#diff .added')?.textContent === '+new'")
    await pages.move(submission, RunState.publishing)
    await pages.settle(submission, Outcome.delivered)
    await watching.stays_until("document.title.startsWith('octo/hello#42: Done')")
    assert (await tab.text()).count("first part") == 1


async def test_what_one_writes_stays_when_the_page_changes(watching: Watching) -> None:
    pages, tab = watching.pages, watching.tab
    submission = await pages.submit()
    await pages.move(submission, RunState.starting, RunState.running)
    await watching.open(f"/tasks/{submission.task.id}")
    await tab.value("document.querySelector('#tell textarea').focus()")
    await tab.ask("Input.insertText", text="also add a test")
    await pages.record(submission, AgentSaid("something else"))
    await watching.stays_until(says("something else"))
    await pages.record(submission, QuestionAsked("q", "Which way?", ("Left", "Right")))
    await pages.move(submission, RunState.waiting, waiting_for=WaitingFor.approval)
    await watching.stays_until(says("Approve"))
    assert await tab.value("document.querySelector('#tell textarea').value") == "also add a test"
    assert await tab.value("document.activeElement === document.querySelector('#tell textarea')")
    await tab.value("document.querySelector('#tell button').click()")
    await tab.until("!window.mark && document.readyState === 'complete'")
    assert pages.done == [("steer", submission.task.id, "also add a test")]


async def test_a_question_is_answered_with_a_click(watching: Watching) -> None:
    pages, tab = watching.pages, watching.tab
    submission = await pages.submit()
    await pages.move(submission, RunState.starting, RunState.running)
    await watching.open(f"/tasks/{submission.task.id}")
    await pages.record(submission, QuestionAsked("q", "Which way?", ("Left", "Right \"&' <i>")))
    await pages.move(submission, RunState.waiting, waiting_for=WaitingFor.answer)
    await watching.stays_until(says("Which way?"))
    await tab.value("document.querySelectorAll('.option button')[1].click()")
    await tab.until("!window.mark && document.readyState === 'complete'")
    assert pages.done == [("steer", submission.task.id, "Right \"&' <i>")]


async def test_a_page_that_lost_the_service_says_so_and_catches_up(watching: Watching) -> None:
    pages, tab = watching.pages, watching.tab
    submission = await pages.submit()
    await watching.open("/")
    await tab.ask("Network.enable")
    away = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await tab.ask("Network.emulateNetworkConditions", offline=True, **away)
    await pages.live.close()
    await watching.stays_until(says("reconnecting"))
    await pages.move(submission, RunState.starting, RunState.running)
    await tab.ask("Network.emulateNetworkConditions", offline=False, **away)
    await watching.stays_until(says("Claude is working on this"))
    await watching.stays_until("document.getElementById('link').hidden")


@pytest.mark.parametrize("path", ["/", "/tasks/1", "/setup"])
async def test_a_phone_shows_it_without_scrolling_sideways(watching: Watching, path: str) -> None:
    pages, tab = watching.pages, watching.tab
    submission = await pages.submit(title="A-word-that-is-" + "very-" * 30 + "long")
    await pages.move(submission, RunState.starting, RunState.running)
    pages.parts = ["─" * 200 + "\n"]
    await tab.look_like(360, 700, "dark")
    await tab.open(pages.url + path)
    assert await tab.value("document.documentElement.scrollWidth") == 360
    background = await tab.value("getComputedStyle(document.body).backgroundColor")
    await tab.look_like(360, 700, "light")
    assert await tab.value("getComputedStyle(document.body).backgroundColor") != background


async def test_a_page_of_someone_who_is_signed_out_meanwhile_says_so(watching: Watching) -> None:
    pages, tab = watching.pages, watching.tab
    await watching.open("/")
    await tab.until(says("No tasks yet"))
    pages.later = timedelta(days=8)
    await pages.live.close()
    await tab.until(says("Please sign in"))


async def test_someone_signs_in_with_github_and_the_page_follows_without_a_socket(
    github: World, tmp_path: Path
) -> None:
    async with open_office(github, tmp_path) as office, open_tab(tmp_path) as tab:
        pages = office.pages
        await tab.open(github.base_url + "/")
        await tab.value("document.querySelector('select[name=who]').value = 'alice'")
        await tab.value("document.querySelector('select[name=who]').form.querySelector('button').click()")
        await tab.until("document.querySelector('select[name=who]')?.value === 'alice'")
        await tab.open(pages.url + "/tasks/1")
        await tab.value("document.querySelector('a.button').click()")
        await tab.until(says("alice, let Claude here know who you are?"))
        await tab.value("document.querySelector('button[value=authorize]').click()")
        await tab.until(says("Greet in French") + f" && location.href === '{pages.url}/tasks/1'")
        watching = Watching(pages, tab)
        await watching.open("/tasks/1")
        view = await pages.store.view(TaskId(1))
        await pages.store.move(view.run.id, RunState.starting)
        await pages.store.move(view.run.id, RunState.running)
        await watching.stays_until(says("Claude is working on this"))
        assert pages.live.listeners == 0
        await tab.value("document.querySelector('.stop button').click()")
        await tab.until("!window.mark && document.readyState === 'complete'")
        assert pages.done == [("stop", 1, "")]
        assert [one.login for one in pages.by] == ["alice"]
        office.github.repository("octo/hello").permissions["alice"] = "read"
        pages.later = timedelta(seconds=61)
        await tab.until(says("There is no such task."))
        assert [one for one in tab.errors if "401" not in one and "404" not in one] == []
