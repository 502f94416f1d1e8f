"""REST about Apps: themselves, their installations and tokens, and the deliveries of their webhooks."""

from typing import Any

from aiohttp import web

from app.demo.github import manifest, shapes, webhooks
from app.demo.github.errors import Refused, invalid, not_found
from app.demo.github.http import Call, leads_to
from app.demo.github.model import App, HookDelivery, Installation

GRANTS = {"read": 1, "write": 2, "admin": 3}


async def get_app(call: Call) -> web.Response:
    app = call.caller.must_be_app()
    count = len(_installations(call, app))
    return web.json_response({**shapes.app(call.world, app), "installations_count": count})


async def list_installations(call: Call) -> web.Response:
    app = call.caller.must_be_app()
    return call.page([shapes.installation(call.world, one) for one in _installations(call, app)])


async def get_installation(call: Call) -> web.Response:
    return web.json_response(shapes.installation(call.world, _installation(call)))


async def repository_installation(call: Call) -> web.Response:
    app = call.caller.must_be_app()
    repository = call.named()
    moved = None if repository else call.moved()
    if moved is not None and call.world.installation_for(app, moved):
        raise leads_to(call, moved)
    installation = call.world.installation_for(app, repository) if repository else None
    if installation is None:
        raise not_found()
    return web.json_response(shapes.installation(call.world, installation))


async def create_token(call: Call) -> web.Response:
    """A token for one hour, for the whole installation or for less of it."""
    installation = _installation(call)
    if installation.suspended_at:
        raise Refused(403, "This installation has been suspended")
    chosen = _chosen_repositories(call, installation)
    token = call.world.issue_token(installation, chosen, _chosen_permissions(call, installation))
    shape: dict[str, Any] = {
        "token": token.value,
        "expires_at": shapes.when(token.expires_at),
        "permissions": token.permissions,
        "repository_selection": "selected" if token.narrowed else installation.repository_selection,
    }
    if token.narrowed:
        found = [call.world.repositories[number] for number in sorted(token.repository_ids)]
        shape["repositories"] = [shapes.repository(call.world, one) for one in found]
    return web.json_response(shape, status=201)


async def installation_repositories(call: Call) -> web.Response:
    token = call.caller.must_be_installation()
    found = [call.world.repositories[n] for n in sorted(token.repository_ids) if n in call.world.repositories]
    selection = "selected" if token.narrowed else token.installation.repository_selection
    return call.page(
        [shapes.repository(call.world, one) for one in found],
        lambda page: {"total_count": len(found), "repository_selection": selection, "repositories": page},
    )


async def list_deliveries(call: Call) -> web.Response:
    """Newest first; `cursor` goes on after a delivery's id."""
    app = call.caller.must_be_app()
    mine = [one for one in reversed(call.world.deliveries.values()) if one.app is app]
    cursor = call.request.query.get("cursor", "")
    if cursor.isascii() and cursor.isdecimal():
        mine = [one for one in mine if one.id < int(cursor)]
    size = call.request.query.get("per_page", "30")
    limit = min(max(int(size) if size.isascii() and size.isdecimal() else 30, 1), 100)
    headers = {}
    if len(mine) > limit:
        url = f"{call.world.base_url}{call.request.path}?per_page={limit}&cursor={mine[limit - 1].id}"
        headers["Link"] = f'<{url}>; rel="next"'
    return web.json_response([webhooks.delivery_item(one) for one in mine[:limit]], headers=headers)


async def get_delivery(call: Call) -> web.Response:
    return web.json_response(webhooks.delivery_detail(_delivery(call)))


async def redeliver(call: Call) -> web.Response:
    webhooks.redeliver(call.world, _delivery(call))
    return web.json_response({}, status=202)


async def convert_manifest(call: Call) -> web.Response:
    """Turn the code of the manifest flow into an App, once and within the hour."""
    made = manifest.convert(call.world, call.request.match_info["code"])
    if made is None:
        raise not_found()
    app, pem = made
    secrets = {"client_secret": app.client_secret, "webhook_secret": app.hook_secret, "pem": pem}
    return web.json_response({**shapes.app(call.world, app), **secrets}, status=201)


def _installations(call: Call, app: App) -> list[Installation]:
    return [one for one in call.world.installations.values() if one.app is app]


def _installation(call: Call) -> Installation:
    app = call.caller.must_be_app()
    installation = call.world.installations.get(call.number("id"))
    if installation is None or installation.app is not app:
        raise not_found()
    return installation


def _delivery(call: Call) -> HookDelivery:
    app = call.caller.must_be_app()
    delivery = call.world.deliveries.get(call.number("id"))
    if delivery is None or delivery.app is not app:
        raise not_found()
    return delivery


def _chosen_repositories(call: Call, installation: Installation) -> set[int] | None:
    names, numbers = call.body.get("repositories"), call.body.get("repository_ids")
    if names is None and numbers is None:
        return None
    if not isinstance(names, list | None) or not isinstance(numbers, list | None):
        raise invalid("InstallationToken", "repositories", "invalid")
    owned = [call.world.repositories[n] for n in installation.repository_ids]
    by_name = {one.name.lower(): one.id for one in owned}
    chosen = {by_name.get(str(name).lower(), 0) for name in names or []} | {int(number) for number in numbers or []}
    if not chosen <= installation.repository_ids:
        raise Refused(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    return chosen


def _chosen_permissions(call: Call, installation: Installation) -> dict[str, str] | None:
    wanted = call.body.get("permissions")
    if wanted is None:
        return None
    if not isinstance(wanted, dict):
        raise invalid("InstallationToken", "permissions", "invalid")
    for name, level in wanted.items():
        if GRANTS.get(level, 9) > GRANTS.get(installation.permissions.get(name, ""), 0):
            raise Refused(422, "The permissions requested are not granted to this installation.")
    return wanted
