"""What the stand-in GitHub remembers: people, Apps, repositories, issues, pull requests and what hangs on them."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Permission = Literal["admin", "maintain", "write", "triage", "read", "none"]
ReviewState = Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"]
RANK: dict[Permission, int] = {"none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}
REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


@dataclass(slots=True, eq=False)
class User:
    id: int
    login: str
    type: Literal["User", "Bot", "Organization"]
    name: str
    created_at: datetime


@dataclass(slots=True, eq=False)
class App:
    """A GitHub App; its bot user is `<slug>[bot]`, and only its public key is kept."""

    id: int
    slug: str
    name: str
    owner: User
    bot: User
    public_key_pem: str
    hook_id: int
    hook_url: str | None
    hook_secret: str
    permissions: dict[str, str]
    events: list[str]
    external_url: str
    created_at: datetime
    description: str = ""
    client_id: str = ""
    client_secret: str = ""
    callback_urls: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Installation:
    id: int
    app: App
    account: User
    repository_ids: set[int]
    repository_selection: Literal["all", "selected"]
    permissions: dict[str, str]
    created_at: datetime
    suspended_at: datetime | None = None
    suspended_by: User | None = None


@dataclass(frozen=True, slots=True)
class InstallationToken:
    value: str
    installation: Installation
    repository_ids: frozenset[int]
    permissions: dict[str, str]
    expires_at: datetime
    narrowed: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """Someone said yes: what the code that their browser carries back stands for, until it is used."""

    app: App
    user: User
    redirect_uri: str
    code_challenge: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class UserToken:
    """What an App got for such a code: it acts for a person, where both may."""

    value: str
    app: App
    user: User
    expires_at: datetime


@dataclass(slots=True, eq=False)
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(slots=True, eq=False)
class Reaction:
    id: int
    user: User
    content: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Edit:
    """One version of a body: what it said until `edited_at`, and who changed it."""

    id: str
    editor: User
    edited_at: datetime
    previous: str


@dataclass(slots=True, eq=False)
class Comment:
    id: int
    user: User
    body: str
    created_at: datetime
    updated_at: datetime
    via_app: App | None = None
    reactions: list[Reaction] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ReviewComment(Comment):
    review_id: int = 0
    path: str = ""
    line: int = 1
    commit_id: str = ""
    diff_hunk: str = ""
    in_reply_to_id: int | None = None


@dataclass(frozen=True, slots=True)
class IssueEvent:
    """What happened to an issue or a pull request. `label` and `rename` (from, to) are there where it is about them."""

    id: int
    actor: User
    event: str
    created_at: datetime
    via_app: App | None = None
    label: Label | None = None
    rename: tuple[str, str] | None = None


@dataclass(slots=True, eq=False)
class Review:
    id: int
    user: User
    body: str
    state: ReviewState
    commit_id: str
    submitted_at: datetime


@dataclass(slots=True, eq=False)
class Pull:
    """What makes an issue a pull request."""

    id: int
    head_repository: "Repository" = field(repr=False)
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    draft: bool
    merged_at: datetime | None = None
    merged_by: User | None = None
    merge_commit_sha: str | None = None
    mergeable: bool = True
    commits: int = 0
    additions: int = 0
    deletions: int = 0
    changed_files: int = 0
    reviews: list[Review] = field(default_factory=list)
    review_comments: list[ReviewComment] = field(default_factory=list)
    requested_reviewers: list[User] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Issue:
    id: int
    repository: "Repository" = field(repr=False)
    number: int
    title: str
    body: str
    user: User
    created_at: datetime
    updated_at: datetime
    state: Literal["open", "closed"] = "open"
    state_reason: str | None = None
    closed_at: datetime | None = None
    closed_by: User | None = None
    locked: bool = False
    labels: list[Label] = field(default_factory=list)
    assignees: list[User] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    events: list[IssueEvent] = field(default_factory=list)
    pull: Pull | None = None
    via_app: App | None = None


@dataclass(slots=True, eq=False)
class CheckRun:
    id: int
    app: App
    name: str
    head_sha: str
    status: str
    conclusion: str | None
    started_at: datetime
    completed_at: datetime | None
    external_id: str
    details_url: str | None
    output: dict[str, Any]
    suite_id: int


@dataclass(slots=True, eq=False)
class Status:
    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: User
    created_at: datetime


@dataclass(slots=True, eq=False)
class Repository:
    id: int
    owner: User
    name: str
    path: Path
    default_branch: str
    private: bool
    created_at: datetime
    pushed_at: datetime
    description: str | None = None
    fork_of: "Repository | None" = None
    archived: bool = False
    permissions: dict[str, Permission] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    issues: dict[int, Issue] = field(default_factory=dict, repr=False)
    deleted_issues: set[int] = field(default_factory=set)
    check_runs: list[CheckRun] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    def permission_of(self, user: User) -> Permission:
        if user.login == self.owner.login:
            return "admin"
        return self.permissions.get(user.login, "none" if self.private else "read")


@dataclass(slots=True, eq=False)
class HookDelivery:
    """One attempt to hand an event to an App; an attempt again has its own id and the same GUID."""

    id: int
    guid: str
    app: App
    installation: Installation | None
    repository: Repository | None
    event: str
    action: str | None
    payload: dict[str, Any]
    delivered_at: datetime
    redelivery: bool
    duration: float = 0.0
    status: str = "pending"
    status_code: int = 0
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""
