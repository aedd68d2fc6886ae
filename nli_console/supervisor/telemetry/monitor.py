"""The latest GPU reading, without ever waiting for the driver."""

import contextlib
import ctypes
import json
import os
import subprocess
import threading
import time

from nli_console.supervisor.environment import python_command
from nli_console.supervisor.telemetry.nvml import MODULE_VARIABLE, NO_DRIVER
from nli_console.supervisor.telemetry.readings import GpuReading

PATIENCE = 5.0
RESTART_AFTER = 30.0


def driver_present() -> bool:
    """Whether the driver's library can be loaded; costs well under a millisecond and calls nothing in it."""
    if os.environ.get(MODULE_VARIABLE):
        return True
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


class GpuMonitor:
    """Readings every ``interval`` seconds from a helper process.

    A driver call that hangs stops only the helper: after ``interval + patience`` seconds without a reading
    :meth:`latest` says so. Where there is no driver no helper is started.
    """

    def __init__(self, interval: float = 2.0, *, patience: float = PATIENCE) -> None:
        self._interval = interval
        self._patience = patience
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._answered = threading.Event()
        self._helper: subprocess.Popen[bytes] | None = None
        self._reading: GpuReading | None = None
        self._since = time.monotonic()
        self.driver = driver_present()
        if self.driver:
            threading.Thread(target=self._follow, name="gpu-readings", daemon=True).start()

    def latest(self) -> GpuReading:
        """The newest reading; never blocks. ``gpus`` is ``None`` while there is none to trust."""
        now = time.time()
        if not self.driver:
            return GpuReading(now, (), NO_DRIVER)
        with self._lock:
            reading, silent = self._reading, time.monotonic() - self._since
        if silent > self._interval + self._patience:
            return GpuReading(now, None, f"no reading: the GPU driver has not answered for {silent:.0f} s")
        return reading or GpuReading(now, None, "waiting for the first GPU reading")

    def first(self, timeout: float) -> GpuReading:
        """:meth:`latest`, after waiting up to ``timeout`` seconds for a first answer."""
        if self.driver:
            self._answered.wait(timeout)
        return self.latest()

    def close(self) -> None:
        """Kill the helper and return at once, also when it hangs in the driver."""
        self._closed.set()
        with self._lock:
            helper = self._helper
        if helper is not None:
            with contextlib.suppress(OSError):
                helper.kill()

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                self._follow_one_helper()
            except OSError as error:
                self._keep(
                    GpuReading(time.time(), None, f"no reading: the telemetry helper did not start: {error}")
                )
            self._closed.wait(RESTART_AFTER)

    def _follow_one_helper(self) -> None:
        argv, environment = python_command("nli_console.supervisor.telemetry.nvml", str(self._interval))
        helper = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with self._lock:
            self._helper = helper
        if self._closed.is_set():
            helper.kill()
        assert helper.stdout is not None
        for line in helper.stdout:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._keep(GpuReading.from_json(json.loads(line)))
        helper.wait()

    def _keep(self, reading: GpuReading) -> None:
        with self._lock:
            self._reading, self._since = reading, time.monotonic()
        self._answered.set()
