"""Name every effect on the world outside this process, so that a crash can be tried on both sides of each.

An effect is what a restart cannot undo: a commit, a rename, a push, a session, a comment. Each stands in a
`with effect("kind.name"):` block, alone. In production that does nothing. The crash tests observe it: `before` and
`after` each effect they can kill the process, freeze it, or raise, as when the effect happened and its answer was lost.

The kinds: `commit` (SQLite), `file`, `git`, `tmux`, `process`, `http`. A test reads all names from the source, and
fails where something that has an effect stands outside such a block.

Standard library only: the supervisor imports it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Side = Literal["before", "after"]
Observer = Callable[[str, Side], None]

_observers: list[Observer] = []  # empty, but in a crash test


@contextmanager
def effect(name: str) -> Iterator[None]:
    """The block has the effect `name`. A block that raises is not observed `after`: its effect is in doubt."""
    for observe in _observers:
        observe(name, "before")
    yield
    for observe in _observers:
        observe(name, "after")


def observe_for_a_test(observer: Observer) -> None:
    """Hear of every effect from now on. Nothing in the packages calls this; a test holds them to it."""
    _observers.append(observer)
