"""The hours in which nobody is called."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Quiet:
    """From one time of the day to another, by the clock of a place; overnight if it ends before it begins."""

    begins: time
    ends: time
    zone: ZoneInfo

    @classmethod
    def of(cls, hours: str, zone: str) -> "Quiet":
        """`22:00-07:00`, and `Europe/Berlin`."""
        begins, ends = (time.fromisoformat(part) for part in hours.split("-"))
        return cls(begins, ends, ZoneInfo(zone))

    def until(self, now: datetime) -> datetime | None:
        """When the quiet ends that it is in now; None if it is not quiet."""
        here = now.astimezone(self.zone)
        at, overnight = here.time(), self.ends < self.begins
        is_quiet = (at >= self.begins or at < self.ends) if overnight else self.begins <= at < self.ends
        if not is_quiet:
            return None
        day = here.date() + timedelta(days=1 if overnight and at >= self.begins else 0)
        return datetime.combine(day, self.ends, self.zone).astimezone(UTC)
