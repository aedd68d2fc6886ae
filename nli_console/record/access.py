"""Whether a run may be changed from here: somebody else's may be looked at, and that is all."""

import os
from pathlib import Path

from nli_console.errors import ConsoleError
from nli_console.record.layout import RunLayout


def read_only_reason(folder: Path | str) -> str:
    """``belongs to bob``, or another reason why a folder is only to be read; empty where it may be changed.

    A folder that is not there is nobody's. May hang where its file system does.
    """
    try:
        status = os.stat(folder)
    except OSError:
        return ""
    if status.st_uid != os.geteuid():
        return f"belongs to {user_name(status.st_uid)}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "stands where nothing can be written"
    return ""


def refusal(what: str, reason: str, verb: str) -> str:
    """``lora 3 belongs to bob: it can be looked at, compared and cloned, but not stopped from here``."""
    return f"{what} {reason}: it can be looked at, compared and cloned, but not {verb} from here"


def user_name(uid: int) -> str:
    """What a person calls a user id."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def require_access(layout: RunLayout, verb: str) -> None:
    """Refuse what would change a run that is not one's own.

    Raises:
        ConsoleError: it is somebody else's, or cannot be written to; the message says whose it is.
    """
    if reason := read_only_reason(layout.path):
        raise ConsoleError(refusal(layout.id, reason, verb))
