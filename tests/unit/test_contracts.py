"""The contract checks have teeth: they let GitHub's own examples pass, and name what is wrong."""

import copy
from typing import Any

import pytest

from tests.contracts import validation

COMMENTS = "/repos/octo/hello/issues/1/comments"


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "sentence"),
    [
        ("GET", "/repos/octo/hello/wiki", {}, b"", "not an operation"),
        ("PUT", COMMENTS, {}, b"", "not an operation"),
        ("GET", COMMENTS, {"perpage": "2"}, b"", "does not know the parameter 'perpage'"),
        ("GET", COMMENTS, {"per_page": "many"}, b"", "is not a number"),
        ("GET", "/repos/octo/hello/pulls", {"state": "merged"}, b"", "is not among"),
        ("POST", COMMENTS, {}, b"", "needs a body"),
        ("POST", COMMENTS, {}, b"{", "not JSON"),
        ("POST", COMMENTS, {}, b'{"text": "x"}', "'body' is a required property"),
        ("POST", COMMENTS, {}, b'{"body": "x", "draft": true}', "does not know 'draft'"),
        ("POST", COMMENTS + "/../reactions", {}, b"{}", "not an operation"),
    ],
)
def test_a_wrong_request_is_named(method: str, path: str, query: dict[str, str], body: bytes, sentence: str) -> None:
    assert any(sentence in wrong for wrong in validation.check_request(method, path, query, body))


def test_a_right_request_is_let_pass() -> None:
    assert validation.check_request("POST", COMMENTS, {}, b'{"body": "x"}') == []
    assert validation.check_request("GET", "/repos/o/r/git/ref/heads/claude/issue-1", {}, b"") == []


def test_a_wrong_answer_is_named() -> None:
    short = validation.check_answer("POST", COMMENTS, 201, "application/json", b'{"id": 1}')
    assert any("'node_id' is a required property" in wrong for wrong in short)
    assert validation.check_answer("POST", COMMENTS, 200, "application/json", b"{}")
    assert validation.check_answer("POST", COMMENTS, 404, "application/json", b"{}")
    assert validation.check_answer("POST", COMMENTS, 404, "application/json", b'{"message": "Not Found"}') == []


def test_a_wrong_delivery_is_named() -> None:
    payload = next(
        copy.deepcopy(given)
        for event, given in validation.example_deliveries()
        if event == "issues" and given["action"] == "labeled"
    )
    assert validation.check_delivery("issues", "labeled", payload) == []
    del payload["issue"]["number"]
    assert any(
        "'number' is a required property" in one for one in validation.check_delivery("issues", "labeled", payload)
    )
    assert validation.check_delivery("issues", "shouted", payload) == [
        "webhook issues$shouted: GitHub sends no such thing"
    ]


def test_all_published_examples_are_here() -> None:
    examples: list[tuple[str, dict[str, Any]]] = validation.example_deliveries()
    assert len(examples) == 329
    assert {"issues", "issue_comment", "pull_request", "check_run", "installation"} <= {event for event, _ in examples}
