"""Start the command line: `python -m app`, `cco`."""

from app.cli.commands import cco


def main() -> None:
    """Run the command that was asked for, and exit with its code."""
    cco(prog_name="cco")


if __name__ == "__main__":
    main()
