"""One byte range becomes items in the table, refused rows and a ledger entry."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.chunks import Chunk
from ingestion.claims import Claims
from ingestion.ledger import Ledger
from ingestion.table import client_config
from ingestion.turns import Turns
from ingestion.writing import ChunkWriter


@cache
def _chunk_writer() -> ChunkWriter:
    in_flight = int(os.environ["BATCHES_IN_FLIGHT"])
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    ledger_table = os.environ["LEDGER_TABLE"]
    return ChunkWriter(
        s3,
        boto3.client("dynamodb", config=client_config(in_flight)),
        Ledger(dynamodb, ledger_table),
        Turns(s3, Claims(dynamodb, ledger_table)),
        table=os.environ.get("DYNAMODB_TABLE", "Tickets"),
        work_bucket=os.environ["WORK_BUCKET"],
        in_flight=in_flight,
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    seconds = context.get_remaining_time_in_millis() / 1000
    chunk = Chunk(**event["chunk"])
    return _chunk_writer().write(event["load_id"], event["file"], chunk, seconds).as_json()
