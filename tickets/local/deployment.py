"""Deploys `template.yaml` on an embedded engine."""

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
from tickets.local.kept_data import kept_data
from tickets.local.packaging import package
from tickets.local.running import note_running
from tickets.runs.stack import Stack

STACK_NAME = "tickets"  # as in samconfig.toml, so that commands need no --stack-name
ARTIFACTS_BUCKET = "tickets-local-artifacts"
# Only the parameters differ from AWS: chunks are small, so that small files have several.
# Concurrency has the default's value, and stays low if the default changes, because every running
# chunk is a Python process on this machine.
LOCAL_PARAMETERS: Mapping[str, str] = {
    "EmbeddedEngine": "true",
    "ChunkSizeBytes": "262144",
    "MapConcurrency": "2",
}
# CloudFormation's limit for a template in the request; a larger one is passed as an S3 URL.
MAX_TEMPLATE_BODY = 51_200
DEPLOY_DEADLINE_SECONDS = 120.0
_IN_PROGRESS = (
    "CREATE_IN_PROGRESS",
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
)


class DeploymentError(TicketsError):
    """The stack was not created. The message lists the failed resources with their reasons."""


@dataclass(frozen=True)
class LocalStack:
    """A stack and the engine that it is deployed on."""

    stack: Stack
    engine: Engine

    def description(self) -> dict[str, str]:
        """What another process needs to use this stack: the endpoint, credentials and names."""
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
    keep: Path | None = None,
) -> Iterator[LocalStack]:
    """Starts an engine, deploys the template on it, and stops the engine at the end of the block.

    port: the engine's port; any free one if None.
    parameters: template parameters that override LOCAL_PARAMETERS.
    on_step: called with a description before each step.
    wait_scale: see `Engine.start`.
    keep: the folder in which the data are kept for the next start; see `tickets.local.kept_data`.
    Raises CommandError, EngineError, PackagingError or DeploymentError.
    """
    with contextlib.ExitStack() as resources:
        kept = None if keep is None else resources.enter_context(kept_data(keep, port))
        on_step("Starting the engine")
        engine = resources.enter_context(Engine.start(port, wait_scale, kept))
        on_step("Deploying the stack")
        stack = deploy(engine, {**LOCAL_PARAMETERS, **(parameters or {})}, template)
        local = LocalStack(stack, engine)
        note_running(engine.folder, local.description())
        yield local


def deploy(engine: Engine, parameters: Mapping[str, str], template: Path = TEMPLATE) -> Stack:
    """Creates the stack, or brings one that the engine kept up to date with the template. Raises
    PackagingError or DeploymentError."""
    session = engine.session()
    s3 = engine.client("s3")
    s3.create_bucket(Bucket=ARTIFACTS_BUCKET)
    body = package(template, s3, ARTIFACTS_BUCKET)
    location = {"TemplateBody": body}
    if len(body.encode()) > MAX_TEMPLATE_BODY:
        key = "template.json"
        s3.put_object(Bucket=ARTIFACTS_BUCKET, Key=key, Body=body.encode())
        location = {"TemplateURL": f"{engine.endpoint_url}/{ARTIFACTS_BUCKET}/{key}"}
    cloudformation = engine.client("cloudformation")
    request: dict[str, Any] = {
        "StackName": STACK_NAME,
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        **location,
    }
    try:
        if _exists(cloudformation):
            cloudformation.update_stack(**request)
        else:
            # Its events explain a failure.
            cloudformation.create_stack(**request, OnFailure="DO_NOTHING")
    except botocore.exceptions.ClientError as error:
        message = error.response["Error"].get("Message", str(error))
        if "No updates are to be performed" not in message:
            raise DeploymentError(f"The engine refused the template: {message}") from error
    _wait_until_deployed(cloudformation, engine)
    return Stack.find(STACK_NAME, engine.endpoint_url, engine.region, session)


def _exists(cloudformation: Any) -> bool:
    try:
        return bool(cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"])
    except botocore.exceptions.ClientError:
        return False


def _wait_until_deployed(cloudformation: Any, engine: Engine) -> None:
    deadline = time.monotonic() + DEPLOY_DEADLINE_SECONDS
    while True:
        found = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        status = found["StackStatus"]
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        if status not in _IN_PROGRESS:
            raise DeploymentError(
                f"The stack ended as {status}: {_failures(cloudformation) or found}"
            )
        if time.monotonic() > deadline:
            raise DeploymentError(
                f"The stack was not deployed within {DEPLOY_DEADLINE_SECONDS:.0f} s; the engine's "
                f"log ends with:\n{engine.log_tail()}"
            )
        if engine.wait(0.1) is not None:
            raise DeploymentError("The engine ended while it deployed the stack: start it again.")


def _failures(cloudformation: Any) -> str:
    """The failed resources with their reasons, one per line, in the order in which they failed."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=STACK_NAME)
    events = [event for page in pages for event in page["StackEvents"]]
    return "".join(
        f"\n  {event['LogicalResourceId']} ({event['ResourceType']}): "
        f"{event.get('ResourceStatusReason', 'no reason given')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED")
    )
