"""All ledger entries of a load become totals that must add up."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.contracts import File, Plan
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import Turns
from ingestion.metrics import send_metrics
from ingestion.tasks.reconcile import Reconciler
from ingestion.telemetry import log_step, measures, outcome


@cache
def _reconciler() -> Reconciler:
    s3, dynamodb, ledger = boto3.client("s3"), boto3.client("dynamodb"), os.environ["LEDGER_TABLE"]
    return Reconciler(
        s3,
        Loads(dynamodb, ledger),
        Chunks(dynamodb, ledger),
        Turns(s3, Claims(dynamodb, ledger)),
        work_bucket=os.environ["WORK_BUCKET"],
        max_refused_percent=float(os.environ["MAX_REFUSED_PERCENT"]),
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    file, plan = File.from_json(event["file"]), Plan.from_json(event["plan"])
    result = _reconciler().reconcile(event["load_id"], file, plan)
    measured, ended = measures(file, result, event.get("started_at")), outcome(result)
    if result.equal_keys != "unsettled":
        send_metrics(os.environ["STACK_NAME"], ended, measured)
    log_step("Reconcile", event.get("execution"), event["load_id"], outcome=ended, **measured)
    return result.to_json()
