"""``nli-console`` and ``python -m nli_console``: alone it opens the console, else it runs a command."""

import sys


def main() -> int:
    """Run what the command line asks for and return the exit code; no exception leaves this function."""
    try:
        from nli_console.cli.entry import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        # Also while modules are still being imported.
        print(file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
