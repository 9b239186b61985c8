"""All ledger entries of a load become totals that must add up."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.claims import Claims
from ingestion.ledger import Ledger
from ingestion.reconciliation import Reconciler
from ingestion.turns import Turns


@cache
def _reconciler() -> Reconciler:
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    ledger_table = os.environ["LEDGER_TABLE"]
    return Reconciler(
        s3,
        Ledger(dynamodb, ledger_table),
        Turns(s3, Claims(dynamodb, ledger_table)),
        work_bucket=os.environ["WORK_BUCKET"],
        most_refused_percent=float(os.environ["MOST_REFUSED_PERCENT"]),
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return _reconciler().reconcile(event["load_id"], event["file"], event["plan"])
