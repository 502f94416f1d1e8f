"""Stop everything at once, and let it go on: panic, resume-all. Both work with the service up or down."""

import time
from pathlib import Path

import click

from app.cli.references import json_option
from app.cli.saying import Failed, say, say_json
from app.cli.words import count
from app.home import SettingsError, home_alone
from runner import panic as stopping


def home_or_fail() -> Path:
    """CCO_HOME, also where another setting is wrong."""
    try:
        home = home_alone()
    except SettingsError as exc:
        raise Failed("\ncco: ".join(exc.lines)) from None
    if not home.is_dir():
        raise Failed(f"there is no CCO_HOME={home}. Give the command the service's CCO_HOME.")
    return home


@click.command()
@json_option
def panic(*, as_json: bool) -> None:
    """Stop everything at once, and let nothing start.

    Ends every agent within seconds, also where the service is down, and takes nothing in, also after a restart, until
    cco resume-all. Work that was done so far is kept.
    """
    home = home_or_fail()
    begun = time.monotonic()
    not_kept = ""
    try:
        stopping.begin(home)
    except OSError as exc:  # the agents are ended all the same
        not_kept = (
            f"{home / stopping.NAME} cannot be made ({exc.strerror}), so the service may start them again: stop it"
        )
    ended = stopping.end_agents(home)
    took = time.monotonic() - begun
    left = [one for one in ended if one.how == "left"]
    if as_json:
        agents = [{"task": one.task, "run": one.run, "how": one.how} for one in ended]
        say_json({"paused": not not_kept, "agents": agents, "seconds": round(took, 3)})
    else:
        for one in ended:
            say(f"task {one.task}, run {one.run}: {_HOW[one.how]}")
        say(f"{count(len(ended) - len(left), 'agent')} ended in {took:.1f} s.")
    if left:
        runs = ", ".join(f"r{one.run}" for one in left)
        raise Failed(f"what runs for {runs} cannot be ended by us: does it belong to another user? Look with: ps -ef")
    if not_kept:
        raise Failed(f"{not_kept}.")
    if not as_json:
        say("Everything is paused: nothing is taken in and nothing starts. To go on: cco resume-all")


_HOW = {"told": "ended when it was told to", "killed": "killed", "left": "still there"}


@click.command("resume-all")
@json_option
def resume_all(*, as_json: bool) -> None:
    """Let everything go on after a panic.

    Every run that was cut off goes on in its own session, as soon as there is a slot for it.
    """
    lifted = stopping.lift(home_or_fail())
    if as_json:
        say_json({"resumed": lifted})
    elif lifted:
        say("Everything goes on. If the service is down, start it: cco serve")
    else:
        say("Nothing was paused.")
