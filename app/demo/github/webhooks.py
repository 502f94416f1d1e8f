"""Tell the Apps: signed deliveries, kept so that they can be listed and sent again. None is sent again by itself."""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from app.demo.github import shapes
from app.demo.github.ledger import DeliverySent
from app.demo.github.model import App, HookDelivery, Installation, Issue, Repository, User
from app.demo.github.shapes_work import issue as issue_shape
from app.demo.github.shapes_work import pull_request, webhook_repository
from app.demo.github.world import World


def emit(
    world: World,
    event: str,
    action: str | None,
    repository: Repository,
    sender: User,
    *,
    only: App | None = None,
    **parts: Any,
) -> list[HookDelivery]:
    """Send an event to every App that is installed on the repository and subscribed to it, or to one of them."""
    sent = []
    for app in world.apps.values():
        installation = world.installation_for(app, repository)
        if installation is None or installation.suspended_at or event not in app.events or only not in {None, app}:
            continue
        payload = {
            **({} if action is None else {"action": action}),
            **parts,
            "repository": webhook_repository(world, repository),
            "sender": shapes.user(world, sender),
            "installation": {"id": installation.id, "node_id": f"MDI_{installation.id}"},
        }
        if repository.owner.type == "Organization":
            payload["organization"] = _organization(world, repository.owner)
        sent.append(_send(world, app, installation, repository, event=event, action=action, payload=payload))
    return sent


def emit_issue(world: World, action: str, issue: Issue, sender: User, **parts: Any) -> None:
    """An event of an issue; what happens to a pull request's issue is told as the pull request's."""
    if issue.pull:
        shape = pull_request(world, issue, rest=False)
        emit(
            world,
            "pull_request",
            action,
            issue.repository,
            sender,
            number=issue.number,
            pull_request=shape,
            **parts,
        )
    else:
        shape = issue_shape(world, issue, rest=False)
        emit(world, "issues", action, issue.repository, sender, issue=shape, **parts)


def emit_installation(
    world: World, action: str, installation: Installation, sender: User, event: str = "installation", **parts: Any
) -> HookDelivery:
    """`installation*` events reach every App without subscription."""
    payload = {
        "action": action,
        "installation": shapes.installation(world, installation),
        **parts,
        "sender": shapes.user(world, sender),
    }
    return _send(world, installation.app, installation, None, event=event, action=action, payload=payload)


def redeliver(world: World, delivery: HookDelivery) -> HookDelivery:
    """Hand the same payload over once more, under the same GUID."""
    return _deliver(
        world,
        HookDelivery(
            id=world.new_id(),
            guid=delivery.guid,
            app=delivery.app,
            installation=delivery.installation,
            repository=delivery.repository,
            event=delivery.event,
            action=delivery.action,
            payload=delivery.payload,
            delivered_at=world.now(),
            redelivery=True,
        ),
    )


def lite_repository(repository: Repository) -> dict[str, Any]:
    return {
        "id": repository.id,
        "node_id": f"R_{repository.id}",
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
    }


def delivery_item(delivery: HookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": shapes.when(delivery.delivered_at),
        "redelivery": delivery.redelivery,
        "duration": round(delivery.duration, 2),
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation.id if delivery.installation else None,
        "repository_id": delivery.repository.id if delivery.repository else None,
        "throttled_at": None,
    }


def delivery_detail(delivery: HookDelivery) -> dict[str, Any]:
    return {
        **delivery_item(delivery),
        "url": delivery.app.hook_url or "",
        "request": {"headers": delivery.request_headers, "payload": delivery.payload},
        "response": {"headers": delivery.response_headers, "payload": delivery.response_body},
    }


def _send(
    world: World,
    app: App,
    installation: Installation,
    repository: Repository | None,
    *,
    event: str,
    action: str | None,
    payload: dict[str, Any],
) -> HookDelivery:
    fresh = HookDelivery(
        world.new_id(),
        str(uuid.uuid4()),
        app,
        installation,
        repository,
        event,
        action,
        payload,
        world.now(),
        redelivery=False,
    )
    return _deliver(world, fresh)


def _deliver(world: World, delivery: HookDelivery) -> HookDelivery:
    world.deliveries[delivery.id] = delivery
    body = json.dumps(delivery.payload, separators=(",", ":"), ensure_ascii=False).encode()
    delivery.payload = json.loads(body)  # as it was sent, whatever becomes of what it tells of
    app = delivery.app
    target = {
        "X-GitHub-Hook-Installation-Target-ID": str(app.id),
        "X-GitHub-Hook-Installation-Target-Type": "integration",
    }
    delivery.request_headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/stand-in",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(app.hook_id),
        **target,
    }
    if app.hook_secret:
        delivery.request_headers["X-Hub-Signature-256"] = "sha256=" + _mac(app.hook_secret, body, hashlib.sha256)
        delivery.request_headers["X-Hub-Signature"] = "sha1=" + _mac(app.hook_secret, body, hashlib.sha1)
    task = asyncio.get_running_loop().create_task(_post(world, delivery, body))
    world.pending.add(task)
    task.add_done_callback(world.pending.discard)
    return delivery


async def _post(world: World, delivery: HookDelivery, body: bytes) -> None:
    started = time.monotonic()
    if delivery.app.hook_url is None or world.post is None:
        delivery.status = "Hook has no URL"
    else:
        try:
            async with asyncio.timeout(world.hook_timeout.total_seconds()):
                code, headers, text = await world.post(delivery.app.hook_url, body, delivery.request_headers)
        except TimeoutError:
            delivery.status, delivery.status_code = "timed out", 504
        except OSError as exc:
            delivery.status, delivery.status_code = f"failed to connect to host: {exc.__class__.__name__}", 502
        else:
            delivery.status = "OK" if code < 300 else f"Invalid HTTP Response: {code}"
            delivery.status_code, delivery.response_headers, delivery.response_body = code, headers, text
    delivery.duration = time.monotonic() - started
    world.ledger.append(
        DeliverySent(
            world.now(),
            delivery.guid,
            delivery.event,
            delivery.action,
            delivery.redelivery,
            delivery.status_code,
            delivery.response_body,
        )
    )


def _mac(secret: str, body: bytes, digest: Any) -> str:
    return hmac.new(secret.encode(), body, digest).hexdigest()


def _organization(world: World, owner: User) -> dict[str, Any]:
    url = f"{world.api_url}/orgs/{owner.login}"
    return {
        "login": owner.login,
        "id": owner.id,
        "node_id": f"O_{owner.id}",
        "url": url,
        "repos_url": url + "/repos",
        "events_url": url + "/events",
        "hooks_url": url + "/hooks",
        "issues_url": url + "/issues",
        "members_url": url + "/members{/member}",
        "public_members_url": url + "/public_members{/member}",
        "avatar_url": f"{world.base_url}/avatars/{owner.id}.svg",
        "description": "",
    }
