"""Make each seeded fault in a copy of our code, and see the test that must tell fail there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.figures import Figure
from tests.mutants.seeded import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("app", "handlers", "runner", "tests", "docs", "pyproject.toml", "app-manifest.yml", "requirements", "cco")
SECONDS = 120
QUICK = [one for one in MUTANTS if one.quick]
SLOW = [one for one in MUTANTS if not one.quick]


def test_every_fault_can_still_be_made_and_names_a_test_that_is_there() -> None:
    assert len(MUTANTS) >= 25
    assert len(QUICK) >= 8
    assert len({one.name for one in MUTANTS}) == len(MUTANTS)
    for one in MUTANTS:
        assert (ROOT / one.file).read_text().count(one.old) == 1, f"{one.name}: seed it anew"
        path, _, name = one.caught_by.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), one.caught_by


@pytest.mark.parametrize("mutant", QUICK, ids=lambda one: one.name)
def test_a_fault_is_noticed(mutant: Mutant, tmp_path: Path, figure: Figure) -> None:
    _is_caught(mutant, tmp_path)
    figure("mutants caught", 1, "")


@pytest.mark.long
@pytest.mark.parametrize("mutant", SLOW, ids=lambda one: one.name)
def test_every_other_fault_is_noticed(mutant: Mutant, tmp_path: Path, figure: Figure) -> None:
    _is_caught(mutant, tmp_path)
    figure("mutants caught", 1, "")


def _is_caught(mutant: Mutant, copy: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    file = copy / mutant.file
    file.write_text(file.read_text().replace(mutant.old, mutant.new))
    argv = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutant.caught_by)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTEST_"))}
    done = subprocess.run(argv, cwd=copy, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False)
    said = done.stdout + done.stderr
    # One that does not even come to its test was caught by nothing.
    assert re.search(rf"^FAILED {re.escape(mutant.caught_by)}", said, re.MULTILINE), f"{mutant.name}:\n{said}"
