"""What GitHub could not tell us is found all the same, and done once."""

import re
import signal

import aiohttp

from app.demo.github import webhooks
from handlers.answers import STOPPING
from tests.fakes.house import commits, done, house, waits

OFTEN = {"CCO_RECONCILE_SECONDS": "2"}


async def test_what_people_did_while_the_service_was_down_is_done_when_it_is_back() -> None:
    async with house(separate=True, environ=OFTEN) as it:
        alice = it.world.act("alice")
        ended = await it.ask("Stop me", [commits("ended.txt")], [waits()])
        answered = await it.ask("Say it again", [commits("said.txt")], [done()], [commits("more.txt")], [done("More.")])
        merged = await it.ask("Merge me", [commits("merged.txt")], [done()])
        await it.says(answered, "Done")
        await it.says(merged, "Done")
        await it.until(lambda: it.pulls(ended))
        (pull,) = it.pulls(merged)

        await it.end(it.services[0], signal.SIGKILL)
        labelled = await it.ask("Begin with me", [commits("new.txt")], [done("New.")])
        retry = await alice.comment(answered, "/claude retry and write more")
        await alice.close(ended)
        await alice.merge(pull)
        await it.world.settled()
        assert {one.status_code for one in it.world.deliveries.values()} >= {502}

        await it.start()
        await it.says(ended, "Stopped by alice")
        await it.says(labelled, "Done", "New.")
        assert await it.answered(answered, retry) == "On it."
        await it.says(answered, "Done", "More.")
        await it.says(merged, f"Merged: pull request #{pull.number}")

        await it.until(lambda: not it.agents() and not it.sessions())
        await it.heard()
        async with aiohttp.ClientSession() as http, http.get(f"{it.services[-1].base_url}/metrics") as metrics:
            found = dict(re.findall(r'cco_reconciler_found_total\{what="(\w+)"\} (\d+)', await metrics.text()))
        assert int(found["delivery"]) >= 4
        for issue in (ended, answered, merged, labelled):
            assert len(it.pulls(issue)) == len(it.statuses(issue)) == 1
            assert [one.content for one in issue.reactions] == ["eyes"]
        assert it.git("rev-list", "--count", f"main..{it.pulls(answered)[0].pull.head_ref}").strip() == "2"
        assert len(list((it.home / "tasks").iterdir())) == 4


async def test_a_service_that_hears_nothing_serves_everyone_and_late_webhooks_change_nothing() -> None:
    async with house(environ={"CCO_RECONCILE_SECONDS": "1"}) as it:
        alice, app = it.world.act("alice"), it.world.apps[it.app_id]
        url, app.hook_url = app.hook_url, None
        issue = await it.ask("Work in silence", [commits()], [waits()])
        await it.until(lambda: it.pulls(issue))
        await alice.comment(it.pulls(issue)[0], "/claude stop")
        await it.says(issue, "Stopped by alice")
        await it.until(lambda: it.answers(it.pulls(issue)[0]))
        await alice.unlabel(issue, "claude")

        app.hook_url = url
        for delivery in list(it.world.deliveries.values()):
            webhooks.redeliver(it.world, delivery)
        await it.heard()
        (pull,) = it.pulls(issue)
        assert it.answers(pull) == [STOPPING]
        assert it.answers(issue) == []
        assert len(it.statuses(issue)) == len(it.statuses(pull)) == 1
        assert [request.turn for request in it.model.requests] == [0, 1]
        assert it.most_agents == 1
