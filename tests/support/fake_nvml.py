"""Plays a recorded driver in the place of ``pynvml``. ``$FAKE_NVML`` names a JSON file that is read at every
question.

``{"gpus": [{uuid, name, used, total, utilisation, power, temperature, processes: [[pid, bytes]]}], "error":
code, "hang": true}``; a value that is ``null`` is not supported, a GPU with ``"lost": true`` answers error
15. Before it hangs it makes a file of the same name with ``.hangs`` behind it.
"""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

NVML_ERROR_NOT_SUPPORTED = 3
NVML_ERROR_DRIVER_NOT_LOADED = 9
NVML_ERROR_LIBRARY_NOT_FOUND = 12
NVML_ERROR_GPU_IS_LOST = 15
NVML_TEMPERATURE_GPU = 0
_MESSAGES = {
    3: "Not Supported",
    9: "Driver Not Loaded",
    12: "NVML Shared Library Not Found",
    15: "GPU is lost",
}


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return _MESSAGES.get(self.value, f"error {self.value}")


def _recording() -> dict:
    recording = json.loads(Path(os.environ["FAKE_NVML"]).read_text())
    if recording.get("hang"):
        Path(f"{os.environ['FAKE_NVML']}.hangs").touch()
    while recording.get("hang"):
        time.sleep(1)
    if recording.get("error"):
        raise NVMLError(recording["error"])
    return recording


def nvmlInit() -> None:
    _recording()


def nvmlDeviceGetCount() -> int:
    return len(_recording()["gpus"])


def nvmlDeviceGetHandleByIndex(index: int) -> dict:
    return _recording()["gpus"][index]


def nvmlDeviceGetUUID(handle: dict) -> str:
    return handle["uuid"]


def _ask(handle: dict, key: str):
    if handle.get("lost"):
        raise NVMLError(NVML_ERROR_GPU_IS_LOST)
    if handle.get(key) is None:
        raise NVMLError(NVML_ERROR_NOT_SUPPORTED)
    return handle[key]


def nvmlDeviceGetName(handle: dict) -> str:
    return handle["name"]


def nvmlDeviceGetMemoryInfo(handle: dict) -> SimpleNamespace:
    return SimpleNamespace(used=_ask(handle, "used"), total=_ask(handle, "total"))


def nvmlDeviceGetUtilizationRates(handle: dict) -> SimpleNamespace:
    return SimpleNamespace(gpu=_ask(handle, "utilisation"))


def nvmlDeviceGetPowerUsage(handle: dict) -> int:
    return _ask(handle, "power")


def nvmlDeviceGetTemperature(handle: dict, sensor: int) -> int:
    return _ask(handle, "temperature")


def nvmlDeviceGetComputeRunningProcesses(handle: dict) -> list[SimpleNamespace]:
    return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in _ask(handle, "processes")]
