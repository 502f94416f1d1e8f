"""What we do in Slack for one person: 👀, a word that only they see, a reply, and who they are."""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp
from cachetools import TTLCache

from app.slack import Slack
from app.slack_calls import Rejected, Unusable
from handlers.messages_slack import Message
from handlers.slack_heard import Whisper
from handlers.slack_office import Form
from handlers.slack_rooms import Mark, Spot
from runner.effects import effect
from runner.errors import TryLater

logger = logging.getLogger(__name__)

REMEMBERED = timedelta(minutes=5)
KEPT = 10_000
TOO_LATE = frozenset({"expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "trigger_expired"})
DONE_BEFORE = "already_reacted"

_USER = re.compile(r"[UW][A-Z0-9]{4,}")


class Hands:
    """As the app's bot. TryLater is the weather; what Slack refuses for good is said in the log, once."""

    def __init__(self, slack: Slack, session: aiohttp.ClientSession, monotonic: Callable[[], float]) -> None:
        self._slack = slack
        self._calls = slack.calls
        self._client = slack.calls.client
        self._session = session
        self._users: TTLCache[str, str | None] = TTLCache(KEPT, REMEMBERED.total_seconds(), timer=monotonic)
        self._emails: TTLCache[str, str | None] = TTLCache(KEPT, REMEMBERED.total_seconds(), timer=monotonic)

    async def look(self, spot: Spot) -> None:
        """👀 on a message; twice is once."""
        try:
            with effect("http.slack-look"):
                await self._calls.ask(
                    "reactions.add",
                    lambda: self._client.reactions_add(channel=spot.channel, timestamp=spot.ts, name="eyes"),
                    spot.channel,
                )
        except (Rejected, Unusable) as exc:
            if exc.error != DONE_BEFORE:
                self._note(exc)

    async def whisper(self, where: Whisper, message: Message) -> None:
        """Tell one person something that only they see: by the address that Slack gave for it, else where they are."""
        if where.url is not None and await self._answer(where.url, message):
            return
        try:
            with effect("http.slack-whisper"):
                await self._calls.ask(
                    "chat.postEphemeral",
                    lambda: self._client.chat_postEphemeral(
                        channel=where.channel,
                        user=where.user,
                        thread_ts=where.thread,
                        text=message.text,
                        blocks=message.blocks,
                        parse="none",
                        link_names=False,
                    ),
                    where.channel,
                )
        except (Rejected, Unusable) as exc:  # they have left, or we were never there
            self._note(exc)

    async def reply_once(self, thread: Spot, message: Message, mark: Mark) -> None:
        """A reply in a thread, unless there is one with this mark."""
        if await self._slack.find_reply(mark, thread) is not None:
            return
        try:
            with effect("http.slack-answer"):
                await self._slack.post(message, mark, thread.channel, thread)
        except (Rejected, Unusable) as exc:
            self._note(exc)

    async def open_form(self, trigger: str, form: Form) -> str | None:
        """Open a form for whoever pulled the trigger, and give its id; None if that was too long ago."""
        try:
            with effect("http.slack-form"):
                answer = await self._calls.ask(
                    "views.open", lambda: self._client.views_open(trigger_id=trigger, view=form)
                )
        except Rejected as exc:
            if exc.error not in TOO_LATE:
                raise
            return None
        return str(answer["view"]["id"])

    async def change_form(self, form_id: str, form: Form) -> None:
        """Put another form in its place. Whoever has closed it meanwhile wants none."""
        try:
            with effect("http.slack-form-change"):
                await self._calls.ask("views.update", lambda: self._client.views_update(view_id=form_id, view=form))
        except Rejected as exc:
            if exc.error != "not_found":
                raise

    async def link_to(self, spot: Spot) -> str:
        """The address of a message; empty where Slack gives none."""
        try:
            answer = await self._calls.ask(
                "chat.getPermalink",
                lambda: self._client.chat_getPermalink(channel=spot.channel, message_ts=spot.ts),
                spot.channel,
            )
        except (Rejected, Unusable):
            return ""
        return str(answer["permalink"])

    async def email_of(self, user: str) -> str | None:
        """Their e-mail address, if Slack says that it is confirmed."""
        if user not in self._emails:
            try:
                answer = await self._calls.ask("users.info", lambda: self._client.users_info(user=user))
            except (Rejected, Unusable) as exc:
                self._note(exc)
                return None
            self._emails[user] = _email(answer["user"])
        return self._emails[user]

    async def user_of(self, people: Mapping[str, str], login: str) -> str | None:
        """The Slack user whom `[people]` in cco.toml has for a login, by their id or by their address."""
        names = [name for name, known in people.items() if known.casefold() == login.casefold()]
        by_id = next((name for name in names if _USER.fullmatch(name)), None)
        if by_id is not None:
            return by_id
        for email in (name for name in names if "@" in name):
            if (user := await self._user_at(email)) is not None:
                return user
        return None

    async def _user_at(self, email: str) -> str | None:
        if email not in self._users:
            try:
                answer = await self._calls.ask(
                    "users.lookupByEmail", lambda: self._client.users_lookupByEmail(email=email)
                )
            except TryLater as exc:  # nobody waits for it: they read of it all the same
                logger.info("who has an address in Slack is not known now: %s", exc)
                return None
            except Rejected:
                self._users[email] = None
            else:
                user = answer["user"]
                self._users[email] = str(user["id"]) if _email(user) is not None else None
        return self._users[email]

    async def _answer(self, url: str, message: Message) -> bool:
        """False where the address is not taken any more: Slack takes five answers within half an hour."""
        body = {
            "response_type": "ephemeral",
            "replace_original": False,
            "text": message.text,
            "blocks": message.blocks,
        }
        try:
            with effect("http.slack-response"):
                async with self._session.post(url, json=body, allow_redirects=False) as answer:
                    return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            raise TryLater(f"Slack cannot be reached: {type(exc).__name__} {exc}".rstrip()) from exc

    def _note(self, exc: Rejected | Unusable) -> None:
        if self._calls.once(str(exc)):
            logger.warning("Slack does not let us answer somebody: %s", exc)


def _email(user: Any) -> str | None:
    """Guests of other workspaces and bots are nobody we know by an address."""
    if not isinstance(user, dict) or user.get("is_bot") or user.get("deleted") or user.get("is_stranger"):
        return None
    if not user.get("is_email_confirmed"):
        return None
    email = (user.get("profile") or {}).get("email")
    return email if isinstance(email, str) and email else None
