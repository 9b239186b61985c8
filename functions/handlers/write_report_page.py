"""Lambda handler that makes the report pages of executions, whose ends SQS messages announce."""

import json
import os
from functools import cache
from typing import Any

import boto3

from ingestion.ledger.actions import Actions
from ingestion.ledger.attempts import Attempts
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.loads import Loads
from ingestion.tasks.write_report_page import Pages
from ingestion.telemetry import log_step


@cache
def _pages() -> Pages:
    dynamodb, ledger = boto3.client("dynamodb"), os.environ["LEDGER_TABLE"]
    return Pages(
        boto3.client("stepfunctions"),
        boto3.client("s3"),
        Loads(dynamodb, ledger),
        Chunks(dynamodb, ledger),
        Attempts(dynamodb, ledger),
        Actions(dynamodb, ledger),
        work_bucket=os.environ["WORK_BUCKET"],
        stack=json.loads(os.environ["STACK"]),
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    [record] = event["Records"]  # one per batch, see template.yaml
    detail = json.loads(record["body"])["detail"]
    page = _pages().write_ended(detail["executionArn"], detail["redriveCount"])
    log_step("Write Report Page", detail["name"], None, page=page)
    return {"page": page}
