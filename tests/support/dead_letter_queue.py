"""Dead letters in the formats of the state machine, EventBridge and the upload queue."""

import json
from typing import Any

from tests.support.step_functions import EXECUTION, MACHINE
from tickets.runs.stack import Stack

GIVEN = {"bucket": "uploads", "key": "a.csv", "version_id": "v1"}


def send(stack: Stack, body: Any, queue: str = "FailedExecutionsQueueUrl") -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    stack.client("sqs").send_message(QueueUrl=stack.outputs[queue], MessageBody=text)


def send_upload(stack: Stack, body: Any) -> None:
    send(stack, body, "UploadDeadLetterQueueUrl")


def graph_letter(name: str, **changes: Any) -> dict[str, Any]:
    """The dead letter that the state Describe Shortfall makes, with some fields changed."""
    return {
        "execution_arn": f"{EXECUTION}:{name}",
        "execution_name": name,
        "started_at": "2026-03-01T09:00:00.000Z",
        "failed_at": "2026-03-01T09:01:00.000Z",
        "input": GIVEN,
        "load_id": name,
        "state": "Reconcile",
        "error": "LoadIncomplete",
        "cause": "1 of 4 chunks are not finished; the first is chunk 1.",
        **changes,
    }


def refused_letter(name: str, code: str = "no_header") -> dict[str, Any]:
    """The dead letter that the state Describe Refusal makes, for the object `<name>.csv`."""
    cause = f"The file {name}.csv has no header."
    return graph_letter(
        name,
        state="Validate File",
        error="FileRefused",
        cause=cause,
        reasons=[{"reason": code, "detail": cause, "line": 1, "column": None}],
        input={**GIVEN, "key": f"{name}.csv"},
    )


def state_failed(name: str) -> dict[str, Any]:
    """The dead letter that the state Describe Failure makes, without `state` and `load_id`."""
    letter = graph_letter(name, error="StateFailed", cause="{...}")
    failed = {"Error": "States.Timeout", "Cause": json.dumps({"errorMessage": "It took too long."})}
    return {k: v for k, v in letter.items() if k not in ("state", "load_id")} | {
        "failed": {"split_file": failed}
    }


def event(name: str, status: str, error: str | None = None, cause: str | None = None) -> Any:
    """The event that the EventBridge rule sends."""
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": f"{EXECUTION}:{name}",
            "stateMachineArn": MACHINE,
            "name": name,
            "status": status,
            "error": error,
            "cause": cause,
            "stopDate": 1772355720000,
            "input": json.dumps(GIVEN),
        },
    }


def notification(key: str) -> dict[str, Any]:
    stored = {"bucket": {"name": "uploads"}, "object": {"key": key, "versionId": "v1"}}
    return {"Records": [{"eventName": "ObjectCreated:Put", "s3": stored}]}


def waiting(stack: Stack) -> list[int]:
    """The numbers of visible messages in the queues of failed executions, of unstarted uploads, and
    of uploads."""
    counts = []
    for queue in ("FailedExecutionsQueueUrl", "UploadDeadLetterQueueUrl", "UploadQueueUrl"):
        answer = stack.client("sqs").get_queue_attributes(
            QueueUrl=stack.outputs[queue], AttributeNames=["ApproximateNumberOfMessages"]
        )
        counts.append(int(answer["Attributes"]["ApproximateNumberOfMessages"]))
    return counts
