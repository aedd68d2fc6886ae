"""What a GPU reading is. No driver call happens here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A compute process on a GPU. ``user`` is ``None`` where the pid belongs to another pid namespace."""

    pid: int
    user: str | None
    used_bytes: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; a value the driver does not give is ``None``. ``utilisation`` in percent, ``temperature`` in
    °C.
    """

    uuid: str
    name: str
    used_bytes: int | None
    total_bytes: int | None
    utilisation: int | None
    power_watts: float | None
    temperature: int | None
    processes: tuple[GpuProcess, ...] = ()
    lost: bool = False


@dataclass(frozen=True, slots=True)
class GpuReading:
    """All GPUs at time ``t`` (seconds since the epoch).

    ``gpus`` is empty where there is known to be none, and ``None`` where nobody can say; ``note`` then says
    why.
    """

    t: float
    gpus: tuple[Gpu, ...] | None
    note: str | None = None

    def find(self, uuid: str) -> Gpu | None:
        """The GPU of that UUID, if it was read."""
        return next((gpu for gpu in self.gpus or () if gpu.uuid == uuid), None)

    def to_json(self) -> dict[str, Any]:
        """``{t, gpus, note}`` as one JSON object."""
        return {
            "t": self.t,
            "gpus": None if self.gpus is None else [asdict(gpu) for gpu in self.gpus],
            "note": self.note,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "GpuReading":
        """Read :meth:`to_json` back.

        Raises:
            KeyError, TypeError: when it is something else.
        """
        gpus = value["gpus"]
        if gpus is None:
            return cls(value["t"], None, value["note"])
        read = tuple(
            Gpu(**{**gpu, "processes": tuple(GpuProcess(**process) for process in gpu["processes"])})
            for gpu in gpus
        )
        return cls(value["t"], read, value["note"])
