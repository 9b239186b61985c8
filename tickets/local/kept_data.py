"""A folder that keeps the engine's data from one start of `tickets local start` to the next.

    FOLDER/kept.json    {"port": 4566, "engine": "1.5.33", "data": "data-3"}
    FOLDER/data-3/      what the engine saved when it ended: its services' state, and S3's objects
    FOLDER/lock         locked as long as an engine uses the folder

The engine saves its state only when it is told to end, but writes S3's objects at once. So it works
on a copy, which becomes the kept data once everything is saved. If the machine or the engine is
killed, FOLDER is as it was before that start.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tickets.errors import CommandError

RECORD = "kept.json"
NEXT_RECORD = "next.json"
"""Becomes RECORD when the engine has saved its state; see `tickets.local.engine_guard`."""
LOCK = "lock"
_PREFIX = "data-"
# What the engine logs last when it is told to end, after it has saved its state. It may stay alive
# after that, as long as the threads of its executions do.
SAVED = "SFTP: stopped"
NOT_SAVED = "Persistence: failed to save"


@dataclass(frozen=True)
class KeptData:
    """The folder, opened for one start. `port` is the one of earlier starts; None for new data.

    `lock` is the descriptor of the locked file. The engine's guard inherits it, so that the folder
    stays locked until the engine has saved its state, even if this process is killed.
    """

    folder: Path
    working_copy: Path
    port: int | None
    lock: int

    def environment(self) -> Mapping[str, str]:
        """The engine's settings. MiniStack reads them; see docs/emulator.md."""
        return {
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "STATE_DIR": str(self.working_copy / "state"),
            "S3_DATA_DIR": str(self.working_copy / "s3"),
        }

    def prepare_next(self, port: int) -> dict[str, str]:
        """Writes the record that names the working copy. Returns what the guard needs to put it in
        force when the engine ends."""
        new = self.folder / NEXT_RECORD
        record = {"port": port, "engine": _engine(), "data": self.working_copy.name}
        new.write_text(json.dumps(record) + "\n", encoding="utf-8")
        return {
            "saved": SAVED,
            "not_saved": NOT_SAVED,
            "new": str(new),
            "record": str(self.folder / RECORD),
        }


@contextmanager
def kept_data(folder: Path, port: int | None) -> Iterator[KeptData]:
    """Opens the folder, which is created if there is none, and copies its data for the engine.

    port: the one that was asked for. Raises CommandError if the data belong to another one, if
    another engine uses the folder, or if it holds anything else.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    strange = [entry.name for entry in folder.iterdir() if not _is_ours(entry.name)]
    if strange:
        raise CommandError(f"{folder} contains other files, such as {strange[0]}: name a new one.")
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(
                f"A local stack is using {folder}, or is still saving its data there: stop it, and "
                "wait until it has ended."
            ) from error
        yield _opened(folder, port, descriptor)
    finally:
        os.close(descriptor)


def _opened(folder: Path, port: int | None, lock: int) -> KeptData:
    record = _record(folder)
    kept = record and folder / str(record["data"])
    for entry in folder.glob(f"{_PREFIX}*"):
        if entry != kept:  # the copy of an engine that was killed, or the data before the last save
            shutil.rmtree(entry)
    if not record or not kept:
        return KeptData(folder, _created(folder / f"{_PREFIX}1"), port, lock)
    kept_port = int(str(record["port"]))
    if port not in (None, kept_port):
        raise CommandError(
            f"The data in {folder} belong to port {kept_port}, which is part of the queues' "
            "addresses: leave out --port, or name another folder."
        )
    if record["engine"] != _engine():
        raise CommandError(
            f"The data in {folder} were saved by MiniStack {record['engine']}, and this is "
            f"{_engine()}: name another folder, or install the earlier release."
        )
    number = int(kept.name.removeprefix(_PREFIX)) + 1
    copy = folder / f"{_PREFIX}{number}"
    shutil.copytree(kept, copy)
    return KeptData(folder, copy, kept_port, lock)


def _record(folder: Path) -> dict[str, object] | None:
    with suppress(FileNotFoundError):
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            return {name: record[name] for name in ("port", "engine", "data")}
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(
                f"{folder / RECORD} is damaged: delete the folder, or name another one."
            ) from error
    return None


def _created(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _is_ours(name: str) -> bool:
    return name in (RECORD, NEXT_RECORD, LOCK) or name.startswith(_PREFIX)


def _engine() -> str:
    return version("ministack")
