"""Apps come to accounts and go again, and hear of it; these events need no subscription."""

from app.demo.github import webhooks
from app.demo.github.model import App, Installation, User
from app.demo.github.world import World


def install(world: World, app: App, account: str, by: User, repositories: list[str] | None = None) -> Installation:
    made = world.add_installation(app, account, repositories)
    webhooks.emit_installation(world, "created", made, by, repositories=_briefly(world, made.repository_ids))
    return made


def uninstall(world: World, installation: Installation, by: User) -> None:
    """Its tokens die with it."""
    del world.installations[installation.id]
    named = _briefly(world, installation.repository_ids)
    webhooks.emit_installation(world, "deleted", installation, by, repositories=named)


def suspend(world: World, installation: Installation, by: User) -> None:
    installation.suspended_at = world.now()
    installation.suspended_by = by
    webhooks.emit_installation(
        world, "suspend", installation, by, repositories=_briefly(world, installation.repository_ids)
    )


def change_repositories(
    world: World, installation: Installation, by: User, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()
) -> None:
    """Let an installation reach more repositories, or fewer."""
    added = {world.repository(name).id for name in add} - installation.repository_ids
    removed = {world.repository(name).id for name in remove} & installation.repository_ids
    installation.repository_ids = (installation.repository_ids | added) - removed
    installation.repository_selection = "selected"
    for action, some in (("added", added), ("removed", removed)):
        if some:
            webhooks.emit_installation(
                world,
                action,
                installation,
                by,
                "installation_repositories",
                repository_selection="selected",
                repositories_added=_briefly(world, some) if action == "added" else [],
                repositories_removed=_briefly(world, some) if action == "removed" else [],
                requester=None,
            )


def _briefly(world: World, numbers: set[int]) -> list[dict[str, object]]:
    return [webhooks.lite_repository(world.repositories[n]) for n in sorted(numbers) if n in world.repositories]
