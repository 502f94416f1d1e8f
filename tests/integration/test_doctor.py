"""The doctor: each thing broken once, and the command that mends it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app import claude_cli, doctor
from app.demo.github import World
from app.demo.github.ledger import Fault
from app.demo.github.model import App, HookDelivery
from app.doctor import Check, as_json, examine, render
from app.settings import load
from runner.migrating import migrate, newest
from tests.fakes.jira import jira
from tests.fakes.slack import TOKEN, TWO_WAY, slack


async def confined() -> str | None:
    return None


async def not_confined() -> str | None:
    return "bubblewrap is not installed. To mend it: apt-get install bubblewrap"


@pytest.fixture
async def app(github: World) -> App:
    github.add_user("ada")
    await github.add_repository("octo/hello")
    app, pem = github.add_app("cc-orchestrator", hook_url="https://cco.example/webhooks/github", hook_secret="s3cret")
    github.add_installation(app, "octo")
    app.description = pem
    return app


@pytest.fixture
def environ(github: World, app: App, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "cco").mkdir(mode=0o700)
    return {
        "HOME": str(tmp_path),
        "CCO_HOME": str(tmp_path / "cco"),
        "CCO_GITHUB_URL": github.base_url,
        "CCO_GITHUB_API_URL": github.api_url,
        "CCO_GITHUB_APP_ID": str(app.id),
        "CCO_GITHUB_PRIVATE_KEY": app.description,
        "CCO_GITHUB_WEBHOOK_SECRET": "s3cret",
        "ANTHROPIC_API_KEY": "sk-ant-1234567890",
        "CCO_CLAUDE_PATH": "/bin/true",
    }


async def failing(environ: dict[str, str], why_not: doctor.WhyNot = confined) -> list[Check]:
    return [one for one in await examine(why_not, environ) if not one.ok and one.name != "disk"]


async def test_all_is_well(environ: dict[str, str]) -> None:
    checks = await examine(confined, environ)
    names = ["python", "git", "tmux", "claude", "sandbox", "home", "disk", "model"]
    assert [one.name for one in checks if one.name != "service"] == [
        *names,
        "github",
        "permissions",
        "installations",
        "webhooks",
    ]
    assert [one for one in checks if not one.ok and one.name != "disk"] == []
    assert "s3cret" not in render(checks)
    assert "PRIVATE KEY" not in render(checks)


async def test_the_pinned_claude_is_found_and_runs(environ: dict[str, str]) -> None:
    del environ["CCO_CLAUDE_PATH"]
    check = await doctor.claude(load(environ))
    assert check.ok
    assert "Claude Code" in check.detail


async def test_wrong_settings_end_it_with_a_line_each(environ: dict[str, str]) -> None:
    found = await failing(environ | {"CCO_PORT": "web", "CCO_SANDBOX": "yes"})
    assert [(one.name, one.mend) for one in found] == [
        ("settings", "export CCO_PORT=…"),
        ("settings", "export CCO_SANDBOX=…"),
    ]


@pytest.mark.parametrize(
    ("without", "name", "mend"),
    [
        ("CCO_GITHUB_APP_ID", "github", "cco setup"),
        ("CCO_GITHUB_PRIVATE_KEY", "github", "cco setup"),
        ("CCO_GITHUB_WEBHOOK_SECRET", "github", "cco setup"),
        ("ANTHROPIC_API_KEY", "model", "export ANTHROPIC_API_KEY=sk-ant-…"),
    ],
)
async def test_what_is_not_set_is_named(environ: dict[str, str], without: str, name: str, mend: str) -> None:
    del environ[without]
    [check] = await failing(environ)
    assert (check.name, check.mend) == (name, mend)
    assert without in check.detail


async def test_no_confinement_is_told_with_its_command_unless_none_was_asked_for(environ: dict[str, str]) -> None:
    [check] = await failing(environ, not_confined)
    assert (check.detail, check.mend) == ("bubblewrap is not installed.", "apt-get install bubblewrap")
    assert await failing(environ | {"CCO_SANDBOX": "none"}, not_confined) == []


async def test_a_claude_that_does_not_run(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "claude").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "claude").chmod(0o755)
    [check] = await failing(environ | {"CCO_CLAUDE_PATH": str(tmp_path / "claude")})
    assert (check.name, check.mend) == ("claude", "unset CCO_CLAUDE_PATH")


async def test_a_home_that_others_can_read(environ: dict[str, str]) -> None:
    home = Path(environ["CCO_HOME"])
    (home / "api-token").write_text("token")
    (home / "api-token").chmod(0o644)
    [check] = await failing(environ)
    assert check.mend == f"chmod go= {home}/api-token"


async def test_a_database_is_looked_at_as_the_service_would_and_left_alone(
    environ: dict[str, str], tmp_path: Path
) -> None:
    path = Path(environ["CCO_HOME"], "cco.db")
    migrate(path)
    [check] = [one for one in await examine(confined, environ) if one.name == "database"]
    assert (check.ok, check.detail) == (True, f"whole, schema {newest()}")

    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newest() + 1}")
    [check] = await failing(environ)
    assert (check.name, check.mend) == ("database", "git pull")
    assert "newer version" in check.detail

    path.write_text("This is no database. " * 500)
    [check] = await failing(environ)
    assert (check.name, check.mend) == ("database", "cco restore FILE")
    assert sorted(one.name for one in path.parent.iterdir()) == ["cco.db"]


@pytest.mark.parametrize(
    ("said", "ok"), [("tmux 3.3a", True), ("tmux 3.1c", False), ("tmux next-3.6", True), ("something", False)]
)
async def test_a_tool_must_be_new_enough(said: str, ok: bool) -> None:
    assert (await doctor.tool("tmux", ["echo", said], doctor.TMUX)).ok is ok


async def test_a_tool_that_is_not_there_is_named_with_its_command() -> None:
    check = await doctor.tool("git", ["/nowhere/git", "--version"], doctor.GIT)
    assert not check.ok
    assert "git" in check.mend
    assert not doctor.python((3, 10, 1)).ok


async def test_credentials_that_github_does_not_take(environ: dict[str, str], app: App) -> None:
    [check] = await failing(environ | {"CCO_GITHUB_APP_ID": "1"})
    assert (check.name, check.mend) == ("github", "cco setup --replace")


async def test_github_down(environ: dict[str, str], github: World) -> None:
    github.faults.append(Fault("GET", "/app$", 503, times=9, headers={"Retry-After": "60"}))
    [check] = await failing(environ)
    assert (check.name, check.detail) == ("github", "GitHub answered 503")


async def test_an_app_that_may_less_than_the_manifest_asks(environ: dict[str, str], github: World, app: App) -> None:
    del app.permissions["checks"]
    app.events.remove("check_run")
    [check] = await failing(environ)
    assert check.detail == "the App lacks permission checks: write, event check_run"
    assert check.mend == f"open {github.base_url}/organizations/octo/settings/apps/cc-orchestrator/permissions"


async def test_an_app_that_nobody_installed(environ: dict[str, str], github: World) -> None:
    github.installations.clear()
    [check] = await failing(environ)
    assert (check.name, check.mend) == (
        "installations",
        f"open {github.base_url}/apps/cc-orchestrator/installations/new",
    )


async def test_webhooks_that_do_not_arrive(environ: dict[str, str], github: World, app: App) -> None:
    app.hook_url = "http://127.0.0.1:1/webhooks/github"
    await github.act("octo").open_issue("octo/hello", "A title", "A body")
    await github.settled()
    assert [type(one) for one in github.deliveries.values()] == [HookDelivery]
    [check] = await failing(environ)
    assert check.name == "webhooks"
    assert "does its address reach `cco serve`?" in check.detail


async def test_slack_is_asked_where_it_is_configured(environ: dict[str, str]) -> None:
    async with slack() as workspace:
        environ |= {
            "CCO_SLACK_API_URL": workspace.url,
            "CCO_SLACK_CHANNEL": "C0123456789",
            "CCO_SLACK_BOT_TOKEN": TOKEN,
        }
        assert "slack" in [one.name for one in await examine(confined, environ) if one.ok]
        [check] = await failing(environ | {"CCO_SLACK_BOT_TOKEN": "xoxb-another-token"})
        assert check.name == "slack"
        assert check.mend


@pytest.mark.parametrize("cloud", [True, False])
async def test_jira_is_asked_where_it_is_configured(environ: dict[str, str], cloud: bool) -> None:
    async with jira(cloud) as site:
        email = {"CCO_JIRA_EMAIL": site.us.email} if cloud else {}
        environ |= {"CCO_JIRA_URL": site.url, "CCO_JIRA_TOKEN": site.token, **email}
        toml = Path(environ["CCO_HOME"]) / "cco.toml"
        toml.write_text('[jira]\nprojects = { PROJ = "octo/hello" }\ntransitions = { done = "Done" }\n')
        (well,) = [one for one in await examine(confined, environ) if one.name == "jira"]
        assert (well.ok, well.detail) == (True, f"Jira {'Cloud' if cloud else '9.12.3'} knows us as Cco")

        site.permissions["PROJ"].discard("TRANSITION_ISSUES")
        [check] = await failing(environ)
        assert check.mend == "give our Jira user Transition Issues in PROJ's permission scheme"
        del site.permissions["PROJ"]
        [check] = await failing(environ)
        assert check.detail == "there is no project PROJ, or we may not see it"

        [check] = await failing(environ | {"CCO_JIRA_TOKEN": "another-token"})
        assert check.detail == "Jira does not accept the token (401)"
        assert ("API token" if cloud else "personal access token") in check.mend
        [check] = await failing(environ | {"CCO_JIRA_URL": "http://127.0.0.1:9"})
        assert check.mend.startswith("curl -I http://127.0.0.1:9/rest/api/2/serverInfo")


async def test_the_socket_is_opened_where_people_are_to_be_heard(environ: dict[str, str]) -> None:
    async with slack() as workspace:
        workspace.scopes = set(TWO_WAY)
        environ |= {
            "CCO_SLACK_API_URL": workspace.url,
            "CCO_SLACK_CHANNEL": "C0123456789",
            "CCO_SLACK_BOT_TOKEN": TOKEN,
            "CCO_SLACK_APP_TOKEN": workspace.app_token,
        }
        assert "slack socket" in [one.name for one in await examine(confined, environ) if one.ok]
        [check] = await failing(environ | {"CCO_SLACK_APP_TOKEN": "xapp-another"})
        assert check.name == "slack socket"
        workspace.scopes -= {"reactions:write"}
        [check] = await failing(environ)
        assert (check.name, "reactions:write" in check.mend) == ("slack", True)


def test_people_read_what_is_wrong_with_its_command_below() -> None:
    checks = [
        Check("git", ok=True, detail="git 2.39"),
        Check("tmux", ok=False, detail="not there", mend="apt install tmux"),
    ]
    assert render(checks).splitlines() == [
        "ok    git   git 2.39",
        "FAIL  tmux  not there",
        "            → apt install tmux",
        "",
        "1 of 2 checks failed.",
    ]
    assert as_json(checks)["ok"] is False
    assert as_json(checks)["checks"][1] == {
        "name": "tmux",
        "ok": False,
        "detail": "not there",
        "mend": "apt install tmux",
    }
    assert render(checks[:1]).endswith("All is well.")


def test_no_claude_at_all(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    del environ["CCO_CLAUDE_PATH"]
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert claude_cli.find(load(environ)) is None
