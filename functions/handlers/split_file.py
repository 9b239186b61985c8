"""Lambda handler of the task Split File: divides an object into chunks and writes the plan.

It refuses a file that it can't read to its end.
"""

import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from ingestion.contracts import File
from ingestion.ledger.loads import Loads
from ingestion.tasks.split_file import MAX_PARALLEL_READS, Planner
from ingestion.telemetry import log_step


@cache
def _planner() -> Planner:
    return Planner(
        boto3.client("s3", config=Config(max_pool_connections=MAX_PARALLEL_READS)),
        Loads(boto3.client("dynamodb"), os.environ["LEDGER_TABLE"]),
        work_bucket=os.environ["WORK_BUCKET"],
        chunk_size=int(os.environ["CHUNK_SIZE_BYTES"]),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    seconds = context.get_remaining_time_in_millis() / 1000
    execution, load_id = event.get("execution"), event["load_id"]
    plan = _planner().plan(load_id, File.from_json(event["file"]), seconds, execution)
    refusal = plan.refusal.reason if plan.refusal else None
    log_step("Split File", execution, load_id, chunks=plan.chunks, refusal=refusal)
    return plan.to_json()
