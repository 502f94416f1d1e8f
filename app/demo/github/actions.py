"""What somebody does on GitHub: a person through a page or a test, or an App through REST. The Apps hear of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.demo.github import pulls, shapes, shapes_work, webhooks
from app.demo.github.errors import Refused, invalid, not_found
from app.demo.github.model import (
    RANK,
    REACTIONS,
    App,
    Comment,
    Edit,
    Issue,
    IssueEvent,
    Label,
    Permission,
    Reaction,
    Repository,
    Review,
    ReviewComment,
    ReviewState,
    User,
)
from app.demo.github.shapes_work import the_pull
from app.demo.github.world import World

LONGEST_BODY = 65_536


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody with hands. A person's permission on the repository is asked here; an App's token is asked in REST."""

    world: World
    user: User
    app: App | None = None

    # Issues

    async def open_issue(
        self, where: Repository | str, title: str, body: str = "", labels: Iterable[str] = ()
    ) -> Issue:
        repository = self._repository(where)
        self._may(repository, "read")
        issue = self._new_issue(repository, title, body)
        repository.issues[issue.number] = issue
        webhooks.emit_issue(self.world, "opened", issue, self.user)
        if labels:
            self._may(repository, "triage")
            await self.label(issue, *labels)
        return issue

    async def edit_issue(self, issue: Issue, *, title: str | None = None, body: str | None = None) -> None:
        self._may(issue.repository, "read" if self.user is issue.user else "write")
        changes = {}
        if title is not None and title != issue.title:
            changes["title"] = {"from": issue.title}
            self._note(issue, "renamed", rename=(issue.title, title))
            issue.title = title
        if body is not None and body != issue.body:
            _check_length(body, "Issue")
            changes["body"] = {"from": issue.body}
            issue.edits.append(self._edit(issue.body))
            issue.body = body
        if changes:
            issue.updated_at = self.world.now()
            webhooks.emit_issue(self.world, "edited", issue, self.user, changes=changes)

    async def label(self, issue: Issue, *names: str) -> None:
        """Put labels on; one that is there already changes nothing and tells nobody."""
        self._may(issue.repository, "triage")
        for name in names:
            label = self._label(issue.repository, name)
            if label not in issue.labels:
                issue.labels.append(label)
                self._note(issue, "labeled", label=label)
                self._tell_label("labeled", issue, label)

    async def unlabel(self, issue: Issue, name: str) -> None:
        self._may(issue.repository, "triage")
        for label in issue.labels:
            if label.name.lower() == name.lower():
                issue.labels.remove(label)
                self._note(issue, "unlabeled", label=label)
                self._tell_label("unlabeled", issue, label)
                return
        raise Refused(404, "Label does not exist")

    async def close(self, issue: Issue, reason: str = "completed") -> None:
        self._may(issue.repository, "read" if self.user is issue.user else "triage")
        if issue.state == "open":
            issue.state, issue.closed_at, issue.closed_by = "closed", self.world.now(), self.user
            issue.state_reason = None if issue.pull else reason
            issue.updated_at = self.world.now()
            self._note(issue, "closed")
            webhooks.emit_issue(self.world, "closed", issue, self.user)

    async def reopen(self, issue: Issue) -> None:
        self._may(issue.repository, "read" if self.user is issue.user else "triage")
        if issue.pull and issue.pull.merged_at:
            raise invalid("PullRequest", "state", "invalid")
        if issue.state == "closed":
            issue.state, issue.closed_at, issue.closed_by = "open", None, None
            issue.state_reason = None if issue.pull else "reopened"
            issue.updated_at = self.world.now()
            self._note(issue, "reopened")
            webhooks.emit_issue(self.world, "reopened", issue, self.user)

    async def delete_issue(self, issue: Issue) -> None:
        """For good; only who administers the repository may."""
        self._may(issue.repository, "admin")
        del issue.repository.issues[issue.number]
        issue.repository.deleted_issues.add(issue.number)
        webhooks.emit_issue(self.world, "deleted", issue, self.user)

    async def assign(self, issue: Issue, logins: list[str]) -> None:
        self._may(issue.repository, "triage")
        issue.assignees = [found for login in logins if (found := self.world.find_user(login))]

    # Comments and reactions

    async def comment(self, issue: Issue, body: str) -> Comment:
        self._may(issue.repository, "read")
        if not body:
            raise invalid("IssueComment", "body", "missing_field")
        _check_length(body, "IssueComment")
        now = self.world.now()
        comment = Comment(self.world.new_id(), self.user, body, now, now, self.app)
        issue.comments.append(comment)
        issue.updated_at = now
        self._tell_comment("created", issue, comment)
        return comment

    async def edit_comment(self, issue: Issue, comment: Comment, body: str) -> None:
        self._may(issue.repository, "read" if self.user is comment.user else "write")
        _check_length(body, "IssueComment")
        previous, comment.body, comment.updated_at = comment.body, body, self.world.now()
        if previous != body:
            comment.edits.append(self._edit(previous))
            self._tell_comment("edited", issue, comment, changes={"body": {"from": previous}})

    async def delete_comment(self, issue: Issue, comment: Comment) -> None:
        self._may(issue.repository, "read" if self.user is comment.user else "write")
        issue.comments.remove(comment)
        self._tell_comment("deleted", issue, comment)

    async def react(self, reactions: list[Reaction], content: str) -> tuple[Reaction, bool]:
        """Add a reaction to a list of them; the second value says whether it is new."""
        if content not in REACTIONS:
            raise invalid("Reaction", "content", "invalid")
        for given in reactions:
            if given.user is self.user and given.content == content:
                return given, False
        fresh = Reaction(self.world.new_id(), self.user, content, self.world.now())
        reactions.append(fresh)
        return fresh, True

    # Pull requests

    async def open_pull(
        self, where: Repository | str, title: str, head: str, base: str, body: str = "", *, draft: bool = False
    ) -> Issue:
        repository = self._repository(where)
        self._may(repository, "read")
        pull = await pulls.opened(self.world, repository, head, base, draft=draft)
        issue = self._new_issue(repository, title, body)
        issue.pull = pull
        repository.issues[issue.number] = issue
        await pulls.refresh(issue)
        webhooks.emit_issue(self.world, "opened", issue, self.user)
        return issue

    async def set_draft(self, issue: Issue, *, draft: bool) -> None:
        self._may(issue.repository, "read" if self.user is issue.user else "write")
        pull = the_pull(issue)
        if pull.draft != draft:
            pull.draft, issue.updated_at = draft, self.world.now()
            webhooks.emit_issue(self.world, "converted_to_draft" if draft else "ready_for_review", issue, self.user)

    async def review(
        self, issue: Issue, state: ReviewState, body: str = "", comments: Iterable[tuple[str, int, str]] = ()
    ) -> Review:
        """Submit a review; `comments` are (path, line, text) on the new side of the diff."""
        self._may(issue.repository, "read")
        pull = the_pull(issue)
        remarks = list(comments)
        if state in {"APPROVED", "CHANGES_REQUESTED"} and self.user is issue.user:
            word = "approve" if state == "APPROVED" else "request changes on"
            raise Refused(422, f"Unprocessable Entity: can not {word} your own pull request")
        if not body and not remarks and state != "APPROVED":
            raise Refused(422, "Unprocessable Entity: a review needs a body")
        _check_length(body, "PullRequestReview")
        now = self.world.now()
        review = Review(self.world.new_id(), self.user, body, state, pull.head_sha, now)
        pull.reviews.append(review)
        fresh = [await self._remark(issue, review, *remark) for remark in remarks]
        about = shapes_work.pull_simple(self.world, issue, rest=False)
        shape = shapes_work.review(self.world, issue, review, rest=False)
        self._tell_review("pull_request_review", "submitted", issue, review=shape, pull_request=about)
        brief = {name: value for name, value in about.items() if name != "auto_merge"}  # as GitHub tells it
        for one in fresh:
            remark = shapes_work.review_comment(self.world, issue, one)
            self._tell_review("pull_request_review_comment", "created", issue, comment=remark, pull_request=brief)
        return review

    async def merge(
        self, issue: Issue, method: str = "merge", *, sha: str | None = None, title: str = "", message: str = ""
    ) -> str:
        self._may(issue.repository, "write")
        async with self.world.write_lock:
            merged = await pulls.merge(self.world, issue, self.user, method, sha=sha, title=title, message=message)
        for other in pulls.closed_by(issue):
            await self.close(other)
        return merged

    # How

    def _repository(self, where: Repository | str) -> Repository:
        return self.world.repository(where) if isinstance(where, str) else where

    def _may(self, repository: Repository, least: Permission) -> None:
        """Bots act by their token's permissions, which REST has looked at."""
        if self.user.type == "Bot":
            return
        has = repository.permission_of(self.user)
        if has == "none":
            raise not_found()
        if RANK[has] < RANK[least]:
            raise Refused(403, f"Must have {least} rights to Repository.")

    def _new_issue(self, repository: Repository, title: str, body: str) -> Issue:
        if not title.strip():
            raise invalid("Issue", "title", "missing_field")
        _check_length(body, "Issue")
        now = self.world.now()
        number = max(repository.issues.keys() | repository.deleted_issues, default=0) + 1
        return Issue(self.world.new_id(), repository, number, title, body, self.user, now, now, via_app=self.app)

    def _label(self, repository: Repository, name: str) -> Label:
        for label in repository.labels:
            if label.name.lower() == name.lower():
                return label
        fresh = Label(self.world.new_id(), name)
        repository.labels.append(fresh)
        return fresh

    def _note(
        self, issue: Issue, event: str, *, label: Label | None = None, rename: tuple[str, str] | None = None
    ) -> None:
        at = self.world.now()
        issue.events.append(IssueEvent(self.world.new_id(), self.user, event, at, self.app, label, rename))

    def _edit(self, previous: str) -> Edit:
        return Edit(f"UCE_{self.world.new_id()}", self.user, self.world.now(), previous)

    def _tell_label(self, action: str, issue: Issue, label: Label) -> None:
        issue.updated_at = self.world.now()
        shape = shapes.label(self.world, issue.repository, label)
        webhooks.emit_issue(self.world, action, issue, self.user, label=shape)

    def _tell_comment(self, action: str, issue: Issue, comment: Comment, **parts: Any) -> None:
        parts["issue"] = shapes_work.issue(self.world, issue, rest=False)
        parts["comment"] = shapes_work.comment(self.world, issue, comment, rest=False)
        webhooks.emit(self.world, "issue_comment", action, issue.repository, self.user, **parts)

    def _tell_review(self, event: str, action: str, issue: Issue, **parts: Any) -> None:
        webhooks.emit(self.world, event, action, issue.repository, self.user, **parts)

    async def _remark(self, issue: Issue, review: Review, path: str, line: int, body: str) -> ReviewComment:
        pull = the_pull(issue)
        hunk = await pulls.hunk_of(issue, path)
        if hunk is None:
            raise Refused(422, "Unprocessable Entity: path could not be resolved")
        _check_length(body, "PullRequestReviewComment")
        now = self.world.now()
        remark = ReviewComment(
            self.world.new_id(),
            self.user,
            body,
            now,
            now,
            self.app,
            review_id=review.id,
            path=path,
            line=line,
            commit_id=pull.head_sha,
            diff_hunk=hunk,
        )
        pull.review_comments.append(remark)
        return remark


def _check_length(body: str, resource: str) -> None:
    if len(body) > LONGEST_BODY:
        raise invalid(resource, "body", "custom", f"body is too long (maximum is {LONGEST_BODY} characters)")
