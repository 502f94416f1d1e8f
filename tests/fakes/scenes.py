"""Short scenes with the real CLI and the scripted model, for tests and samples: each shows one thing the CLI says."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from app.demo import story
from app.demo.model import Model, Script, running
from app.demo.replies import Drop, Fail, Hang, Quota, Say, Use
from tests.fakes import claude
from tests.fakes.claude import Line, Send, Session, World, said

WAIT = Use("Bash", {"command": "until [ -e go ]; do sleep 0.05; done", "description": "Wait for a file"})
QUESTION = {
    "question": "Which way?",
    "header": "Way",
    "multiSelect": False,
    "options": [{"label": "left", "description": "Left"}, {"label": "right", "description": "Right"}],
}
FAILURES = {
    "bad_key": Fail(401, "authentication_error", "invalid x-api-key", times=None),
    "forbidden": Fail(403, "permission_error", "Your API key may not use the specified resource.", times=None),
    "low_credit": Fail(
        400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", times=None
    ),
    "rate_limited": Fail(429, "rate_limit_error", "This would exceed your rate limit.", retry_after=3600, times=None),
    "server_error": Fail(500, "api_error", "Internal server error", times=None),
    "overloaded": Fail(529, "overloaded_error", "Overloaded", times=None),
}
WEATHER: dict[str, Fail | Drop] = {
    "overloaded_once": Fail(529, "overloaded_error", "Overloaded"),
    "rate_limited_once": Fail(429, "rate_limit_error", "This would exceed your rate limit.", retry_after=1),
    "cut_once": Drop(),
}
INTERRUPT: Line = {"type": "control_request", "request_id": "stop-1", "request": {"subtype": "interrupt"}}
OAUTH: dict[str, str | None] = {"ANTHROPIC_API_KEY": None, "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy"}
ISSUE = f"# {story.TITLE}\n\n{story.BODY}"


async def mended(root: Path) -> tuple[World, Session, Model]:
    model = Model([(story.PATTERN, story.script())])
    world = claude.build(root)
    async with running(model) as url:
        return world, await claude.drive(world, url, [said(ISSUE)]), model


async def answered(root: Path, step: Fail | Drop | Quota, **environment: str | None) -> tuple[Session, Model]:
    model = Model(default=Script([[step, Say("It went well.")]]))
    async with running(model) as url:
        return await claude.drive(claude.build(root), url, [said("Go")], environment=environment), model


def quota(status: str, utilization: float) -> Quota:
    return Quota(status, resets_at=int(time.time()) + 7200, utilization=utilization)


def limit_reached() -> Fail:
    return Fail(429, "rate_limit_error", "Try again later.", times=None, quota=quota("rejected", 1.0))


async def asked(root: Path) -> tuple[Session, Model]:
    """One command is allowed, one is denied, one question is answered."""
    turns = (
        [Use("Bash", {"command": "perl -e 'print 6*7'", "description": "Multiply"})],
        [Use("Bash", {"command": "perl -e 'unlink glob q(*)'", "description": "Remove everything"})],
        [Use("AskUserQuestion", {"questions": [QUESTION]})],
        [Say("Thank you.")],
    )
    model = Model(default=Script(turns))

    def decide(line: Line, send: Send) -> None:
        if line["type"] != "control_request":
            return
        given = line["request"]["input"]
        if "questions" in given:
            send(claude.allow(line, answers={"Which way?": "right"}))
        elif given["description"] == "Multiply":
            send(claude.allow(line))
        else:
            send(claude.deny(line, "Not today."))

    async with running(model) as url:
        options = ("--permission-prompt-tool", "stdio")
        world = claude.build(root)
        return await claude.drive(world, url, [said("Go")], *options, seen=decide, mode="acceptEdits"), model


async def nobody_to_ask(root: Path) -> Session:
    model = Model(default=Script([[Use("Bash", {"command": "perl -e 'print 1'"})], [Say("I could not.")]]))
    async with running(model) as url:
        return await claude.drive(claude.build(root), url, [said("Go")], mode="acceptEdits")


async def interrupted_tool(root: Path) -> tuple[Session, Model]:
    model = Model(default=Script([[WAIT], [Say("On we go.")]]))

    def act(line: Line, send: Send) -> None:
        if _calls(line, "Bash"):
            send(INTERRUPT)
        if line["type"] == "result" and line["is_error"]:
            send(said("Go on"))

    async with running(model) as url:
        return await claude.drive(claude.build(root), url, [said("Go")], seen=act, results=2), model


async def interrupted_thought(root: Path) -> Session:
    model = Model(default=Script([[Hang()]]))
    waiting: list[asyncio.Task[None]] = []

    async def interrupt(send: Send) -> None:
        while not model.requests:
            await asyncio.sleep(0.02)
        send(INTERRUPT)

    def act(line: Line, send: Send) -> None:
        if line.get("subtype") == "init":
            waiting.append(asyncio.create_task(interrupt(send)))

    async with running(model) as url:
        return await claude.drive(claude.build(root), url, [said("Go")], seen=act)


async def steered(root: Path, name: str) -> tuple[World, Session, Model]:
    """The same message is sent twice while a command runs."""
    model = Model(default=Script([[WAIT], lambda request: [Say(f"I heard {request.new_texts}.")]]))
    world = claude.build(root)

    async with running(model) as url:
        steer = _steer(world, name)
        return world, await claude.drive(world, url, [said("Go")], seen=steer), model


async def key_by_descriptor(root: Path, variable: str, key: str) -> tuple[Session, Model]:
    """The key is read from descriptor 7; the model asks for a look at the environment."""
    look = Use("Bash", {"command": "env; cat <&7; true", "description": "Look"})
    model = Model(default=Script([[look], [Say("Seen.")]]), key=key)
    reading, writing = os.pipe()
    os.write(writing, key.encode())
    os.close(writing)
    try:
        world = claude.build(root)
        async with running(model) as url:
            environment = {"ANTHROPIC_API_KEY": None, variable: str(reading)}
            session = await claude.drive(world, url, [said("Go")], environment=environment, pass_fds=(reading,))
    finally:
        os.close(reading)
    return session, model


def _steer(world: World, name: str) -> Callable[[Line, Send], None]:
    def act(line: Line, send: Send) -> None:
        if _calls(line, "Bash"):
            send(said("Turn left", name))
            send(said("Turn left", name))
        if line.get("command_uuid") == name and line["state"] == "queued":
            (world.repository / "go").touch()

    return act


def _calls(line: Line, tool: str) -> bool:
    return line["type"] == "assistant" and any(block.get("name") == tool for block in line["message"]["content"])
