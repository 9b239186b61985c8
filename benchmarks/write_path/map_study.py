"""Measures a load's Map on the embedded engine with different numbers of chunks.

Each chunk has one row, because the study measures the overhead per chunk and not the writing of
rows. A column that is not stored makes every row as long as the smallest chunk. The file is
uploaded compressed, so that the chunks are byte ranges of the unpacked object in the work bucket:
when a byte range of an object with versions is read, the engine sends the whole object.
"""

import csv
import gzip
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.write_path.samples import COLUMNS
from ingestion.executions.history import read_states
from tickets.cli.progress import watch
from tickets.local.deployment import local_stack
from tickets.runs.ingest import local_file, start_load
from tickets.runs.stack import Stack

SMALLEST_CHUNK = 65_536  # ChunkSizeBytes, in template.yaml


class MapRun(NamedTuple):
    chunks: int
    events: int
    """The events in the history of the load's own execution, without those of its children."""
    map_seconds: float
    """The time from entering Write Chunks to leaving it."""
    load_seconds: float
    """The time from the upload to the end of the execution."""


def measure(folder: Path, counts: list[int], concurrency: int, seconds: float) -> list[MapRun]:
    """Loads one file for each number of chunks in `counts`, one after another.

    seconds: the longest that one load may take.
    Raises RuntimeError for a load that does not succeed with that number of chunks and rows.
    """
    parameters = {"ChunkSizeBytes": str(SMALLEST_CHUNK), "MapConcurrency": str(concurrency)}
    with local_stack(parameters=parameters) as local:
        return [_load(local.stack, _file(folder, count), count, seconds) for count in counts]


def _file(folder: Path, chunks: int) -> Path:
    path = folder / f"{chunks}-chunks.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "remarks"])
        for row in range(chunks):
            values = [f"M{chunks}-{row}", "Bread", "B1", "2026-01-31T12:00:00Z", "", "1", ""]
            writer.writerow([*values, "x" * SMALLEST_CHUNK])
    return path


def _load(stack: Stack, path: Path, chunks: int, seconds: float) -> MapRun:
    began = time.monotonic()
    start = start_load(stack, local_file(path))
    _, outcome = watch(stack, start.execution_arn, timeout=seconds)
    took = time.monotonic() - began
    found = outcome.status, outcome.chunks, outcome.rows_written
    if found != ("SUCCEEDED", chunks, chunks):
        raise RuntimeError(f"The load of {chunks} chunks of a row ended as {found}.")
    pages = stack.client("stepfunctions").get_paginator("get_execution_history")
    events = [
        event
        for page in pages.paginate(executionArn=start.execution_arn)
        for event in page["events"]
    ]
    runs = {run.state: run.seconds for run in read_states(dict(event) for event in events)}
    map_seconds = runs["Write Chunks"]
    if map_seconds is None:
        raise RuntimeError("The history does not say when Write Chunks ended.")
    return MapRun(chunks, len(events), map_seconds, took)
