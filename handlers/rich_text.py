"""Jira's two ways to write a text, read into Markdown: wiki text (Data Center), and a document (ADF, in Cloud)."""

from collections.abc import Mapping

from handlers import adf, wiki


def markdown_of(body: object) -> str:
    """What somebody wrote, whichever way Jira gives it; empty for nothing, and for what neither of them is."""
    if isinstance(body, str):
        return wiki.read(body)
    return adf.read(body) if isinstance(body, Mapping) else ""
