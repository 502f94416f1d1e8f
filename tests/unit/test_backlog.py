"""What doctor reads of a running service: what is still to be said and heard, place by place."""

from app.backlog import Backlog, read

TEXT = """\
# HELP cco_report_backlog Tasks of which something is not told yet
# TYPE cco_report_backlog gauge
cco_report_backlog{reporter="github-comments"} 0.0
cco_report_backlog{reporter="slack"} 3.0
cco_report_backlog{reporter="slack-replies"} 1.0
cco_report_oldest_seconds{reporter="github-comments"} 0.0
cco_report_oldest_seconds{reporter="slack"} 245.5
cco_report_oldest_seconds{reporter="slack-replies"} 1.2e+04
cco_inbox_depth 2.0
"""


def test_each_place_is_named_with_what_waits_there() -> None:
    found = read(TEXT)
    assert found is not None
    assert found.sentence == (
        "slack: 3 tasks, the oldest for 4 min; slack-replies: 1 task, the oldest for 200 min; "
        "2 deliveries are not worked on yet"
    )
    assert not found.is_old


def test_what_waits_for_too_long_is_trouble() -> None:
    assert Backlog({"jira": (1, 901.0)}, 0).is_old
    assert not Backlog({"jira": (1, 899.0)}, 0).is_old


def test_nothing_is_said_so_and_another_program_is_none_of_ours() -> None:
    assert Backlog({"slack": (0, 0.0)}, 0).sentence == "nothing waits to be said or heard"
    assert read("go_goroutines 7") is None
