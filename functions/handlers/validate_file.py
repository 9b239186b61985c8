"""Lambda handler of the task Validate File: accepts an object, or refuses it with the reasons."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.contracts import LoadRequest
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import Turns
from ingestion.tasks.deployed_sources import deployed_sources
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.target_table import TargetTable
from ingestion.tasks.validate_file import Validator
from ingestion.telemetry import log_step


@cache
def _validator() -> Validator:
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    ledger_table = os.environ["LEDGER_TABLE"]
    turns = Turns(s3, Claims(dynamodb, ledger_table))
    limits = QualityLimits(float(os.environ["MAX_REFUSED_PERCENT"]))
    table = TargetTable(dynamodb, os.environ.get("DYNAMODB_TABLE", "Tickets"))
    loads, chunk_size = Loads(dynamodb, ledger_table), int(os.environ["CHUNK_SIZE_BYTES"])
    lineage = os.environ["LINEAGE_ATTRIBUTE"] or None
    return Validator(s3, loads, turns, table, limits, deployed_sources(), chunk_size, lineage)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request, execution_arn = LoadRequest.from_json(event["input"]), event["execution_arn"]
    verdict = _validator().validate(request, execution_arn, event.get("started_at"))
    execution = execution_arn.rpartition(":")[2]
    is_small = verdict.plan is not None
    log_step("Validate File", execution, verdict.load_id, verdict=verdict.verdict, small=is_small)
    return verdict.to_json()
