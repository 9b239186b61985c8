"""Reads the file of a load's refused and superseded rows, which are not in the table."""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import botocore.exceptions

from ingestion.csv_files.refused_rows import RefusedRow
from tickets.errors import CommandError
from tickets.runs.executions import Execution
from tickets.runs.history import OVERTAKEN
from tickets.runs.stack import Stack

_MAX_FIELD_CHARACTERS = 1 << 24  # the csv module's own limit is 131,072


def refused_rows_uri(execution: Execution) -> str | None:
    """The S3 address of the file with the load's refused rows; None if there is no such file."""
    uri = execution.outcome().refused_rows or execution.load.get("refused_rows")
    return None if uri is None else str(uri)


def why_none(execution: Execution) -> str:
    """Explains in a sentence why a load has no file of refused rows."""
    outcome = execution.outcome()
    if outcome.ending == OVERTAKEN:
        return "A later version of the object is loaded instead: no refused rows are listed."
    if outcome.loaded:
        return "No rows were refused or superseded."
    if execution.status == "RUNNING":
        return "The load is still running: its refused rows are listed when it ends."
    return "The load failed, and no refused rows are known: `tickets show` says why."


def read_refused_rows(stack: Stack, uri: str) -> Iterator[RefusedRow]:
    """Streams the rows of the file at `s3://bucket/key`."""
    with closing(_open(stack, uri)) as body:
        yield from parse_refused_rows(io.TextIOWrapper(body, encoding="utf-8", newline=""))


def parse_refused_rows(lines: Iterable[str]) -> Iterator[RefusedRow]:
    """Parses a file of refused rows that was opened with `newline=""`."""
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    for row in csv.DictReader(lines):
        yield RefusedRow(int(row["line"]), row["column"], row["reason"], row["raw"])


def download(stack: Stack, uri: str, path: Path) -> int:
    """Saves the object at `s3://bucket/key` as a file; returns its size in bytes."""
    size = 0
    with closing(_open(stack, uri)) as body, path.open("wb") as file:
        while block := body.read(1 << 20):
            size += file.write(block)
    return size


def _open(stack: Stack, uri: str) -> Any:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        return stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        raise CommandError(
            f"{uri} no longer exists: refused rows and reports expire after the days that the "
            "stack's parameter ReportDays sets."
        ) from error
