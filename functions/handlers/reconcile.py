"""Lambda handler of the task Reconcile: adds up a load's ledger entries and reports the totals."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.contracts import File, Plan
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import Slots
from ingestion.ledger.versions import Turns
from ingestion.metrics import publish_metrics
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.reconcile import Reconciler
from ingestion.tasks.target_table import TargetTable
from ingestion.telemetry import log_step, measures, outcome


@cache
def _reconciler() -> Reconciler:
    s3, dynamodb, ledger = boto3.client("s3"), boto3.client("dynamodb"), os.environ["LEDGER_TABLE"]
    refused, superseded = os.environ["MAX_REFUSED_PERCENT"], os.environ["MAX_SUPERSEDED_PERCENT"]
    limits, bucket = QualityLimits(float(refused), float(superseded)), os.environ["WORK_BUCKET"]
    loads, chunks = Loads(dynamodb, ledger), Chunks(dynamodb, ledger)
    turns, slots = Turns(s3, Claims(dynamodb, ledger)), Slots(dynamodb, ledger)
    table = TargetTable(dynamodb, os.environ.get("DYNAMODB_TABLE", "Tickets"))
    return Reconciler(s3, loads, chunks, turns, slots, table, work_bucket=bucket, limits=limits)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    file, plan = File.from_json(event["file"]), Plan.from_json(event["plan"])
    arn, started_at = event.get("execution_arn"), event.get("started_at")
    result = _reconciler().reconcile(event["load_id"], file, plan, arn, started_at)
    measured, ended = measures(file, result, started_at), outcome(result)
    publish_metrics(measured, ended, os.environ["STACK_NAME"])
    log_step("Reconcile", event.get("execution"), event["load_id"], outcome=ended, **measured)
    return result.to_json()
