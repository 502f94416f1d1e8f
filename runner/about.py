"""What the work at hand is about, for the log: a delivery, a task, a run, a request."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039  replaced, never changed


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Every line logged inside says so; tasks that are started inside inherit it."""
    token = _about.set({**_about.get(), **{name: str(value) for name, value in fields.items()}})
    try:
        yield
    finally:
        _about.reset(token)


def matter() -> Mapping[str, str]:
    """What it is about now."""
    return _about.get()
