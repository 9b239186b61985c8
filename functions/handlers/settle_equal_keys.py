"""Lambda handler of the task Settle Equal Keys: makes the last of the rows with equal keys win."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.contracts import File, Plan
from ingestion.dynamodb.transport import dynamodb_transport
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.versions import Turns
from ingestion.tasks.settle_equal_keys import EqualKeySettler
from ingestion.tasks.suspect_search import PARALLEL_READS
from ingestion.tasks.target_table import TargetTable
from ingestion.telemetry import log_step


@cache
def _settler() -> EqualKeySettler:
    s3, dynamodb = boto3.client("s3", config=PARALLEL_READS), boto3.client("dynamodb")
    return EqualKeySettler(
        s3,
        TargetTable(dynamodb, os.environ.get("DYNAMODB_TABLE", "Tickets")),
        dynamodb_transport(dynamodb),
        Chunks(dynamodb, os.environ["LEDGER_TABLE"]),
        Turns(s3, Claims(dynamodb, os.environ["LEDGER_TABLE"])),
        work_bucket=os.environ["WORK_BUCKET"],
        in_flight=int(os.environ["BATCHES_IN_FLIGHT"]),
        rows_per_second=float(os.environ["MAX_ROWS_PER_SECOND"]),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    seconds = context.get_remaining_time_in_millis() / 1000
    file, plan = File.from_json(event["file"]), Plan.from_json(event["plan"])
    answer = _settler().settle(event["load_id"], file, plan, seconds).to_json()
    log_step("Settle Equal Keys", event.get("execution"), event["load_id"], **answer)
    return answer
