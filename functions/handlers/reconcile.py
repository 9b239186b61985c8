"""All ledger entries of a load become totals that must add up."""

import os
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.metrics import Metrics

from ingestion.contracts import File, Plan
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import Turns
from ingestion.tasks.reconcile import Reconciler
from ingestion.telemetry import UNITS, log_step, measures, outcome


@cache
def _reconciler() -> Reconciler:
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    ledger = os.environ["LEDGER_TABLE"]
    turns = Turns(s3, Claims(dynamodb, ledger))
    allowed = float(os.environ["MAX_REFUSED_PERCENT"])
    bucket = os.environ["WORK_BUCKET"]
    return Reconciler(
        s3,
        Loads(dynamodb, ledger),
        Chunks(dynamodb, ledger),
        turns,
        work_bucket=bucket,
        max_refused_percent=allowed,
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    file, plan = File.from_json(event["file"]), Plan.from_json(event["plan"])
    result = _reconciler().reconcile(event["load_id"], file, plan)
    measured = measures(file, result, event.get("started_at"))
    metrics = Metrics(namespace="TicketLoader", service=os.environ["STACK_NAME"])
    metrics.add_dimension("Outcome", outcome(result))
    for name, value in measured.items():
        metrics.add_metric(name, UNITS.get(name, "Count"), value)
    metrics.flush_metrics()
    log_step(
        "Reconcile", event.get("execution"), event["load_id"], outcome=outcome(result), **measured
    )
    return result.to_json()
