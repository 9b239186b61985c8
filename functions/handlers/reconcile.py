"""All ledger entries of a load become totals that must add up."""

import os
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.metrics import Metrics

from ingestion.claims import Claims
from ingestion.ledger import Ledger
from ingestion.reconciliation import Reconciler
from ingestion.story import UNITS, measures, outcome, tell
from ingestion.turns import Turns


@cache
def _reconciler() -> Reconciler:
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    ledger = os.environ["LEDGER_TABLE"]
    turns = Turns(s3, Claims(dynamodb, ledger))
    allowed = float(os.environ["MOST_REFUSED_PERCENT"])
    bucket = os.environ["WORK_BUCKET"]
    return Reconciler(
        s3, Ledger(dynamodb, ledger), turns, work_bucket=bucket, most_refused_percent=allowed
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    result = _reconciler().reconcile(event["load_id"], event["file"], event["plan"])
    measured = measures(event["file"], result, event.get("started_at"))
    metrics = Metrics(namespace="TicketLoader", service=os.environ["STACK_NAME"])
    metrics.add_dimension("Outcome", outcome(result))
    for name, value in measured.items():
        metrics.add_metric(name, UNITS.get(name, "Count"), value)
    metrics.flush_metrics()
    tell("Reconcile", event.get("execution"), event["load_id"], outcome=outcome(result), **measured)
    return result
