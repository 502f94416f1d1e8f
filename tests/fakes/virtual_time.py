"""An event loop whose clock jumps to the next thing that is due: hours go by at once, and always in the same way."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Does not wait: what it is asked to wait for has gone by."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everyone waits for someone else: a deadlock")
        if timeout > 0:
            self.passed += max(timeout, 1e-6)  # less would be lost in the rounding, and time stand still
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Only for what waits by the loop's own clock, and for no socket."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return 1000.0 + self._jumping.passed


def run_at_once(story: Coroutine[Any, Any, T]) -> T:
    """Run it to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)
