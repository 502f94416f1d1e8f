"""The composition root: build everything once, hand each part what it needs, and take it down in order."""

import asyncio
import functools
import logging
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from aiohttp import web as http

from app import api, credentials, doctor, health, logs, measuring, paused, sweeping, web
from app.dashboard.pages import add_dashboard
from app.dashboard.signing_in import Entrance
from app.dashboard.with_github import WithGitHub
from app.deeds import Deeds
from app.doors import open_doors
from app.finds import Finds
from app.github import GitHub, open_github
from app.github_lane import INTERVAL
from app.github_people import People
from app.live import Live
from app.looking import after, looking
from app.loops import working
from app.metrics import Metrics
from app.opening import CannotServe, finish_restoring, only_one, opened, who_we_are
from app.places import open_places
from app.reconciling import Reconciler
from app.rules import rules_of
from app.settings import make_home
from app.settings_model import Settings
from handlers.desk import Desk, House
from handlers.looking_first import LookFirst
from handlers.publishing import GitHubForge
from handlers.reporting import Reporting
from runner import confinement
from runner.clocks import steady_clock
from runner.conductor import Conductor
from runner.engine import Engine
from runner.launching import Rules
from runner.marks import Restored
from runner.means import Means
from runner.mirror import Mirrors
from runner.publishing import Publisher
from runner.secrets import Keyring
from runner.store import Store
from runner.tasks import Actor
from runner.tmux import Tmux

logger = logging.getLogger(__name__)

# How long after a restore a Slack thread is looked for before one is begun.
LOOK_FIRST = timedelta(days=7)

# When a service that was told to end is ended, whatever it waits for.
LAST_RESORT = timedelta(seconds=9)


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
        lock = stack.enter_context(only_one(home))
        stack.enter_context(logs.writing(settings.log.format, settings.log.level, keyring.redact))
        finish_restoring(home)
        store = await stack.enter_async_context(opened(home / "cco.db"))
        restored = await store.marks.restored()
        github = await stack.enter_async_context(
            open_github(
                settings.github,
                write_interval=write_interval,
                on_token=keyring.add,
                diary=home / "github-writes",
            )
        )
        bot = await who_we_are(github, settings, home)
        house = _house(settings, bot, keyring, people_can_sign_in=client is not None)
        mirrors = Mirrors(home)
        tmux = Tmux(home / "tmux.sock")
        engine = Engine(home, tmux)
        tally: Counter[str] = Counter()
        rules = await rules_of(settings, home, house)
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
        people = People(github.of, house.host, _now)
        doors = await stack.enter_async_context(
            open_doors(settings, github, people, conductor, store, house, _now, _forgotten(restored))
        )
        reporters = await stack.enter_async_context(open_places(settings, github, house, _now, doors.heard))
        live, deeds = Live(store), Deeds(github, conductor, store, mirrors, engine, house)
        entrance = Entrance(token := _api_token(settings, home, keyring), settings.public_url, _now)
        with_github = _with_github(settings, entrance, github, client)
        finds, listening, metrics, pulse = Finds(), asyncio.Event(), Metrics(), health.Pulse()
        reporting = Reporting(store, reporters, steady_clock(_now))
        readiness = _readiness(settings, home, lock, store, tmux, github, rules)
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
        server = _server(settings, token, entrance, store, live, deeds, people, with_github, reporting)
        doors.add_routes(server, metrics.answered)
        web.add_health(server, readiness.wrong, metrics.text)
        reconciler = Reconciler(
            github,
            store,
            doors.inbox,
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
            working(
                failed,
                after(looked, conductor.run),
                doors.inbox.drain(),
                after(looked, reporting.run),
                live.run(),
                store.keep_looking_for_damage(),
                pulse.beat(),
                after(looked, partial(reconciler.run, listening)),
                *(after(looked, loop) for loop in doors.loops),
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


def _api_token(settings: Settings, home: Path, keyring: Keyring) -> str:
    token = settings.api_token.get_secret_value() if settings.api_token else credentials.api_token(home)
    keyring.add(token)
    return token


def _forgotten(restored: Restored | None) -> datetime | None:
    """Since when we may have said things that we know nothing of. After some days that is of no matter any more."""
    recent = restored is not None and _now() - restored.restored_at < LOOK_FIRST
    return restored.made_at if restored is not None and recent else None


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
    live: Live,
    deeds: Deeds,
    people: People,
    with_github: WithGitHub | None,
    reporting: Reporting,
) -> http.Application:
    app = web.application(web.hosts_of(settings.public_url, settings.host, settings.port))
    app.middlewares.append(api.only_with(token, entrance.admits))
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
    app.router.add_get("/api/places", api.places(reporting.backlog))
    examine = partial(doctor.examine_settings, settings, confinement.why_not)
    add_dashboard(app, store, offered, entrance, examine, people, with_github)
    app.router.add_get("/api/live", live.listen)
    app.on_shutdown.append(lambda _: live.close())
    return app


def _end_now() -> None:
    """What hangs is left behind: what is written is whole, and the next start goes on from there."""
    logger.warning("something did not end in time, and is left behind")
    os._exit(0)


def _now() -> datetime:
    return datetime.now(UTC)
