"""Measures how fast Split File unpacks gzip files, in CPU time.

    python -m benchmarks.unpacking [--size MB]

The planner that ships unpacks each file into a bucket, with boto3's own client over HTTPS. The
server is a process on another CPU, so the CPU time is that of reading, unpacking, cutting and
uploading, TLS and checksums included. On AWS, a function with 1,769 MB has one vCPU.
"""

import argparse
import gzip
import os
import random
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import boto3
from botocore.config import Config

from benchmarks.object_server import object_server
from benchmarks.scale_tasks import CHUNK_SIZE
from benchmarks.stubs import DynamoDBStub
from benchmarks.ticket_file import EVERYTHING, TicketFile
from ingestion.contracts import File
from ingestion.csv_files.header import FileFacts, examine
from ingestion.ledger.loads import Loads
from ingestion.tasks.split_file import MAX_PARALLEL_READS, Planner

HEADER = TicketFile.header
REPEATED = b"T1,Rye bread sliced,B1,2026-01-01T10:00:00Z,Bakery,1,Lyon\r\n"
TWO_LINES = b'T%08d,"Gift card\nwith envelope",B1,2026-01-01T10:00:00Z,Home,1,Lyon\r\n'


def tickets(size: int) -> bytes:
    file = TicketFile(size, EVERYTHING)
    return b"".join(file.blocks(0, file.size, 2**20))


def random_tickets(size: int) -> bytes:
    rows = random.Random(1)  # noqa: S311 (no secret)
    row = b"%032x,%032x,B1,2026-01-01T10:00:00Z,Home,1,Lyon\r\n"
    length = len(row % (0, 0))
    return HEADER + b"".join(
        row % (rows.getrandbits(128), rows.getrandbits(128)) for _ in range(size // length)
    )


def one_row_repeated(size: int) -> bytes:
    return HEADER + REPEATED * (size // len(REPEATED))


def rows_of_two_lines(size: int) -> bytes:
    """No line of the file is a row, so Split File reads the unpacked file once more."""
    return HEADER + b"".join(TWO_LINES % n for n in range(size // len(TWO_LINES % 0)))


FILES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "tickets, level 6": (tickets, 6),
    "tickets, stored": (tickets, 0),
    "random keys, level 6": (random_tickets, 6),
    "one row repeated, level 6": (one_row_repeated, 6),
    "rows of two lines, level 6": (rows_of_two_lines, 6),
}


def accepted_file(text: bytes, packed: bytes) -> File:
    facts = examine(text[: 2**20], False, lambda refused, rows: False)
    if not isinstance(facts, FileFacts):
        raise ValueError("The benchmark's own file is refused.")
    return File(
        "uploads",
        "tickets.csv.gz",
        "v1",
        "1",
        len(packed),
        "gzip",
        facts.delimiter,
        facts.columns,
        facts.width,
        facts.data_start,
        facts.header_lines,
    )


def measure(name: str, size: int) -> None:
    make, level = FILES[name]
    text = make(size)
    packed = gzip.compress(text, level)
    file, unpacked_size = accepted_file(text, packed), len(text)
    objects = {"/uploads/tickets.csv.gz": packed, "/work/unpacked/load.csv": text}
    del text
    with (
        object_server(objects, cpu=1) as url,
        tempfile.TemporaryDirectory(prefix="tickets-unpacking-") as folder,
    ):
        s3 = boto3.client(
            "s3",
            endpoint_url=url,
            verify=False,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=Config(
                max_pool_connections=MAX_PARALLEL_READS, s3={"addressing_style": "path"}
            ),
        )
        loads = Loads(cast("Any", DynamoDBStub(Path(folder))), "ledger")
        planner = Planner(s3, loads, "work", CHUNK_SIZE)
        wall, cpu = time.perf_counter(), time.process_time()
        plan = planner.plan("load", file)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mb = unpacked_size / 1e6
    print(
        f"| {name} | {len(packed) / 1e6:,.1f} MB | {mb:,.0f} MB | "
        f"{unpacked_size / len(packed):,.0f} | {plan.chunks} | {cpu:,.1f} s | {mb / cpu:,.0f} | "
        f"{wall:,.1f} s | {peak:,.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=300)
    os.sched_setaffinity(0, {0})
    size = parser.parse_args().size * 10**6
    for name in FILES:
        try:
            measure(name, size)
        except Exception as error:
            print(name, repr(error)[:300])
