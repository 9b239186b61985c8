"""One object becomes accepted facts, or the reasons it is refused."""

import os
from functools import cache
from typing import Any

import boto3

from ingestion.ledger import Ledger
from ingestion.validation import Validator


@cache
def _validator() -> Validator:
    ledger = Ledger(boto3.client("dynamodb"), os.environ["LEDGER_TABLE"])
    return Validator(boto3.client("s3"), ledger)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return _validator().validate(event["input"], event["execution_arn"]).as_json()
