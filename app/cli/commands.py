"""Every command there is, in the order of the help. A command's module is imported when the command is run."""

import importlib
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """Where a command lives, and its line in the help; no line, and the help leaves it out."""

    module: str
    line: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "The service": {
        "serve": Entry("app.cli.serving", "Run the service until it is told to stop."),
        "demo": Entry("app.cli.serving", "Show the whole loop on this machine, with no account anywhere."),
        "setup": Entry("app.cli.connecting", "Create the GitHub App and save its credentials."),
        "signin": Entry("app.cli.connecting", "Print a link that signs you in to the dashboard."),
        "doctor": Entry("app.cli.connecting", "Say what is missing, and the command that mends it."),
    },
    "Look": {
        "ls": Entry("app.cli.looking", "List tasks, the latest first."),
        "show": Entry("app.cli.looking", "Show one task."),
        "logs": Entry("app.cli.watching", "Print what Claude did and said."),
        "diff": Entry("app.cli.looking", "Print what is changed on the task's branch."),
        "attach": Entry("app.cli.watching", "Enter the tmux session of a running task."),
    },
    "Act": {
        "start": Entry("app.cli.telling", "Start work on an issue, by its address."),
        "retry": Entry("app.cli.telling", "Run a task again, with a word more if you give one."),
        "stop": Entry("app.cli.telling", "Stop a task; what is done so far is kept and pushed."),
        "steer": Entry("app.cli.telling", "Say something to a task."),
        "approve": Entry("app.cli.telling", "Allow what a task waits for."),
        "deny": Entry("app.cli.telling", "Refuse what a task waits for."),
    },
    "Keep it safe": {
        "backup": Entry("app.cli.keeping", "Put what cannot be had again into one file."),
        "restore": Entry("app.cli.keeping", "Take a backup back."),
        "gc": Entry("app.cli.keeping", "Take away what nobody needs any more, and say what it freed."),
        "panic": Entry("app.cli.panicking", "Stop everything at once, and let nothing start."),
        "resume-all": Entry("app.cli.panicking", "Let everything go on after a panic."),
    },
    "The project": {
        "test": Entry("app.cli.testing", "Run the project's tests, as CI runs them."),
    },
    "": {name: Entry("app.cli.reserved", "") for name in ("takeover",)},
}

COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Commands(click.Group):
    """The group behind `cco`. Its help is written from the table above, so that it imports none of the commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The names that the help shows."""
        return [name for name, entry in COMMANDS.items() if entry.line]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """The command of this name; a reserved one has a module that answers for all of them."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(entry.module)
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        """The table, by section."""
        for title, section in SECTIONS.items():
            if lines := [(name, entry.line) for name, entry in section.items() if entry.line]:
                with formatter.section(title):
                    formatter.write_dl(lines)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="T is a task: its id (7), an issue or pull request (octo/hello#42), or a ticket (PROJ-7).",
)
def cco() -> None:
    """Turn a labelled issue into a pull request, with Claude Code working where you can watch it."""
