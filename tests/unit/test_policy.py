"""Who may ask, and what the others are told."""

import pytest

from handlers import policy

ANNA = {"login": "anna", "id": 7, "type": "User"}


@pytest.mark.parametrize("permission", ["admin", "maintain", "write"])
def test_people_who_can_push_may_ask(permission: str) -> None:
    """Write or more is enough."""
    assert policy.may_command("anna", permission) == policy.Allowed()


@pytest.mark.parametrize("permission", ["read", "triage", "none", "", "WRITE", "owner", None])
def test_everyone_else_is_refused_with_a_sentence(permission: str | None) -> None:
    """Also where it is unknown, and for a word that we do not know."""
    verdict = policy.may_command("mallory", permission)
    assert isinstance(verdict, policy.Refused)
    assert "@mallory cannot" in verdict.sentence
    assert "Anyone with write access can" in verdict.sentence


def test_a_person_is_heard() -> None:
    """The one valid world of the tests below."""
    assert policy.speaks_for_itself(ANNA, {"user": ANNA, "body": "/claude stop"})


@pytest.mark.parametrize(
    ("sender", "spoken"),
    [
        ({"type": "Bot"}, {}),
        ({"type": "Organization"}, {}),
        ({"login": "renovate[bot]"}, {}),
        ({}, {"performed_via_github_app": {"id": 1}}),
        ({}, {"user": {"login": "other", "id": 8, "type": "User"}}),
        ({}, {"user": None}),
        ({}, {"body": "Done.\n<!-- cco:task=1 -->"}),
    ],
)
def test_a_machine_is_not_heard(sender: dict[str, object], spoken: dict[str, object]) -> None:
    """Bots, Apps that act for someone, comments that another person's event carries, and our own words."""
    comment = {"user": ANNA, "body": "/claude stop"}
    assert not policy.speaks_for_itself(ANNA | sender, comment | spoken)


def test_a_repository_must_take_a_push() -> None:
    """An archived or disabled one cannot."""
    assert policy.may_work_in({"archived": False, "disabled": False}) == policy.Allowed()
    assert policy.may_work_in({"archived": True}) == policy.Refused(policy.ARCHIVED)
    assert policy.may_work_in({"disabled": True}) == policy.Refused(policy.DISABLED)


def test_only_an_open_issue_is_worked_on() -> None:
    """A closed one, or one in a state that we do not know, is refused."""
    assert policy.may_work_on_issue({"state": "open"}) == policy.Allowed()
    assert policy.may_work_on_issue({"state": "closed"}) == policy.Refused(policy.CLOSED)
    assert policy.may_work_on_issue({}) == policy.Refused(policy.CLOSED)


@pytest.mark.parametrize("head", [{"repo": {"id": 2}}, {"repo": None}, {}, None])
def test_a_pull_request_from_a_fork_is_refused(head: object) -> None:
    """Also when the fork is gone."""
    assert policy.may_work_on_pull_request({"head": head, "base": {"repo": {"id": 1}}}) == policy.Refused(
        policy.FROM_A_FORK
    )


def test_a_pull_request_of_the_repository_itself_is_taken() -> None:
    """Head and base are the same repository."""
    ours = {"repo": {"id": 1}}
    assert policy.may_work_on_pull_request({"head": ours, "base": ours}) == policy.Allowed()
    assert policy.may_work_on_pull_request({}) == policy.Refused(policy.FROM_A_FORK)
