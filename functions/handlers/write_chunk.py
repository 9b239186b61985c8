"""One byte range becomes items in the table, refused rows and a ledger entry."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.chunks import Chunk
from ingestion.claims import Claims
from ingestion.ledger import Ledger
from ingestion.transport import dynamodb_transport
from ingestion.turns import Turns
from ingestion.writing import ChunkWriter


@cache
def _chunk_writer() -> ChunkWriter:
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    ledger_table = os.environ["LEDGER_TABLE"]
    return ChunkWriter(
        s3,
        dynamodb,
        dynamodb_transport(dynamodb),
        Ledger(dynamodb, ledger_table),
        Turns(s3, Claims(dynamodb, ledger_table)),
        table=os.environ.get("DYNAMODB_TABLE", "Tickets"),
        work_bucket=os.environ["WORK_BUCKET"],
        in_flight=int(os.environ["BATCHES_IN_FLIGHT"]),
        rows_per_second=float(os.environ["MAX_ROWS_PER_SECOND"]),
        at_a_time=int(os.environ["MAP_CONCURRENCY"]),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    seconds = context.get_remaining_time_in_millis() / 1000
    chunk, load_id, file = Chunk(**event["chunk"]), event["load_id"], event["file"]
    # An execution that began before an update of the stack does not say how many chunks it has.
    chunks = event.get("chunks", 1)
    return _chunk_writer().write(load_id, file, chunk, chunks, seconds).as_json()
