"""Measures how fast Split File copies files that it unpacks or converts to UTF-8, in megabytes of
UTF-8 per second of CPU time.

    python -m benchmarks.unpacking [--size MB]

The planner that ships copies each file into a bucket, with boto3's client and over HTTPS, on one
CPU. The server runs on another one. So the CPU time is that of reading, unpacking or converting,
cutting and uploading, with checksums and TLS. On AWS, a function with 1,769 MB of memory has one
vCPU.
"""

import argparse
import gzip
import os
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import boto3
from botocore.config import Config

from benchmarks.object_server import object_server
from benchmarks.scale_tasks import CHUNK_SIZE, LAMBDA_SECONDS
from benchmarks.stubs import DynamoDBStub
from benchmarks.ticket_file import TicketFile
from ingestion.contracts import File
from ingestion.csv_files.header import FileFacts, examine
from ingestion.ledger.loads import Loads
from ingestion.sources.declaration import source_record
from ingestion.tasks.deployed_sources import deployed_sources
from ingestion.tasks.split_file import MAX_PARALLEL_READS, Planner

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEADER = TicketFile.header


class Kind(NamedTuple):
    """A kind of file."""

    make: Callable[[int], bytes]
    """Makes its text, in UTF-8."""
    level: int | None
    """zlib's compression level, or None if the file isn't compressed."""
    encoding: str = "utf_8"
    with_lines: bool = False
    """Whether the lines before each chunk are counted."""


def tickets(size: int) -> bytes:
    file = TicketFile(size)
    return b"".join(file.blocks(0, file.size, 2**20))


def random_keys(size: int) -> bytes:
    numbers = random.Random(1)
    row = b"%032x,%032x,B1,2026-01-01T10:00:00Z,Home,1,Lyon\r\n"
    rows = size // len(row % (0, 0))
    return HEADER + b"".join(
        row % (numbers.getrandbits(128), numbers.getrandbits(128)) for _ in range(rows)
    )


def similar_rows(size: int) -> bytes:
    row = b"T%08d,Rye bread sliced,B1,2026-01-01T10:00:00Z,Bakery,1,Lyon\r\n"
    return HEADER + b"".join(row % number for number in range(size // len(row % 0)))


def rows_of_two_lines(size: int) -> bytes:
    """No line is a row, so Split File reads the unpacked file once more to cut it."""
    row = b'T%08d,"Gift card\nwith envelope",B1,2026-01-01T10:00:00Z,Home,1,Lyon\r\n'
    return HEADER + b"".join(row % number for number in range(size // len(row % 0)))


KINDS = {
    "tickets": Kind(tickets, 6),
    "tickets, stored without compression": Kind(tickets, 0),
    "two random keys per row": Kind(random_keys, 6),
    "rows that differ in their number": Kind(similar_rows, 9),
    "each row in two lines": Kind(rows_of_two_lines, 6),
    "tickets in Windows-1252": Kind(tickets, None, "cp1252"),
    "tickets in CP850": Kind(tickets, None, "cp850"),
    "tickets in UTF-16": Kind(tickets, None, "utf_16"),
    "tickets in Windows-1252, compressed": Kind(tickets, 6, "cp1252"),
    "tickets, with line numbers": Kind(tickets, 6, with_lines=True),
}


def measure(name: str, size: int) -> None:
    kind = KINDS[name]
    # Characters that the encoding doesn't have become question marks.
    stored = kind.make(size).decode().encode(kind.encoding, "replace")
    text = stored.decode(kind.encoding).encode()
    if kind.level is not None:
        stored = gzip.compress(stored, kind.level)
    copy = "load.csv" if kind.encoding == "utf_8" else f"load.{kind.encoding}.csv"
    objects = {"/uploads/tickets.csv": stored, f"/ticket-work/unpacked/{copy}": text}
    with (
        object_server(objects, cpu=1) as url,
        tempfile.TemporaryDirectory(prefix="tickets-unpacking-") as folder,
    ):
        loads = Loads(cast("Any", DynamoDBStub(Path(folder))), "ledger")
        planner = Planner(client(url), loads, "ticket-work", CHUNK_SIZE)
        wall, cpu = time.perf_counter(), time.process_time()
        plan = planner.plan("load", accepted_file(kind, text, len(stored)), LAMBDA_SECONDS)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if plan.refusal or plan.data_end != len(text):
        raise ValueError(f"{name}: not copied to its end.")
    megabytes = len(text) / 1e6
    print(
        f"| {name} | {megabytes:,.0f} MB | {len(text) / len(stored):,.1f} | {plan.chunks} | "
        f"{cpu:,.1f} s | {wall:,.1f} s | {megabytes / cpu:,.0f} |",
        flush=True,
    )


def client(url: str) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=url,
        verify=False,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",  # noqa: S106 - not a secret
        config=Config(max_pool_connections=MAX_PARALLEL_READS, s3={"addressing_style": "path"}),
    )


def accepted_file(kind: Kind, text: bytes, size: int) -> File:
    source = deployed_sources().built_in
    facts = examine(text[: 2**20], False, lambda refused, rows: False, source)
    if not isinstance(facts, FileFacts):
        raise ValueError("The benchmark's own file is refused.")
    declaration = dict(source.declaration)
    if kind.with_lines:
        declaration["dynamodb"] = {"values": {"line": "{line}"}}
    return File(
        "uploads",
        "tickets.csv",
        "v1",
        "1",
        size,
        "gzip" if kind.level is not None else None,
        facts.delimiter,
        facts.columns,
        facts.width,
        facts.data_start,
        facts.header_lines,
        source=source_record(source) | {"declaration": declaration},
        encoding=kind.encoding,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=200, help="MB of each file, unpacked")
    megabytes = parser.parse_args().size
    warnings.simplefilter("ignore")  # about the certificate that is not verified
    os.sched_setaffinity(0, {0})
    print(
        "| File | As UTF-8 | Ratio | Chunks | CPU | Time | MB per CPU second |\n"
        "|---|---:|---:|---:|---:|---:|---:|"
    )
    for name in KINDS:
        measure(name, megabytes * 10**6)
