"""The composition root: build everything once, hand each part what it needs, and take it down in order."""

import asyncio
import fcntl
import functools
import logging
import os
import random
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web as http
from gidgethub import sansio

from app import api, claude_cli, credentials, doctor, logs, web
from app.dashboard.pages import add_dashboard
from app.dashboard.signing_in import Entrance
from app.dashboard.with_github import WithGitHub
from app.deeds import Deeds
from app.github import GitHub, open_github
from app.github_lane import INTERVAL
from app.github_people import People
from app.inbox import Inbox
from app.live import Live
from app.settings import make_home
from app.settings_model import Settings
from app.slack import open_slack
from app.webhooks import Receiver
from handlers.desk import Desk, House
from handlers.dispatch import dispatch
from handlers.github import repository_of
from handlers.prompt import SYSTEM
from handlers.publishing import GitHubForge
from handlers.reporters.github import reporters as github_reporters
from handlers.reporters.slack import SlackReporter
from handlers.reporting import Reporter, Reporting
from runner import confinement
from runner.clocks import steady_clock
from runner.conductor import Conductor
from runner.deliveries import Delivery
from runner.engine import Engine
from runner.launching import Rules
from runner.means import Means
from runner.mirror import Mirrors
from runner.publishing import Publisher
from runner.secrets import Keyring
from runner.spool import write_atomically
from runner.store import Store, open_store
from runner.tmux import Tmux

logger = logging.getLogger(__name__)

# How long what is under way may take to end when the service is told to.
LEAVE = timedelta(seconds=8)


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
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    try:
        async with open_services(settings, write_interval) as services:
            logger.info("listening on %s", services.base_url)
            if services.sign_in_link is not None:
                # Not into the log, which goes further than this terminal.
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
        stack.enter_context(_only_one(home))
        stack.enter_context(logs.writing(settings.log.format, settings.log.level, keyring.redact))
        store = await stack.enter_async_context(open_store(home / "cco.db"))
        github = await stack.enter_async_context(
            open_github(settings.github, write_interval=write_interval, on_token=keyring.add)
        )
        house = House(
            trigger_label=settings.trigger_label,
            bot=await github.identify(),
            host=settings.github.host,
            redact=keyring.redact,
            dashboard=settings.public_url if client is not None else None,
        )
        if settings.public_url is not None and client is None:
            logger.warning(
                "nobody can sign in at %s, so nothing links there: this App's client id and secret are not in "
                "CCO_HOME/credentials/github.json, where `cco setup` saves them",
                settings.public_url,
            )
        mirrors = Mirrors(home)
        engine = Engine(home, Tmux(home / "tmux.sock"))
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
            )
        )
        inbox = Inbox(store.deliveries, _handing_on(github, conductor, store, house))
        reporters: list[Reporter] = [*github_reporters(github.of, house, _now)]
        if settings.slack.bot_token is not None:
            slack = await stack.enter_async_context(open_slack(settings.slack))
            reporters.append(SlackReporter(slack, keyring.redact, house.dashboard, _now))
        live = Live(store)
        deeds = Deeds(github, conductor, store, mirrors, engine, house)
        token = settings.api_token.get_secret_value() if settings.api_token else credentials.api_token(home)
        keyring.add(token)
        entrance = Entrance(token, settings.public_url, _now)
        with_github = _with_github(settings, entrance, github, client)
        people = People(github.of, house.host, _now)
        server = _server(settings, token, entrance, store, inbox, live, deeds, people, with_github)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await stack.enter_async_context(
            _working(
                failed,
                conductor.run(),
                inbox.drain(),
                Reporting(store, reporters, steady_clock(_now)).run(),
                live.run(),
            )
        )
        port = await stack.enter_async_context(web.serving(server, settings.host, settings.port))
        base_url = settings.model_copy(update={"port": port}).base_url
        here = web.loopback_url(settings.host, port)
        link = here and entrance.link(here)
        yield Services(settings, store, conductor, engine, mirrors, github, base_url, link, failed)


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
) -> http.Application:
    app = web.application(web.hosts_of(settings.public_url, settings.host, settings.port))
    app.middlewares.append(api.only_with(token, entrance.admits))
    secrets = [secret.get_secret_value() for secret in settings.github.webhook_secret]
    app.router.add_post("/webhooks/github", Receiver(secrets, inbox.put).receive_github)
    offered = api.Deeds(
        start=deeds.start,
        retry=deeds.retry,
        steer=deeds.steer,
        stop=deeds.stop,
        decide=deeds.decide,
        diff=deeds.diff,
        transcript=deeds.transcript,
    )
    app.add_routes(api.Api(store, offered).routes())
    examine = partial(doctor.examine_settings, settings, confinement.why_not)
    add_dashboard(app, store, offered, entrance, examine, people, with_github)
    app.router.add_get("/api/live", live.listen)
    app.on_shutdown.append(lambda _: live.close())

    async def ready() -> dict[str, str]:
        missing = {} if shutil.which("tmux") else {"tmux": "it is not installed"}
        return missing | await store.trouble()

    async def measured() -> dict[str, float]:
        states = {f'cco_runs{{state="{state}"}}': float(n) for state, n in (await store.counts()).items()}
        return {"cco_inbox_depth": float(await store.deliveries.depth()), **states}

    web.add_health(app, ready, measured)
    return app


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """One service for each CCO_HOME: two would each start the same run."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise CannotServe(
                f"another service runs on CCO_HOME={home}. Stop that one first, or set another CCO_HOME."
            ) from exc
        yield
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


def _now() -> datetime:
    return datetime.now(UTC)
