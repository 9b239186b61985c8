"""Joins the rows of a load that are not in the table into one CSV file, or names their parts.

Up to a million rows go into one CSV file. If there are more, the file holds the first million, and
a manifest next to it lists the parts that hold all rows. Copying them would take Reconcile hours.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from ingestion.contracts import RefusedRow
from ingestion.csv_files.refused_rows import csv_lines
from ingestion.errors import AccountingError
from ingestion.s3.refused_rows import MANIFEST_NAME, ChunkRows, read_chunks, write_manifest
from ingestion.s3.streams import file_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_JOINED_ROWS = 1_000_000
"""Rows of the CSV file; a spreadsheet opens 1,048,576."""


def join_refused_rows(
    client: "S3Client", bucket: str, folder: str, chunks: Sequence[ChunkRows], counted: int
) -> str | None:
    """Writes the CSV file, and the manifest if it does not hold all of the `counted` rows, into a
    folder of the work bucket. Returns the `s3://` address of what lists them all, or None if
    there are none.

    Raises AccountingError if the parts have more or fewer rows.
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

    joined = f"{folder}/refused-rows.csv"
    client.upload_fileobj(
        file_object(csv_lines(first_rows())),
        bucket,
        joined,
        ExtraArgs={"ContentType": "text/csv; charset=utf-8"},
    )
    if listed != min(counted, MAX_JOINED_ROWS):
        raise AccountingError(
            f"{folder}: {counted} rows refused or superseded, but {listed} listed."
        )
    if counted == listed:
        return f"s3://{bucket}/{joined}"
    manifest = f"{folder}/{MANIFEST_NAME}"
    write_manifest(client, bucket, manifest, chunks, counted, f"s3://{bucket}/{joined}")
    return f"s3://{bucket}/{manifest}"
