"""Reads the file of a load's refused and superseded rows, which are not in the table."""

import shlex
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO

import botocore.exceptions

from ingestion.contracts import RefusedRow
from ingestion.csv_files.refused_rows import csv_lines
from ingestion.executions.history import OVERTAKEN
from ingestion.s3.refused_rows import MANIFEST_NAME
from ingestion.tasks.listed_rows import listed_rows
from tickets.errors import CommandError
from tickets.runs.executions import Execution
from tickets.runs.stack import Stack

_BLOCK_SIZE = 1024 * 1024


def refused_rows_uri(execution: Execution) -> str | None:
    """The S3 address of the file with the execution's refused rows; None if there is no such file.
    If an earlier release ran the execution, only the file of its load is known."""
    uri = execution.outcome().refused_rows
    if uri is None and execution.attempt is None:
        uri = execution.load.get("refused_rows")
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
    return (
        "The load failed, and no refused rows are known: "
        f"`tickets show {shlex.quote(execution.name)}` says why."
    )


def read_refused_rows(stack: Stack, uri: str) -> Generator[RefusedRow]:
    """Streams the rows listed at `s3://bucket/key`: in one file, or in the files of a manifest."""
    with _expiry_explained(uri):
        yield from listed_rows(stack.client("s3"), uri)


def download(stack: Stack, uri: str, file: BinaryIO) -> int:
    """Writes the object at `s3://bucket/key` to a file. For a manifest, writes the rows of all its
    files as one CSV file. Returns the number of bytes."""
    if uri.endswith(MANIFEST_NAME):
        blocks = csv_lines(read_refused_rows(stack, uri))
    else:
        blocks = _blocks(stack, uri)
    return sum(file.write(block) for block in blocks)


def _blocks(stack: Stack, uri: str) -> Iterator[bytes]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with (
        _expiry_explained(uri),
        closing(stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"]) as body,
    ):
        yield from body.iter_chunks(_BLOCK_SIZE)


@contextmanager
def _expiry_explained(uri: str) -> Iterator[None]:
    try:
        yield
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        raise CommandError(
            f"{uri} no longer exists: refused rows and reports expire after the days that the "
            "stack's parameter ReportDays sets."
        ) from error
