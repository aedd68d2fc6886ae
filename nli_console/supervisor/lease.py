"""The queue without a daemon: locked slot files and the tickets of those who wait.

One file per slot (``gpu-<UUID>``, ``cpu-0`` …) is held by ``flock`` while a run uses it, so a killed
supervisor frees its slot at once. A waiter writes a ticket that names the slots it would accept; a slot goes
to the oldest live ticket that accepts it. The folder is per user and host-wide; ``TMPDIR`` is not followed,
because two sessions of one user may have different ones and would then not see each other.
"""

import contextlib
import fcntl
import json
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.record.files import open_regular, read_json_or_none, write_json
from nli_console.record.processes import ProcessIdentity, alive, boot_id

FOLDER_VARIABLE = "NLI_CONSOLE_LEASE_DIR"
CHAT = "chat"
"""What a chat is called in place of a run's id; like everything that is no run it has no folder."""
POLL = 0.5
STALE_TICKET = 30.0
"""A waiter renews its ticket at every poll; one that is silent for this many seconds is passed over."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who uses a slot: the run's id and folder, and its supervisor."""

    run_id: str
    run_dir: str
    process: ProcessIdentity


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """A waiter in order of age: since when it waits (or the place it was given), and its run.

    ``slots`` are those that it takes now or as soon as they are free. A waiter that stands ``aside`` is held
    back by its user and counts for nobody's place.
    """

    since: float
    run_id: str
    slots: tuple[str, ...] = ()
    aside: bool = False
    run_dir: str = ""
    pid: int = 0


class Lease:
    """A slot in use. It ends with :meth:`release` or with the process."""

    def __init__(self, slot: str, path: Path, descriptor: int) -> None:
        self.slot = slot
        self._path = path
        self._descriptor = descriptor

    def renew(self) -> None:
        """Keep clean-up of old temporary files away from the slot file."""
        with contextlib.suppress(OSError):
            os.utime(self._path)

    def release(self) -> None:
        """Free the slot; a second call does nothing."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def default_folder() -> Path:
    """``$NLI_CONSOLE_LEASE_DIR``, else ``/tmp/nli-console-<uid>``."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else Path("/tmp") / f"nli-console-{os.geteuid()}"


class Slots:
    """The lease folder of this user on this host.

    Raises (on opening):
        ConsoleError: when the folder is somebody else's, a link, or cannot be made.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()
        self._tickets = self.folder / "waiting"
        for path in (self.folder, self._tickets):
            _private_folder(path)

    def take(self, slot: str, holder: Holder) -> Lease | None:
        """Lock ``slot`` for ``holder``; ``None`` when it is in use. The order of waiters is not looked at."""
        path = self.folder / f"{slot}.slot"
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A clean-up may have removed the file between opening and locking; the lock would then guard
            # nothing.
            if os.stat(path).st_ino != os.fstat(descriptor).st_ino:
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return None
        # The lock is what counts; on a full disk the slot merely does not say whose it is.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_holder_record(holder)).encode(), 0)
        return Lease(slot, path, descriptor)

    def holder(self, slot: str) -> Holder | None:
        """Who uses ``slot``; ``None`` when it is free or nobody alive says so."""
        record = read_json_or_none(self.folder / f"{slot}.slot")
        process = ProcessIdentity.from_json((record or {}).get("process"))
        if record is None or process is None or record.get("boot_id") != boot_id() or not alive(process):
            return None
        return Holder(str(record.get("run_id", "")), str(record.get("run_dir", "")), process)

    def held(self, prefix: str = "") -> dict[str, Holder]:
        """The slots in use whose names begin with ``prefix``, and who has them, by name of the slot."""
        names = sorted(path.name.removesuffix(".slot") for path in self.folder.glob(f"{prefix}*.slot"))
        return {name: holder for name in names if (holder := self.holder(name)) is not None}

    def waiting(self) -> list[Ticket]:
        """Live tickets, oldest first."""
        boot, found = boot_id(), []
        for path in self._tickets.glob("*.json"):
            with contextlib.suppress(OSError, KeyError, TypeError, ValueError):
                held = _read_ticket(path, boot)
                if held is not None and time.time() - path.stat().st_mtime <= STALE_TICKET and alive(held[0]):
                    found.append(held[1])
        return sorted(found)


class Waiter:
    """One run's place in the queue; use as a context manager, which removes the ticket.

    ``since`` (seconds since the epoch) and the run's id give its place; ``since`` may be changed at any time.
    """

    def __init__(self, slots: Slots, holder: Holder, since: float) -> None:
        self.since = since
        self._slots = slots
        self._holder = holder
        self._path = slots.folder / "waiting" / f"{holder.run_id}.{holder.process.pid}.json"
        self._written: dict[str, Any] = {}
        self._seen: list[Ticket] = []

    def __enter__(self) -> "Waiter":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def take(self, wanted: tuple[str, ...], accepted: tuple[str, ...] = ()) -> Lease | None:
        """Take one of ``wanted`` that is free and that no older live waiter accepts; ``None``: ask again.

        ``accepted`` are further slots that younger waiters leave to this one, because it waits for them.
        """
        self._renew((*wanted, *(slot for slot in accepted if slot not in wanted)), aside=False)
        own = (self.since, self._holder.run_id)
        self._seen = self._slots.waiting()
        older = [ticket for ticket in self._seen if (ticket.since, ticket.run_id) < own]
        for slot in wanted:
            if not any(slot in ticket.slots for ticket in older):
                lease = self._slots.take(slot, self._holder)
                if lease is not None:
                    return lease
        return None

    def take_any(self, slots: tuple[str, ...]) -> Lease | None:
        """Take the first of ``slots`` that is free, whoever waits for it."""
        return next((lease for slot in slots if (lease := self._slots.take(slot, self._holder))), None)

    def stand_aside(self) -> None:
        """Stay in the queue without being in anybody's way."""
        self._renew((), aside=True)

    def place(self) -> tuple[int, int]:
        """Place, from 1, among those who wait for the same, and how many they are, at the last :meth:`take`.

        Those who stand aside do not count.
        """
        own, wanted = (self.since, self._holder.run_id), set(self._written.get("slots", ()))
        others = [
            (ticket.since, ticket.run_id)
            for ticket in self._seen
            if (ticket.run_id, ticket.pid) != (self._holder.run_id, self._holder.process.pid)
            and not ticket.aside
            and (not wanted or not ticket.slots or wanted.intersection(ticket.slots))
        ]
        return 1 + sum(other < own for other in others), 1 + len(others)

    def _renew(self, accepted: tuple[str, ...], *, aside: bool) -> None:
        fields = {"since": self.since, "slots": list(accepted), "aside": aside}
        if fields == self._written:
            with contextlib.suppress(OSError):
                os.utime(self._path)
                return
        with contextlib.suppress(OSError):
            write_json(self._path, {**_holder_record(self._holder), **fields})
            self._written = fields


def _read_ticket(path: Path, boot: str) -> tuple[ProcessIdentity, Ticket] | None:
    """The ticket and whose it is; ``None`` when it is of another boot, damaged or gone."""
    record = read_json_or_none(path)
    process = ProcessIdentity.from_json((record or {}).get("process"))
    if record is None or process is None or record["boot_id"] != boot:
        return None
    return process, Ticket(
        float(record["since"]),
        str(record["run_id"]),
        tuple(str(slot) for slot in record["slots"]),
        record.get("aside") is True,
        str(record.get("run_dir", "")),
        process.pid,
    )


def _holder_record(holder: Holder) -> dict[str, Any]:
    return {
        "run_id": holder.run_id,
        "run_dir": holder.run_dir,
        "process": holder.process.to_json(),
        "boot_id": boot_id(),
    }


def _private_folder(path: Path) -> None:
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        status = os.lstat(path)
    except OSError as error:
        raise ConsoleError(
            f"{path}: the folder of leases cannot be made: {error.strerror}; set {FOLDER_VARIABLE}"
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ConsoleError(
            f"{path}: not a folder of yours (owner {status.st_uid}), so its locks cannot be trusted; "
            f"have it removed or set {FOLDER_VARIABLE} to another place"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        os.chmod(path, 0o700)
