"""Open our pull request, keep its words, and take it out of draft: what the runner needs of GitHub."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import gidgethub
from gidgethub.abc import GitHubAPI

from handlers.desk import GitHubOf, House
from handlers.github import graphql_of
from handlers.sanitize import plain_line
from handlers.status import WORDS_BEGIN, WORDS_END, PullRequestWords, pull_request_words
from runner.effects import effect
from runner.errors import Refusal
from runner.tasks import PullRequest
from runner.view import TaskView

READY = """\
mutation ($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } } }"""


class GitHubForge:
    """Pull requests on GitHub. Each call looks first at what is there, so that calling again changes nothing."""

    def __init__(self, github_of: GitHubOf, house: House) -> None:
        self._github_of = github_of
        self._house = house

    async def find_pull_request(self, view: TaskView, sha: str) -> PullRequest | None:
        """The open pull request of the task's branch; else a merged or closed one that ended at this commit."""
        with _refusing("look for the pull request"):
            found = [one async for one in self._of_branch(self._github_of(view.task.repository), view, "all")]
        there = [one for one in found if one["state"] == "open" or one["head"]["sha"] == sha]
        return next((_told(one) for one in sorted(there, key=lambda one: one["state"] != "open")), None)

    async def open_pull_request(self, view: TaskView) -> PullRequest:
        """The open pull request of the task's branch, or a new draft. Raises Refusal or TryLater."""
        gh = self._github_of(view.task.repository)
        with _refusing("open the pull request"):
            found = await self._find(gh, view)
            return _told(found if found is not None else await self._open(gh, view))

    async def mark_ready(self, view: TaskView) -> PullRequest:
        """Out of draft, with Claude's summary in its body; what people wrote around it stays."""
        gh = self._github_of(view.task.repository)
        with _refusing("bring the pull request up to date"):
            return _told(await self._make_ready(gh, view))

    async def _make_ready(self, gh: GitHubAPI, view: TaskView) -> dict[str, Any]:
        if view.pull_request is None:
            raise ValueError(f"task {view.task.id} has no pull request")
        url = f"/repos/{view.task.repository.full_name}/pulls/{view.pull_request.number}"
        there: dict[str, Any] = await gh.getitem(url)
        body = _with_our_words(there.get("body") or "", self._words(view).body)
        if there["state"] == "open" and body != there.get("body"):
            with effect("http.edit-pull-request"):
                there = await gh.patch(url, data={"body": body})
        if there["state"] == "open" and there.get("draft"):
            with effect("http.mark-ready"):
                await gh.graphql(READY, endpoint=graphql_of(gh.base_url), id=there["node_id"])
            there = {**there, "draft": False}
        return there

    async def _find(self, gh: GitHubAPI, view: TaskView) -> dict[str, Any] | None:
        async for pull_request in self._of_branch(gh, view, "open"):
            return pull_request
        return None

    async def _of_branch(self, gh: GitHubAPI, view: TaskView, state: str) -> AsyncIterator[dict[str, Any]]:
        """Pull requests from the task's branch in its own repository; a fork may have a branch of that name too."""
        repository = view.task.repository
        head = f"{repository.full_name.partition('/')[0]}:{view.task.branch}"
        url = f"/repos/{repository.full_name}/pulls?state={state}&head={quote(head, safe='')}"
        async for pull_request in gh.getiter(url):
            there = pull_request["head"]
            if there["ref"] == view.task.branch and (there.get("repo") or {}).get("id") == repository.id:
                yield dict(pull_request)

    async def _open(self, gh: GitHubAPI, view: TaskView) -> dict[str, Any]:
        repository, words = view.task.repository, self._words(view)
        url = f"/repos/{repository.full_name}/pulls"
        data = {"title": words.title, "body": words.body, "head": view.task.branch, "base": repository.default_branch}
        try:
            with effect("http.pull-request"):
                return dict(await gh.post(url, data={**data, "draft": True}))
        except (gidgethub.ValidationError, gidgethub.InvalidField) as error:
            if "already exists" in str(error) and (found := await self._find(gh, view)) is not None:
                return found
            if "draft pull requests are not supported" in str(error).lower():  # private repositories on GitHub Free
                with effect("http.pull-request-without-draft"):
                    return dict(await gh.post(url, data=data))
            if "no commits between" in str(error).lower():
                sentence = f"There is nothing to propose: {view.task.branch} has no commit that {data['base']} lacks."
                raise Refusal(sentence) from error
            raise

    def _words(self, view: TaskView) -> PullRequestWords:
        words = pull_request_words(view, self._house.dashboard)
        return PullRequestWords(self._house.redact(words.title), self._house.redact(words.body))


def _with_our_words(there: str, ours: str) -> str:
    """Our part of the body replaced; without its marks the body is somebody else's by now, and is left alone."""
    there = there.replace("\r\n", "\n")
    before, began, rest = there.partition(WORDS_BEGIN)
    _, ended, after = rest.partition(WORDS_END)
    if not (began and ended):
        return there
    return f"{before}{ours[ours.index(WORDS_BEGIN) : ours.index(WORDS_END)]}{WORDS_END}{after}"


def _told(pull_request: dict[str, Any]) -> PullRequest:
    state = "merged" if pull_request.get("merged") or pull_request.get("merged_at") else pull_request["state"]
    return PullRequest(pull_request["number"], pull_request["html_url"], state, bool(pull_request.get("draft")))


@contextmanager
def _refusing(doing: str) -> Iterator[None]:
    """What GitHub says no to is a sentence for the person. Its weather is a TryLater already."""
    try:
        yield
    except (gidgethub.BadRequest, gidgethub.GraphQLException) as error:
        raise Refusal(f"GitHub did not let me {doing}. It says: {plain_line(str(error), 300)}") from error
