"""Faults that somebody could make in our code one day, a line changed in each, with the test that would tell."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `file`; with `new` in its place, `caught_by` must fail. `quick` ones are tried each time."""

    name: str
    file: str
    old: str
    new: str
    caught_by: str
    quick: bool = False


INTEGRATION, UNIT, SECURITY = "tests/integration", "tests/unit", "tests/security/test_hostile_repositories.py"

MUTANTS = (
    Mutant(
        "a webhook is acknowledged before it is stored",
        "app/inbox.py",
        "        new: bool = await stored\n",
        "        new = True\n",
        f"{INTEGRATION}/test_inbox.py::test_what_was_put_is_in_the_file_when_put_returns",
        quick=True,
    ),
    Mutant(
        "any signature will do",
        "app/webhooks.py",
        "    return any(matches)\n",
        "    return bool(matches)\n",
        f"{INTEGRATION}/test_webhooks.py::test_a_malformed_request_is_told_what_is_wrong",
        quick=True,
    ),
    Mutant(
        "SHA-1 is a signature too",
        "app/webhooks.py",
        '    values = request.headers.getall("X-Hub-Signature-256", [])\n',
        '    values = request.headers.getall("X-Hub-Signature-256", []) or ["sha256=" + "0" * 64]\n',
        f"{INTEGRATION}/test_webhooks.py::test_a_malformed_request_is_told_what_is_wrong",
    ),
    Mutant(
        "the status comment is not looked for before it is posted",
        "handlers/reporters/github.py",
        "            comment = await find_our_comment(gh, self.house, repository, number, marker(view.task.id))\n",
        "            comment = None\n",
        f"{INTEGRATION}/test_telling_github.py::test_a_crash_before_the_receipt_doubles_nothing",
        quick=True,
    ),
    Mutant(
        "the session r1 is also r10",
        "runner/tmux.py",
        '            self._server().cmd("kill-session", "-t", f"={_name(run_id)}")\n',
        '            self._server().cmd("kill-session", "-t", _name(run_id))\n',
        f"{INTEGRATION}/test_tmux.py::test_sessions_are_named_for_their_runs_and_killed_exactly",
        quick=True,
    ),
    Mutant(
        "the lock on CCO_HOME is shared",
        "app/services.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)\n",
        "tests/acceptance/test_restarts.py::test_a_service_that_is_told_to_end_ends_soon_and_the_next_one_takes_over",
    ),
    Mutant(
        "the same wish again is another wish",
        "runner/store.py",
        "            if known:\n",
        "            if known and False:\n",
        f"{INTEGRATION}/test_store.py::test_the_same_wish_again_changes_nothing",
        quick=True,
    ),
    Mutant(
        "a second label is one more instruction",
        "runner/store.py",
        "            elif active and wish.kind is TriggerKind.label:\n",
        "            elif active and wish.kind is TriggerKind.fault:\n",
        f"{INTEGRATION}/test_store.py::test_a_second_label_on_a_task_at_work_changes_nothing",
    ),
    Mutant(
        "a supervisor does not mind another one",
        "runner/spool.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)\n",
        f"{INTEGRATION}/test_supervisor.py::test_one_spool_has_one_supervisor",
    ),
    Mutant(
        "half a line is a line",
        "runner/spool.py",
        '            if not raw.endswith(b"\\n"):\n                return\n',
        "",
        f"{UNIT}/test_journal.py::test_a_line_that_is_still_being_written_is_left_for_the_next_time",
        quick=True,
    ),
    Mutant(
        "a push replaces what is there",
        "runner/mirror.py",
        "        only_if = f\"--force-with-lease={ref}:{lease or ''}\"\n",
        '        only_if = "--force"\n',
        f"{INTEGRATION}/test_mirror.py::test_a_branch_that_exists_with_other_commits_is_left_alone",
        quick=True,
    ),
    Mutant(
        "what comes out of the sandbox is taken as it is",
        "runner/mirror.py",
        'argv = ("index-pack", "--stdin", "--fix-thin", "--strict", ',
        'argv = ("index-pack", "--stdin", "--fix-thin", ',
        f"{SECURITY}::test_a_tree_entry_that_would_overwrite_git_is_refused",
    ),
    Mutant(
        "history need not go on from the base",
        "runner/inspection.py",
        "    if not await mirror.contains(sha, base):\n",
        "    if not await mirror.contains(sha, sha):\n",
        f"{SECURITY}::test_unrelated_history_waits_for_a_person",
    ),
    Mutant(
        "whom GitHub does not know may do everything",
        "handlers/policy.py",
        "    return Allowed() if permission in ENOUGH else ",
        "    return Allowed() if permission in {*ENOUGH, None} else ",
        f"{UNIT}/test_policy.py::test_everyone_else_is_refused_with_a_sentence",
        quick=True,
    ),
    Mutant(
        "the weather is waited for for ever",
        "runner/retry.py",
        "    if attempt >= WEATHER_ATTEMPTS:\n",
        "    if attempt >= 10**9:\n",
        f"{UNIT}/test_retry.py::test_weather_is_tried_again_later_and_later_for_about_an_hour",
    ),
    Mutant(
        "what was not said is written down as said",
        "handlers/reporting.py",
        "            if receipt is not None and receipt.digest == digest:\n",
        "            if receipt is not None:\n",
        f"{INTEGRATION}/test_reporting.py::test_a_change_is_said_once_and_remembered",
    ),
    Mutant(
        "what Claude never heard is forgotten",
        "runner/changes.py",
        "    if first is None or outcome is Outcome.stopped:\n",
        "    if first is None or outcome is not Outcome.stopped:\n",
        f"{INTEGRATION}/test_store.py::test_what_claude_never_took_up_is_gathered_into_the_next_run",
    ),
    Mutant(
        "two runs of a task can be active",
        "runner/migrations/0001_begin.sql",
        "CREATE UNIQUE INDEX one_active_run",
        "CREATE INDEX one_active_run",
        f"{INTEGRATION}/test_store.py::test_two_active_runs_of_a_task_are_impossible",
    ),
    Mutant(
        "a transaction that fails stays half done",
        "runner/database.py",
        "                await asyncio.shield(self._writer.rollback())\n",
        "                await asyncio.shield(self._writer.commit())\n",
        f"{INTEGRATION}/test_store.py::test_what_fails_in_the_middle_of_a_change_leaves_nothing_of_it",
    ),
    Mutant(
        "weather parks a delivery",
        "app/inbox.py",
        "                if weather is not None and ",
        "                if weather is None and ",
        f"{INTEGRATION}/test_inbox.py::test_weather_keeps_a_subject_waiting_in_order_and_parks_nothing",
    ),
    Mutant(
        "deliveries about one issue are handled at the same time",
        "app/inbox.py",
        '        return f"{delivery.source}/{repository}/{number}"\n',
        '        return f"{delivery.source}/{delivery.id}"\n',
        f"{INTEGRATION}/test_inbox.py::test_one_subject_in_order_and_another_meanwhile",
    ),
    Mutant(
        "grandchildren are left to themselves",
        "runner/kin.py",
        "    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:\n",
        "    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) != 0:\n",
        f"{INTEGRATION}/test_supervisor.py::test_nobody_outlives_the_run",
    ),
    Mutant(
        "an answer is given as often as it is asked for",
        "handlers/comments.py",
        "find_our_comment(desk.gh, desk.house, spoken.repository, spoken.number, marker, spoken.at):\n",
        "find_our_comment(desk.gh, desk.house, spoken.repository, spoken.number, marker + '!', spoken.at):\n",
        f"{INTEGRATION}/test_conversation.py::test_every_command_is_seen_and_answered_once",
    ),
    Mutant(
        "a pull request is not looked for before it is opened",
        "handlers/publishing.py",
        "            found = await self._find(gh, view)\n",
        "            found = None\n",
        f"{INTEGRATION}/test_our_pull_request.py::test_opening_it_again_finds_it",
    ),
    Mutant(
        "a workspace that is half made is whole",
        "runner/workspace.py",
        "        return all(_is_directory(path) for path in (self.vault, self.worktree, self.home, self.claude))\n",
        "        return any(_is_directory(path) for path in (self.vault, self.worktree, self.home, self.claude))\n",
        f"{INTEGRATION}/test_workspace.py::test_a_broken_workspace_is_made_anew_and_keeps_the_session",
    ),
    Mutant(
        "a stop forgets what was done",
        "runner/supervisor.py",
        "    launch.hand_over(leftovers=True)\n",
        "    launch.hand_over(leftovers=True) if launch.ending is None else None\n",
        f"{INTEGRATION}/test_supervisor.py::test_stop_ends_it_soon_and_keeps_the_work",
    ),
    Mutant(
        "a control message is carried out each time it is seen",
        "runner/launch.py",
        "            if number not in self.done:\n",
        "            if True:\n",
        f"{INTEGRATION}/test_supervisor.py::test_a_word_in_the_middle_reaches_claude_once",
    ),
)
