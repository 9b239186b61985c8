"""Lambda handler of the task Write Chunk: writes the rows of one byte range to the table."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.contracts import ChunkTask
from ingestion.dynamodb.transport import dynamodb_transport
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.versions import Turns
from ingestion.tasks.target_table import TargetTable
from ingestion.tasks.write_chunk import ChunkWriter
from ingestion.telemetry import log_chunk


@cache
def _chunk_writer() -> ChunkWriter:
    s3, dynamodb, ledger = boto3.client("s3"), boto3.client("dynamodb"), os.environ["LEDGER_TABLE"]
    return ChunkWriter(
        s3,
        TargetTable(dynamodb, os.environ.get("DYNAMODB_TABLE", "Tickets")),
        dynamodb_transport(dynamodb),
        Chunks(dynamodb, ledger),
        Turns(s3, Claims(dynamodb, ledger)),
        work_bucket=os.environ["WORK_BUCKET"],
        in_flight=int(os.environ["BATCHES_IN_FLIGHT"]),
        rows_per_second=float(os.environ["MAX_ROWS_PER_SECOND"]),
        at_a_time=int(os.environ["MAP_CONCURRENCY"]),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    seconds = context.get_remaining_time_in_millis() / 1000
    result = _chunk_writer().write(ChunkTask.from_json(event), seconds)
    log_chunk(event.get("execution"), event["load_id"], result)
    return result.to_json()
