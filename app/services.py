"""The composition root: build everything once, hand each part what it needs, and take it down in order."""

import asyncio
import fcntl
import functools
import logging
import os
import random
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web as http
from gidgethub import sansio

from app import api, claude_cli, credentials, doctor, health, logs, measuring, paused, sweeping, web
from app.dashboard.pages import add_dashboard
from app.dashboard.signing_in import Entrance
from app.dashboard.with_github import WithGitHub
from app.deeds import Deeds
from app.finds import Finds
from app.github import GitHub, open_github
from app.github_identity import identity
from app.github_lane import INTERVAL
from app.github_people import People
from app.inbox import Inbox
from app.live import Live
from app.looking import after, looking
from app.metrics import Metrics
from app.reconciling import Reconciler
from app.settings import make_home
from app.settings_model import Settings
from app.slack import open_slack
from app.webhooks import Receiver
from handlers.desk import Desk, House
from handlers.dispatch import dispatch
from handlers.github import repository_of
from handlers.looking_first import LookFirst
from handlers.prompt import SYSTEM
from handlers.publishing import GitHubForge
from handlers.reporters.github import reporters as github_reporters
from handlers.reporters.slack import SlackReporter
from handlers.reporting import Reporter, Reporting
from runner import confinement, restore
from runner.clocks import steady_clock
from runner.conductor import Conductor
from runner.deliveries import Delivery
from runner.engine import Engine
from runner.errors import TryLater
from runner.launching import Rules
from runner.means import Means
from runner.migrating import DatabaseRefused
from runner.mirror import Mirrors
from runner.publishing import Publisher
from runner.secrets import Keyring
from runner.spool import write_atomically
from runner.store import Restored, Store, open_store
from runner.tasks import Actor
from runner.tmux import Tmux

logger = logging.getLogger(__name__)

# How long after a restore a Slack thread is looked for before one is begun.
LOOK_FIRST = timedelta(days=7)

# How long what is under way may take to end when the service is told to; and when it is ended, whatever it waits for.
LEAVE = timedelta(seconds=4)
LAST_RESORT = timedelta(seconds=9)


class CannotServe(Exception):
    """Sentences for the operator: why the service does not start, and what mends it."""


@dataclass(frozen=True, slots=True)
class Services:
    """What is running, and where."""

    settings: Settings
    store: Store
    conductor: Conductor
    engine: Engine
    mirrors: Mirrors
    github: GitHub
    base_url: str
    sign_in_link: str | None
    failed: asyncio.Future[None]


async def serve(settings: Settings, write_interval: timedelta = INTERVAL) -> int:
    """Run until SIGTERM or SIGINT. Agents at work go on without us, and are found again at the next start."""
    over = asyncio.Event()

    def told_to_end() -> None:
        over.set()
        last_resort = threading.Timer(LAST_RESORT.total_seconds(), _end_now)
        last_resort.daemon = True
        last_resort.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end)
    try:
        async with open_services(settings, write_interval) as services:
            logger.info("listening on %s", services.base_url)
            if services.sign_in_link is not None:
                # Not into the log, which goes further than this terminal. A full disk behind it is no reason to end.
                with suppress(OSError):
                    print(f"To see the dashboard, open {services.sign_in_link}", flush=True)  # noqa: T201  a command's answer
            services.failed.add_done_callback(lambda _: over.set())
            await over.wait()
            if services.failed.done():
                services.failed.result()
            logger.info("told to end; agents at work go on")
    except CannotServe as reason:
        print(f"cco serve: {reason}", file=sys.stderr)  # noqa: T201  a command's answer
        return 1
    return 0


@asynccontextmanager
async def open_services(settings: Settings, write_interval: timedelta = INTERVAL) -> AsyncIterator[Services]:
    """Everything, up and listening. On the way out nothing new is taken in, and agents are left running."""
    if missing := [*doctor.not_installed(), *settings.missing_for_serve()]:
        raise CannotServe("\n".join(missing))
    make_home(settings.home)
    home = settings.home.resolve()
    keyring = Keyring(settings.secrets())
    client = credentials.oauth_client(home, settings.github.app_id, settings.github.url)
    if client is not None:
        keyring.add(client.secret)
    async with AsyncExitStack() as stack:
        stack.callback(os.umask, os.umask(0o077))  # everything that is written is ours alone
        lock = stack.enter_context(_only_one(home))
        stack.enter_context(logs.writing(settings.log.format, settings.log.level, keyring.redact))
        _finish_restoring(home)
        store = await stack.enter_async_context(_opened(home / "cco.db"))
        restored = await store.restored()
        github = await stack.enter_async_context(
            open_github(
                settings.github,
                write_interval=write_interval,
                on_token=keyring.add,
                diary=home / "github-writes",
            )
        )
        bot = await _identity(github, settings, home)
        house = _house(settings, bot, keyring, people_can_sign_in=client is not None)
        mirrors = Mirrors(home)
        tmux = Tmux(home / "tmux.sock")
        engine = Engine(home, tmux)
        tally: Counter[str] = Counter()
        rules = await _rules(settings, home, house)
        conductor = Conductor(
            Means(
                store=store,
                engine=engine,
                mirrors=mirrors,
                publisher=Publisher(store, mirrors, GitHubForge(github.of, house), github.credential, keyring),
                credentials=github.credential,
                rules=rules,
                keyring=keyring,
                host=confinement.host(),
                dice=random.Random(),  # noqa: S311  jitter, not a secret
                now=_now,
                tally=tally,
            )
        )
        inbox = Inbox(
            store.deliveries, _handing_on(github, conductor, store, house), partial(store.issue_of, house.host)
        )
        reporters = await stack.enter_async_context(_reporters(settings, github, house, restored))
        live = Live(store)
        deeds = Deeds(github, conductor, store, mirrors, engine, house)
        token = _api_token(settings, home, keyring)
        entrance = Entrance(token, settings.public_url, _now)
        with_github = _with_github(settings, entrance, github, client)
        people = People(github.of, house.host, _now)
        metrics, pulse, reporting = Metrics(), health.Pulse(), Reporting(store, reporters, steady_clock(_now))
        readiness = _readiness(settings, home, lock, store, tmux, github, rules)
        finds, listening = Finds(), asyncio.Event()
        measuring.add_sources(
            metrics,
            store=store,
            tally=tally,
            reporting=reporting,
            tmux=tmux,
            home=home,
            pulse=pulse,
            readiness=readiness,
            finds=finds,
            traffic=github.traffic,
        )
        server = _server(settings, token, entrance, store, inbox, live, deeds, people, with_github, metrics)
        web.add_health(server, readiness.wrong, metrics.text)
        reconciler = Reconciler(
            github,
            store,
            inbox,
            lambda repository: Desk(github.of(repository), conductor, store, house),
            house,
            finds,
            timedelta(seconds=settings.reconcile.seconds),
            write_interval,
            _now,
        )
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        looked = asyncio.Event()
        await stack.enter_async_context(
            _working(
                failed,
                after(looked, conductor.run),
                inbox.drain(),
                after(looked, reporting.run),
                live.run(),
                store.keep_looking_for_damage(),
                pulse.beat(),
                after(looked, partial(reconciler.run, listening)),
                paused.watch(store),
                sweeping.daily(home, store, mirrors, tmux, sweeping.rules(settings), _now),
                looking(looked, restored, LookFirst(github.of, house, store, engine.has_traces)),
            )
        )
        port = await stack.enter_async_context(web.serving(server, settings.host, settings.port))
        listening.set()
        base_url = settings.model_copy(update={"port": port}).base_url
        here = web.loopback_url(settings.host, port)
        link = here and entrance.link(here)
        yield Services(settings, store, conductor, engine, mirrors, github, base_url, link, failed)


def _finish_restoring(home: Path) -> None:
    if restore.is_cut_off(home):
        restore.finish(home)
        raise CannotServe("a restore had been cut off, and is finished now. Start once more, with its settings")


def _house(settings: Settings, bot: Actor, keyring: Keyring, *, people_can_sign_in: bool) -> House:
    if settings.public_url is not None and not people_can_sign_in:
        logger.warning(
            "nobody can sign in at %s, so nothing links there: this App's client id and secret are not in "
            "CCO_HOME/credentials/github.json, where `cco setup` saves them",
            settings.public_url,
        )
    return House(
        trigger_label=settings.trigger_label,
        bot=bot,
        host=settings.github.host,
        redact=keyring.redact,
        dashboard=settings.public_url if people_can_sign_in else None,
    )


async def _identity(github: GitHub, settings: Settings, home: Path) -> Actor:
    try:
        return await identity(github, settings.github, home / "identity.json")
    except TryLater as absence:
        raise CannotServe(
            f"GitHub has to be asked once who this App is, and it does not answer ({absence}). "
            f"Try again when {settings.github.api_url} can be reached from here."
        ) from absence


@asynccontextmanager
async def _reporters(
    settings: Settings, github: GitHub, house: House, restored: Restored | None
) -> AsyncIterator[list[Reporter]]:
    """The places where tasks are told of."""
    async with AsyncExitStack() as stack:
        places: list[Reporter] = [*github_reporters(github.of, github.turn, house, _now)]
        if settings.slack.bot_token is not None:
            slack = await stack.enter_async_context(open_slack(settings.slack))
            places.append(SlackReporter(slack, house.redact, house.dashboard, _now, _forgotten(restored)))
        yield places


def _api_token(settings: Settings, home: Path, keyring: Keyring) -> str:
    token = settings.api_token.get_secret_value() if settings.api_token else credentials.api_token(home)
    keyring.add(token)
    return token


def _forgotten(restored: Restored | None) -> datetime | None:
    """Since when we may have said things that we know nothing of. After some days that is of no matter any more."""
    recent = restored is not None and _now() - restored.restored_at < LOOK_FIRST
    return restored.made_at if restored is not None and recent else None


async def _rules(settings: Settings, home: Path, house: House) -> Rules:
    """How agents run here, from the settings and from what this machine can do."""
    confined = settings.sandbox.mode != "none"
    refusal = None
    if not confined:
        logger.warning("CCO_SANDBOX=none: agents can read and write whatever this user can")
    elif why_not := await confinement.why_not():
        refusal = (
            "The machine that I run on cannot confine Claude, so I start nothing there. "
            f"Whoever runs this service can mend it: {why_not}"
        )
        logger.error("no agent is started: %s", why_not)
    variable, key = _model_key(settings)
    key_file = home / "credentials" / "model-key"
    key_file.parent.mkdir(mode=0o700, exist_ok=True)
    if not key_file.exists() or key_file.read_bytes() != key.encode():  # a full disk keeps us from no start
        write_atomically(key_file, key.encode(), "file.model-key")
    read_only = settings.sandbox.read_only
    env = {"PATH": _path(read_only) if confined else os.environ.get("PATH", os.defpath)}
    if settings.anthropic.base_url is not None:
        env["ANTHROPIC_BASE_URL"] = settings.anthropic.base_url
    limits = settings.limits
    return Rules(
        bot=house.bot,
        claude=_claude(settings),
        confinement="bwrap" if confined else "none",
        refusal=refusal,
        read_only=read_only,
        model=settings.model,
        system_prompt=SYSTEM,
        key_file=key_file,
        key_variable=variable,
        env=env,
        max_runs=settings.max_runs,
        run_time=timedelta(minutes=limits.minutes),
        run_silence=timedelta(minutes=limits.silence_minutes),
        run_turns=limits.turns,
        run_dollars=limits.dollars or None,
        day_dollars=limits.day_dollars or None,
    )


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[Store]:
    """The store, or the sentences that say why it cannot be worked with."""
    async with AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(open_store(path))
        except DatabaseRefused as reason:
            raise CannotServe(str(reason)) from reason
        except (sqlite3.Error, OSError) as error:
            raise CannotServe(
                f"the database {path} cannot be opened now: {error}. Nothing in it is changed. "
                "Is the disk full, or does another program have it open?"
            ) from error
        yield store


def _claude(settings: Settings) -> Path:
    found = claude_cli.find(settings)
    if found is None:
        raise CannotServe("the Claude Code CLI is not installed: run ./cco again, or set CCO_CLAUDE_PATH")
    return found.resolve()


def _model_key(settings: Settings) -> tuple[str, str]:
    """The variable and the value of the credential; an API key wins, as it does in Claude Code."""
    anthropic = settings.anthropic
    if anthropic.api_key is not None:
        return "ANTHROPIC_API_KEY", anthropic.api_key.get_secret_value()
    if anthropic.oauth_token is not None:
        return "CLAUDE_CODE_OAUTH_TOKEN", anthropic.oauth_token.get_secret_value()
    raise CannotServe("ANTHROPIC_API_KEY is not set, and CLAUDE_CODE_OAUTH_TOKEN neither")


def _path(read_only: tuple[Path, ...]) -> str:
    """What is on the PATH in the sandbox: the toolchains that agents may read, then the system's."""
    return os.pathsep.join([*(str(path / "bin") for path in read_only), "/usr/local/bin", "/usr/bin", "/bin"])


def _handing_on(github: GitHub, conductor: Conductor, store: Store, house: House) -> Any:
    """From a stored delivery to the handlers, with GitHub's API for its repository."""

    async def hand_on(delivery: Delivery) -> None:
        payload = orjson.loads(delivery.body)
        event = sansio.Event(payload, event=delivery.event, delivery_id=delivery.delivery_id)
        about = payload.get("repository")
        gh = github.of(repository_of(about, house)) if about else github.app
        await dispatch(event, Desk(gh, conductor, store, house))

    return hand_on


def _with_github(
    settings: Settings, entrance: Entrance, github: GitHub, client: credentials.OAuthClient | None
) -> WithGitHub | None:
    """How people sign in, if GitHub knows us for that and can send them back."""
    if client is None or settings.public_url is None:
        return None
    return WithGitHub(
        entrance, settings.github.url, client.id, settings.public_url, functools.partial(github.person, client)
    )


def _readiness(
    settings: Settings, home: Path, lock: int, store: Store, tmux: Tmux, github: GitHub, rules: Rules
) -> health.Readiness:
    """What must be well for the service to do its work."""
    checks = {
        "database": health.Check(store.trouble),
        "lock": health.Check(partial(health.lock, home, lock)),
        "paused": health.Check(partial(paused.why, store)),
        "tmux": health.Check(partial(health.tmux, tmux)),
        "disk": health.Check(partial(health.disk, home)),
        "github": health.Check(partial(health.github, github), well_seconds=300, wrong_seconds=15),
        "model": health.Check(partial(health.model, rules.key_file)),
    }
    if settings.sandbox.mode != "none":
        checks["sandbox"] = health.Check(health.sandbox, well_seconds=300, wrong_seconds=15)
    return health.Readiness(checks)


def _server(
    settings: Settings,
    token: str,
    entrance: Entrance,
    store: Store,
    inbox: Inbox,
    live: Live,
    deeds: Deeds,
    people: People,
    with_github: WithGitHub | None,
    metrics: Metrics,
) -> http.Application:
    app = web.application(web.hosts_of(settings.public_url, settings.host, settings.port))
    app.middlewares.append(api.only_with(token, entrance.admits))
    secrets = [secret.get_secret_value() for secret in settings.github.webhook_secret]
    receiver = Receiver(secrets, inbox.put, metrics.answered, lambda: store.paused)
    app.router.add_post("/webhooks/github", receiver.receive_github)
    held = partial(paused.unless_paused, store)
    offered = api.Deeds(
        start=held(deeds.start),
        retry=held(deeds.retry),
        steer=held(deeds.steer),
        stop=deeds.stop,  # nothing starts by it
        decide=held(deeds.decide),
        diff=deeds.diff,
        transcript=deeds.transcript,
    )
    app.add_routes(api.Api(store, offered).routes())
    examine = partial(doctor.examine_settings, settings, confinement.why_not)
    add_dashboard(app, store, offered, entrance, examine, people, with_github)
    app.router.add_get("/api/live", live.listen)
    app.on_shutdown.append(lambda _: live.close())
    return app


@contextmanager
def _only_one(home: Path) -> Iterator[int]:
    """One service for each CCO_HOME: two would each start the same run. Yields the lock's descriptor."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise CannotServe(
                f"another service runs on CCO_HOME={home}. Stop that one first, or set another CCO_HOME."
            ) from exc
        yield descriptor
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _working(failed: asyncio.Future[None], *loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The loops, for as long as the block runs. One that ends by itself is a bug: `failed` hears of it."""

    async def kept(loop: Coroutine[Any, Any, None]) -> None:
        try:
            await loop
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            if _is_refused(exc):  # said where it was found, and in /readyz: we stay, and take no work
                return
            logger.exception("a part of the service broke")
            if not failed.done():
                failed.set_exception(exc)

    tasks = [asyncio.create_task(kept(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=LEAVE.total_seconds())
        if failed.done():
            failed.exception()  # seen by whoever waited for it; on the way out nobody does
        else:
            failed.cancel()


def _is_refused(exc: BaseException) -> bool:
    """Whether it is the database, and nothing else, that is not worked with any more."""
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(DatabaseRefused)[1] is None
    return isinstance(exc, DatabaseRefused)


def _end_now() -> None:
    """What hangs is left behind: what is written is whole, and the next start goes on from there."""
    logger.warning("something did not end in time, and is left behind")
    os._exit(0)


def _now() -> datetime:
    return datetime.now(UTC)
