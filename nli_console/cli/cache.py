"""``nli-console cache``: how large the cache of tokenised data is, and emptying it."""

from cyclopts import App

from nli_console.cli.context import Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import pairs, say, say_json
from nli_console.data import token_cache
from nli_console.text import format_bytes

cache_app = App(name="cache", help="Show the size of the cache of tokenised data, or clear it.")


@cache_app.default
def show(*, json: Json = False, context: Ctx) -> None:
    """Show where the cache of tokenised data stands, its size and its limit."""
    cache_dir = context.settings.cache_dir
    size = token_cache.size(cache_dir)
    limit = int(context.settings.values.cache.tokenised_limit_gib * 1024**3)
    if json:
        say_json({"path": str(token_cache.folder(cache_dir)), "bytes": size, "limit_bytes": limit})
        return
    say(
        pairs(
            [
                ("tokenised data", token_cache.folder(cache_dir)),
                ("size", format_bytes(size)),
                ("limit", f"{format_bytes(limit)} (tokenised_limit_gib in settings.toml)"),
            ]
        )
    )


@cache_app.command
def clear(*, context: Ctx) -> None:
    """Delete the cache of tokenised data. Runs that are going keep what they have open."""
    freed = token_cache.clear(context.settings.cache_dir)
    say(f"freed {format_bytes(freed)}")
