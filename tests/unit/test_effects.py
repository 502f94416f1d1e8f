"""Every effect has a name and stands in its block; and nothing but a test can make use of that."""

import re
import subprocess
import sys
from collections import Counter

from tests.crash import source

# What has an effect and needs no name, and why.
UNNAMED = {
    "runner/backup.py:_copy_database": "in a directory of its own, until file.backup",
    "runner/backup.py:_pack": "in a directory of its own, until file.backup",
    "runner/backup.py:_take": "in a directory of its own, until file.backup",
    "runner/backup.py:make": "in a directory of its own, until file.backup",
    "runner/restore.py:_write": "in a directory of its own, until it is put in place",
    "runner/restore.py:restore": "an empty directory, and a note in one of its own",
    "runner/restore.py:finish": "an empty directory",
    "runner/sweeping.py:_sessions": "tmux.kill",
    "runner/carrying.py:_conclude": "tmux.kill",
    "runner/migrating.py:_step": "commit.migrate",
    "runner/engine.py:kill": "tmux.kill",
    "runner/child.py:_write": "a pipe to our own child",
    "runner/confinement.py:why_not": "a trial of bubblewrap that touches nothing",
    "runner/exports.py:_run": "its callers name what they have it do",
    "runner/git.py:start": "its callers name what they have it do",
    "runner/git.py:_end": "ends what it started itself",
    "runner/inspection.py:_changes": "reads",
    "runner/inspection.py:_urls": "reads",
    "runner/journal.py:_last_seq": "cuts off half a line, and would again",
    "runner/kin.py:start": "its caller names it",
    "runner/kin.py:key_pipe": "a pipe to our own child",
    "runner/kin.py:signal_group": "what it does not end, process.kill-all does",
    "runner/kin.py:kill_all": "its caller names it",
    "runner/kin.py:end_all_of_task": "its caller names it",
    "runner/mirror.py:__init__": "an empty directory, and leftovers that would be removed again",
    "runner/objects.py:diff": "reads",
    "runner/objects.py:count": "reads",
    "runner/objects.py:_read_commits": "reads: a commit of GitPython's",
    "runner/objects.py:_read_file": "reads: a commit of GitPython's",
    "runner/mirror.py:_talk": "its callers name what they have it do",
    "runner/mirror.py:_alone": "an empty directory",
    "runner/mirror.py:_sweep": "leftovers that would be removed again",
    "runner/mirror.py:_create": "in a directory of its own, until file.mirror",
    "runner/pane.py:flush": "a screen",
    "runner/remotes.py:answering": "in a directory that goes with the block, or at the next start",
    "runner/spool.py:beat": "the heartbeat: the next one follows",
    "runner/spool.py:hold": "the lock that dies with its process",
    "runner/tmux.py:_launch": "its caller names it",
    "runner/workspace.py:prepare": "an empty directory",
    "runner/workspace.py:_make": "in a directory of its own; as a whole it is git.workspace",
    "runner/workspace.py:remove_tree": "removes what would be removed again",
    "runner/workspace.py:_unlock_and_retry": "removes what would be removed again",
    "app/cli/telling.py:start": "asks the service",
    "app/cli/telling.py:_tell": "asks the service",
    "app/cli/testing.py:_run": "the tests",
    "app/cli/watching.py:_has_session": "asks tmux",
    "app/credentials.py:save_github": "an empty directory",
    "app/credentials.py:api_token": "a temporary file",
    "app/credentials.py:write_private": "a temporary file",
    "app/doctor.py:_run": "asks for a version",
    "app/github.py:graphql": "its callers name what they have it do",
    "app/github.py:_graphql": "its callers name what they have it do",
    "app/github_people.py:token_of": "asks who somebody is",
    "app/inbox.py:_commit": "commit.put",
    "app/jira_door.py:_hand_on": "commit.put",
    "app/reconciling.py:_put": "commit.put",
    "handlers/gathering.py:as_it_stood": "asks: a query of GraphQL",
    "app/rules.py:rules_of": "an empty directory",
    "app/settings.py:make_home": "an empty directory",
    "app/setup.py:_convert": "a code is worth something once: a person is there, and begins again",
}


def test_every_effect_stands_in_a_block_that_names_it() -> None:
    found = {line.partition(" ")[0] for line in source.outside()}
    assert found - set(UNNAMED) == set(), "put each in `with effect(…)`, or say here why it needs none"
    assert set(UNNAMED) - found == set(), "these are gone"


def test_no_two_effects_share_a_name() -> None:
    assert [name for name, count in Counter(source.effects()).items() if count > 1] == []
    assert len(source.effects()) > 40


def test_an_effect_without_a_block_would_be_found() -> None:
    text = "def f(path):\n    path.rename('b')\n    with effect('file.x'):\n        path.unlink()\n"
    assert source.outside_of("m.py", text) == ["m.py:f path.rename"]


def test_nothing_in_the_packages_listens_to_effects() -> None:
    for path in source.sources():
        used = [line for line in path.read_text().splitlines() if "observe_for_a_test" in line or "_observers" in line]
        assert not used or path.name == "effects.py", path
        assert not re.search(r"^\s*(from|import) tests\b", path.read_text(), re.MULTILINE), path


def test_in_production_nothing_observes_whatever_the_environment_says() -> None:
    code = (
        "import app.__main__, app.services, app.cli.serving, runner.supervisor, runner.effects as e\n"
        "assert e._observers == []\n"
        "with e.effect('file.x'): pass\n"
        "print('nothing')\n"
    )
    environ = {"CRASH_PLAN": "/tmp", "CCO_CRASH_PLAN": "/tmp", "PYTHONPATH": str(source.ROOT)}
    done = subprocess.run((sys.executable, "-c", code), env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == "nothing\n", done.stderr
