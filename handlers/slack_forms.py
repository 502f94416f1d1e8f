"""The form that makes a task of a text: what it shows while it is got ready, and when there is nothing to choose."""

import json
from collections.abc import Sequence

from slack_sdk.models.blocks import (
    InputBlock,
    MarkdownTextObject,
    Option,
    PlainTextInputElement,
    SectionBlock,
    StaticSelectElement,
)
from slack_sdk.models.views import View

from handlers.messages_slack import Message
from handlers.slack_heard import FORM, Whisper
from handlers.slack_office import Form

TITLE = "New task for Claude"
GETTING_READY = "Looking up the repositories that you can push to…"
NO_REPOSITORY = (
    "There is no repository here that you can push to. Whoever runs this service installs the GitHub App on one."
)
MOST_OPTIONS = 100  # Slack's own limits, here and below
LONGEST_TEXT = 3_000
LONGEST_OPTION = 75


def getting_ready() -> Form:
    """While we ask GitHub: the form has to be opened within three seconds."""
    return _view([SectionBlock(text=MarkdownTextObject(text=GETTING_READY))])


def saying(message: Message) -> Form:
    """Only that: why there is no form."""
    return View(type="modal", title=TITLE, close="Close", blocks=message.blocks).to_dict()


def asking(
    text: str, repositories: Sequence[str], chosen: str | None, where: Whisper, channel_name: str, link: str
) -> Form:
    """What shall be done, and where. `link` is the message that it comes from, if it comes from one.

    `where` whoever asked is answered, also once the form is sent off.
    """
    options = [
        Option(label=name if len(name) <= LONGEST_OPTION else f"{name[: LONGEST_OPTION - 1]}…", value=name)
        for name in repositories[:MOST_OPTIONS]
    ]
    blocks = [
        InputBlock(
            label="What shall Claude do?",
            block_id="text",
            hint="The first line becomes the title of an issue on GitHub.",
            element=PlainTextInputElement(
                action_id="text",
                multiline=True,
                max_length=LONGEST_TEXT,
                initial_value=text[:LONGEST_TEXT] or None,
                focus_on_load=True,
            ),
        ),
        InputBlock(
            label="In which repository?",
            block_id="repository",
            element=StaticSelectElement(
                action_id="repository",
                options=options,
                initial_option=next((one for one in options if one.value == chosen), None),
            ),
        ),
    ]
    about = {"channel": where.channel, "channel_name": channel_name, "link": link, "url": where.url}
    return _view(blocks, json.dumps(about), submit="Start")


def _view(blocks: Sequence[SectionBlock | InputBlock], about: str = "", submit: str | None = None) -> Form:
    return View(
        type="modal",
        callback_id=FORM,
        title=TITLE,
        close="Cancel",
        submit=submit,
        private_metadata=about or None,
        blocks=list(blocks),
    ).to_dict()
