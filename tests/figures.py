"""The fixture `figure`: what a test measured, which `./cco test` prints at its end."""

from collections.abc import Callable

import pytest

Figure = Callable[[str, float, str], None]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """`figure("lost", 0, "deliveries")`: one number of this test, by name and unit.

    It goes with the test's report (junit's property `figure`), and so from any worker to the end of `./cco test`,
    which prints the figures of all tests. docs/assurance.md quotes them.
    """

    def say(name: str, value: float, unit: str) -> None:
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
        request.node.user_properties.append(("figure", f"{name}: {shown} {unit}".rstrip()))

    return say
