"""The commands that act, and every command where there is no service, or another one."""

import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.errors import Refusal, TryLater
from tests.fakes.service import Service, invoke


@pytest.mark.parametrize(
    ("arguments", "deed"),
    [
        (("retry", "1"), ("retry", 1, "")),
        (("retry", "octo/hello#42", "with", "care"), ("retry", 1, "with care")),
        (("steer", "1", "mind the gap"), ("steer", 1, "mind the gap")),
        (("stop", "1"), ("stop", 1, "")),
        (("approve", "1"), ("decide", 1, True, "")),
        (("deny", "1", "not", "that"), ("decide", 1, False, "not that")),
    ],
)
def test_a_deed_is_done_once_and_answered_with_where_the_task_stands(
    served: Service, arguments: tuple[str, ...], deed: tuple[Any, ...]
) -> None:
    served.submit()
    served.live = True
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (0, "task 1  octo/hello#42: queued, next in line\n")
    assert served.done == [deed]


def test_work_starts_on_an_issue_by_its_address(served: Service) -> None:
    result = invoke("start", "https://github.com/octo/hello/issues/50")
    assert "octo/hello#50: queued" in result.stdout
    assert served.done == [("start", "https://github.com/octo/hello/issues/50")]


@pytest.mark.parametrize(
    "refusal", [Refusal("The App is not installed\nthere."), TryLater("GitHub is down", timedelta(seconds=3))]
)
def test_a_refusal_is_one_line_in_the_services_words(served: Service, refusal: Exception) -> None:
    served.refusal = refusal
    result = invoke("start", "https://github.com/octo/hello/issues/50")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == f"cco: {' '.join(str(refusal).split())}\n"


def test_stopping_what_does_not_run_fails(served: Service) -> None:
    served.submit()
    result = invoke("stop", "1")
    assert result.exit_code == 1
    assert "nothing to stop" in result.stderr


@pytest.mark.parametrize("command", ["show", "logs", "diff", "attach", "retry", "stop", "approve", "deny"])
def test_a_task_that_is_not_there_fails(served: Service, command: str) -> None:
    result = invoke(command, "9")
    assert result.exit_code == 1
    assert result.stderr.startswith("cco: there is no such task")
    assert served.done == []


@pytest.mark.parametrize("wrong", ["hello", "octo/hello", "../x#1", "1;ls", "-", "octo/hello#", "https://x/1"])
def test_what_cannot_be_a_task_is_wrong_usage_and_is_not_asked(served: Service, wrong: str) -> None:
    result = invoke("show", wrong)
    assert result.exit_code == 2
    assert "octo/hello#42" in result.stderr


def test_steering_needs_words(served: Service) -> None:
    assert invoke("steer", "1").exit_code == 2


# Where there is no service, or another one


def test_no_service_is_one_line_that_says_how_to_start_it(cco_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_PORT", str(_closed_port()))
    result = invoke("ls")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "is not running" in result.stderr
    assert "cco serve" in result.stderr


def test_a_home_without_a_token_has_never_been_served(cco_home: Path) -> None:
    (cco_home / "api-token").unlink()
    result = invoke("ls")
    assert result.exit_code == 1
    assert "has never run" in result.stderr
    assert "cco serve" in result.stderr


def test_a_token_of_another_service_is_said_to_be_that(served: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_API_TOKEN", "another-services-token")
    result = invoke("ls")
    assert result.exit_code == 1
    assert "does not take this api token" in result.stderr
    assert "another-services-token" not in result.output


def test_a_token_that_cannot_be_sent_is_no_traceback(served: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_API_TOKEN", "twelve and more\r\nX-Evil: 1")
    result = invoke("ls")
    assert result.exit_code == 1
    assert "cannot be sent" in result.stderr


def test_every_wrong_setting_has_its_line(cco_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_PORT", "web")
    monkeypatch.setenv("CCO_MAX_RUNS", "0")
    result = invoke("ls")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("cco: CCO_") for line in lines)


@pytest.mark.parametrize("name", ["takeover"])
def test_a_reserved_command_says_that_it_is_not_there(name: str) -> None:
    result = invoke(name, "7", "--whatever")
    assert result.exit_code == 1
    assert result.stderr == f"cco: cco {name} is not there yet.\n"


def _closed_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
