"""Start a supervisor that outlives the console, and say whether it also outlives the logout."""

import os
import pwd
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nli_console.errors import ConsoleError
from nli_console.record.evidence import latest_attempt
from nli_console.record.layout import ENVIRONMENT_TAG, RunLayout
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import submit
from nli_console.supervisor.environment import python_command
from nli_console.supervisor.standby import LOG_NAME
from nli_console.supervisor.warm_start import WarmStart
from nli_console.text import clean

Survive = Literal["auto", "session", "systemd"]
"""``launch.survive_logout`` of the settings."""

START_TIMEOUT = 30.0
_POLL = 0.01
_LOGIN_TIMEOUT = 2.0
_BOOTED = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Survival:
    """How runs are started, whether they outlive the logout (``None``: unknown), and that as a sentence."""

    how: Literal["session", "systemd"]
    outlives_logout: bool | None
    sentence: str


def launch(layout: RunLayout, survive: Survive = "auto", warm: WarmStart | None = None) -> None:
    """Start the next attempt of a run in a session of its own and wait until it has signed for it.

    ``warm`` is a supervisor that waits for a run; where it cannot take this one it is ended.

    Returns also when another console was faster: the run is then being supervised, which is what was asked
        for.

    Raises:
        ConsoleError: when the supervisor ended or hung before it took the run; its last words are in the
            message.
    """
    number = latest_attempt(layout) + 1
    argv, environment = python_command("nli_console.supervisor.supervise", str(layout.path), str(number))
    environment.pop(ENVIRONMENT_TAG, None)
    if _scope_wanted(survive):
        # A process that runs already is in no scope of this run.
        if warm is not None:
            warm.close()
        scope = ["systemd-run", "--user", "--scope", "--quiet", "--collect"]
        scope.append(f"--unit=nli-console-{layout.id}-{number}")
        if _start(layout, [*scope, "--", *argv], environment, number) is None:
            return
        if survive == "systemd":
            raise ConsoleError(
                f"{layout.id}: systemd-run could not start it: {_last_words(layout)}; "
                'set survive_logout = "session" under [launch] in settings.toml, or log in again'
            )
    elif warm is not None:
        process = warm.order(layout.path, number)
        if process is not None and _taken(layout, process, number) is None:
            return
    problem = _start(layout, argv, environment, number)
    if problem is not None:
        raise ConsoleError(f"{layout.id}: {problem}: {_last_words(layout)}")


def start_all(
    runs_dir: Path,
    specs: Sequence[RunSpec],
    survive: Survive = "auto",
    started: Callable[[RunLayout], None] = lambda layout: None,
    warm: WarmStart | None = None,
) -> list[RunLayout]:
    """Submit and launch runs one after the other; each then waits for its slot like any other run.

    ``started`` is told of each run as soon as it has been submitted; the first takes ``warm``.

    Raises:
        ConsoleError: one could not be started; the message says what became of the others.
    """
    layouts: list[RunLayout] = []
    for number, spec in enumerate(specs):
        try:
            layout = submit(runs_dir, spec)
            layouts.append(layout)
            started(layout)
            if warm is not None and layout is layouts[0]:
                launch(layout, survive, warm)
            else:
                launch(layout, survive)
        except ConsoleError as error:
            if len(specs) == 1:
                raise
            raise ConsoleError(
                f"{error}\n{number} of {len(specs)} runs were started, the others were not; "
                f"`nli-console list --members` shows them"
            ) from error
    return layouts


def survival(survive: Survive = "auto") -> Survival:
    """Whether runs outlive the logout on this machine. Asks the login manager; takes at most 4 seconds."""
    if not _BOOTED.is_dir() or shutil.which("loginctl") is None:
        return Survival(
            "session",
            True,
            "Runs outlive logging out: they have a session of their own and no login manager ends it.",
        )
    user = _user()
    ends, lingers = _login_property("KillUserProcesses"), _login_property("Linger", user)
    if lingers == "yes" and survive != "session" and shutil.which("systemd-run"):
        return Survival(
            "systemd",
            True,
            "Runs outlive logging out: they are started under your lingering systemd user manager.",
        )
    if ends == "no":
        return Survival(
            "session",
            True,
            "Runs outlive logging out: they have a session of their own and this machine leaves it alone.",
        )
    if ends == "yes":
        return Survival(
            "session",
            False,
            "Logging out ENDS runs here (KillUserProcesses=yes); closing the console does not. "
            f"`loginctl enable-linger {user}` changes that; an administrator may have to do it.",
        )
    return Survival(
        "session",
        None,
        "Runs outlive the console; whether they outlive logging out is unknown: logind did not answer.",
    )


def _scope_wanted(survive: Survive) -> bool:
    if survive == "session":
        return False
    return survive == "systemd" or survival(survive).how == "systemd"


def _start(layout: RunLayout, argv: list[str], environment: dict[str, str], number: int) -> str | None:
    """Start a supervisor, wait until it has the attempt, and return what went wrong."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        log = os.open(layout.path / LOG_NAME, flags, 0o600)
    except OSError as error:
        raise ConsoleError(f"{layout.path / LOG_NAME}: cannot be written: {error.strerror}") from error
    try:
        process = subprocess.Popen(
            argv,
            env=environment,
            cwd=layout.path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        return f"the supervisor could not be started ({error.strerror})"
    finally:
        os.close(log)
    # Collects the supervisor's exit for as long as this console lives, so that it never looks like a zombie.
    threading.Thread(target=process.wait, name=f"reap-{layout.id}", daemon=True).start()
    return _taken(layout, process, number)


def _taken(layout: RunLayout, process: "subprocess.Popen[bytes]", number: int) -> str | None:
    """Wait for the attempt's folder, which appears with its owner, and return what went wrong."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        code = process.poll()
        if latest_attempt(layout) >= number:
            return None
        if code is not None:
            return f"the supervisor ended with exit code {code} before it took the run"
        if time.monotonic() > deadline:
            process.kill()
            return f"the supervisor did not take the run within {START_TIMEOUT:.0f} s"
        time.sleep(_POLL)


def _last_words(layout: RunLayout) -> str:
    try:
        text = (layout.path / LOG_NAME).read_bytes()[-2000:].decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    return clean(text.splitlines()[-1]) if text else f"it said nothing ({LOG_NAME})"


def _login_property(name: str, user: str | None = None) -> str | None:
    """A property of logind (of one user, or of the manager); ``None`` when it does not answer."""
    argv = ["loginctl", "show-user", *([user] if user else []), "-p", name, "--value"]
    try:
        answer = subprocess.run(
            argv, capture_output=True, text=True, timeout=_LOGIN_TIMEOUT, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
