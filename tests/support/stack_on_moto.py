"""The stack as `tickets` finds it, with the buckets and tables of a cloud on moto."""

from typing import Any

import boto3

from tests.support.cloud import Cloud
from tickets.runs.stack import Stack


def stack_on(cloud: Cloud) -> Stack:
    outputs = {
        "UploadBucketName": cloud.uploads,
        "WorkBucketName": cloud.work,
        "TableName": cloud.table,
        "LedgerTableName": cloud.ledger_table,
        "StateMachineArn": cloud.state_machine_arn,
    }
    stack = Stack("tickets", "us-east-1", outputs, boto3.DEFAULT_SESSION)  # type: ignore[arg-type]
    clients: dict[str, Any] = {
        "s3": cloud.s3,
        "dynamodb": cloud.dynamodb,
        "stepfunctions": cloud.step_functions,
    }
    stack._clients.update(clients)
    return stack
