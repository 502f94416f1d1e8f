"""The people of the stand-in Slack, and what it says of them."""

from typing import Any

Args = dict[str, Any]


class PeopleThere:
    """Their ids, and their e-mail addresses: confirmed, unless a test says otherwise."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.whispered: list[tuple[str, str]] = []  # who was told what, that only they see

    def join(self, user: str, email: str | None = None, *, confirmed: bool = True, **more: Any) -> str:
        """Somebody is there from now on."""
        profile = {"real_name": user, **({"email": email} if email else {})}
        self.people[user] = {"id": user, "is_email_confirmed": confirmed, "profile": profile, **more}
        return user

    def told(self, user: str) -> list[str]:
        """What only this person was told."""
        return [text for who, text in self.whispered if who == user]

    def told_last(self, user: str) -> str:
        """The last of it; empty if it was nothing."""
        return self.told(user)[-1] if self.told(user) else ""

    def methods_of_people(self) -> dict[str, Any]:
        return {"users.info": self._users_info, "users.lookupByEmail": self._users_lookup_by_email}

    def _users_info(self, args: Args) -> dict[str, Any]:
        found = self.people.get(args.get("user", ""))
        return {"ok": True, "user": found} if found else {"ok": False, "error": "user_not_found"}

    def _users_lookup_by_email(self, args: Args) -> dict[str, Any]:
        for user in self.people.values():
            if user["profile"].get("email", "").lower() == args.get("email", "").lower() != "":
                return {"ok": True, "user": user}
        return {"ok": False, "error": "users_not_found"}
