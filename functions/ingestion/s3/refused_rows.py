"""Refused and superseded rows in the work bucket: one part per call of Write Chunk, JSON lines."""

import heapq
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ingestion.csv_files.refused_rows import RefusedRow

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def write_part(client: "S3Client", bucket: str, key: str, rows: Iterable[RefusedRow]) -> None:
    """Keep the refused rows of one round of a chunk: a JSON array a line, sorted by line."""
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in sorted(rows))
    client.put_object(Bucket=bucket, Key=key, Body=body.encode())


def read_parts(
    client: "S3Client", bucket: str, keys: Iterable[str], line_offset: int
) -> Iterator[RefusedRow]:
    """The rows of one chunk's parts in the order of their lines, counted from the file's start."""
    for row in heapq.merge(*(_read_part(client, bucket, key) for key in keys)):
        yield row._replace(line=row.line + line_offset)


def _read_part(client: "S3Client", bucket: str, key: str) -> Iterator[RefusedRow]:
    body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    for line in body.splitlines():  # JSON escapes every line end within
        yield RefusedRow(*json.loads(line))
