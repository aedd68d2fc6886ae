"""What a supervisor needs of a run's spec, read without its model: pydantic costs 0.2 s at every start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.record.files import read_json
from nli_console.record.layout import RunLayout


@dataclass(frozen=True, slots=True)
class Job:
    """``time_limit`` and ``telemetry_interval`` in seconds, ``submitted`` in seconds since the epoch."""

    id: str
    name: str
    submitted: float
    time_limit: float | None = None
    cpu_slots: int = 1
    wait_for_foreign: bool = True
    telemetry_interval: float = 2.0
    on_finish: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def read_job(layout: RunLayout) -> Job:
    """Read the supervisor's part of ``spec.json``; absent keys have the defaults of the settings.

    Raises:
        ConsoleError: when there is no spec, or one of these keys holds something else.
    """
    spec = read_json(layout.spec)
    if spec is None:
        raise ConsoleError(
            f"{layout.path}: no spec.json here, expected a run folder; `nli-console list` shows the runs"
        )
    queue, telemetry = _get(spec, "queue", dict, {}), _get(spec, "telemetry", dict, {})
    limit = spec.get("time_limit")
    return Job(
        id=layout.id,
        name=_get(spec, "name", str, layout.id),
        submitted=float(_get(spec, "submitted", (int, float), 0.0)),
        time_limit=None if limit is None else float(_get(spec, "time_limit", (int, float), 0.0)),
        cpu_slots=_get(queue, "cpu_slots", int, 1),
        wait_for_foreign=_get(queue, "wait_for_foreign", bool, True),
        telemetry_interval=float(_get(telemetry, "interval", (int, float), 2.0)),
        on_finish=tuple(str(part) for part in _get(spec, "on_finish", list, [])),
        environment={str(k): str(v) for k, v in _get(spec, "environment", dict, {}).items()},
    )


def _get(table: Mapping[str, Any], key: str, kind: Any, default: Any) -> Any:
    value = table.get(key, default)
    if not isinstance(value, kind):
        raise ConsoleError(
            f"spec.json: {key}: holds {type(value).__name__}; the file was changed after it was submitted, "
            "clone the run instead"
        )
    return value
