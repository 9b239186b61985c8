"""Finds corrected rows that have the key of a row that their load has written already."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingestion.csv_files.item_json import escape
from ingestion.csv_files.key_digests import DIGEST_BITS, key_digest
from ingestion.csv_files.rows import Row, RowReader
from ingestion.csv_files.source_columns import Origin
from ingestion.dynamodb.table_schema import TableSchema, read_table_schema
from ingestion.ledger.chunks import ChunkProgress
from ingestion.names import digests_key
from ingestion.s3.work_bucket import ObjectExpired
from ingestion.tasks.digest_files import DigestSection
from ingestion.tasks.target_table import key_rules
from tickets.check.stand_ins import UPLOADS, LocalObjects
from tickets.runs.executions import recorded_chunks
from tickets.runs.loaded_file import LoadedFile
from tickets.runs.stack import Stack


def lines_with_written_keys(stack: Stack, load: Mapping[str, Any], path: Path) -> list[int] | None:
    """The lines of a local file whose rows have the key of a row that a load has accepted.

    The keys are compared by the digests that the load has left in the work bucket, so that its file
    need not be read again. None if they no longer exist: a lifecycle rule deletes them after
    PlanDays.

    load: the load's entry in the ledger.
    Raises CommandError if the header of the local file is refused.
    """
    plan = load.get("plan") or {}
    if not plan.get("digest_key"):  # a load of an earlier release
        return None
    schema = read_table_schema(stack.client("dynamodb"), stack.table)
    if schema is None:
        return None
    lines = dict(_lines_by_digest(load, schema, path))
    found = set()
    try:
        for chunk in recorded_chunks(stack, load):
            digests = _digests(stack, load, chunk)
            for digest in lines:
                at = bisect_left(digests, digest)
                if at < len(digests) and digests[at] == digest:
                    found.add(digest)
    except ObjectExpired:
        return None
    return sorted(lines[digest] for digest in found)


def _lines_by_digest(
    load: Mapping[str, Any], schema: TableSchema, path: Path
) -> Iterator[tuple[int, int]]:
    """Yields (digest of the key, line) for each row of a local file that its source accepts."""
    local = {"bucket": UPLOADS, "version_id": None, "etag": None, "size": path.stat().st_size}
    file = LoadedFile(LocalObjects(path, load["key"], path.parent).client, {**load, **local})
    reader = RowReader(
        file.source,
        file.facts.columns,
        file.facts.width,
        file.facts.delimiter.encode(),
        schema.key_names,
        file.facts.header,
        key_rules(schema, file.source),
        Origin((load.get("resubmits") or load)["key"], load["load_id"]),
    )
    digests = key_digest(load["plan"]["digest_key"])
    for lines_before, record in file.records():
        row = reader.read(record, lines_before)
        if isinstance(row, Row):
            key = tuple(escape(value.encode()) for value in row.key)
            yield digests([key])[0], lines_before + record.line


def _digests(stack: Stack, load: Mapping[str, Any], chunk: ChunkProgress) -> "array[int]":
    key = digests_key(load["load_id"], load.get("generation", ""), chunk.index)
    section = DigestSection(stack.work_bucket, key, 0, chunk.distinct_keys)
    return section.read(stack.client("s3"), 0, 1 << DIGEST_BITS)
