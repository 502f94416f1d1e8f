"""`cco test`: the checks in order, an honest last line, and coverage wherever the code ran."""

import subprocess
from pathlib import Path

import pytest

from app.cli import testing
from tests.fakes.service import invoke

ROOT = Path(__file__).parents[2]

PROJECT = {
    "app/__init__.py": '"""The top."""\n',
    "app/counting.py": '''"""Count."""


def half(number: int) -> int:
    """Half of an even number; half of the next one for an odd number."""
    if number % 2:
        return (number + 1) // 2
    return number // 2
''',
    "handlers/__init__.py": '"""The middle."""\n',
    "runner/__init__.py": '"""The ground."""\n',
    "tests/test_counting.py": """import os
import subprocess
import sys
from pathlib import Path

from app.counting import half


def test_even() -> None:
    assert half(4) == 2


def test_odd_in_a_process_of_its_own() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    odd = [sys.executable, "-c", "from app.counting import half; half(3)"]
    subprocess.run(odd, cwd="/", env=environment, check=True)
""",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project in which all is well, with this one's own configuration."""
    for name, text in PROJECT.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    configuration = (ROOT / "pyproject.toml").read_text("utf-8")
    (tmp_path / "pyproject.toml").write_text(configuration, "utf-8")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(testing, "ROOT", tmp_path)
    return tmp_path


def test_all_is_well(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = invoke("test")
    said = capfd.readouterr()
    assert result.exit_code == 0, result.output + said.out + said.err
    assert result.stdout.splitlines()[-1] == "2 passed, 0 failed"
    assert [line for line in result.stdout.splitlines() if line.startswith("=====")] == [
        "===== ruff check =====",
        "===== ruff format =====",
        "===== mypy --strict =====",
        "===== import contracts =====",
        "===== pytest =====",
        "===== coverage =====",
        "===== coverage of app =====",
        "===== coverage of handlers =====",
        "===== coverage of runner =====",
        "===== summary =====",
    ]
    assert "FAILED" not in result.stdout


def test_each_thing_that_is_wrong_is_named_and_counted(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (project / "tests" / "test_counting.py").open("a") as tests:
        tests.write("\n\ndef test_wrong() -> None:\n    assert half(4) == 3\n")
    with (project / "runner" / "__init__.py").open("a") as module:
        module.write("\n# No test imports this.\nfrom app.counting import half\n\nTWO = half(4)\n")
    result = invoke("test")
    said = capfd.readouterr()
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    failed = [line.split("  ")[1].strip() for line in lines if line.startswith("FAILED")]
    assert failed == ["import contracts", "pytest", "coverage of runner"], said
    assert lines[-1] == "2 passed, 3 failed"


NIGHT = """import os

import pytest


@pytest.mark.long
def test_all_night(figure) -> None:
    assert os.environ["HYPOTHESIS_PROFILE"] == "long"
    figure("hours", 8.5, "h")
    figure("nights", 1000, "of them")
"""


@pytest.mark.parametrize(
    ("arguments", "closing"), [([], "3 passed, 0 failed"), (["tests"], "    nights: 1,000 of them")]
)
def test_what_is_long_is_run_when_asked_for_and_its_figures_are_told(
    project: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], closing: str
) -> None:
    (project / "tests" / "conftest.py").write_text('pytest_plugins = ["figures"]\n')
    (project / "tests" / "figures.py").write_text((ROOT / "tests" / "figures.py").read_text("utf-8"))
    (project / "tests" / "test_night.py").write_text(NIGHT)
    assert invoke("test", "tests").exit_code == 0
    assert "2 passed, 1 deselected" in capfd.readouterr().out

    result = invoke("test", "--long", *arguments)

    said = capfd.readouterr()
    assert result.exit_code == 0, result.output + said.out + said.err
    lines = result.stdout.splitlines()
    assert lines[-1] == closing
    figures = lines.index("===== figures =====")
    assert lines[figures + 1 : figures + 4] == ["test_all_night", "    hours: 8.5 h", "    nights: 1,000 of them"]


def test_tests_that_cannot_even_be_read_are_a_failure(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "tests" / "conftest.py").write_text("raise RuntimeError\n")
    result = invoke("test")
    capfd.readouterr()
    assert result.exit_code == 1
    assert "FAILED  pytest" in result.stdout
    assert " 0 failed" not in result.stdout.splitlines()[-1]


def test_settings_and_keys_of_the_developer_do_not_reach_the_tests(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CCO_HOME", "/my/own")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "mine")
    monkeypatch.setenv("GIT_DIR", "/my/own/.git")
    (project / "tests" / "test_environment.py").write_text(
        "import os\n\n\ndef test_it() -> None:\n"
        "    assert not [name for name in os.environ if name.startswith(('CCO_', 'ANTHROPIC_', 'GIT_'))]\n"
    )
    assert invoke("test", "tests/test_environment.py").exit_code == 0, capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "closing"),
    [
        (["tests", "-k", "even"], 0, "1 passed, 1 deselected"),
        (["tests/test_counting.py::test_even"], 0, "1 passed"),
        (["-k", "nothing_like_it"], 1, "2 deselected"),
        (["--no-such-option"], 2, ""),
        (["tests/nowhere.py"], 2, "no tests ran"),
    ],
)
def test_with_arguments_only_pytest_runs(
    project: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, closing: str
) -> None:
    result = invoke("test", *arguments)
    assert result.exit_code == code
    said = capfd.readouterr().out.rstrip().splitlines()
    assert closing in (said[-1] if said else "")
    assert "ruff" not in result.output


def test_what_is_missing_is_named_with_the_command_that_installs_it(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path_factory.mktemp("bin")
    for name in ("apt-get", "git"):
        (programs / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = invoke("test")
    assert result.exit_code == 1
    assert result.stderr == "cco: the tests need tmux, bwrap: sudo apt-get install -y tmux bubblewrap\n"
    assert "pytest" not in result.output


def test_without_a_browser_the_rest_is_run_and_it_is_said(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path_factory.mktemp("bin")
    for name in ("git", "tmux", "bwrap"):
        (programs / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    result = invoke("test", "tests", "-q")
    assert result.exit_code == 0
    assert result.stderr.startswith("cco: without chromium")
    assert "your system's package manager" in result.stderr


def test_an_installed_cco_has_no_tests(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(testing, "ROOT", tmp_path / "nowhere")
    result = invoke("test")
    assert result.exit_code == 1
    assert "in a checkout" in result.stderr


def test_the_script_for_ci_is_sound() -> None:
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
