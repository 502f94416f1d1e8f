"""Settings: what is read, what wins, and the line that a mistake gives."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app import credentials
from app.settings import SettingsError, documented, load, make_home


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


KEY = pem(rsa.generate_private_key(65537, 2048))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A valid environment for `serve`."""
    (tmp_path / "cco").mkdir()
    return {
        "HOME": str(tmp_path),
        "CCO_HOME": str(tmp_path / "cco"),
        "CCO_GITHUB_APP_ID": "12345",
        "CCO_GITHUB_PRIVATE_KEY": KEY,
        "CCO_GITHUB_WEBHOOK_SECRET": "old-secret,new-secret",
        "ANTHROPIC_API_KEY": "sk-ant-1234567890",
    }


def lines(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.lines


def toml(environ: dict[str, str], text: str) -> None:
    (Path(environ["CCO_HOME"]) / "cco.toml").write_text(text)


def test_a_valid_environment_gives_the_contracts_defaults(environ: dict[str, str]) -> None:
    settings = load(environ)
    assert settings.missing_for_serve() == []
    assert (settings.host, settings.port, settings.trigger_label, settings.max_runs) == ("127.0.0.1", 8080, "claude", 5)
    assert (settings.github.url, settings.github.api_url) == ("https://github.com", "https://api.github.com")
    assert settings.sandbox.mode == "auto"
    assert settings.github.host == "github.com"
    assert [secret.get_secret_value() for secret in settings.github.webhook_secret] == ["old-secret", "new-secret"]


def test_secrets_are_listed_for_the_redactor_and_do_not_show_in_a_repr(environ: dict[str, str]) -> None:
    environ["CCO_DISCORD_WEBHOOK_URL"] = "https://discord.example/api/webhooks/1/abc"
    settings = load(environ)
    assert {"old-secret", "new-secret", "sk-ant-1234567890", KEY, environ["CCO_DISCORD_WEBHOOK_URL"]} == set(
        settings.secrets()
    )
    shown = repr(settings)
    assert not [secret for secret in settings.secrets() if secret in shown]


def test_a_key_on_one_line_is_the_same_key(environ: dict[str, str]) -> None:
    environ["CCO_GITHUB_PRIVATE_KEY"] = KEY.replace("\n", "\\n")
    key = load(environ).github.private_key
    assert key is not None
    assert key.get_secret_value() == KEY


def test_a_key_file_is_read(environ: dict[str, str], tmp_path: Path) -> None:
    del environ["CCO_GITHUB_PRIVATE_KEY"]
    (tmp_path / "app.pem").write_text(KEY)
    environ["CCO_GITHUB_PRIVATE_KEY_FILE"] = str(tmp_path / "app.pem")
    settings = load(environ)
    assert settings.github.private_key is not None
    assert KEY in settings.secrets()


def test_the_environment_wins_over_the_file_and_the_rest_of_the_table_stays(
    environ: dict[str, str], tmp_path: Path
) -> None:
    toml(environ, f'max_runs = 3\nport = 9000\n[sandbox]\nmode = "none"\nread_only = ["{tmp_path}"]\n')
    environ |= {"CCO_PORT": "9001", "CCO_SANDBOX": "bwrap"}
    settings = load(environ)
    assert (settings.max_runs, settings.port) == (3, 9001)
    assert (settings.sandbox.mode, settings.sandbox.read_only) == ("bwrap", (tmp_path,))


def test_an_empty_variable_is_not_set(environ: dict[str, str]) -> None:
    environ |= {"CCO_PORT": "", "CCO_GITHUB_WEBHOOK_SECRET": " "}
    settings = load(environ)
    assert settings.port == 8080
    assert settings.missing_for_serve() == [
        "CCO_GITHUB_WEBHOOK_SECRET is not set: run `cco setup`, or take it from the App's settings page on GitHub"
    ]


def test_nothing_set_says_all_that_serve_needs(tmp_path: Path) -> None:
    names = [line.split()[0] for line in load({"HOME": str(tmp_path)}).missing_for_serve()]
    assert names == [
        "CCO_GITHUB_APP_ID",
        "CCO_GITHUB_PRIVATE_KEY",
        "CCO_GITHUB_WEBHOOK_SECRET",
        "ANTHROPIC_API_KEY",
    ]


def test_enterprise_has_its_api_below_its_own_address(environ: dict[str, str]) -> None:
    environ["CCO_GITHUB_URL"] = "https://ghe.example:8443/"
    github = load(environ).github
    assert (github.url, github.api_url, github.host) == (
        "https://ghe.example:8443",
        "https://ghe.example:8443/api/v3",
        "ghe.example:8443",
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"CCO_PORT": "web"}, "CCO_PORT is 'web': input should be a valid integer"),
        ({"CCO_PORT": "70000"}, "CCO_PORT is '70000': input should be less than or equal to 65535"),
        ({"CCO_MAX_RUNS": "0"}, "CCO_MAX_RUNS is '0'"),
        ({"CCO_SANDBOX": "yes"}, "CCO_SANDBOX is 'yes': input should be 'auto', 'bwrap' or 'none'"),
        (
            {"CCO_PUBLIC_URL": "cco.example"},
            "CCO_PUBLIC_URL is 'cco.example': it is not an address; it must be the address under",
        ),
        ({"CCO_GITHUB_URL": "https://me:pw@github.com"}, "it holds a password"),
        ({"CCO_GITHUB_URL": "http://[::1"}, "CCO_GITHUB_URL is"),
        ({"CCO_GITHUB_APP_ID": "my-app"}, "CCO_GITHUB_APP_ID is 'my-app'"),
        ({"CCO_GITHUB_PRIVATE_KEY": "nonsense"}, "CCO_GITHUB_PRIVATE_KEY is wrong: it cannot be read as a private key"),
        (
            {"CCO_GITHUB_PRIVATE_KEY": pem(ec.generate_private_key(ec.SECP256R1()))},
            "CCO_GITHUB_PRIVATE_KEY is wrong: it is not an RSA key",
        ),
        ({"CCO_GITHUB_WEBHOOK_SECRET": "a,,b"}, "CCO_GITHUB_WEBHOOK_SECRET is wrong: it is empty"),
        (
            {"CCO_GITHUB_PRIVATE_KEY_FILE": "/nowhere.pem"},
            "CCO_GITHUB_PRIVATE_KEY_FILE is '/nowhere.pem': there is nothing",
        ),
        ({"CCO_CLAUDE_PATH": "claude"}, "CCO_CLAUDE_PATH is 'claude': it is not absolute"),
        ({"CCO_SLACK_CHANNEL": "#work"}, "CCO_SLACK_BOT_TOKEN is not set, but CCO_SLACK_CHANNEL is"),
        ({"CCO_SLACK_BOT_TOKEN": "xoxb-1"}, "CCO_SLACK_CHANNEL is not set, but CCO_SLACK_BOT_TOKEN is"),
        ({"CCO_JIRA_URL": "https://jira.example"}, "CCO_JIRA_TOKEN is not set"),
        (
            {"CCO_DISCORD_WEBHOOK_URL": "https://discord.com/channels/1/sooper-secret"},
            "CCO_DISCORD_WEBHOOK_URL is wrong: it is not a webhook's; it must be the address that Discord gives",
        ),
        (
            {"CCO_DISCORD_WEBHOOK_URL": "https://discord.com/api/webhooks/1/sooper-secret?wait=false"},
            "CCO_DISCORD_WEBHOOK_URL is wrong: behind the ? it may say thread_id and nothing else",
        ),
        ({"CCO_WEBHOOKS": "x"}, "CCO_WEBHOOKS cannot be given in the environment"),
        ({"CCO_SLACK_APP_TOKEN": "xapp-1"}, "CCO_SLACK_BOT_TOKEN is not set, but CCO_SLACK_APP_TOKEN is"),
        ({"CCO_SLACK_SIGNING_SECRET": "s"}, "CCO_SLACK_BOT_TOKEN is not set, but CCO_SLACK_SIGNING_SECRET is"),
        ({"CCO_SLACK_QUIET_HOURS": "22-7"}, "CCO_SLACK_QUIET_HOURS is '22-7'"),
        ({"CCO_SLACK_QUIET_HOURS": "24:00-07:00"}, "it must be two times of the day, such as 22:00-07:00"),
        ({"CCO_SLACK_QUIET_HOURS": "22:00-22:00"}, "it must begin and end at different times"),
        ({"CCO_SLACK_TIME_ZONE": "Europe/Berlín"}, "it is no time zone that this machine knows"),
        ({"CCO_SLACK_TIME_ZONE": "../../etc/passwd"}, "it is no time zone that this machine knows"),
        ({"CCO_SLACK_CHANNELS": "octo/hello=C1"}, "CCO_SLACK_CHANNELS cannot be given in the environment"),
        ({"CCO_API_TOKEN": "short"}, "CCO_API_TOKEN is too short"),
        ({"CCO_LIMITS_DOLLARS": "nan"}, "CCO_LIMITS_DOLLARS is 'nan'"),
        ({"CCO_LIMITS_MINUTES": "inf"}, "CCO_LIMITS_MINUTES is 'inf'"),
        ({"CCO_GITHUB_APPID": "1"}, "CCO_GITHUB_APPID is not a setting: did you mean CCO_GITHUB_APP_ID?"),
        ({"CCO_ZZZ": "1"}, "CCO_ZZZ is not a setting: see docs/configuration.md"),
        ({"CCO_JIRA_PROJECTS": "A=b"}, "CCO_JIRA_PROJECTS cannot be given in the environment"),
    ],
)
def test_a_wrong_setting_gives_a_line_that_names_it(environ: dict[str, str], change: dict[str, str], line: str) -> None:
    found = lines(environ | change)
    assert [entry for entry in found if line in entry], found
    assert not [entry for entry in found if "\n" in entry or "sooper-secret" in entry]


def test_several_mistakes_give_several_lines_and_no_secret(environ: dict[str, str]) -> None:
    environ |= {"CCO_PORT": "x", "CCO_TYPO": "1", "CCO_GITHUB_PRIVATE_KEY": "sooper-secret", "CCO_MAX_RUNS": "-1"}
    found = lines(environ)
    assert [line.split()[0] for line in found] == ["CCO_TYPO", "CCO_PORT", "CCO_MAX_RUNS", "CCO_GITHUB_PRIVATE_KEY"]
    assert "sooper-secret" not in "\n".join(found)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("prot = 1", "cco.toml: prot is not a setting: did you mean port?"),
        ("[github]\nappid = '1'", "cco.toml: github.appid is not a setting: did you mean github.app_id?"),
        ("port = 'web'", "CCO_PORT is 'web'"),
        ("github = 3", "cco.toml: github is 3: it must be a table, written [github]"),
        ("port =", "cco.toml cannot be read"),
        ("home = '/tmp'", "cco.toml: home cannot be set here"),
        ("[jira.projects]\nPROJ = 'hello'", "cco.toml: jira.projects.PROJ is 'hello': it is not a repository"),
        ("[people]\nanna = 'not a login'", "cco.toml: people.anna is 'not a login'"),
        (
            "[webhooks.pager]\nurl = 'ftp://sooper-secret'",
            "cco.toml: webhooks.pager.url is wrong: it is not an address",
        ),
        ("[webhooks.pager]\nsecret = 'sooper-secret'", "cco.toml: webhooks.pager.secret is wrong: it is too short; it"),
        ("[webhooks.pager]\nsekret = 'sooper-secret'", "cco.toml: webhooks.pager.sekret is wrong: extra inputs"),
        ("[webhooks.pager]\nrepositories = ['hello']", "cco.toml: webhooks.pager.repositories.0 is"),
        ("[webhooks.'A b']\nurl = 'https://x.example'", "cco.toml: webhooks.A b"),
        ("[sandbox]\nread_only = ['/nowhere']", "CCO_SANDBOX_READ_ONLY is '/nowhere': there is nothing there"),
    ],
)
def test_a_mistake_in_the_file_is_named_too(environ: dict[str, str], text: str, line: str) -> None:
    toml(environ, text)
    found = lines(environ)
    assert [entry for entry in found if line in entry], found
    assert "sooper-secret" not in "\n".join(found)


def test_what_is_secret_in_an_address_is_a_secret_by_itself(environ: dict[str, str]) -> None:
    """It may be said without the rest; a word that is only in an address is none."""
    token, key = "aB3" * 20, "0123456789abcdef0123"
    environ["CCO_DISCORD_WEBHOOK_URL"] = f"https://discord.com/api/v10/webhooks/1180000000000000001/{token}?thread_id=7"
    url = f"https://example.com/continuous-integration-hooks/?key={key}"
    toml(environ, f'[webhooks.pager]\nurl = "{url}"\nsecret = "signs everything"\nrepositories = ["octo/hello"]')
    settings = load(environ)
    assert settings.webhooks["pager"].url.get_secret_value() == url
    secrets = set(settings.secrets())
    assert {token, key, url, "signs everything", environ["CCO_DISCORD_WEBHOOK_URL"]} <= secrets
    assert not {"continuous-integration-hooks", "1180000000000000001", "webhooks"} & secrets


def test_saved_credentials_are_defaults(environ: dict[str, str]) -> None:
    home = Path(environ["CCO_HOME"])
    credentials.save_github(home, {"app_id": "777", "url": "https://github.com", "webhook_secret": "saved"}, KEY)
    for name in ("CCO_GITHUB_APP_ID", "CCO_GITHUB_PRIVATE_KEY", "CCO_GITHUB_WEBHOOK_SECRET"):
        del environ[name]
    settings = load(environ)
    assert settings.github.app_id == "777"
    assert settings.missing_for_serve() == []
    assert [path.stat().st_mode & 0o777 for path in sorted((home / "credentials").iterdir())] == [0o600, 0o600]


def test_saved_credentials_of_another_app_are_left_alone(environ: dict[str, str]) -> None:
    home = Path(environ["CCO_HOME"])
    credentials.save_github(home, {"app_id": "777", "webhook_secret": "saved"}, KEY)
    del environ["CCO_GITHUB_WEBHOOK_SECRET"]
    assert load(environ).github.webhook_secret == ()


def test_a_key_file_in_the_environment_wins_over_the_saved_key(environ: dict[str, str], tmp_path: Path) -> None:
    credentials.save_github(Path(environ["CCO_HOME"]), {"app_id": "12345"}, KEY)
    other = pem(rsa.generate_private_key(65537, 2048))
    (tmp_path / "app.pem").write_text(other)
    del environ["CCO_GITHUB_PRIVATE_KEY"]
    environ["CCO_GITHUB_PRIVATE_KEY_FILE"] = str(tmp_path / "app.pem")
    key = load(environ).github.private_key
    assert key is not None
    assert key.get_secret_value() == other


def test_broken_saved_credentials_are_named(environ: dict[str, str]) -> None:
    directory = credentials.save_github(Path(environ["CCO_HOME"]), {"app_id": "12345"}, KEY)
    (directory / "github.json").write_text("{")
    assert "github.json cannot be used" in lines(environ)[0]


def test_home_is_resolved_once_and_closed_to_others(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cco").chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path / "cco")
    settings = load(environ | {"CCO_HOME": str(tmp_path / "link")})
    assert settings.home == (tmp_path / "cco").resolve()
    make_home(settings.home)
    assert settings.home.stat().st_mode & 0o777 == 0o700


def test_a_repository_may_have_a_channel_of_its_own(environ: dict[str, str]) -> None:
    toml(environ, '[slack.channels]\n"octo/hello" = "C0123"\n')
    assert load(environ).slack.channels == {"octo/hello": "C0123"}
    toml(environ, '[slack.channels]\nhello = "C0123"\n')
    with pytest.raises(SettingsError, match=r"cco\.toml: slack\.channels\.hello"):
        load(environ)


@pytest.mark.parametrize("home", ["/", "~"])
def test_a_home_that_others_need_is_refused(
    environ: dict[str, str], home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", environ["HOME"])
    assert "CCO_HOME is" in lines(environ | {"CCO_HOME": home})[0]


def test_the_api_token_is_made_once_and_only_for_us(tmp_path: Path) -> None:
    token = credentials.api_token(tmp_path)
    assert len(token) > 30
    assert credentials.api_token(tmp_path) == token
    assert (tmp_path / "api-token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["api-token"]


def test_every_setting_has_a_sentence_and_the_contract_is_complete() -> None:
    names = {name for name, _, meaning in documented() if meaning}
    contract = """CCO_HOME CCO_HOST CCO_PORT CCO_PUBLIC_URL CCO_GITHUB_URL CCO_GITHUB_API_URL CCO_GITHUB_APP_ID
        CCO_GITHUB_PRIVATE_KEY CCO_GITHUB_PRIVATE_KEY_FILE CCO_GITHUB_WEBHOOK_SECRET CCO_TRIGGER_LABEL CCO_MAX_RUNS
        CCO_CLAUDE_PATH CCO_SANDBOX CCO_MODEL CCO_SLACK_BOT_TOKEN CCO_SLACK_CHANNEL CCO_SLACK_SIGNING_SECRET
        CCO_SLACK_APP_TOKEN CCO_SLACK_API_URL CCO_JIRA_URL CCO_JIRA_EMAIL CCO_JIRA_TOKEN CCO_JIRA_WEBHOOK_SECRET
        CCO_DISCORD_WEBHOOK_URL CCO_API_TOKEN ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN ANTHROPIC_BASE_URL"""
    assert set(contract.split()) <= names
    assert len(names) == len(documented())
