"""Measures the peak memory of Write Chunk and Reconcile for a chunk in which every row is bad.

    python -m benchmarks.bad_rows_memory [MIB [KIND...]]

The chunk has MIB mebibytes, by default 512, the largest `ChunkSizeBytes` of the template. It is
generated while it is read. Each task runs in a separate process, so that its peak memory can be
measured. That process also contains a stand-in for the table, which accepts every batch at once.
Write Chunk is called until the chunk is finished, as the state machine does.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from benchmarks.stubs import DynamoDBStub, Meter, S3Stub
from benchmarks.write_path.worker import measure
from ingestion.contracts import Chunk, ChunkTask, File, Plan
from ingestion.dynamodb.transport import Reply
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import Slots
from ingestion.ledger.versions import Turns
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.reconcile import Reconciler
from ingestion.tasks.target_table import TargetTable
from ingestion.tasks.write_chunk import ChunkWriter

LAMBDA_SECONDS = 900.0
COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")

_MARK = b"@@@@@@@@"
_TILE_ROWS = 10_000


class Kind(NamedTuple):
    name: str
    row: str
    """A row. {row} becomes its number in the tile, and _MARK the tile's number."""
    distinct: float = 1.0
    """The fraction of the tiles that have a number of their own; the others repeat one."""


KINDS = {
    "refused": Kind("every row refused", "T@@@@@@@@-{row},Tea,B1,2026-01-31T10:00,Home,one,Lyon\n"),
    "emoji": Kind("every row refused, an emoji in each", "T@@@@@@@@-{row},Tea 😀,B1,2026,,1,\n"),
    "short": Kind("every row refused, of one letter", "x\n"),
    "one-key": Kind("one key in all rows", "T,p,B,2026-01-31T00:00,,1,\n"),
    "twice": Kind("every key twice", "@@@@@@@@{row},p,B,2026-01-31T00:00,,1,\n", distinct=0.5),
}


class BadRows:
    """The S3 object of S3Stub: as many tiles of 10,000 rows as fit into `size` bytes."""

    etag = "0" * 32

    def __init__(self, kind: Kind, size: int) -> None:
        rows = [kind.row.format(row=row) for row in range(_TILE_ROWS)]
        self._tile = "".join(rows).encode()
        tiles = size // len(self._tile)
        self._distinct = round(tiles * kind.distinct)
        self.rows = tiles * _TILE_ROWS
        self.size = tiles * len(self._tile)

    def blocks(self, start: int, end: int, block_size: int) -> Iterator[bytes]:
        buffer = bytearray()
        position = start
        while position < end or buffer:
            while position < end and len(buffer) < block_size:
                number, offset = divmod(position, len(self._tile))
                tile = self._tile.replace(_MARK, b"%08d" % (number % self._distinct))
                piece = tile[offset : offset + end - position]
                buffer += piece
                position += len(piece)
            yield bytes(buffer[:block_size])
            del buffer[:block_size]


class TakesAll:
    """Stands in for the table: accepts every batch at once."""

    def __init__(self) -> None:
        self._answered: list[Reply] = []

    @property
    def under_way(self) -> int:
        return len(self._answered)

    def send(self, tag: object, body: bytes) -> None:
        self._answered.append(Reply(tag, 200, b'{"UnprocessedItems":{}}'))

    def replies(self, seconds: float) -> list[Reply]:
        replies, self._answered = self._answered, []
        return replies


class Load:
    """A load of one chunk. Its processes share data in a folder."""

    def __init__(self, folder: Path, kind: str, size: int) -> None:
        self.source = BadRows(KINDS[kind], size)
        self.client = DynamoDBStub(folder)
        self._s3 = cast("Any", S3Stub(folder, self.source, Meter()))
        dynamodb = cast("Any", self.client)
        self._loads, self._chunks = Loads(dynamodb, "ledger"), Chunks(dynamodb, "ledger")
        self._table = TargetTable(dynamodb, "Tickets")
        self._turns = Turns(self._s3, Claims(dynamodb, "ledger"))
        self._slots = Slots(dynamodb, "ledger")
        self._file = File(
            "uploads",
            "rows.csv",
            "v1",
            BadRows.etag,
            self.source.size,
            None,
            ",",
            {name: at for at, name in enumerate(COLUMNS)},
            len(COLUMNS),
            0,
            0,
        )

    def write(self) -> dict[str, Any]:
        chunk = Chunk(0, "uploads", "rows.csv", "v1", 0, self.source.size)
        writer = ChunkWriter(
            self._s3,
            self._table,
            TakesAll(),
            self._chunks,
            self._turns,
            work_bucket="work",
            in_flight=16,
        )
        calls = 1
        while not (
            result := writer.write(
                ChunkTask("bad", self._file, chunk, 1, "g", "00" * 16), LAMBDA_SECONDS
            )
        ).finished:
            calls += 1
        return {
            "calls": calls,
            "refused": result.rows_refused,
            "superseded": result.rows_superseded,
        }

    def reconcile(self) -> dict[str, Any]:
        limits = QualityLimits(max_refused_percent=5, max_superseded_percent=50)
        reconciler = Reconciler(
            self._s3,
            self._loads,
            self._chunks,
            self._turns,
            self._slots,
            self._table,
            work_bucket="work",
            limits=limits,
        )
        plan = Plan("work", "plan", 1, self.source.size, None, "g")
        result = reconciler.reconcile("bad", self._file, plan)
        return {"refused_rows": result.refused_rows}


def run_task(folder: Path, task: str, kind: str, size: int) -> None:
    """Runs a task, and prints its CPU seconds, its peak memory and its answer as JSON."""
    load = Load(folder, kind, size)
    answer: dict[str, Any] = {}
    taken = measure(lambda: answer.update(getattr(load, task)()))
    load.client.save()
    print(json.dumps({**taken._asdict(), **answer, "rows": load.source.rows}))


def main(size: int, kinds: list[str]) -> None:
    print(f"One chunk of {size >> 20} MiB. Peak memory in MiB, CPU time in seconds.\n")
    print("| Rows | Number | Write Chunk | CPU | Calls | Reconcile | CPU |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            write, reconcile = (
                run_module(folder, task, kind, size) for task in ("write", "reconcile")
            )
        cells = [
            KINDS[kind].name,
            f"{write['rows']:,}",
            f"{write['peak']:.0f}",
            f"{write['cpu']:.0f}",
            write["calls"],
            f"{reconcile['peak']:.0f}",
            f"{reconcile['cpu']:.0f}",
        ]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def run_module(*arguments: object) -> Any:
    """Runs this module with these arguments in a process of its own; returns what it prints."""
    command = [sys.executable, "-m", "benchmarks.bad_rows_memory", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[2] in ("write", "reconcile"):
        run_task(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(int([*sys.argv, "512"][1]) << 20, sys.argv[2:] or list(KINDS))
