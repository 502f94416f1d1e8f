"""Connect a real GitHub, sign in, and find out what is missing: setup, signin, doctor."""

import asyncio
import sys
from datetime import UTC, datetime

import click

from app import doctor as examination
from app import setup as creation
from app import web
from app.cli.client import settings_or_fail, token_of
from app.cli.references import json_option
from app.cli.saying import Failed, say, say_json
from app.dashboard.signing_in import Entrance
from runner import confinement
from runner.errors import Refusal
from runner.text import clean


@click.command()
@click.option("--org", metavar="NAME", help="The App belongs to this organisation; without it, to you.")
@click.option("--name", metavar="NAME", help="The App's name; without it, one that nobody else has.")
@click.option("--public-url", metavar="URL", help="Where GitHub reaches this service; else CCO_PUBLIC_URL.")
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), default=0, help="Where its page is served.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in this machine's browser.")
@click.option("--replace", is_flag=True, help="Create another App in place of the one there is.")
def setup(
    *, org: str | None, name: str | None, public_url: str | None, port: int, open_browser: bool, replace: bool
) -> None:
    """Create the GitHub App and save its credentials.

    On GitHub Enterprise: CCO_GITHUB_URL=https://github.example cco setup
    """
    if public_url is not None and not public_url.startswith(("https://", "http://")):
        raise click.BadParameter("it is an address such as https://cco.example", param_hint="--public-url")
    settings = settings_or_fail()
    plan = creation.Plan(
        home=settings.home,
        url=settings.github.url,
        api_url=settings.github.api_url,
        name=name or creation.suggested_name(),
        organisation=org,
        public_url=public_url or settings.public_url,
        port=port,
        replace=replace,
    )
    try:
        created = asyncio.run(creation.set_up(plan, say, click.launch if open_browser else lambda _: None))
    except Refusal as refusal:
        raise Failed(str(refusal)) from None
    except OSError as exc:
        raise Failed(f"this cannot be done here: {exc.strerror or exc}.") from None
    say(clean(creation.next_steps(created, plan)))


@click.command()
def signin() -> None:
    """Print a link that signs you in to the dashboard.

    It works for an hour, in a browser on this machine.
    """
    settings = settings_or_fail()
    here = web.loopback_url(settings.host, settings.port)
    if here is None:
        raise Failed(f"the link works on loopback only, and CCO_HOST={settings.host} is not: set 127.0.0.1 or 0.0.0.0")
    say(Entrance(token_of(settings), settings.public_url, lambda: datetime.now(UTC)).link(here))


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Say what is missing, and the command that mends it.

    Exits 0 where all is well.
    """
    checks = asyncio.run(examination.examine(confinement.why_not))
    if as_json:
        say_json(examination.as_json(checks))
    else:
        say(clean(examination.render(checks)))
    sys.exit(0 if all(check.ok for check in checks) else 1)
