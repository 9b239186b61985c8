"""The stack on moto as the `tickets` command finds it."""

import boto3

from tests.support.cloud import Cloud
from tests.support.step_functions import StepFunctions
from tickets.runs.stack import Stack


def stack_of(cloud: Cloud, step_functions: StepFunctions | None = None) -> Stack:
    """The cloud's stack. Its executions are the cloud's, or those added to `step_functions`."""
    outputs = {
        "UploadBucketName": cloud.uploads,
        "WorkBucketName": cloud.work,
        "TableName": cloud.table,
        "LedgerTableName": cloud.ledger_table,
        "StateMachineArn": cloud.state_machine_arn,
    }
    session = boto3.DEFAULT_SESSION  # the cloud's
    assert session is not None
    stack = Stack("tickets", "us-east-1", outputs, session)
    executions = step_functions.client if step_functions else cloud.step_functions
    stack._clients.update({"s3": cloud.s3, "dynamodb": cloud.dynamodb, "stepfunctions": executions})
    return stack
