"""Follow a repository to its new name or owner, and say in the log where the App comes and goes."""

import logging

from gidgethub import routing, sansio

from handlers.desk import Desk
from handlers.github import repository_of

logger = logging.getLogger(__name__)

router = routing.Router()


@router.register("repository", action="renamed")
@router.register("repository", action="transferred")
async def repository_moved(event: sansio.Event, desk: Desk) -> None:
    """Its tasks are known by its id, and follow."""
    repository = repository_of(event.data["repository"], desk.house)
    await desk.store.rename(repository.host, repository.id, repository.full_name, repository.clone_url)


@router.register("installation")
@router.register("installation_repositories")
async def installation_changed(event: sansio.Event, desk: Desk) -> None:
    """Nothing is kept of it: every call asks GitHub again."""
    account = (event.data["installation"].get("account") or {}).get("login")
    logger.info("%s %s for %s on %s", event.event, event.data.get("action"), account, desk.house.host)
