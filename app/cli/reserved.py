"""Commands whose names are taken, and which are not there yet: they say so."""

import click

from app.cli.saying import Failed


def _reserved(name: str) -> click.Command:
    @click.command(name, hidden=True, context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:  # noqa: ARG001  whatever it is given
        """Not there yet."""
        raise Failed(f"cco {name} is not there yet.")

    return command


takeover = _reserved("takeover")
