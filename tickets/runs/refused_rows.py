"""The rows of a load that are not in the table: refused ones and superseded ones."""

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions

from tickets.errors import CommandError
from tickets.runs.executions import Execution
from tickets.runs.history import OVERTAKEN
from tickets.runs.stack import Stack


@dataclass(frozen=True)
class RefusedRow:
    """One line of the refused-rows file. `column` is empty where no single one is to blame."""

    line: int
    column: str
    reason: str
    raw: str


def refused_rows_uri(execution: Execution) -> str | None:
    """Where the refused rows of the execution's load are; None if it has none that are listed."""
    uri = execution.outcome().refused_rows or execution.load.get("refused_rows")
    return None if uri is None else str(uri)


def why_none(execution: Execution) -> str:
    """A sentence for a load without such a file."""
    outcome = execution.outcome()
    if outcome.ending == OVERTAKEN:
        return "A later version of the object is loaded instead: no refused rows are listed."
    if outcome.loaded:
        return "Every row that was read is in the table."
    if execution.status == "RUNNING":
        return "The load is still running: its refused rows are listed when it ends."
    return "The load failed, and no refused rows are known: `tickets show` says why."


def read_refused_rows(stack: Stack, uri: str) -> Iterator[RefusedRow]:
    """Streams the refused-rows file at `s3://bucket/key`."""
    with closing(_open(stack, uri)) as body:
        yield from parse_refused_rows(io.TextIOWrapper(body, encoding="utf-8", newline=""))


def parse_refused_rows(lines: Iterator[str] | io.TextIOWrapper) -> Iterator[RefusedRow]:
    """Rows of a refused-rows file that has been opened with `newline=""`."""
    csv.field_size_limit(1 << 24)
    for row in csv.DictReader(lines):
        yield RefusedRow(int(row["line"]), row["column"], row["reason"], row["raw"])


def download(stack: Stack, uri: str, path: Path) -> int:
    """Copies the object at `s3://bucket/key` to a file; returns its size in bytes."""
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
            f"{uri} is no longer there: refused rows and reports expire, see the stack's "
            "retention parameters."
        ) from error
