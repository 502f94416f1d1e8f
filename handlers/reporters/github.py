"""Tell of a task on GitHub: a living comment on the issue, one on the pull request, and a check run."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import gidgethub

from handlers.desk import GitHubOf, House
from handlers.github import find_our_comment, post_comment
from handlers.status import ANY_MARKER, CheckWords, Place, check_words, run_marker, status_comment
from runner.effects import effect
from runner.receipts import Receipt
from runner.tasks import Repository
from runner.view import TaskView

CHECK_NAME = "Claude"

# Between two edits of a place that tell no change of state. An installation with many places takes longer in its lane.
INTERVAL = timedelta(seconds=15)

# Our turn to write in a repository; the flag is for news, which goes before edits.
Turn = Callable[[Repository, bool], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class LivingComment:
    """One comment that is edited as the task goes on, on the issue or on the pull request."""

    place: Place
    github_of: GitHubOf
    my_turn: Turn
    house: House
    now: Callable[[], datetime]

    @property
    def name(self) -> str:
        """Of its receipts."""
        return "github-issue" if self.place == "issue" else "github-pull-request"

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (the same for all)
        """As people can read it."""
        return INTERVAL

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:
        """In the lane of the repository's installation."""
        return self.my_turn(view.task.repository, is_news)

    def wants(self, view: TaskView) -> bool:
        """An issue of GitHub's, or a pull request that is there."""
        return self._number(view) is not None

    def digest(self, view: TaskView) -> str:
        """Of the whole text, but for the time, and for what only a service reads that has lost its memory."""
        text = status_comment(view, self.place, self.house.dashboard, None).replace(run_marker(view.run), "", 1)
        return _digest(f"{self._number(view)}\n{text}")

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        """Edit the comment that is there, or post it. The reference is `<number>/<comment id>`."""
        number = self._number(view)
        if number is None:
            raise ValueError(f"task {view.task.id} has no {self.place}")
        gh, repository = self.github_of(view.task.repository), view.task.repository
        body = self.house.redact(status_comment(view, self.place, self.house.dashboard, self.now()))
        comment = _comment_of(receipt, number)
        if comment is not None and not await self._edit(view, comment, body):
            comment = None  # somebody deleted it
        if comment is None:
            # There is one in each place, whatever number a database that we lost had given to the task.
            comment = await find_our_comment(gh, self.house, repository, number, ANY_MARKER)
            if comment is None:
                comment = await post_comment(gh, self.house, repository, number, body)
            else:
                await self._edit(view, comment, body)
        return f"{number}/{comment}"

    async def _edit(self, view: TaskView, comment: int, body: str) -> bool:
        url = f"/repos/{view.task.repository.full_name}/issues/comments/{comment}"
        try:
            with effect("http.edit-comment"):
                await self.github_of(view.task.repository).patch(url, data={"body": body})
        except gidgethub.BadRequest as error:
            if error.status_code in {404, 410}:
                return False
            raise
        return True

    def _number(self, view: TaskView) -> int | None:
        if self.place == "issue":
            return view.task.subject.number if view.task.subject.source == "github" else None
        return view.pull_request.number if view.pull_request else None


@dataclass(frozen=True, slots=True)
class CheckRun:
    """A check run on the last commit that was pushed, one for each run of the task."""

    github_of: GitHubOf
    my_turn: Turn
    house: House
    name: str = "github-check"

    def interval(self, view: TaskView) -> timedelta:  # noqa: ARG002  (the same for all)
        """As people can read it."""
        return INTERVAL

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:
        """In the lane of the repository's installation."""
        return self.my_turn(view.task.repository, is_news)

    def wants(self, view: TaskView) -> bool:
        """There is nothing to show it on before the first push."""
        return view.task.pushed_sha is not None

    def digest(self, view: TaskView) -> str:
        """Of the commit, the run and all the words."""
        words = check_words(view, self.house.dashboard)
        return _digest(json.dumps([view.task.pushed_sha, view.run.id, asdict(words)]))

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        """Bring it up to date. The reference is `<check id>/<run>/<sha>`."""
        words = check_words(view, self.house.dashboard)
        check, run, sha = _check_of(receipt)
        if sha is not None and (sha, run) != (view.task.pushed_sha, view.run.id):
            await self._leave(view, check)
            check = None
        if check is None:
            check = await self._find(view)
        url = f"/repos/{view.task.repository.full_name}/check-runs"
        gh = self.github_of(view.task.repository)
        if check is None:
            named = {"name": CHECK_NAME, "head_sha": view.task.pushed_sha, "external_id": _external_id(view)}
            with effect("http.check-run"):
                check = int((await gh.post(url, data=self._data(view, words) | named))["id"])
        else:
            with effect("http.edit-check-run"):
                await gh.patch(f"{url}/{check}", data=self._data(view, words))
        return f"{check}/{view.run.id}/{view.task.pushed_sha}"

    async def _leave(self, view: TaskView, check: int | None) -> None:
        """The work went on to another commit: what is said of this one is over, and was, if it had ended before."""
        url = f"/repos/{view.task.repository.full_name}/check-runs/{check}"
        gh = self.github_of(view.task.repository)
        if (await gh.getitem(url))["status"] != "completed":
            output = {"title": "The work went on from here", "summary": "A later commit has the newer check."}
            with effect("http.leave-check-run"):
                await gh.patch(url, data={"status": "completed", "conclusion": "neutral", "output": output})

    async def _find(self, view: TaskView) -> int | None:
        """Ours is the one with our name for it; other Apps' check runs are not asked for by name alone."""
        repository = view.task.repository.full_name
        url = f"/repos/{repository}/commits/{view.task.pushed_sha}/check-runs?check_name={quote(CHECK_NAME)}&filter=all"
        async for check in self.github_of(view.task.repository).getiter(url, iterable_key="check_runs"):
            slug = (check.get("app") or {}).get("slug")
            if check.get("external_id") == _external_id(view) and f"{slug}[bot]" == self.house.bot.login:
                return int(check["id"])
        return None

    def _data(self, view: TaskView, words: CheckWords) -> dict[str, Any]:
        data: dict[str, Any] = {
            "status": words.status,
            "output": {"title": words.title, "summary": self.house.redact(words.summary) or words.title},
        }
        if words.conclusion is not None:
            data["conclusion"] = words.conclusion
        if self.house.dashboard:
            data["details_url"] = f"{self.house.dashboard.rstrip('/')}/tasks/{view.task.id}"
        return data


def reporters(
    github_of: GitHubOf, turn: Turn, house: House, now: Callable[[], datetime]
) -> list[LivingComment | CheckRun]:
    """Everything that tells of tasks on GitHub."""
    return [
        LivingComment("issue", github_of, turn, house, now),
        LivingComment("pull request", github_of, turn, house, now),
        CheckRun(github_of, turn, house),
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _comment_of(receipt: Receipt | None, number: int) -> int | None:
    """The comment of the receipt, if it is on this issue or pull request."""
    on, _, comment = (receipt.reference if receipt else "").partition("/")
    return int(comment) if on == str(number) and comment.isdecimal() else None


def _check_of(receipt: Receipt | None) -> tuple[int | None, int | None, str | None]:
    if receipt is None:
        return None, None, None
    check, run, sha = receipt.reference.split("/")
    return int(check), int(run), sha


def _external_id(view: TaskView) -> str:
    return f"cco:{view.task.id}/{view.run.id}"
