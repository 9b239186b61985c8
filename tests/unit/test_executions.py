"""Whether an execution is running, as Step Functions answers."""

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ingestion.executions import is_running

ARN = "arn:aws:states:eu-west-1:123456789012:execution:Ingest:one"
DESCRIBED = {
    "executionArn": ARN,
    "stateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:Ingest",
    "startDate": "2026-03-01T09:00:00Z",
}


def ask(status: str = "", error: str = "") -> bool:
    client = boto3.client(
        "stepfunctions",
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    with Stubber(client) as stub:
        if error:
            stub.add_client_error(
                "describe_execution", error, expected_params={"executionArn": ARN}
            )
        else:
            stub.add_response("describe_execution", {**DESCRIBED, "status": status})
        return is_running(client, ARN)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("RUNNING", True),
        ("SUCCEEDED", False),
        ("FAILED", False),
        ("TIMED_OUT", False),
        ("ABORTED", False),
    ],
)
def test_only_an_execution_that_is_running_is_running(status: str, expected: bool) -> None:
    assert ask(status) is expected


def test_an_execution_that_is_forgotten_is_not_running() -> None:
    assert ask(error="ExecutionDoesNotExist") is False


def test_what_a_throttled_call_does_not_say_counts_as_running() -> None:
    """The slot stays taken, and a later call looks again."""
    assert ask(error="ThrottlingException") is True


def test_a_missing_permission_is_an_error() -> None:
    """Otherwise the slots of failed loads would never become free, without any error."""
    with pytest.raises(ClientError, match="AccessDeniedException"):
        ask(error="AccessDeniedException")
