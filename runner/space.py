"""A full disk is weather: somebody makes room, and the same thing works.

Standard library only: the supervisor imports it.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import TryLater

FULL = "the disk of the machine that I run on is full"
_ERRORS = {errno.ENOSPC, errno.EDQUOT}
_WORDS = ("No space left on device", "Disk quota exceeded")  # what a program says, in the C locale


def is_full(error: BaseException) -> bool:
    """Whether a full disk is behind this, by its number or by what a command said."""
    if isinstance(error, OSError):
        return error.errno in _ERRORS
    return any(line.rstrip().endswith(_WORDS) for line in str(error).splitlines())


@contextmanager
def full_is_weather() -> Iterator[None]:
    """What fails in the block because the disk is full is a TryLater."""
    try:
        yield
    except TryLater:
        raise
    except Exception as error:
        if is_full(error):
            raise TryLater(FULL) from error
        raise
