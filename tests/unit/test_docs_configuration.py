"""docs/configuration.md lists every setting, with its place in cco.toml and its default, and nothing else."""

import re
from pathlib import Path

import pytest

from app import settings

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([A-Z_]+)` \| (?:`([\w.]+)`|–) \| (?:`([^`]*)`)? ?\| .+ \|$", PAGE, re.MULTILINE)  # noqa: RUF001  (a dash)


def test_every_setting_is_listed_once_with_its_default() -> None:
    listed = sorted((name, default) for name, _, default in ROWS)
    assert listed == sorted((name, default) for name, default, _ in settings.documented())


def test_every_row_of_the_page_was_read() -> None:
    assert len(ROWS) == len(re.findall(r"^\| `", PAGE, re.MULTILINE))


def test_every_place_in_the_file_is_where_the_setting_is_read(tmp_path: Path) -> None:
    """What no setting takes is written in each place, and its line names the setting."""
    (tmp_path / "cco.toml").write_text("\n".join(f"{place} = [[1]]" for _, place, _ in ROWS if place), "utf-8")
    with pytest.raises(settings.SettingsError) as wrong:
        settings.load({"CCO_HOME": str(tmp_path)})
    named = {re.split(r"[ :]", line.removeprefix("cco.toml: "))[0] for line in wrong.value.lines}
    places = {name: place for name, place, _ in ROWS if place}
    in_file = {".".join(place) for place in settings.ONLY_IN_FILE}
    assert named == {place if place in in_file else name for name, place in places.items()}


def test_the_example_is_taken_as_it_stands(tmp_path: Path) -> None:
    example = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "cco.toml").write_text(example, "utf-8")
    loaded = settings.load({"CCO_HOME": str(tmp_path), "CCO_SLACK_BOT_TOKEN": "xoxb-made-up"})
    assert (loaded.max_runs, loaded.limits.dollars, loaded.slack.channel) == (3, 5, "#claude")
    assert loaded.sandbox.read_only == (Path("/opt"),)


def test_the_example_for_jira_is_taken_as_it_stands(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "jira.md").read_text("utf-8")
    (tmp_path / "cco.toml").write_text(re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0], "utf-8")
    environ = {"CCO_HOME": str(tmp_path), "CCO_JIRA_URL": "https://jira.example", "CCO_JIRA_TOKEN": "made-up"}
    jira = settings.load(environ).jira
    assert (jira.projects, jira.roles["jira-developers"]) == ({"PROJ": "octo/hello"}, "write")
    assert jira.transitions == {"started": "In Progress", "in_review": "In Review", "done": "Done"}


def test_what_the_page_promises_of_empty_and_misspelt_variables_holds(tmp_path: Path) -> None:
    assert settings.load({"CCO_HOME": str(tmp_path), "CCO_PORT": ""}).port == 8080
    with pytest.raises(settings.SettingsError, match="CCO_MAX_RUN is not a setting"):
        settings.load({"CCO_HOME": str(tmp_path), "CCO_MAX_RUN": "3"})
