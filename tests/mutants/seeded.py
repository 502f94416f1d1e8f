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
        "            comment = await find_our_comment(gh, self.house, repository, number, ANY_MARKER)\n",
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
        "app/opening.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)\n",
        "tests/acceptance/test_restarts.py::test_a_service_that_is_told_to_end_ends_soon_and_the_next_one_takes_over",
    ),
    Mutant(
        "the same wish again is another wish",
        "runner/submitting.py",
        "    if known:\n",
        "    if known and False:\n",
        f"{INTEGRATION}/test_store.py::test_the_same_wish_again_changes_nothing",
        quick=True,
    ),
    Mutant(
        "a second label is one more instruction",
        "runner/submitting.py",
        "    elif active and wish.kind is TriggerKind.label:\n",
        "    elif active and wish.kind is TriggerKind.fault:\n",
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
        "    if not await mirror.objects.contains(sha, base):\n",
        "    if not await mirror.objects.contains(sha, sha):\n",
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
        "(None if receipt is not None and receipt.digest == reporter.digest(view) else view)",
        "(None if receipt is not None else view)",
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
        "            except BaseException as error:\n                await self._roll_back()\n",
        "            except BaseException as error:\n                await _whole(self._writer.commit())\n",
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
        "    launch.hand_over(leftovers=launch.ending is not Cause.paused)",
        "    _ = launch.ending is None and launch.hand_over(leftovers=True)",
        f"{INTEGRATION}/test_supervisor.py::test_stop_ends_it_soon_and_keeps_the_work",
    ),
    Mutant(
        "a control message is carried out each time it is seen",
        "runner/launch.py",
        "            if number not in self.done:\n",
        "            if True:\n",
        f"{INTEGRATION}/test_supervisor.py::test_a_word_in_the_middle_reaches_claude_once",
    ),
    # What was found and mended since, and must not come back.
    Mutant(
        "a repository that is busy comes first because it asked first",
        "app/github_lane.py",
        "self._served.get(one.repository, 0), one.number",
        "one.number",
        f"{UNIT}/test_github_lane.py::test_a_repository_with_fifty_tasks_delays_another_by_no_more_than_one_write",
    ),
    Mutant(
        "a restart opens a lane that GitHub closed",
        "app/github_lane.py",
        "        self._closed_until = now + before.closed_seconds if before is not None else 0.0\n",
        "        self._closed_until = 0.0\n",
        f"{UNIT}/test_github_lane.py::test_a_restart_does_not_open_a_closed_lane",
    ),
    Mutant(
        "a maintenance page is a repository without branches",
        "runner/mirror.py",
        "if not await asyncio.to_thread(heard.exists):",
        "if False:",
        f"{INTEGRATION}/test_mirror.py::test_a_page_in_place_of_git_is_weather_and_no_empty_repository",
    ),
    Mutant(
        "a newer database will do",
        "runner/soundness.py",
        "    if version > newest():\n",
        "    if version > newest() + 1:\n",
        f"{INTEGRATION}/test_migrating.py::test_a_newer_database_is_refused_in_a_sentence_and_nothing_is_touched",
    ),
    Mutant(
        "a migration is not one step",
        "runner/migrating.py",
        "BEGIN IMMEDIATE;\\n{text}",
        "{text}",
        f"{INTEGRATION}/test_migrating.py::test_a_migration_that_fails_changes_nothing",
    ),
    Mutant(
        "a label that was taken off counts all the same",
        "handlers/standing.py",
        "self.withdrawn.number > self.labelled.labelling.number:",
        "self.withdrawn.number < self.labelled.labelling.number:",
        f"{UNIT}/test_standing.py::test_which_label_counts",
    ),
    Mutant(
        "a label that was answered is answered again",
        "runner/tasks.py",
        "return other.number <= self.number if self.number",
        "return other.number < self.number if self.number",
        f"{UNIT}/test_standing.py::test_a_label_that_was_answered_is_not_answered_again",
    ),
    Mutant(
        "what is stored is asked for again",
        "app/redelivering.py",
        "if one.guid not in stored and one.first_at >= begun]",
        "if one.first_at >= begun]",
        f"{INTEGRATION}/test_redelivering.py::test_what_we_stored_although_github_never_heard_so_is_left_alone",
    ),
    Mutant(
        "a supervisor that starts in a panic does not look",
        "runner/supervisor.py",
        "    if panic.is_on_for(directory):",
        "    if False:",
        f"{INTEGRATION}/test_panic.py::test_what_is_started_while_everything_is_paused_ends_before_it_begins",
    ),
    Mutant(
        "gc takes what was never pushed",
        "runner/sweeping.py",
        "if unpushed is not None and not self._rules.even_unpushed:",
        "if unpushed is None and not self._rules.even_unpushed:",
        f"{INTEGRATION}/test_sweeping.py::test_work_that_was_not_pushed_is_kept_and_named_until_it_is_given_up",
    ),
    Mutant(
        "a label that was served before the restore is served again",
        "handlers/looking_first.py",
        "    if told is None or at > told.edited_at:\n",
        "    if told is not None or at > told.edited_at:\n",
        f"{INTEGRATION}/test_looking_first.py::test_a_label_that_was_served_is_not_served_again_and_a_later_one_is",
    ),
    Mutant(
        "a clock that is wrong for a while costs a request",
        "app/github_tokens.py",
        "if exc.status_code == HTTPStatus.UNAUTHORIZED:",
        "if exc.status_code == HTTPStatus.GONE:",
        f"{INTEGRATION}/test_github_client.py::test_a_clock_that_is_wrong_for_a_while_is_weather",
    ),
    Mutant(
        "what was not said before a restart stays unsaid",
        "runner/receipts.py",
        "ELSE julianday(updated_at) > julianday(at) - 1.0 / 1440 END",
        "ELSE 0 END",
        f"{INTEGRATION}/test_reporting.py::test_what_happened_while_nobody_told_of_it_is_said_at_the_next_start",
    ),
    Mutant(
        "what a person said in vain stays unheard",
        "runner/submitting.py",
        "await changes.gather_unheard(db, task_id, run_id, wish)",
        "pass",
        f"{INTEGRATION}/test_store.py::test_what_a_person_said_in_vain_is_in_the_next_run_that_they_ask_for",
    ),
    Mutant(
        "a look at the lock keeps a supervisor out",
        "runner/spool.py",
        "    for _ in range(LOCK_ATTEMPTS):\n",
        "    for _ in range(1):\n",
        f"{INTEGRATION}/test_leftovers.py::test_a_look_at_the_lock_keeps_no_supervisor_out",
    ),
    Mutant(
        "a COMMIT that failed leaves the transaction open",
        "runner/database.py",
        "await self._roll_back()  # a COMMIT that failed leaves the transaction open",
        "pass",
        f"{INTEGRATION}/test_database_faults.py::test_a_commit_that_fails_leaves_no_transaction_open",
    ),
    Mutant(
        "a pull request whose number was not written down is nobody's",
        "handlers/hearing.py",
        "    if task is None or task.pull_request is not None:\n",
        "    if True:\n",
        f"{INTEGRATION}/test_our_pull_request.py::"
        "test_one_that_was_opened_and_never_written_down_is_known_by_its_branch",
    ),
)
