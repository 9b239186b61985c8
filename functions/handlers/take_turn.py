"""Lambda handler of the task Take Turn: claims an object for a load.

The result says whether the load can write now, must wait for other writers, or is overtaken.
"""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.contracts import File
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import Turns
from ingestion.tasks.take_turn import take_turn
from ingestion.telemetry import log_step


@cache
def _turns() -> Turns:
    return Turns(boto3.client("s3"), Claims(boto3.client("dynamodb"), os.environ["LEDGER_TABLE"]))


@cache
def _loads() -> Loads:
    return Loads(boto3.client("dynamodb"), os.environ["LEDGER_TABLE"])


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    turn = take_turn(_turns(), _loads(), event["load_id"], File.from_json(event["file"]))
    log_step("Take Turn", event.get("execution"), event["load_id"], turn=turn)
    return {"turn": turn}
