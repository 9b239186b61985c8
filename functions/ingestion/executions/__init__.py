"""Looks up executions of the state machine."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

IsRunning = Callable[[str], bool]
"""Returns whether the execution with the given ARN is RUNNING."""


def is_running(client: "SFNClient", execution_arn: str) -> bool:
    """Returns whether an execution is RUNNING.

    If the call is throttled, the answer is not known, and True is returned. An execution that Step
    Functions has deleted (90 days after its end) is not running.
    """
    try:
        return client.describe_execution(executionArn=execution_arn)["status"] == "RUNNING"
    except client.exceptions.ExecutionDoesNotExist:
        return False
    except ClientError as error:
        if error.response["Error"]["Code"] == "ThrottlingException":
            return True
        raise
