"""The tree of commands, and the translation of the command-line library's complaints into ours."""

from collections.abc import Callable
from typing import Any

from cyclopts import App
from cyclopts.exceptions import (
    CycloptsError,
    MissingArgumentError,
    UnusedCliTokensError,
)

from nli_console import __version__
from nli_console.cli import catalogue, doctor, history, labelling, lifecycle, listing
from nli_console.cli.again import again
from nli_console.cli.cache import cache_app
from nli_console.cli.clean import clean
from nli_console.cli.compare import compare, export
from nli_console.cli.context import Context
from nli_console.cli.data import data_app
from nli_console.cli.demo import demo
from nli_console.cli.errors import errors
from nli_console.cli.evaluate import evaluate
from nli_console.cli.exit_codes import HELP as EXIT_CODES
from nli_console.cli.globals import Globals
from nli_console.cli.package import card, package
from nli_console.cli.predict import predict
from nli_console.cli.prompt import prompt
from nli_console.cli.queue import queue_app
from nli_console.cli.report import report
from nli_console.cli.reproduce import reproduce
from nli_console.cli.run import run_app, with_default_method
from nli_console.cli.templates import templates_app
from nli_console.cli.watch import watch
from nli_console.errors import ConsoleError

DESCRIPTION = (
    "A terminal console for natural-language-inference experiments. Without a command it opens the console."
)
EPILOGUE = (
    "Everywhere: --settings FILE (default: ./settings.toml, then settings.toml in ~/.config/nli-console) "
    f"and --runs-dir DIR, which given again names further folders to read. {EXIT_CODES}"
)


def build() -> App:
    """All commands."""
    app = App(
        name="nli-console",
        help=DESCRIPTION,
        help_epilogue=EPILOGUE,
        version=__version__,
        help_format="plaintext",
        result_action="return_value",
    )
    app.command(run_app)
    app.command(evaluate, name="evaluate")
    app.command(predict)
    app.command(package)
    app.command(card)
    app.command(listing.list_runs, name="list")
    app.command(history.show)
    app.command(watch)
    app.command(lifecycle.stop)
    app.command(lifecycle.resume)
    app.command(lifecycle.delete)
    app.command(lifecycle.restore)
    app.command(lifecycle.trash)
    app.command(labelling.label)
    app.command(clean)
    app.command(again)
    app.command(queue_app)
    app.command(lifecycle.supervise)
    app.command(catalogue.methods)
    app.command(catalogue.presets_app)
    app.command(prompt)
    app.command(templates_app)
    app.command(doctor.doctor)
    app.command(demo)
    app.command(reproduce)
    app.command(compare)
    app.command(errors)
    app.command(export)
    app.command(report)
    app.command(data_app)
    app.command(cache_app)
    return app


def dispatch(options: Globals, argv: list[str]) -> int:
    """Run one command and return its exit code.

    Raises:
        ConsoleError: the command line is not understood, or what the command itself raises.
    """
    app = build()
    context = Context(options)
    try:
        words = with_default_method(argv, context)
        command, bound, ignored = app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise ConsoleError(f"{_translate(error)} {_see_help(error)}") from None
    injected: dict[str, Any] = {"context": context} if "context" in ignored else {}
    return _call(command, bound.args, {**bound.kwargs, **injected})


def _call(command: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    code = command(*args, **kwargs)
    return code if isinstance(code, int) else 0


def _translate(error: CycloptsError) -> str:
    match error:
        case UnusedCliTokensError():
            tokens = error.unused_tokens or []
            return f'unexpected argument "{tokens[0]}".' if tokens else "unexpected arguments."
        case MissingArgumentError(argument=argument) if argument is not None:
            name = error.keyword or (argument.tokens[-1].keyword if argument.tokens else None)
            if name:
                return f"{name}: expected a value after it."
            return f"{argument.name.removeprefix('--').upper()} is missing."
    text = str(error).strip()
    return text[:1].lower() + text[1:]


def _see_help(error: CycloptsError) -> str:
    chain = " ".join(error.command_chain or ())
    return f"See `nli-console {chain + ' ' if chain else ''}--help`."
