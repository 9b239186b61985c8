"""Runs one task of a load in a separate process, so that its peak memory can be measured.

`scale.py` starts it. The last line of the output is a JSON object: `wall` and `cpu` (seconds
of the task, all threads), `stubs` (the part of `cpu` that the stand-ins for S3 and DynamoDB
took), `imports` and `peak` (the process's peak memory in MiB before and after the task),
`answer` (the task's answer).
"""

import csv
import io
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from benchmarks.stubs import DynamoDBStub, Fingerprint, Meter, S3Stub, SenderStub
from benchmarks.ticket_file import BAD_QUANTITY, TicketFile
from ingestion.contracts import Chunk, ChunkTask, File, LoadRequest, Plan
from ingestion.csv_files.rows import COLUMNS
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import Slots
from ingestion.ledger.versions import Turns
from ingestion.s3.streams import file_object
from ingestion.tasks.deployed_sources import deployed_sources
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.reconcile import Reconciler
from ingestion.tasks.settle_equal_keys import EqualKeySettler
from ingestion.tasks.split_file import Planner
from ingestion.tasks.target_table import TargetTable
from ingestion.tasks.validate_file import Validator
from ingestion.tasks.write_chunk import ChunkWriter

# The defaults in template.yaml.
CHUNK_SIZE = 16 * 1024 * 1024
BATCHES_IN_FLIGHT = 16
LIMITS = QualityLimits(max_refused_percent=5, max_superseded_percent=50)
LAMBDA_SECONDS = 900.0

_WORK = "work"


class Tasks:
    """Runs the tasks on stubs that share `folder`. A file in it keeps the execution's data
    between tasks, as the state machine does."""

    def __init__(self, folder: Path, size: int, chunk_size: int) -> None:
        self._chunk_size = chunk_size
        self.source = TicketFile(size)
        self.meter = Meter()
        self.dynamodb = DynamoDBStub(folder)
        self._s3 = cast("Any", S3Stub(folder, self.source, self.meter))
        client = cast("Any", self.dynamodb)
        self._loads = Loads(client, "ledger")
        self._chunk_entries = Chunks(client, "ledger")
        self._table = TargetTable(client, "Tickets")
        self._turns = Turns(self._s3, Claims(client, "ledger"))
        self._slots = Slots(client, "ledger")
        self._state_path = folder / "state.json"
        self._state: dict[str, Any] = {}
        if self._state_path.exists():
            self._state = json.loads(self._state_path.read_text())

    def validate(self) -> Any:
        request = LoadRequest("uploads", "tickets.csv")
        sources = deployed_sources()
        validator = Validator(
            self._s3, self._loads, self._turns, self._table, LIMITS, sources, self._chunk_size
        )
        return self._keep(validator.validate(request, "arn:scale").to_json())

    def split(self) -> Any:
        planner = Planner(self._s3, self._loads, _WORK, self._chunk_size)
        plan = planner.plan(self._state["load_id"], self._file(), LAMBDA_SECONDS)
        return self._keep({"plan": plan.to_json()})

    def write(self, first: int, end: int) -> Any:
        """Writes the chunks from `first` to before `end`."""
        chunks = self._chunks()[first:end]
        sender = SenderStub(self.meter)
        writer = ChunkWriter(
            self._s3,
            self._table,
            sender,
            self._chunk_entries,
            self._turns,
            work_bucket=_WORK,
            in_flight=BATCHES_IN_FLIGHT,
        )
        plan, refused = self._plan(), 0
        for chunk in chunks:
            task = ChunkTask(
                self._state["load_id"],
                self._file(),
                chunk,
                plan.chunks,
                plan.generation,
                plan.digest_key,
            )
            result = writer.write(task, LAMBDA_SECONDS)
            if not result.finished or result.overtaken:
                raise RuntimeError(f"Chunk {chunk.index} did not finish.")
            refused += result.rows_refused
        bytes_written = sum(chunk.end - chunk.start for chunk in chunks)
        written = sender.fingerprint.as_json()
        return {"bytes": bytes_written, "refused": refused, "written": written}

    def settle(self) -> Any:
        settler = EqualKeySettler(
            self._s3,
            self._table,
            SenderStub(self.meter),
            self._chunk_entries,
            self._turns,
            work_bucket=_WORK,
            in_flight=BATCHES_IN_FLIGHT,
        )
        load_id, file, plan = self._state["load_id"], self._file(), self._plan()
        return settler.settle(load_id, file, plan, LAMBDA_SECONDS).to_json()

    def reconcile(self) -> Any:
        reconciler = Reconciler(
            self._s3,
            self._loads,
            self._chunk_entries,
            self._turns,
            self._slots,
            self._table,
            work_bucket=_WORK,
            limits=LIMITS,
        )
        return reconciler.reconcile(self._state["load_id"], self._file(), self._plan()).to_json()

    def expect(self) -> Any:
        """Reads the whole file with the csv module, to find what the load must write."""
        fingerprint, refused = Fingerprint(), 0
        blocks = self.source.blocks(0, self.source.size, S3Stub.BLOCK_SIZE)
        text = io.TextIOWrapper(file_object(blocks), encoding="utf-8", newline="")
        rows = csv.reader(text)
        if next(rows) != list(COLUMNS):
            raise ValueError("The benchmark's own header is not as expected.")
        quantity = COLUMNS.index("quantity")
        for row in rows:
            if row[quantity] == BAD_QUANTITY:
                refused += 1
            else:
                fingerprint.add(tuple(row))
        return {"refused": refused, "written": fingerprint.as_json()}

    def _plan(self) -> Plan:
        return Plan.from_json(self._state["plan"])

    def _chunks(self) -> list[Chunk]:
        plan = self._plan()
        body = self._s3.get_object(Bucket=plan.bucket, Key=plan.key)["Body"]
        return [Chunk.from_json(chunk) for chunk in json.loads(body.read())]

    def _file(self) -> File:
        return File.from_json(self._state["file"])

    def _keep(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._state_path.write_text(json.dumps(self._state | answer))
        return answer


def peak_memory() -> float:
    """The peak memory of this process until now, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def main(name: str, size: int, folder: Path, chunk_size: int, chunks: list[int]) -> None:
    imports = peak_memory()
    tasks = Tasks(folder, size, chunk_size)
    task: Callable[..., Any] = getattr(tasks, name)
    wall, cpu = time.perf_counter(), time.process_time()
    answer = task(*chunks)
    figures = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "stubs": tasks.meter.cpu_seconds,
        "imports": imports,
        "peak": peak_memory(),
        "answer": answer,
    }
    tasks.dynamodb.save()
    print(json.dumps(figures))


if __name__ == "__main__":
    main(
        sys.argv[1],
        int(sys.argv[2]),
        Path(sys.argv[3]),
        int(sys.argv[4]),
        [*map(int, sys.argv[5:])],
    )
