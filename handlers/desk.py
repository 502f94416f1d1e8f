"""What a callback and a reporter are given: GitHub, the conductor, the store, and what the house is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gidgethub.abc import GitHubAPI

from runner.store import Store
from runner.tasks import Actor, Repository

if TYPE_CHECKING:
    from runner.conductor import Conductor  # it brings git and tmux, which a test of words needs nothing of


@dataclass(frozen=True, slots=True)
class House:
    """What is the same for every repository.

    `bot` is our own App's user: only its comments are ours. `host` is GitHub's name (`github.com`). `dashboard` is the
    address of our pages, if people can reach them. `redact` takes known secrets out of everything that is posted.
    """

    trigger_label: str
    bot: Actor
    host: str
    redact: Callable[[str], str]
    dashboard: str | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one delivery is worked on. `gh` speaks for the App in the delivery's repository, and in no other."""

    gh: GitHubAPI
    conductor: Conductor
    store: Store
    house: House


# The API of one repository, as the App.
GitHubOf = Callable[[Repository], GitHubAPI]
