"""A real pseudo-terminal with a program in it; pyte reads the screen as a person would."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte

PATIENCE = 90.0
"""Seconds until something that should happen counts as missing; a busy machine takes its time."""
_ESCAPE_PAUSE = 0.5
_LOOK = 0.04
"""Seconds between two looks at the screen."""
_NAMED = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "f5": "\x1b[15~",
    "f12": "\x1b[24~",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
}


def key(name: str) -> str:
    """The bytes that a terminal sends for a key: ``enter``, ``ctrl+c``, ``q``."""
    if name in _NAMED:
        return _NAMED[name]
    if name.startswith("ctrl+") and len(name) == 6:
        return chr(ord(name[-1]) & 0x1F)
    return name


class Terminal:
    """Run ``argv`` on a pty of ``columns`` × ``rows``; use as a context manager."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.modes_before = termios.tcgetattr(slave)
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        environment.update(env or {})
        self.process = subprocess.Popen(
            list(argv),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        self._slave: int | None = slave

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.hang_up()

    @property
    def text(self) -> str:
        """The screen as lines of text."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def press(self, *names: str) -> None:
        """Press keys. After ``escape`` comes the pause that tells it from the first byte of a sequence."""
        for name in names:
            os.write(self._master, key(name).encode())
            if name == "escape":
                self.pump(_ESCAPE_PAUSE)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def pump(self, seconds: float) -> bytes:
        """Read what arrives within ``seconds``; returns at once when the program has closed the terminal."""
        got = bytearray()
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            chunk = self.read(left)
            if not chunk:
                break
            got += chunk
            self.raw += chunk
            self.stream.feed(chunk)
        return bytes(got)

    def read(self, seconds: float) -> bytes:
        """What arrives first within ``seconds``, not shown on the screen; empty when nothing does."""
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return b""
        try:
            return os.read(self._master, 65536)
        except OSError:
            return b""

    def read_to(self, mark: bytes) -> None:
        """Read until ``mark`` has come behind what was read before."""
        begin, deadline = len(self.raw), time.monotonic() + PATIENCE
        while self.raw.find(mark, begin) < 0:
            assert time.monotonic() < deadline, f"no {mark!r}; the screen is:\n{self.text}"
            self.pump(0.02)

    def wait_for(self, pattern: str, *, timeout: float = PATIENCE) -> re.Match[str]:
        """Wait until ``pattern`` (a regular expression) stands on the screen; fails with the screen shown."""
        deadline = time.monotonic() + timeout
        while True:
            if match := re.search(pattern, self.text):
                return match
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{pattern!r} did not appear within {timeout} s; the screen is:\n{self.text}"
                )
            if self.process.poll() is not None and not self.pump(0.05):
                raise AssertionError(
                    f"the program ended ({self.process.returncode}) before {pattern!r} appeared:\n{self.text}"
                )
            self.pump(_LOOK)

    def press_until(self, name: str, pattern: str, *, timeout: float = PATIENCE) -> None:
        """Press a key again and again until ``pattern`` stands on the screen: what is meant may open late."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, f"no {pattern!r}; the screen is:\n{self.text}"
            self.press(name)
            self.pump(_LOOK)

    def wait_gone(self, pattern: str, *, timeout: float = PATIENCE) -> None:
        """Wait until ``pattern`` no longer stands on the screen."""
        deadline = time.monotonic() + timeout
        while re.search(pattern, self.text):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{pattern!r} was still there after {timeout} s; the screen is:\n{self.text}"
                )
            self.pump(_LOOK)

    def wait_exit(self, *, timeout: float = PATIENCE) -> int:
        """Wait for the program to end, reading what it still draws; returns its exit code."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"still running after {timeout} s; the screen is:\n{self.text}")
            self.pump(0.02)
        self.pump(0.05)
        return self.process.returncode

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as dragging the window does: the program gets SIGWINCH."""
        assert self._slave is not None
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)
        self.process.send_signal(signal.SIGWINCH)

    def hang_up(self) -> None:
        """Close the terminal, as a lost SSH connection does: the session gets SIGHUP."""
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None
            with contextlib.suppress(OSError):
                os.close(self._master)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was: cooked modes, and the alternate screen left."""
        assert self._slave is not None
        left = self.raw.rfind(b"\x1b[?1049l")
        entered = self.raw.rfind(b"\x1b[?1049h")
        return termios.tcgetattr(self._slave)[3] == self.modes_before[3] and left >= entered


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    listen_to_interrupts()


def listen_to_interrupts() -> None:
    """In a child before its program starts: Ctrl-C means something, also when the tests run in background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def console_argv(*arguments: str) -> list[str]:
    """``nli-console …`` with the interpreter that runs the tests."""
    return [sys.executable, "-m", "nli_console", *arguments]
