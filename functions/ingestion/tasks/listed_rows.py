"""Reads the list of a load's refused and superseded rows."""

import io
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ingestion.contracts import RefusedRow
from ingestion.csv_files.refused_rows import parse_csv
from ingestion.s3.refused_rows import MANIFEST_NAME, read_chunks, read_manifest
from ingestion.s3.streams import file_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BLOCK_SIZE = 1024 * 1024


def listed_rows(client: "S3Client", uri: str) -> Iterator[RefusedRow]:
    """Yields the rows listed at `s3://bucket/key`: in one file, or in the files of a manifest.

    In a file, a text that a spreadsheet would take for a formula has an apostrophe before it; a
    manifest's files have the original texts.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if key.endswith(MANIFEST_NAME):
        yield from read_chunks(client, bucket, read_manifest(client, bucket, key))
        return
    body: Any = client.get_object(Bucket=bucket, Key=key)["Body"]
    with closing(body):
        blocks = file_object(body.iter_chunks(_BLOCK_SIZE))
        yield from parse_csv(io.TextIOWrapper(blocks, encoding="utf-8", newline=""))
