"""ls, show, diff and logs, against the service's own API on a real store."""

import json
import threading

import pytest

from runner.events import (
    AgentSaid,
    ApprovalAsked,
    BranchPushed,
    ChecklistChanged,
    ChecklistItem,
    PullRequestOpened,
    QuestionAsked,
    ToolUsed,
    TurnEnded,
    WorkHeldBack,
)
from runner.tasks import Outcome, RunState
from tests.fakes.service import Service, invoke, until

BIDI, ESCAPE, C1 = "\u202e", "\x1b[31m\x1b]0;owned\x07", "\x9b2J"


def test_an_empty_list_says_what_to_do_next(served: Service) -> None:
    result = invoke("ls")
    assert result.exit_code == 0
    assert "Label an issue on GitHub" in result.stdout


def test_tasks_are_listed_the_latest_first_and_line_up(served: Service) -> None:
    first = served.submit(42)
    served.move(first, RunState.starting, RunState.running)
    served.record(first, PullRequestOpened(43, "https://github.com/octo/hello/pull/43"), TurnEnded(0.128, 3, False, ""))
    served.submit(44, "A second one")
    served.submit(45, "A third one")
    lines = invoke("ls").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "3", "2", "1"]
    assert "queued, 1 ahead of it" in lines[1]
    assert "queued, next in line" in lines[2]
    assert "octo/hello#42 The parser drops the last line" in lines[3]
    assert lines[3].index("running") == lines[0].index("STATE")
    assert lines[3].index("$0.13") == lines[0].index("COST")
    assert lines[3].endswith("#43 draft")


def test_a_list_is_narrowed_and_continued(served: Service) -> None:
    for number in (42, 43, 44):
        served.submit(number)
    result = invoke("ls", "--limit", "2")
    assert "There are more: cco ls --before 2" in result.stdout
    assert [line.split()[0] for line in invoke("ls", "--before", "2").stdout.splitlines()] == ["ID", "1"]
    assert invoke("ls", "--state", "failed").stdout == "No such task.\n"
    assert invoke("ls", "--repository", "octo/hello").stdout.count("octo/hello#") == 3
    assert invoke("ls", "--state", "lost").exit_code == 2


def test_json_is_the_record_of_the_api_in_ascii(served: Service) -> None:
    served.submit(42, f"Ünïcode {BIDI} {C1}")
    for arguments in (("ls", "--json"), ("show", "1", "--json"), ("retry", "1", "--json")):
        result = invoke(*arguments)
        assert result.exit_code == 0
        assert result.stdout.isascii()
        record = json.loads(result.stdout)
        task = record["tasks"][0] if "tasks" in record else record
        assert task["subject"]["key"] == "octo/hello#42"
        assert task["subject"]["title"].startswith("Ünïcode")


@pytest.mark.parametrize("reference", ["1", "octo/hello#42", "Octo/Hello#42", "octo/hello#43"])
def test_a_task_is_shown_by_whatever_people_call_it(served: Service, reference: str) -> None:
    submission = served.submit()
    served.move(submission, RunState.starting, RunState.running)
    served.record(
        submission,
        PullRequestOpened(43, "https://github.com/octo/hello/pull/43"),
        BranchPushed("claude/issue-42", "a" * 40, 2, 3, 40, 7),
        ChecklistChanged((ChecklistItem("Read", "completed"), ChecklistItem("Write", "in_progress"))),
        ToolUsed("Bash", "Bash: python3 -m unittest"),
    )
    page = invoke("show", reference).stdout
    assert page.startswith("octo/hello#42  The parser drops the last line\ntask 1 · running · ")
    assert "#43 draft  https://github.com/octo/hello/pull/43" in page
    assert "2 commits, 3 files, +40 -7" in page
    assert "✓ Read" in page
    assert "> Write" in page
    assert "Bash: python3 -m unittest" in page
    assert "label by anna" in page
    assert "watch: cco attach 1" in page


def test_what_a_task_waits_for_is_shown_with_how_to_answer(served: Service) -> None:
    submission = served.submit()
    served.move(submission, RunState.starting, RunState.running)
    served.record(submission, QuestionAsked("r1", "Which one?", ("The first", "The second")))
    page = invoke("show", "1").stdout
    assert "Which one?" in page
    assert "- The second" in page
    assert "cco approve 1 [text]" in page


def test_work_that_was_held_back_is_shown_with_its_findings(served: Service) -> None:
    submission = served.submit()
    served.move(submission, RunState.starting, RunState.running)
    served.record(submission, WorkHeldBack("b" * 40, (".github/workflows/ci.yml is a workflow.",)))
    page = invoke("show", "1").stdout
    assert "It was not pushed:\n  .github/workflows/ci.yml is a workflow." in page


def test_an_ended_task_shows_why_and_the_answer_and_nothing_to_watch(served: Service) -> None:
    submission = served.submit()
    served.move(submission, RunState.starting, RunState.running)
    served.record(submission, ToolUsed("Read", "Read: README.md"))
    served.record(submission, TurnEnded(0.01, 1, False, "There was nothing to do."))
    served.move(submission, RunState.publishing)
    served.wait(served.store.settle(submission.run.id, Outcome.answered, "Nothing had to change."))
    page = invoke("show", "1").stdout
    assert "answered, nothing changed" in page
    assert "Nothing had to change." in page
    assert "There was nothing to do." in page
    assert "README.md" not in page
    assert "cco attach" not in page


def test_text_of_strangers_cannot_speak_to_the_terminal(served: Service) -> None:
    submission = served.submit(42, f"Title {ESCAPE}{C1}{BIDI}\nwith lines")
    served.move(submission, RunState.starting, RunState.running)
    served.record(submission, AgentSaid(ESCAPE), ToolUsed("Bash", f"Bash: {ESCAPE}"))
    served.record(submission, ApprovalAsked("r1", "Bash", f"rm {ESCAPE}{C1}\nmore"))
    served.changed = f"+ {ESCAPE}{C1}{BIDI}\n"
    served.parts = [f"said {ESCAPE}{C1}{BIDI}\n"]
    for arguments in (("ls",), ("show", "1"), ("diff", "1"), ("logs", "1"), ("stop", "1")):
        result = invoke(*arguments)
        for harmful in ("\x1b", "\x07", "\x9b", BIDI):
            assert harmful not in result.output, arguments
    assert "Title with lines" in invoke("ls").stdout


def test_a_diff_is_printed_as_it_is(served: Service) -> None:
    served.submit()
    assert invoke("diff", "1").stdout == "Nothing is changed on the branch yet.\n"
    served.changed = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n \n"
    assert invoke("diff", "1").stdout == served.changed


def test_the_transcript_is_printed_part_by_part(served: Service) -> None:
    served.submit()
    served.parts = ["one\n", "two\n", "three"]
    result = invoke("logs", "octo/hello#42")
    assert result.stdout == "one\ntwo\nthree"
    assert served.marks == [None, "1", "2", "3"]


def test_following_goes_on_until_the_run_has_ended(served: Service) -> None:
    submission = served.submit()
    served.parts = ["one\n"]

    def what_happens_next() -> None:
        until(lambda: served.marks.count("1") >= 2)  # it has asked again, with nothing to read
        served.parts.append("two\n")
        until(lambda: "2" in served.marks)
        served.wait(served.store.settle(submission.run.id, Outcome.stopped, "Someone stopped it."))

    meanwhile = threading.Thread(target=what_happens_next)
    meanwhile.start()
    result = invoke("logs", "1", "-f")
    meanwhile.join()
    assert result.exit_code == 0
    assert result.stdout == "one\ntwo\n"
