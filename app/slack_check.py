"""Whether Slack would take what we have to say: doctor's question, asked without posting anything."""

from dataclasses import dataclass

from app.slack import Slack
from app.slack_calls import Rejected, Unusable
from runner.errors import TryLater

NEEDED = "chat:write"
NEEDED_UNINVITED = "chat:write.public"
LOOKING = ("channels:read", "channels:history", "groups:read", "groups:history")


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether it works, what was seen, and what mends it or makes it better; empty if nothing has to be done."""

    ok: bool
    detail: str
    mend: str = ""


async def check(slack: Slack) -> Checked:
    """Is the token valid, may it write, is the channel there, is the bot in it."""
    try:
        identity = await slack.identity()
        bot, team = identity.get("user"), identity.get("team")
        scopes = _scopes(identity.headers.get("x-oauth-scopes"))
        if scopes is not None and NEEDED not in scopes:
            return _lacks(NEEDED, f"the Slack app may not write: it lacks the scope {NEEDED}")
        blind = [scope for scope in LOOKING if scopes is not None and scope not in scopes]
        if "channels:read" in blind:
            detail = (
                f"Slack knows us as {bot} in {team}; whether the channel is there cannot be seen without channels:read"
            )
            return Checked(True, detail, _add(blind))
        place = await slack.place(slack.usual)
    except Unusable as exc:
        return Checked(False, exc.detail, exc.mend)
    except Rejected as exc:
        return Checked(False, str(exc), "look up the error's name in Slack's documentation of that method")
    except TryLater as exc:
        return Checked(False, str(exc), "see whether this machine reaches CCO_SLACK_API_URL, and status.slack.com")
    name = f"#{place.get('name') or place.get('id')}"
    if place.get("is_archived"):
        return Checked(False, f"{name} is archived", "unarchive it, or set CCO_SLACK_CHANNEL to another channel")
    if not place.get("is_member") and NEEDED_UNINVITED not in (scopes or ()):
        return Checked(False, f"the bot is not in {name}", f"write /invite @{bot} in {name}")
    return Checked(True, f"Slack knows us as {bot} in {team}, and we may write in {name}", _add(blind) if blind else "")


def _scopes(header: str | None) -> frozenset[str] | None:
    """What the token may do; None if Slack did not say."""
    return frozenset(scope.strip() for scope in header.split(",")) if header is not None else None


def _lacks(scope: str, detail: str) -> Checked:
    return Checked(False, detail, _add([scope]))


def _add(scopes: list[str]) -> str:
    return f"add {', '.join(scopes)} under OAuth & Permissions and install the app again"
