"""setup, signin, doctor and serve from the command line, as far as they go with no GitHub there."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app.dashboard.signing_in import Entrance
from app.web import loopback_url
from tests.fakes.service import TOKEN, invoke

ROOT = Path(__file__).parents[2]


def test_serve_without_credentials_names_each_that_is_missing(
    cco_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = invoke("serve")
    said = result.output + capfd.readouterr().err
    assert result.exit_code == 1
    for name in ("CCO_GITHUB_APP_ID", "CCO_GITHUB_PRIVATE_KEY", "CCO_GITHUB_WEBHOOK_SECRET", "ANTHROPIC_API_KEY"):
        assert name in said
    assert not (cco_home / "cco.db").exists()


def test_serve_with_a_wrong_setting_starts_nothing(cco_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_PORT", "web")
    result = invoke("serve")
    assert result.exit_code == 1
    assert result.stderr.startswith("cco: CCO_PORT is 'web'")


@pytest.mark.parametrize("command", ["serve", "demo"])
@pytest.mark.parametrize("name", ["git", "tmux"])
def test_where_git_or_tmux_is_missing_the_command_that_installs_it_is_all_that_is_said(
    command: str, name: str, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for there in {"git", "tmux", "bwrap"} - {name}:
        (tools / there).symlink_to(shutil.which(there) or there)
    (tools / "apt-get").symlink_to("/bin/true")
    environ = {"PATH": str(tools), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "app", command]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cco {command}: {name} is not installed: sudo apt-get install -y {name}\n")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [("--port", "web"), ("--port", "70000"), ("--twice",), ("now",)])
def test_the_demonstration_checks_how_it_is_used(arguments: tuple[str, ...]) -> None:
    assert invoke("demo", *arguments).exit_code == 2


def test_doctor_fails_where_something_is_missing_and_says_what_mends_it(cco_home: Path) -> None:
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "cco setup" in result.stdout
    record = json.loads(invoke("doctor", "--json").stdout)
    assert record["ok"] is False
    wrong = {check["name"]: check["mend"] for check in record["checks"] if not check["ok"]}
    assert wrong["github"] == "cco setup"
    assert "ANTHROPIC_API_KEY" in wrong["model"]


def test_setup_serves_its_page_to_whoever_has_the_address(cco_home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "app", "setup", "--org", "octo", "--name", "our cco"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://127\.0\.0\.1:\S+", line)))
        page = urllib.request.urlopen(address, timeout=20).read().decode()
        assert "https://github.com/organizations/octo/settings/apps/new" in page
        assert "our cco" in page
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert not (cco_home / "credentials").exists()


def test_setup_does_not_replace_an_app_unasked(cco_home: Path) -> None:
    (cco_home / "credentials").mkdir(mode=0o700)
    (cco_home / "credentials" / "github.json").write_text("{}")
    result = invoke("setup")
    assert result.exit_code == 1
    assert "--replace" in result.stderr


def test_setup_takes_only_an_address_for_its_public_one(cco_home: Path) -> None:
    result = invoke("setup", "--public-url", "javascript:alert(1)")
    assert result.exit_code == 2
    assert "--public-url" in result.stderr


def test_setup_where_the_port_is_taken_is_one_line(cco_home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = invoke("setup", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert result.stderr.startswith("cco: this cannot be done here: ")


def test_signin_prints_a_link_that_the_service_takes(cco_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_PORT", "8123")
    link = urlsplit(invoke("signin").stdout.strip())
    assert f"{link.scheme}://{link.netloc}{link.path}" == "http://127.0.0.1:8123/signin"
    (token,) = parse_qs(link.query)["token"]
    assert Entrance(TOKEN, None, lambda: datetime.now(UTC)).opens(token)
    assert TOKEN not in token


def test_signin_says_so_where_the_service_is_not_on_loopback(cco_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_HOST", "192.0.2.7")
    result = invoke("signin")
    assert result.exit_code == 1
    assert "CCO_HOST" in result.stderr


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("localhost", "http://localhost:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("192.0.2.7", None),
        ("cco.example", None),
    ],
)
def test_where_a_browser_on_the_machine_finds_the_service(host: str, url: str | None) -> None:
    assert loopback_url(host, 80) == url
