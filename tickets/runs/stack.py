"""A deployed stack, on AWS or on the embedded engine: the names of its resources, and clients."""

import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import botocore.exceptions
from botocore.config import Config

from tickets.errors import TicketsError
from tickets.runs.aws_errors import NO_REGION, cure

LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
REQUIRED_OUTPUTS = (
    "UploadBucketName",
    "WorkBucketName",
    "TableName",
    "LedgerTableName",
    "StateMachineArn",
    "UploadQueueUrl",
    "UploadDeadLetterQueueUrl",
    "FailedExecutionsQueueUrl",
)


class StackError(TicketsError):
    """There is no usable stack."""


class StackNotFound(StackError):
    """The region and account have no stack of that name."""


class StackNotUsable(StackError):
    """The endpoint can't be reached, the call fails, or the stack lacks a required output."""


@dataclass(frozen=True)
class Stack:
    """One deployed stack. `outputs` maps the names of the stack's outputs to their values, and
    `parameters` those of its parameters.

    `endpoint_url` is None on AWS. `timeout` is the number of seconds that clients wait for an
    answer; None for botocore's. Threads may share a Stack.
    """

    name: str
    region: str
    outputs: Mapping[str, str]
    session: boto3.Session = field(repr=False, compare=False)
    endpoint_url: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def upload_bucket(self) -> str:
        return self.outputs["UploadBucketName"]

    @property
    def work_bucket(self) -> str:
        return self.outputs["WorkBucketName"]

    @property
    def table(self) -> str:
        return self.outputs["TableName"]

    @property
    def ledger_table(self) -> str:
        return self.outputs["LedgerTableName"]

    @property
    def state_machine_arn(self) -> str:
        return self.outputs["StateMachineArn"]

    @property
    def upload_queue_url(self) -> str:
        return self.outputs["UploadQueueUrl"]

    @property
    def upload_dead_letter_queue_url(self) -> str:
        return self.outputs["UploadDeadLetterQueueUrl"]

    @property
    def failed_executions_queue_url(self) -> str:
        return self.outputs["FailedExecutionsQueueUrl"]

    def execution_arn(self, name: str) -> str:
        """The ARN of an execution of this stack's state machine, whether or not it exists."""
        return self.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{name}"

    def client(self, service: str) -> Any:
        """The boto3 client for a service, created on the first call."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = make_client(
                    self.session, service, self.endpoint_url, self.region, self.timeout
                )
            return self._clients[service]

    def with_timeout(self, seconds: float) -> "Stack":
        """The same stack, with clients of its own that try each call twice and give up soon."""
        return replace(self, timeout=seconds, _clients={}, _lock=threading.Lock())

    @classmethod
    def find(
        cls,
        stack_name: str,
        endpoint_url: str | None = None,
        region: str | None = None,
        session: boto3.Session | None = None,
    ) -> "Stack":
        """Looks a stack up with CloudFormation's DescribeStacks.

        A region or credentials that are not given come from the AWS settings. Raises StackNotFound,
        and StackNotUsable for everything else that makes the stack unusable.
        """
        where = endpoint_url or "AWS"
        try:
            session = session or boto3.Session(region_name=region)
            region = region or session.region_name
            if region is None:
                raise StackNotUsable(NO_REGION)
            cloudformation = make_client(session, "cloudformation", endpoint_url, region)
            found = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
        except botocore.exceptions.ClientError as error:
            code = error.response["Error"].get("Code", "")
            message = error.response["Error"].get("Message", "")
            if code == "ValidationError" and "does not exist" in message:
                raise StackNotFound(
                    f"There is no stack {stack_name} in {region} at {where}: deploy it with "
                    "`sam deploy`, or name yours with --stack-name."
                ) from error
            raise StackNotUsable(
                cure(error, _profile(session))
                or f"Stack {stack_name} in {region} at {where} can't be read ({code}: {message}): "
                "check the name of the stack."
            ) from error
        except botocore.exceptions.EndpointConnectionError as error:
            raise StackNotUsable(
                f"Nothing answers at {where} in region {region}: check --endpoint-url and --region,"
                " or start the local stack with `tickets local start`."
            ) from error
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            # botocore raises ValueError for an endpoint that is not a URL.
            raise StackNotUsable(
                cure(error, _profile(session))
                or f"Stack {stack_name} can't be looked up at {where}: {error}"
            ) from error
        outputs = {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
        missing = [name for name in REQUIRED_OUTPUTS if name not in outputs]
        if missing:
            raise StackNotUsable(
                f"Stack {stack_name} in {region} is {found['StackStatus']} and has no output "
                f"{missing[0]}: wait until it is deployed, or name the tickets stack with "
                "--stack-name."
            )
        parameters = {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}
        return cls(stack_name, region, outputs, session, endpoint_url, parameters)


def _profile(session: boto3.Session | None) -> str | None:
    """The profile that the session uses, unless it is the default one."""
    name = session.profile_name if session else None
    return None if name == "default" else name


def make_client(
    session: boto3.Session,
    service: str,
    endpoint_url: str | None,
    region: str | None = None,
    timeout: float | None = None,
) -> Any:
    """A boto3 client; `endpoint_url` is None for AWS, `region` for the session's region.

    The session renews credentials that expire, so a client for another region is made from the
    same session and not from a copy of its credentials.
    """
    create: Any = session.client  # typed for literal service names only
    config = _config(endpoint_url)
    if timeout is not None:
        patience = Config(
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        config = config.merge(patience)
    return create(service, region_name=region, endpoint_url=endpoint_url, config=config)


def _config(endpoint_url: str | None) -> Config:
    loopback = (
        endpoint_url is not None and urllib.parse.urlsplit(endpoint_url).hostname in LOOPBACK_HOSTS
    )
    # A loopback port that does not answer is closed, so further retries would be pointless.
    attempts = 3 if loopback else 5
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts}, max_pool_connections=32
    )
    if endpoint_url is not None:
        # botocore must not prepend `sync-` or a bucket's name to a custom endpoint's host name.
        config = config.merge(Config(inject_host_prefix=False, s3={"addressing_style": "path"}))
    if loopback:
        # A proxy from HTTP_PROXY can't reach this machine's loopback interface.
        config = config.merge(Config(proxies={}))
    return config
