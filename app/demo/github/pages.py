"""Plain pages, where a person can be anybody: open an issue, label it, comment, review, merge."""

from aiohttp import web


def routes() -> list[web.RouteDef]:
    return []
