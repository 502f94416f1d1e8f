"""Slack's own markup: what a person wrote in it as plain text, and our Markdown as Slack shows it."""

import re

_MARKED = re.compile(r"<(?P<kind>[@#!]?)(?P<what>[^<>|]*)(?:\|(?P<label>[^<>]*))?>")
_LONGEST = 2_900  # Slack takes 3,000 characters in a section


def plain(text: str) -> str:
    """What a person sees of their own message: links and names in words, nothing escaped."""
    return _unescaped(_MARKED.sub(_in_words, text)).strip()


def markdown(text: str) -> str:
    """Plain text as Markdown in which `List<String>` is no HTML; code stays as it is."""
    parts = re.split(r"(`+[^`]+`+)", text)
    return "".join(part if number % 2 else part.replace("<", "\\<") for number, part in enumerate(parts))


def mrkdwn(markdown: str) -> str:
    """Our own answers, which are Markdown, as Slack marks text up. Whoever is named in them is not called."""
    parts = re.split(r"(`+[^`]+`+)", _without_tables(_OURS.sub("", markdown)))
    said = "".join(_code(part) if number % 2 else _marked_up(part) for number, part in enumerate(parts))
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST].rsplit(chr(10), 1)[0]}\n…"


def escaped(text: str) -> str:
    """Characters that would mean something to Slack, as it wants them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _in_words(found: re.Match[str]) -> str:
    kind, what, label = found["kind"], found["what"], found["label"]
    match kind:
        case "@":
            return f"@{label or what}"
        case "#":
            return f"#{label or what}"
        case "!":
            return f"@{(label or what.partition('^')[0]).removeprefix('@')}"
        case _:
            return f"{label} ({what})" if label and label not in what else what


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _code(span: str) -> str:
    inner = span.strip("`").strip(" ")
    return f"`{escaped(inner)}`" if "\n" not in inner else f"```{escaped(inner.strip())}```"


_QUOTE = re.compile(r"^> ?", re.MULTILINE)
_ITEM = re.compile(r"^(\s*)[-*] ", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*(?![\w*])")
_STRIKE = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
_LINK = re.compile(r"\[([^\]\n]*)\]\(<?([^\s()<>]+)>?\)")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!<>~|&])")
_ENTITY = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_RULE = re.compile(r"^(?:-{3,}|\*{3,})$", re.MULTILINE)
_JOINER = "\u2060"
_OURS = re.compile("[\ue000-\ue002]")  # what we mark a place with meanwhile


def _marked_up(text: str) -> str:
    """Everything but code. What our Markdown escapes is kept aside, so that it marks nothing up."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[1])
        return f"\ue000{len(kept) - 1}\ue001"

    text = _ESCAPE.sub(keep, text)
    for entity, character in _ENTITY.items():
        text = text.replace(entity, character)
    text = _RULE.sub("──────────", text)
    text = _QUOTE.sub("\ue002", text)
    text = _HEADING.sub(r"**\1**", text)
    text = _ITEM.sub(r"\1• ", text)
    text = _EMPHASIS.sub(r"_\1_", text)
    text = _BOLD.sub(r"*\1*", text)
    text = _STRIKE.sub(r"~\1~", text)
    text = escaped(text).replace("\ue002", "> ")
    text = _LINK.sub(lambda found: f"<{found[2]}|{found[1] or found[2]}>", text)
    text = re.sub("\ue000(\\d+)\ue001", lambda found: escaped(kept[int(found[1])]), text)
    return re.sub(r"@(?=\w)", f"@{_JOINER}", text)


def _without_tables(text: str) -> str:
    """Slack has no tables: a row becomes a line."""
    lines = []
    for line in text.split("\n"):
        if re.fullmatch(r"\|[\s|:-]*\|", line.strip()):
            continue  # the line under a heading, and an empty heading
        if line.startswith("|") and line.rstrip().endswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            line = "- " + " – ".join(cell for cell in cells if cell)  # noqa: PLW2901, RUF001  (a dash between two cells)
        lines.append(line)
    return "\n".join(lines)
