"""The stand-in's whole state, how it is set up, and how things in it are found."""

import asyncio
import base64
import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.demo.github import bare
from app.demo.github.ledger import Fault, Ledger, SecondaryLimit, Violation
from app.demo.github.model import (
    App,
    Consent,
    HookDelivery,
    Installation,
    InstallationToken,
    Issue,
    Label,
    Permission,
    Repository,
    User,
    UserToken,
)

if TYPE_CHECKING:
    from app.demo.github.actions import Actor

PERMISSIONS = {
    "metadata": "read",
    "contents": "write",
    "issues": "write",
    "pull_requests": "write",
    "checks": "write",
    "actions": "read",
}
EVENTS = [
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "check_run",
    "check_suite",
]
FIRST_LABELS = {"bug": "d73a4a", "enhancement": "a2eeef", "claude": "d97757"}
Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[tuple[int, dict[str, str], str]]]
TOKEN_LIFE = timedelta(hours=1)


class World:
    """One GitHub. `root` keeps its bare repositories; `clock` says what time it is there."""

    def __init__(
        self,
        root: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        base_url: str = "http://127.0.0.1",
    ) -> None:
        self.root = root
        self.clock = clock
        self.base_url = base_url
        self.api_prefix = "/api/v3"
        self.users: dict[str, User] = {}
        self.user_tokens: dict[str, User] = {}
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self.tokens: dict[str, InstallationToken] = {}
        self.consents: dict[str, Consent] = {}
        self.app_user_tokens: dict[str, UserToken] = {}
        self.manifests: dict[str, tuple[dict[str, Any], User, datetime]] = {}
        self.repositories: dict[int, Repository] = {}
        self.renamed: dict[str, int] = {}
        self.deliveries: dict[int, HookDelivery] = {}
        self.faults: list[Fault] = []
        self.ledger = Ledger()
        self.violations: list[str] = []
        self.limit: SecondaryLimit | None = SecondaryLimit()
        self.away = False  # nobody can reach it; what people do in it goes on
        self.knocks: list[str] = []  # who tried meanwhile, as `METHOD path`
        self.told_to_wait: dict[str, tuple[datetime, datetime]] = {}  # by guest: since when, and until when
        self.requests_per_hour = 5000
        self.used: dict[str, tuple[datetime, int]] = {}
        self.hook_timeout = timedelta(seconds=10)
        self.post: Post | None = None
        self.pending: set[asyncio.Task[None]] = set()
        self.write_lock = asyncio.Lock()
        self._ids = itertools.count(1001)

    # What is in it

    def new_id(self) -> int:
        return next(self._ids)

    def now(self) -> datetime:
        return self.clock()

    @property
    def api_url(self) -> str:
        return self.base_url + self.api_prefix

    def user(self, login: str) -> User:
        return next(user for name, user in self.users.items() if name.lower() == login.lower())

    def find_user(self, login: str) -> User | None:
        return next((user for name, user in self.users.items() if name.lower() == login.lower()), None)

    def repository(self, full_name: str) -> Repository:
        found = self.find_repository(full_name)
        if found is None:
            raise KeyError(full_name)
        return found

    def find_repository(self, full_name: str) -> Repository | None:
        wanted = full_name.lower()
        for repository in self.repositories.values():
            if repository.full_name.lower() == wanted:
                return repository
        return None

    def issue(self, full_name: str, number: int) -> Issue:
        return self.repository(full_name).issues[number]

    def pulls_of(self, repository: Repository) -> list[Issue]:
        return [issue for issue in repository.issues.values() if issue.pull is not None]

    def installation_for(self, app: App, repository: Repository) -> Installation | None:
        for installation in self.installations.values():
            if installation.app is app and repository.id in installation.repository_ids:
                return installation
        return None

    def act(self, login: str) -> "Actor":
        """The hands of this person: `await world.act("alice").comment(issue, "…")`."""
        from app.demo.github.actions import Actor  # noqa: PLC0415 - actions stand on the world, not it on them

        return Actor(self, self.user(login))

    # Setting it up

    def add_user(
        self,
        login: str,
        *,
        name: str = "",
        type: Literal["User", "Bot", "Organization"] = "User",  # noqa: A002 - GitHub's own word
    ) -> User:
        user = self.find_user(login)
        if user is None:
            user = User(self.new_id(), login, type, name or login.capitalize(), self.now())
            self.users[login] = user
        return user

    def token_of(self, login: str) -> str:
        """A personal access token of this person, good for everything that person may do."""
        value = "ghp_" + secrets.token_hex(18)
        self.user_tokens[value] = self.user(login)
        return value

    async def add_repository(
        self,
        full_name: str,
        *,
        files: Mapping[str, str | bytes] | None = None,
        from_dir: Path | None = None,
        private: bool = True,
        default_branch: str = "main",
        permissions: Mapping[str, Permission] | None = None,
        description: str | None = None,
    ) -> Repository:
        """A real bare repository with one commit; people named in `permissions` come into being with it."""
        owner_login, _, name = full_name.partition("/")
        owner = self.add_user(owner_login, type="Organization")
        for login in permissions or {}:
            self.add_user(login)
        number = self.new_id()
        path = self.root / f"{number}.git"
        await bare.create(path, default_branch, files, from_dir)
        now = self.now()
        repository = Repository(
            number,
            owner,
            name,
            path,
            default_branch,
            private,
            now,
            now,
            description,
            permissions=dict(permissions or {}),
        )
        repository.labels = [Label(self.new_id(), label, color) for label, color in FIRST_LABELS.items()]
        self.repositories[number] = repository
        for installation in self.installations.values():
            if installation.repository_selection == "all" and installation.account is owner:
                installation.repository_ids.add(number)
        return repository

    async def add_fork(self, full_name: str, owner_login: str) -> Repository:
        """Someone's copy of a repository, under the same name."""
        parent = self.repository(full_name)
        owner = self.add_user(owner_login)
        number = self.new_id()
        path = self.root / f"{number}.git"
        await bare.create(path, parent.default_branch, None, None)
        await bare.git(path, "fetch", "--quiet", "--", str(parent.path), "+refs/heads/*:refs/heads/*")
        now = self.now()
        fork = Repository(
            number, owner, parent.name, path, parent.default_branch, parent.private, now, now, fork_of=parent
        )
        self.repositories[number] = fork
        return fork

    def rename_repository(self, full_name: str, new_name: str) -> Repository:
        """Give a repository another name; its id stays, and the old name redirects to it."""
        repository = self.repository(full_name)
        self.renamed[repository.full_name.lower()] = repository.id
        repository.name = new_name
        return repository

    def delete_repository(self, full_name: str) -> None:
        repository = self.repository(full_name)
        del self.repositories[repository.id]
        for installation in self.installations.values():
            installation.repository_ids.discard(repository.id)

    def add_app(
        self,
        name: str,
        *,
        hook_url: str | None = None,
        hook_secret: str = "",
        permissions: Mapping[str, str] = PERMISSIONS,
        events: list[str] | None = None,
        owner: str = "octo",
        external_url: str = "https://example.com",
        callback_urls: Sequence[str] = (),
    ) -> tuple[App, str]:
        """Register an App; answers it and its private key (PEM), which is kept nowhere else."""
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode()
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        app = App(
            id=self.new_id(),
            slug=slug,
            name=name,
            owner=self.add_user(owner, type="Organization"),
            bot=self.add_user(f"{slug}[bot]", name=name, type="Bot"),
            public_key_pem=public.decode(),
            hook_id=self.new_id(),
            hook_url=hook_url,
            hook_secret=hook_secret,
            permissions={"metadata": "read", **permissions},
            events=list(EVENTS if events is None else events),
            external_url=external_url,
            created_at=self.now(),
            client_id="Iv1." + secrets.token_hex(8),
            client_secret=secrets.token_hex(20),
            callback_urls=list(callback_urls),
        )
        self.apps[app.id] = app
        return app, private

    def add_installation(self, app: App, account: str, repositories: list[str] | None = None) -> Installation:
        """Install an App on an account: on the repositories named, or on all it has and will have.

        The App is not told: `installing.install` does that.
        """
        owner = self.add_user(account, type="Organization")
        owned = {r.id for r in self.repositories.values() if r.owner is owner}
        chosen = owned if repositories is None else {self.repository(name).id for name in repositories}
        installation = Installation(
            self.new_id(),
            app,
            owner,
            chosen,
            "all" if repositories is None else "selected",
            dict(app.permissions),
            self.now(),
        )
        self.installations[installation.id] = installation
        return installation

    def issue_token(
        self, installation: Installation, repository_ids: set[int] | None, permissions: dict[str, str] | None
    ) -> InstallationToken:
        token = InstallationToken(
            value="ghs_" + base64.urlsafe_b64encode(secrets.token_bytes(27)).decode().translate({45: 65, 95: 66}),
            installation=installation,
            repository_ids=frozenset(installation.repository_ids if repository_ids is None else repository_ids),
            permissions=dict(installation.permissions if permissions is None else {"metadata": "read", **permissions}),
            expires_at=self.now() + TOKEN_LIFE,
            narrowed=repository_ids is not None,
        )
        self.tokens[token.value] = token
        return token

    # What goes on in it

    def violated(self, sentence: str) -> None:
        self.violations.append(sentence)
        self.ledger.append(Violation(self.now(), sentence))

    async def settled(self) -> None:
        """Wait until every webhook on its way has been delivered or given up."""
        while self.pending:
            await asyncio.wait(set(self.pending))
