"""Joins the rows of a load that are not in the table into one CSV file, or names their parts.

Up to a million rows become one CSV file. Of more, the file holds the first million, and a manifest
beside it says where the parts with all of them are: to copy them would take Reconcile hours.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

from ingestion.csv_files.refused_rows import RefusedRow, csv_lines
from ingestion.errors import AccountingError
from ingestion.s3.refused_rows import ChunkRows, Series, read_chunks
from ingestion.s3.streams import file_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_JOINED_ROWS = 1_000_000
"""Rows of the CSV file; a spreadsheet opens 1,048,576."""

_MANIFEST_ENDING = ".json"
_BLOCK_SIZE = 64 * 1024


def join_refused_rows(
    client: "S3Client", bucket: str, load_id: str, chunks: Sequence[ChunkRows], counted: int
) -> str | None:
    """Write the CSV file, and the manifest if it does not hold all of the ``counted`` rows. Returns
    the ``s3://`` address of what lists them all, or None if there are none.

    Raises AccountingError if the parts do not have so many rows.
    """
    if not counted:
        return None
    listed = 0

    def first_rows() -> Iterator[RefusedRow]:
        nonlocal listed
        with closing(read_chunks(client, bucket, chunks)) as rows:
            for row in islice(rows, MAX_JOINED_ROWS):
                listed += 1
                yield row

    folder = f"refused-rows/{load_id}"
    joined = f"{folder}/refused-rows.csv"
    client.upload_fileobj(
        file_object(csv_lines(first_rows())),
        bucket,
        joined,
        ExtraArgs={"ContentType": "text/csv; charset=utf-8"},
    )
    if listed != min(counted, MAX_JOINED_ROWS):
        raise AccountingError(
            f"Load {load_id}: {counted} rows refused or superseded, but {listed} listed."
        )
    if counted == listed:
        return f"s3://{bucket}/{joined}"
    manifest = f"{folder}/refused-rows{_MANIFEST_ENDING}"
    client.put_object(
        Bucket=bucket,
        Key=manifest,
        Body=json.dumps(
            {
                "rows": counted,
                "first_rows": f"s3://{bucket}/{joined}",
                "chunks": [
                    {**chunk._asdict(), "series": [series._asdict() for series in chunk.series]}
                    for chunk in chunks
                ],
            }
        ).encode(),
        ContentType="application/json",
    )
    return f"s3://{bucket}/{manifest}"


def read_refused_rows(client: "S3Client", url: str) -> Iterator[RefusedRow]:
    """All rows that the CSV file or the manifest at ``s3://bucket/key`` lists, in the order of
    their lines. In the CSV file, texts like formulas have an apostrophe before them."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    body: Any = client.get_object(Bucket=bucket, Key=key)["Body"]
    with closing(body):
        if key.endswith(_MANIFEST_ENDING):
            yield from read_chunks(
                client, bucket, map(_chunk_rows, json.loads(body.read())["chunks"])
            )
        else:
            csv.field_size_limit(1 << 24)
            text = io.TextIOWrapper(
                file_object(body.iter_chunks(_BLOCK_SIZE)), encoding="utf-8", newline=""
            )
            for row in csv.DictReader(text):
                yield RefusedRow(int(row["line"]), row["column"], row["reason"], row["raw"])


def _chunk_rows(chunk: dict[str, Any]) -> ChunkRows:
    return ChunkRows(**{**chunk, "series": [Series(**series) for series in chunk["series"]]})
