"""``nli-console doctor``: what this machine can run."""

import json as json_library
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from nli_console import __version__
from nli_console.cli.context import Context, Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import pairs, say, say_json
from nli_console.data import token_cache
from nli_console.errors import ConsoleError
from nli_console.methods.defaults import default_problem
from nli_console.methods.shapes import hub_cache
from nli_console.record.spec_io import check_runs_dir
from nli_console.supervisor.environment import python_command
from nli_console.supervisor.launch import survival
from nli_console.supervisor.telemetry.monitor import GpuMonitor
from nli_console.supervisor.telemetry.readings import Gpu, GpuReading
from nli_console.text import UNKNOWN, clean_line, format_bytes

PROBE_TIMEOUT = 120.0
GPU_TIMEOUT = 8.0


def doctor(*, json: Json = False, context: Ctx) -> None:
    """Look at GPU, driver, torch, bitsandbytes, disk, cached models, and whether runs outlive the logout."""
    monitor = GpuMonitor()
    probe = _start_probe()
    try:
        found = _look(context, monitor.first(GPU_TIMEOUT), _finish_probe(probe))
    finally:
        probe.kill()
        monitor.close()
    if json:
        say_json(found)
    else:
        say(pairs(_lines(found)))


def _look(context: Context, gpu: GpuReading, libraries: dict[str, Any]) -> dict[str, Any]:
    settings = context.settings
    lives_on = survival(settings.values.launch.survive_logout)
    return {
        "nli_console": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "settings": None if settings.path is None else str(settings.path),
        "settings_problem": default_problem(settings),
        "gpu": gpu.to_json(),
        "libraries": libraries,
        "runs_dir": _folder(settings.runs_dir) | {"problem": _runs_problem(settings.runs_dir)},
        "cache_dir": _folder(settings.cache_dir),
        "tokenised_bytes": token_cache.size(settings.cache_dir),
        "hub_cache": _folder(hub_cache()),
        "cached_models": cached_models(hub_cache()),
        "runs_outlive_logout": lives_on.outlives_logout,
        "logout": lives_on.sentence,
    }


def cached_models(cache: Path) -> list[str]:
    """Hub ids of which the hub library's cache holds weights or at least a configuration."""
    try:
        names = sorted(path.name for path in cache.iterdir() if path.name.startswith("models--"))
    except OSError:
        return []
    return [
        name.removeprefix("models--").replace("--", "/")
        for name in names
        if any((cache / name).glob("snapshots/*/config.json"))
    ]


def _folder(path: Path) -> dict[str, Any]:
    existing = next((folder for folder in (path, *path.parents) if folder.is_dir()), None)
    try:
        usage = None if existing is None else shutil.disk_usage(existing)
        # What keeps no files, such as /sys, is not full.
        free = usage.free if usage is not None and usage.total else None
    except OSError:
        free = None
    return {"path": str(path), "exists": path.is_dir(), "free_bytes": free}


def _runs_problem(runs_dir: Path) -> str | None:
    """Why no run could be kept there, if so."""
    try:
        check_runs_dir(runs_dir, make=False)
    except ConsoleError as error:
        return str(error)
    return None


def _start_probe() -> subprocess.Popen[str]:
    argv, environment = python_command("nli_console.worker", "probe")
    return subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish_probe(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the probe answered, or ``{"problem": …}``; libraries that crash or hang must not take us along."""
    try:
        answer, complaint = process.communicate(timeout=PROBE_TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"problem": f"importing torch took longer than {PROBE_TIMEOUT:.0f} s"}
    try:
        return dict(json_library.loads(answer))
    except ValueError:
        last = clean_line(complaint.strip().rpartition("\n")[2], limit=300)
        return {"problem": f"importing torch failed: {last or f'exit code {process.returncode}'}"}


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("nli-console", f"{found['nli_console']} on Python {found['python']}, {found['platform']}"),
        (
            "settings",
            _with(
                found["settings"] or "built-in defaults (no settings.toml found)", found["settings_problem"]
            ),
        ),
        ("GPU", _gpu_text(GpuReading.from_json(found["gpu"]))),
        *_library_lines(found["libraries"]),
    ]
    for title, key in (
        ("runs folder", "runs_dir"),
        ("cache folder", "cache_dir"),
        ("hub cache", "hub_cache"),
    ):
        folder = found[key]
        state = "" if folder["exists"] else " (made when needed)"
        text = f"{folder['path']}{state}, {format_bytes(folder['free_bytes'])} free"
        lines.append((title, _with(text, folder.get("problem"))))
    lines += [
        ("tokenised data", format_bytes(found["tokenised_bytes"])),
        ("cached models", ", ".join(found["cached_models"]) or "none"),
        ("logout", found["logout"]),
    ]
    return lines


def _with(text: str, problem: str | None) -> str:
    return text if problem is None else f"{text}\n{problem}"


def _gpu_text(reading: GpuReading) -> str:
    if reading.gpus is None:
        return f"unknown: {reading.note}"
    if not reading.gpus:
        return f"none ({reading.note}); runs use the CPU" if reading.note else "none; runs use the CPU"
    return "\n".join(_one_gpu(index, gpu) for index, gpu in enumerate(reading.gpus))


def _one_gpu(index: int, gpu: Gpu) -> str:
    memory = f"{format_bytes(gpu.used_bytes)} of {format_bytes(gpu.total_bytes)} used"
    holders = [
        f"{process.user or 'another container'} {format_bytes(process.used_bytes)}"
        for process in gpu.processes
    ]
    return f"{index}: {gpu.name}, {memory}" + (f", held by {', '.join(holders)}" if holders else "")


def _library_lines(libraries: dict[str, Any]) -> list[tuple[str, str]]:
    if "problem" in libraries:
        return [("torch", libraries["problem"])]
    versions = libraries["versions"]
    build = f"CUDA {libraries['cuda_build']} build" if libraries["cuda_build"] else "CPU build"
    if libraries["cuda_available"]:
        use = f"{', '.join(libraries['devices'])}; bf16 {'yes' if libraries['bf16'] else 'no'}"
    else:
        use = f"no CUDA device; {libraries['cpu_threads']} CPU threads, {libraries['cpu_capability']}"
    problem = libraries["bitsandbytes_problem"]
    quantised = versions["bitsandbytes"] or UNKNOWN
    others = ", ".join(f"{name} {versions[name]}" for name in ("transformers", "peft", "accelerate"))
    return [
        ("torch", f"{versions['torch']} ({build}): {use}"),
        ("bitsandbytes", f"{quantised}, cannot be used: {problem}" if problem else f"{quantised}, loads"),
        ("libraries", others),
    ]
