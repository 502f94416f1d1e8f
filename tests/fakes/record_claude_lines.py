"""Record what the pinned Claude CLI says in each scene: python -m tests.fakes.record_claude_lines

Run it when the CLI's version changes, and read the difference. Paths, ports, times and ids are made neutral.
"""

import asyncio
import json
import re
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.fakes import scenes
from tests.fakes.claude import Session

SAMPLES = Path(__file__).parent / "claude_lines"
IDENTIFIER = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?:msg|toolu|req)_[0-9a-f]{24}"
    r'|(?<=\[main )[0-9a-f]{7,40}|(?<="sha": ")[0-9a-f]{7,40}'
)
FIXED: dict[str, Any] = {"timestamp": "2026-01-01T00:00:00.000Z", "resetsAt": 1767225600, "request_sent_wall_ms": 0}


async def record() -> None:
    SAMPLES.mkdir(exist_ok=True)
    for name, scene in _scenes().items():
        with tempfile.TemporaryDirectory() as root:
            session = await scene(Path(root))
            text = "".join(json.dumps(_still(line), ensure_ascii=False) + "\n" for line in session.lines)
            (SAMPLES / f"{name}.jsonl").write_text(_neutral(text, root))


def _scenes() -> dict[str, Callable[[Path], Awaitable[Session]]]:
    async def mended(root: Path) -> Session:
        return (await scenes.mended(root))[1]

    async def steered(root: Path) -> Session:
        return (await scenes.steered(root, str(uuid.uuid4())))[1]

    async def asked(root: Path) -> Session:
        return (await scenes.asked(root))[0]

    async def interrupted_tool(root: Path) -> Session:
        return (await scenes.interrupted_tool(root))[0]

    async def quota_reached(root: Path) -> Session:
        return (await scenes.answered(root, scenes.limit_reached(), **scenes.OAUTH))[0]

    async def quota_warning(root: Path) -> Session:
        return (await scenes.answered(root, scenes.quota("allowed_warning", 0.92), **scenes.OAUTH))[0]

    def failed(name: str) -> Callable[[Path], Awaitable[Session]]:
        async def scene(root: Path) -> Session:
            return (await scenes.answered(root, (scenes.FAILURES | scenes.WEATHER)[name]))[0]

        return scene

    return {
        "story": mended,
        "steered": steered,
        "asked": asked,
        "nobody_to_ask": scenes.nobody_to_ask,
        "interrupted_tool": interrupted_tool,
        "interrupted_thought": scenes.interrupted_thought,
        "quota_reached": quota_reached,
        "quota_warning": quota_warning,
        **{name: failed(name) for name in scenes.FAILURES | scenes.WEATHER},
    }


def _still(value: Any, key: str = "") -> Any:
    """The value without what differs from one recording to the next."""
    if key in FIXED:
        return FIXED[key]
    if key.endswith("_ms"):
        return 0
    if isinstance(value, dict):
        return {name: _still(inner, name) for name, inner in value.items()}
    return [_still(inner) for inner in value] if isinstance(value, list) else value


def _neutral(text: str, root: str) -> str:
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        number = len(names) + 1
        old = found.group()
        prefix, bar, _ = old.rpartition("_")
        if bar:
            new = f"{prefix}_{number:024x}"
        else:
            new = f"00000000-0000-4000-8000-{number:012x}" if "-" in old else f"{number:07x}"
        return names.setdefault(old, new)

    text = text.replace(root, "/srv/task").replace(re.sub(r"[^A-Za-z0-9]", "-", root), "-srv-task")
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", text)
    text = re.sub(r"/cc-socks/\d+\.sock", "/cc-socks/1.sock", text)
    text = re.sub(r"in \d+\.\d+s", "in 0.001s", text)
    text = re.sub(r"resets [\d:]+[ap]m", "resets 0:00am", text)
    return IDENTIFIER.sub(name, text)


if __name__ == "__main__":
    asyncio.run(record())
