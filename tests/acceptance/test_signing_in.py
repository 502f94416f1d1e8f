"""Teammates follow a comment's link to the dashboard, sign in with GitHub, and have their say there."""

import aiohttp

from tests.fakes.house import commits, done, house, waits
from tests.fakes.people import Person


async def test_a_teammate_follows_the_comments_link_and_steers_and_stops_in_their_own_name() -> None:
    async with house(sign_in=True) as it, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        url = it.environ["CCO_PUBLIC_URL"]
        more = [waits("again")], [waits("never")], [done()]
        issue = await it.ask("Paint the egg", [commits("egg.txt"), waits()], *more)
        await it.says(issue, "Claude is working on this", f"{url}/tasks/1")
        await it.until(lambda: it.pulls(issue))

        mallory = Person("mallory", url, it.world, browser)
        assert await mallory.signs_in("/tasks/1") == "/tasks/1"
        assert (await mallory.get("/tasks/1"))[0] == 404
        assert (await mallory.sends("/tasks/1/stop"))[0] == 404
        browser.cookie_jar.clear()

        bob = Person("bob", url, it.world, browser)
        assert await bob.signs_in("/tasks/1") == "/tasks/1"
        assert "Paint the egg" in (await bob.get("/tasks/1"))[1]
        assert (await bob.sends("/tasks/1/steer"))[0] == 303
        it.let_go()
        await it.until(lambda: len(it.model.requests) > 1)
        it.let_go("again")  # Claude hears it between two tools, by now at the latest
        await it.until(lambda: any("as I say" in text for one in it.model.requests for text in one.user_texts))
        (heard,) = {text for one in it.model.requests for text in one.user_texts if "as I say" in text}
        assert "bob says" in heard
        assert (await bob.sends("/tasks/1/stop"))[0] == 303
        await it.says(issue, "Stopped", "bob")
        _, text = await bob.get("/tasks/1")
        assert "bob" in text

        # What begins anew is held to what a comment is held to.
        await it.world.act("alice").close(issue)
        status, text = await bob.sends("/tasks/1/retry")
        assert status == 409
        assert "This issue is closed" in text


async def test_nothing_links_to_pages_that_nobody_could_open() -> None:
    async with house(environ={"CCO_PUBLIC_URL": "https://cco.example"}) as it:
        issue = await it.ask("Boil the egg", [commits("egg.txt")], [done("Boiled.")])
        await it.says(issue, "Boiled.")
        (pull,) = it.pulls(issue)
        await it.says(pull, "Done")
        assert "cco.example" not in str([one.body for place in (issue, pull) for one in place.comments] + [pull.body])
