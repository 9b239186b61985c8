"""The whole stack on this machine: the embedded engine with `template.yaml` deployed on it."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions

from tickets import TEMPLATE
from tickets.errors import TicketsError
from tickets.local.engine import WAIT_SCALE, Engine
from tickets.local.packaging import package
from tickets.runs.stack import Stack

STACK_NAME = "tickets"  # as in samconfig.toml, so that commands need no --stack-name
ARTIFACTS_BUCKET = "tickets-local-artifacts"
# Only parameters differ from AWS. Small chunks, so that a file of a laptop's size has several;
# little concurrency, because every running chunk is a Python process here.
LOCAL_PARAMETERS: Mapping[str, str] = {
    "EmbeddedEngine": "true",
    "ChunkSizeBytes": "262144",
    "MapConcurrency": "2",
}
# CloudFormation's own limit; a larger template is handed over by its place in S3.
TEMPLATE_BODY_LIMIT = 51_200
DEPLOY_DEADLINE_SECONDS = 120.0


class DeploymentError(TicketsError):
    """CloudFormation did not create the stack. Names the failed resources and their reasons."""


@dataclass(frozen=True)
class LocalStack:
    """A stack deployed on an engine of its own."""

    stack: Stack
    engine: Engine

    def description(self) -> dict[str, str]:
        """All that another process needs to work with this stack."""
        return {
            "endpoint_url": self.engine.endpoint_url,
            "region": self.engine.region,
            "access_key_id": self.engine.access_key_id,
            "secret_access_key": self.engine.secret_access_key,
            "stack_name": self.stack.name,
            "upload_bucket": self.stack.upload_bucket,
            "work_bucket": self.stack.work_bucket,
            "table": self.stack.table,
            "ledger_table": self.stack.ledger_table,
            "state_machine_arn": self.stack.state_machine_arn,
            "upload_queue_url": self.stack.upload_queue_url,
            "upload_dead_letter_queue_url": self.stack.upload_dead_letter_queue_url,
            "failed_executions_queue_url": self.stack.failed_executions_queue_url,
        }


@contextlib.contextmanager
def local_stack(
    port: int | None = None,
    parameters: Mapping[str, str] | None = None,
    on_step: Callable[[str], None] = lambda step: None,
    template: Path = TEMPLATE,
    wait_scale: float = WAIT_SCALE,
) -> Iterator[LocalStack]:
    """Start an engine, deploy the template on it, and end the engine when the block is left.

    port: the engine's; any free one without it.
    parameters: the template's, over LOCAL_PARAMETERS.
    on_step: called with a sentence before each step.
    Raises EngineError, PackagingError or DeploymentError.
    """
    on_step("Starting the engine")
    with Engine.start(port, wait_scale) as engine:
        on_step("Deploying the stack")
        stack = deploy(engine, {**LOCAL_PARAMETERS, **(parameters or {})}, template)
        yield LocalStack(stack, engine)


def deploy(engine: Engine, parameters: Mapping[str, str], template: Path = TEMPLATE) -> Stack:
    """Create the stack on an engine that has none. Raises PackagingError or DeploymentError."""
    session = engine.session()
    s3 = engine.client("s3")
    s3.create_bucket(Bucket=ARTIFACTS_BUCKET)
    body = package(template, s3, ARTIFACTS_BUCKET)
    location = {"TemplateBody": body}
    if len(body.encode()) > TEMPLATE_BODY_LIMIT:
        key = "template.json"
        s3.put_object(Bucket=ARTIFACTS_BUCKET, Key=key, Body=body.encode())
        location = {"TemplateURL": f"{engine.endpoint_url}/{ARTIFACTS_BUCKET}/{key}"}
    cloudformation = engine.client("cloudformation")
    try:
        cloudformation.create_stack(
            StackName=STACK_NAME,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            OnFailure="DO_NOTHING",  # what is left of it explains the failure
            **location,
        )
    except botocore.exceptions.ClientError as error:
        message = error.response["Error"].get("Message", str(error))
        raise DeploymentError(f"The engine refused the template: {message}") from error
    _wait_until_created(cloudformation, engine)
    return Stack.find(STACK_NAME, engine.endpoint_url, engine.region, session)


def _wait_until_created(cloudformation: Any, engine: Engine) -> None:
    deadline = time.monotonic() + DEPLOY_DEADLINE_SECONDS
    while True:
        found = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        status = found["StackStatus"]
        if status == "CREATE_COMPLETE":
            return
        if status != "CREATE_IN_PROGRESS":
            raise DeploymentError(
                f"The stack ended as {status}: {_failures(cloudformation) or found}"
            )
        if time.monotonic() > deadline:
            raise DeploymentError(
                f"The stack was not created within {DEPLOY_DEADLINE_SECONDS:.0f} s; the engine's "
                f"last words were:\n{engine.log_tail()}"
            )
        if engine.wait(0.1) is not None:
            raise DeploymentError("The engine ended while the stack was created: start again.")


def _failures(cloudformation: Any) -> str:
    """Every failed resource with its reason, the first failure first, one a line."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=STACK_NAME)
    events = [event for page in pages for event in page["StackEvents"]]
    return "".join(
        f"\n  {event['LogicalResourceId']} ({event['ResourceType']}): "
        f"{event.get('ResourceStatusReason', 'no reason given')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED")
    )
