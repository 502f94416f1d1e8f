"""The dashboard of the service that runs: the link that it prints, what the pages show, and an answer given there."""

import re

import aiohttp

from tests.acceptance.test_questions import ASK
from tests.fakes.house import commits, done, house


async def test_who_opens_the_link_that_serve_prints_can_answer_claude_and_read_all_of_it() -> None:
    jar = aiohttp.CookieJar(unsafe=True)  # that is: also for an address without a name
    async with house(separate=True) as it, aiohttp.ClientSession(cookie_jar=jar) as browser:
        (service,) = it.services
        printed = re.findall(r"http://127\.0\.0\.1:\d+/signin\?token=\S+", service.log.read_text())
        assert len(printed) == 1
        base = printed[0].partition("/signin")[0]

        async def page(path: str) -> str:
            async with browser.get(base + path) as answer:
                return await answer.text()

        assert "Please sign in" in await page("/")
        async with browser.get(printed[0]) as answer:
            assert answer.status == 200

        issue = await it.ask("How do you like your egg?", [ASK], [commits()], [done()])
        await it.says(issue, "Claude has a question for you")
        assert "How do you like your egg?" in await page("/?state=waiting")
        shown = await page("/tasks/1")
        assert "Hard or soft?" in shown
        (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', shown))
        sent = {"csrf": csrf, "text": "soft"}
        async with browser.post(base + "/tasks/1/steer", data=sent, headers={"Origin": base}) as answer:
            assert answer.status == 200
        await it.says(issue, "Done: pull request")

        shown = await page("/tasks/1")
        assert "Done: pull request" in shown
        assert "It is done, and here is why." in shown
        assert "+Something new" in await page("/tasks/1/diff")
        assert "Claude asks you" in await page("/tasks/1/transcript")
        assert "bubblewrap" in await page("/setup")
