"""Run the service, or show it: serve, demo."""

import asyncio
import os
import sys

import click

from app import services
from app.cli.client import settings_or_fail
from app.demo import show


@click.command()
def serve() -> None:
    """Run the service until it is told to stop.

    Runs that are at work go on without it, and are found again at its next start.
    """
    code = asyncio.run(services.serve(settings_or_fail()))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the disk behind it is full: what is left to say has no place
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


@click.command()
@click.option("--once", is_flag=True, help="End after the first pull request, and say what happened.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where its pages are served; else a free port.")
@click.option("--real", is_flag=True, help="Use the real model, with the Anthropic credentials of your environment.")
def demo(*, once: bool, port: int, real: bool) -> None:
    """Show the whole loop on this machine, with no account anywhere.

    The real service, real git, real tmux and the real Claude Code, with a small stand-in for GitHub and a scripted
    model.
    """
    sys.exit(asyncio.run(show.run(once=once, port=port, real=real)))
