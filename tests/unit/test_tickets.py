"""What we read of Jira's own words: whose they are, what they are about, and how the label stands."""

from datetime import UTC, datetime
from typing import Any

import pytest

from handlers.jira_people import role_of
from handlers.jira_repository import named_in
from handlers.tickets import (
    is_person,
    is_same,
    name_of,
    names_of,
    remark_of,
    standing_of,
    ticket_of,
    ticket_told_of,
    when,
)

# As Cloud and Data Center have them, without what we do not read.
CLOUD = {
    "accountId": "5b10ac8d82e05b22cc7d4ef5",
    "accountType": "atlassian",
    "emailAddress": "anna@example.com",
    "displayName": "Anna B",
    "active": True,
}
DATA_CENTER = {"key": "JIRAUSER10100", "name": "anna", "emailAddress": "anna@example.com", "displayName": "Anna B"}
US = {"accountId": "557058:us", "key": "JIRAUSER1", "name": "claude"}
MADE = "2026-11-25T10:00:00.123+0000"


def test_by_what_somebody_may_be_called() -> None:
    assert names_of(CLOUD) == ["anna@example.com", "5b10ac8d82e05b22cc7d4ef5"]
    assert names_of(CLOUD | {"accountType": "customer"}) == ["5b10ac8d82e05b22cc7d4ef5"]
    assert names_of(DATA_CENTER) == ["JIRAUSER10100", "anna"]
    assert names_of({}) == []
    assert name_of({"name": "anna"}) == "anna"
    assert name_of({"displayName": "An\u202ena\n"}) == "Anna"
    assert name_of({}) == "someone who is gone"


def test_who_is_a_person() -> None:
    assert is_person(CLOUD, US)
    assert is_person(DATA_CENTER, US)
    assert not is_person(CLOUD | {"accountType": "app"}, US)
    assert not is_person({"accountId": "557058:us"}, US)
    assert not is_person({}, US)
    assert not is_same({}, {})


@pytest.mark.parametrize(
    ("payload", "ticket"),
    [
        ({"webhookEvent": "jira:issue_updated", "issue": {"id": "10080", "key": "TEST-68"}}, "10080"),
        ({"webhookEvent": "comment_created", "issue": {"id": 10080}, "comment": {"id": "1"}}, "10080"),
        ({"comment": {"self": "https://jira.example/rest/api/2/issue/89820/comment/456843", "id": "456843"}}, "89820"),
        ({"comment": {"self": "https://jira.example/jira/rest/api/2/issue/1/comment/2"}}, "1"),
        ({"issue": {"id": "../../x"}}, None),
        ({"issue": "PROJ-7"}, None),
        ({"issue": None, "comment": None}, None),
        ({"webhookEvent": "user_created"}, None),
    ],
)
def test_which_ticket_is_told_of(payload: dict[str, Any], ticket: str | None) -> None:
    assert ticket_told_of(payload) == ticket


def history(number: int, field: str, before: str, after: str, by: dict[str, Any] = CLOUD, **ids: str) -> dict[str, Any]:
    at = f"2026-11-25T10:{number:02}:00.000+0000"
    item = {"field": field, "fromString": before, "toString": after, **{k.strip("_"): v for k, v in ids.items()}}
    return {"id": str(number), "created": at, "author": by, "items": [item]}


def ticket(*histories: dict[str, Any], labels: tuple[str, ...] = ("claude",)) -> Any:
    fields = {"summary": "s", "labels": labels, "created": MADE, "creator": DATA_CENTER, "status": {"name": "To Do"}}
    raw = {"id": "10007", "key": "PROJ-7", "fields": fields, "changelog": {"histories": list(histories)[::-1]}}
    return ticket_of(raw, "https://jira.example/")


@pytest.mark.parametrize(
    ("histories", "labelled", "withdrawn"),
    [
        ([], 0, None),
        ([history(5, "labels", "", "other claude")], 5, None),
        ([history(5, "labels", "claude", "")], 0, 5),
        ([history(5, "labels", "claude x", "x"), history(6, "labels", "x", "x Claude")], 6, 5),
        ([history(5, "labels", "claude x", "claude y")], 0, None),
        ([history(5, "labels", "", "claude-code")], None, None),
        ([history(5, "status", "To Do", "Done", from_="1", to="10")], 0, 5),
        ([history(5, "status", "Done", "Closed", from_="10", to="11")], 0, None),
        ([history(5, "status", "To Do", "Done", by=US, from_="1", to="10")], 0, None),
    ],
)
def test_how_the_label_stands(histories: list[dict[str, Any]], labelled: int | None, withdrawn: int | None) -> None:
    found = standing_of(ticket(*histories), "claude", {"10", "11"}, US)
    assert (found.labelled.labelling.number if found.labelled else None) == labelled
    assert (found.withdrawn.number if found.withdrawn else None) == withdrawn


def test_where_it_stood_when() -> None:
    moved = ticket(
        history(5, "status", "To Do", "Done", from_="1", to="10"),
        history(9, "status", "Done", "To Do", from_="10", to="1"),
    )
    assert moved.done_at(datetime(2026, 11, 25, 10, 4, tzinfo=UTC), {"10"}) is None
    assert moved.done_at(datetime(2026, 11, 25, 10, 7, tzinfo=UTC), {"10"}) == "Done"
    assert moved.done_at(datetime(2026, 11, 25, 10, 10, tzinfo=UTC), {"10"}) is None
    assert moved.url == "https://jira.example/browse/PROJ-7"


def test_a_comment() -> None:
    raw = {"id": "7", "author": CLOUD, "created": MADE, "updated": MADE, "body": "h1. Hi", "properties": []}
    plain = remark_of(raw)
    assert (plain.text, plain.edited_by, plain.mark, plain.is_for_some) == ("# Hi", None, None, False)
    edited = remark_of(
        raw | {"updated": "2026-11-25T11:00:00.000+0000", "updateAuthor": US, "visibility": {"type": "role"}}
    )
    assert (edited.edited_by, edited.is_for_some) == (US, True)
    marked = remark_of(raw | {"properties": [{"key": "x", "value": 1}, {"key": "cco", "value": {"is": "status"}}]})
    assert marked.mark == {"is": "status"}
    assert remark_of(raw | {"properties": [{"key": "cco", "value": "status"}]}).mark is None
    assert when(MADE) == datetime(2026, 11, 25, 10, 0, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("octo/hello", "octo/hello"),
        ("repo octo/hello", "octo/hello"),
        ("Repository: `octo/hello.js`", "octo/hello.js"),
        ("https://github.com/octo/hello/", "octo/hello"),
        ("<https://github.com/octo/hello.git>", "octo/hello"),
        ("[hello](<https://github.com/octo/hello>)", "octo/hello"),
        ("octo/hello please", None),
        ("add a test", None),
        ("octo/hello/issues/4", None),
        ("../x", None),
        ("a/..", None),
        ("-/x", None),
    ],
)
def test_the_name_of_a_repository(text: str, name: str | None) -> None:
    assert named_in(text) == name


def test_the_highest_role_counts() -> None:
    roles = {"Developers": "write", "leads": "admin", "guests": "read"}
    assert role_of(roles, ["developers", "LEADS", "guests"]) == "admin"
    assert role_of(roles, ["guests"]) == "read"
    assert role_of(roles, ["others"]) is None
