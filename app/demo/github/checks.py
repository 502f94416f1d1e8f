"""Checks as things that happen: what GitHub asks of Apps after a push, and what a team's own CI reports."""

from app.demo.github import bare, shapes_checks, webhooks
from app.demo.github.model import App, CheckRun, Repository, User
from app.demo.github.world import World


async def run_of_another_app(
    world: World, full_name: str, app: App, *, name: str, sha: str, conclusion: str, summary: str = ""
) -> CheckRun:
    """What a team's own CI does: one finished check run, told as `check_run` and `check_suite`, both completed."""
    repository = world.repository(full_name)
    run = _run(world, app, name, sha)
    run.status, run.conclusion, run.completed_at = "completed", conclusion, world.now()
    run.output = {"title": name, "summary": summary}
    run.details_url = f"{world.base_url}/ci"
    repository.check_runs.append(run)
    tell(world, repository, run, "created")
    tell(world, repository, run, "completed")
    await _tell_suite(world, repository, run, app.bot, "completed")
    return run


async def suites_requested(world: World, repository: Repository, sha: str, who: User) -> None:
    """After every push GitHub asks each App that may write checks for a suite of them, also the App that pushed."""
    for app in world.apps.values():
        installation = world.installation_for(app, repository)
        if installation and installation.permissions.get("checks") == "write":
            await _tell_suite(world, repository, _run(world, app, app.name, sha), who, "requested", only=app)


def tell(world: World, repository: Repository, run: CheckRun, action: str) -> None:
    shape = shapes_checks.webhook_check_run(world, repository, run)
    webhooks.emit(world, "check_run", action, repository, run.app.bot, check_run=shape)


def _run(world: World, app: App, name: str, sha: str) -> CheckRun:
    return CheckRun(
        id=world.new_id(),
        app=app,
        name=name,
        head_sha=sha,
        status="queued",
        conclusion=None,
        started_at=world.now(),
        completed_at=None,
        external_id="",
        details_url=None,
        output={},
        suite_id=world.new_id(),
    )


async def _tell_suite(
    world: World, repository: Repository, run: CheckRun, who: User, action: str, *, only: App | None = None
) -> None:
    head = await bare.commit(repository.path, run.head_sha)
    suite = shapes_checks.told_suite(world, repository, run, head)
    webhooks.emit(world, "check_suite", action, repository, who, only=only, check_suite=suite)
