"""A headless Chromium, driven over its DevTools socket."""

import asyncio
import base64
import itertools
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Tab:
    """One page. `errors` is what its console complained of: a script that broke, something that its policy forbids."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.errors: list[str] = []

    async def run(self) -> None:
        """Take in what the browser says, until it leaves."""
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                self.errors.append(str(said["params"]["exceptionDetails"]))
            elif said["method"] == "Log.entryAdded":
                entry = said["params"]["entry"]
                if (
                    entry["level"] == "error" and entry["source"] != "network"
                ):  # that a service is away is no error here
                    self.errors.append(entry["text"])

    async def ask(self, method: str, **parameters: object) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(20):
            said = await self._answers[number]
        assert "error" not in said, said
        return said["result"]

    async def open(self, url: str) -> None:
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def value(self, expression: str) -> Any:
        """What an expression is in the page; None while it is between two pages."""
        said = await self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return said["result"].get("value")

    async def until(self, expression: str, seconds: float = 15) -> float:
        """Wait until the expression is true, and say how long that took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not await self.value(expression):
            if loop.time() > begun + seconds:
                raise AssertionError(f"{expression} did not come true; the page: {await self.text()}; {self.errors}")
            await asyncio.sleep(0.02)
        return loop.time() - begun

    async def text(self) -> str:
        return str(await self.value("document.body.innerText"))

    async def picture(self, path: Path) -> None:
        """The whole page as an image, to be looked at."""
        said = await self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(said["data"]))

    async def look_like(self, width: int, height: int, scheme: str) -> None:
        """A screen of this size, of a person who likes it `light` or `dark`."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.ask("Emulation.setDeviceMetricsOverride", **size)
        await self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


@asynccontextmanager
async def open_tab(directory: Path) -> AsyncIterator[Tab]:
    """A browser with one empty page, gone at the end with all its processes."""
    assert CHROMIUM
    profile = directory / "chromium"
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "HOME": str(directory)},
    )
    try:
        async with aiohttp.ClientSession() as session:
            address = f"http://127.0.0.1:{await _port(profile / 'DevToolsActivePort', process)}"
            async with session.get(f"{address}/json/list") as answer:
                url = next(one["webSocketDebuggerUrl"] for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(url, max_msg_size=0) as socket:
                tab = Tab(socket)
                listening = asyncio.create_task(tab.run())
                for domain in ("Page", "Runtime", "Log"):
                    await tab.ask(f"{domain}.enable")
                yield tab
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _port(path: Path, process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(30):
        while not (path.exists() and "\n" in path.read_text("utf-8")):
            assert process.returncode is None, "Chromium ended before it began"
            await asyncio.sleep(0.05)
    return int(path.read_text("utf-8").split("\n")[0])
