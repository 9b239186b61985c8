"""Lambda handler of the task Take Turn: claims an object for a load, and takes a slot.

The result says whether the load can write now, must wait, or is overtaken.
"""

import os
from functools import cache, partial
from typing import Any

import boto3

from ingestion.contracts import TurnRequest
from ingestion.executions import is_running
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import Slots
from ingestion.ledger.versions import Turns
from ingestion.tasks.take_turn import TurnTaker
from ingestion.telemetry import log_step


@cache
def _turn_taker() -> TurnTaker:
    dynamodb, ledger = boto3.client("dynamodb"), os.environ["LEDGER_TABLE"]
    running = partial(is_running, boto3.client("stepfunctions"))
    turns = Turns(boto3.client("s3"), Claims(dynamodb, ledger))
    loads, slots = Loads(dynamodb, ledger), Slots(dynamodb, ledger)
    return TurnTaker(turns, loads, slots, int(os.environ["LOADS_AT_A_TIME"]), running)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = TurnRequest.from_json(event)
    turn = _turn_taker().take(request)
    facts = {"turn": turn.turn, "waits_for": turn.waits_for}
    log_step("Take Turn", event.get("execution"), request.load_id, **facts)
    return turn.to_json()
