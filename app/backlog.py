"""What the service still has to say and to hear, in each place: doctor's question to the service that runs."""

import re
from dataclasses import dataclass

import aiohttp

SECONDS = 3.0
OLD_SECONDS = 900.0  # from then on people look at old news

_LINE = re.compile(r'^(cco_report_backlog|cco_report_oldest_seconds)\{reporter="([^"]+)"\} ([0-9.e+]+)$', re.MULTILINE)
_INBOX = re.compile(r"^cco_inbox_depth ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Backlog:
    """By place: of how many tasks something is not told yet, and for how many seconds the oldest of them waits."""

    unsaid: dict[str, tuple[int, float]]
    unheard: int

    @property
    def is_old(self) -> bool:
        """Whether something waits for too long. Replies in Slack wait like this in quiet hours, and may."""
        return any(seconds > OLD_SECONDS for name, (_, seconds) in self.unsaid.items() if name != "slack-replies")

    @property
    def sentence(self) -> str:
        """For people."""
        waiting = [
            f"{name}: {count} {'task' if count == 1 else 'tasks'}, the oldest for {seconds / 60:.0f} min"
            for name, (count, seconds) in sorted(self.unsaid.items())
            if count
        ]
        heard = [f"{self.unheard} deliveries are not worked on yet"] if self.unheard else []
        return "; ".join([*waiting, *heard]) or "nothing waits to be said or heard"


async def ask(base_url: str) -> Backlog | None:
    """None where no service answers there."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{base_url}/metrics", allow_redirects=False) as answer,
        ):
            text = await answer.text() if answer.status == 200 else ""
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
    return read(text)


def read(text: str) -> Backlog | None:
    """From the text of /metrics; None if that is another program's."""
    depth = _INBOX.search(text)
    if depth is None:
        return None
    found: dict[str, dict[str, float]] = {}
    for name, reporter, value in _LINE.findall(text):
        found.setdefault(reporter, {})[name] = float(value)
    unsaid = {
        reporter: (int(seen.get("cco_report_backlog", 0)), seen.get("cco_report_oldest_seconds", 0.0))
        for reporter, seen in found.items()
    }
    return Backlog(unsaid, int(float(depth[1])))
