"""When it is quiet, and until when."""

from datetime import UTC, datetime

import pytest

from handlers.quiet import Quiet

NIGHT = Quiet.of("22:00-07:00", "Europe/Berlin")
NOON = Quiet.of("12:00-13:30", "UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("quiet", "now", "end"),
    [
        (NIGHT, "2026-11-25T20:59", None),
        (NIGHT, "2026-11-25T21:00", "2026-11-26T06:00"),
        (NIGHT, "2026-11-26T05:59", "2026-11-26T06:00"),
        (NIGHT, "2026-11-26T06:00", None),
        (NIGHT, "2026-07-01T20:30", "2026-07-02T05:00"),  # summer
        (NIGHT, "2026-10-24T21:00", "2026-10-25T06:00"),  # the night in which the clock is set back
        (NOON, "2026-11-25T11:59", None),
        (NOON, "2026-11-25T12:00", "2026-11-25T13:30"),
        (NOON, "2026-11-25T13:30", None),
    ],
)
def test_it_is_quiet_until_then(quiet: Quiet, now: str, end: str | None) -> None:
    assert quiet.until(at(now)) == (at(end) if end else None)
