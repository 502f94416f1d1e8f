"""Run the project's tests as CI runs them: linters, types, import contracts, tests, and coverage of each package.

With `--long` the tests marked `long` are run too, and what each of them measured is printed at the end.
"""

import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import click

import app

ROOT = Path(app.__file__).resolve().parents[1]
PACKAGES = ("app", "handlers", "runner")
LEAST_COVERAGE = 90  # what runs in processes that are killed is not measured
WORKERS = 4

# A developer's own settings and keys, and the tmux and git they stand in, are nothing for the tests to meet.
KEPT_FROM_TESTS = ("CCO_", "ANTHROPIC_", "CLAUDE_", "GIT_", "TMUX", "COVERAGE_", "PYTEST_")

WRONG_USAGE = 4  # pytest's

# What a test marked `long` may take before it counts as hanging; without `--long` pyproject.toml says it.
LONG_SECONDS = 3 * 3600


class Need(NamedTuple):
    """A program that tests start, and the package it is in, by package manager."""

    programs: tuple[str, ...]
    packages: Mapping[str, str]


NEEDS = (
    Need(("git",), {"apt-get": "git", "dnf": "git", "brew": "git"}),
    Need(("tmux",), {"apt-get": "tmux", "dnf": "tmux", "brew": "tmux"}),
    Need(("bwrap",), {"apt-get": "bubblewrap", "dnf": "bubblewrap"}),
)
BROWSER = Need(("chromium", "chromium-browser", "google-chrome"), {"apt-get": "chromium", "dnf": "chromium"})
DEVELOPMENT = ("pytest", "xdist", "coverage", "mypy", "ruff", "importlinter")


class Section(NamedTuple):
    """One check: its heading, and what is run."""

    title: str
    argv: tuple[str, ...]


class Finding(NamedTuple):
    """How a check went."""

    title: str
    passed: bool
    seconds: float


class Figure(NamedTuple):
    """Something that a test measured: see the fixture `figure` in tests/figures.py."""

    test: str
    said: str


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--long", "long", is_flag=True, help="Also run the long tests, for a machine left overnight.")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def test(long: bool, pytest_arguments: tuple[str, ...]) -> None:
    """Run the project's tests, as CI runs them.

    With arguments, only pytest runs, and gets them: cco test tests/unit -k sandbox
    """
    if problems := list(_missing()):
        click.echo("\n".join(f"cco: {problem}" for problem in problems), err=True)
        sys.exit(1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(KEPT_FROM_TESTS)}
    chosen: tuple[str, ...] = ()
    if long:
        environment["HYPOTHESIS_PROFILE"] = "long"
        chosen = ("-m", "", f"--timeout={LONG_SECONDS}")  # else pyproject.toml leaves out what is marked `long`
    sys.exit(
        _only_pytest((*chosen, *pytest_arguments), environment)
        if pytest_arguments
        else _everything(chosen, environment)
    )


def _only_pytest(arguments: tuple[str, ...], environment: Mapping[str, str]) -> int:
    with tempfile.TemporaryDirectory(prefix="cco-test-") as scratch:
        report = Path(scratch) / "junit.xml"
        code = _run((sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments), environment)
        _tell(_figures(report))
    return 0 if code == 0 else 2 if code == WRONG_USAGE else 1


def _everything(chosen: tuple[str, ...], environment: Mapping[str, str]) -> int:
    python = sys.executable
    with tempfile.TemporaryDirectory(prefix="cco-test-") as scratch:
        report = Path(scratch) / "junit.xml"
        environment = {**environment, "COVERAGE_FILE": str(Path(scratch) / "coverage")}
        sections = (
            Section("ruff check", (python, "-m", "ruff", "check", ".")),
            Section("ruff format", (python, "-m", "ruff", "format", "--check", ".")),
            Section("mypy --strict", (python, "-m", "mypy")),
            Section("import contracts", (str(Path(python).with_name("lint-imports")), "--no-logo")),
            Section(
                "pytest",
                (
                    *(python, "-m", "coverage", "run", "-m", "pytest"),
                    *("-n", str(WORKERS), "--dist", "loadgroup", f"--junitxml={report}", "--durations=15", *chosen),
                ),
            ),
            Section("coverage", (python, "-m", "coverage", "combine", "--quiet")),
            *(
                Section(
                    f"coverage of {package}",
                    (
                        *(python, "-m", "coverage", "report"),
                        *(f"--include={package}/*", f"--fail-under={LEAST_COVERAGE}"),
                    ),
                )
                for package in PACKAGES
            ),
        )
        findings = [_check(section, environment) for section in sections]
        passed, failed = _counts(report)
        figures = _figures(report)
    failed += sum(not finding.passed for finding in findings if finding.title != "pytest")
    _tell(figures)
    _summarise(findings)
    # The last line, for whoever reads only that: a check that failed counts as well.
    click.echo(f"{passed} passed, {failed} failed")
    return int(failed > 0 or not all(finding.passed for finding in findings))


def _check(section: Section, environment: Mapping[str, str]) -> Finding:
    click.echo(f"\n===== {section.title} =====")
    started = time.monotonic()
    code = _run(section.argv, environment)
    return Finding(section.title, code == 0, time.monotonic() - started)


def _run(argv: tuple[str, ...], environment: Mapping[str, str]) -> int:
    sys.stdout.flush()
    return subprocess.run(argv, cwd=ROOT, env=dict(environment), check=False).returncode


def _counts(report: Path) -> tuple[int, int]:
    """Tests that passed and that did not, from pytest's report; no report is one failure."""
    if not report.exists():
        return 0, 1
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314  pytest wrote it a moment ago
    passed = failed = 0
    for suite in suites:
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        failed += bad
        passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
    return passed, failed


def _figures(report: Path) -> list[Figure]:
    """What the tests measured, in the order they ran."""
    if not report.exists():
        return []
    cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314  pytest wrote it a moment ago
    return [
        Figure(case.get("name", ""), found.get("value", ""))
        for case in cases
        for found in case.iter("property")
        if found.get("name") == "figure"
    ]


def _tell(figures: list[Figure]) -> None:
    if figures:
        click.echo("\n===== figures =====")
    for test, measured in itertools.groupby(figures, key=lambda figure: figure.test):
        click.echo(test)
        for figure in measured:
            click.echo(f"    {figure.said}")


def _summarise(findings: list[Finding]) -> None:
    click.echo("\n===== summary =====")
    for finding in findings:
        click.echo(f"{'ok    ' if finding.passed else 'FAILED'}  {finding.title:<22} {finding.seconds:6.1f} s")


def _missing() -> Iterator[str]:
    """A line for each thing without which the tests cannot run; what is only a pity is said and passed over."""
    if not (ROOT / "tests").is_dir():
        yield "the tests are not part of an installed cco: run ./cco test in a checkout of the project"
        return
    if absent := [name for name in DEVELOPMENT if importlib.util.find_spec(name) is None]:
        yield f"{', '.join(absent)} cannot be imported: run ./cco test, which makes the environment for it"
    if needed := [need for need in NEEDS if not _found(need)]:
        names = ", ".join(need.programs[0] for need in needed)
        yield f"the tests need {names}: {_how_to_install(needed)}"
    elif not _found(BROWSER):
        click.echo(f"cco: without chromium the browser's tests are skipped: {_how_to_install([BROWSER])}", err=True)


def _found(need: Need) -> bool:
    return any(shutil.which(program) for program in need.programs)


def _how_to_install(needs: list[Need]) -> str:
    for manager in ("apt-get", "dnf", "brew"):
        packages = [need.packages[manager] for need in needs if manager in need.packages]
        if shutil.which(manager) and len(packages) == len(needs):
            become = "" if manager == "brew" or os.geteuid() == 0 else "sudo "
            return f"{become}{manager} install {'-y ' if manager != 'brew' else ''}{' '.join(packages)}"
    return "install it with your system's package manager"
