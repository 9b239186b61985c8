"""All ledger entries of a load become totals that must add up."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.ledger import Ledger
from ingestion.reconciliation import Reconciler


@cache
def _reconciler() -> Reconciler:
    return Reconciler(
        boto3.client("s3"),
        Ledger(boto3.client("dynamodb"), os.environ["LEDGER_TABLE"]),
        work_bucket=os.environ["WORK_BUCKET"],
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return _reconciler().reconcile(event["load_id"], event["file"], event["plan"])
