"""The rows of a load that are not in the table: refused ones and superseded ones."""

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions

from ops.errors import CommandError
from ops.stack import Stack


@dataclass(frozen=True)
class RefusedRow:
    """One line of the refused-rows file. `column` is empty where no single one is to blame."""

    line: int
    column: str
    reason: str
    raw: str


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
