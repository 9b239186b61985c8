"""Measures how long Split File takes to make a plan, and how many requests it needs, for files of
different sizes.

    python -m benchmarks.plans

The files are never on disk: each byte range is generated when it is read. S3 is a stub that answers
each request after LATENCY seconds, because S3 takes some tens of milliseconds.
"""

import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from benchmarks.scale_tasks import CHUNK_SIZE, LAMBDA_SECONDS
from benchmarks.stubs import Body, DynamoDBStub, Meter, S3Stub
from benchmarks.ticket_file import QUOTED_AND_INCHES, TicketFile
from ingestion.contracts import Chunk, File
from ingestion.csv_files.header import FileFacts, examine
from ingestion.ledger.loads import Loads
from ingestion.tasks.deployed_sources import deployed_sources
from ingestion.tasks.split_file import Planner

SIZES = {"1 GB": 10**9, "50 GB": 50 * 10**9, "5 TB": 5 * 10**12}
LATENCY = 0.03


class SlowS3(S3Stub):
    """An S3Stub with latency. It counts the requests and the bytes that it sends."""

    requests = 0
    sent = 0

    def get_object(self, *, Bucket: str, Key: str, **arguments: Any) -> dict[str, Any]:
        time.sleep(LATENCY)
        self.requests += 1
        answer = super().get_object(Bucket=Bucket, Key=Key, **arguments)
        body = answer["Body"]
        answer["Body"] = Body(lambda size: self._counted(body.iter_chunks(size)), Meter())
        return answer

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.sent += len(block)
            yield block


def accepted_file(source: TicketFile) -> File:
    head = b"".join(source.blocks(0, 2**20, 2**20))
    declared = deployed_sources().built_in
    facts = examine(head, False, lambda refused, rows: False, declared)
    if not isinstance(facts, FileFacts):
        raise ValueError("The benchmark's own file is refused.")
    return File(
        "uploads",
        "tickets.csv",
        "v1",
        source.etag,
        source.size,
        None,
        facts.delimiter,
        facts.columns,
        facts.width,
        facts.data_start,
        facts.header_lines,
    )


def check(source: TicketFile, chunks: list[Chunk]) -> None:
    """Raises ValueError unless the chunks cover the file exactly, and each begins after a line
    end."""
    edge = len(source.header)
    for chunk in chunks:
        before = b"".join(source.blocks(chunk.start - 1, chunk.start, 1))
        if chunk.start != edge or before != b"\n":
            raise ValueError(f"Chunk {chunk.index} begins at byte {chunk.start}.")
        edge = chunk.end
    if edge != source.size:
        raise ValueError(f"The chunks end at byte {edge} of {source.size}.")


def measure(name: str, size: int) -> None:
    source = TicketFile(size, QUOTED_AND_INCHES)
    with tempfile.TemporaryDirectory(prefix="tickets-plans-") as folder:
        s3 = SlowS3(Path(folder), source, Meter())
        loads = Loads(cast("Any", DynamoDBStub(Path(folder))), "ledger")
        planner = Planner(cast("Any", s3), loads, "work", CHUNK_SIZE)
        wall, cpu = time.perf_counter(), time.process_time()
        plan = planner.plan("load", accepted_file(source), LAMBDA_SECONDS)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        text = (Path(folder) / plan.bucket / plan.key).read_text(encoding="utf-8")
    chunks = read_plan(text)
    check(source, chunks)
    largest = max(chunk.end - chunk.start for chunk in chunks) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {name} | {len(chunks):,} | {largest:,.1f} MiB | {s3.requests:,} | "
        f"{s3.sent / 1e6:,.1f} MB | {cpu:,.1f} s | {wall:,.1f} s | {peak:,.0f} MiB |",
        flush=True,
    )


def read_plan(text: str) -> list[Chunk]:
    return [Chunk.from_json(one) for one in json.loads(text)]


if __name__ == "__main__":
    print(
        "| File | Chunks | Largest chunk | Requests | Read | CPU, stub included | Time | "
        "Peak memory |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    for name, size in SIZES.items():
        measure(name, size)
