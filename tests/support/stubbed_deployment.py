"""A deployment on AWS whose calls are answered by botocore's stubs. A stub refuses an answer that
doesn't have the documented shape."""

from functools import cache
from typing import Any

import boto3
from botocore.stub import Stubber

from tests.support.deployed import PSEUDO_PARAMETERS, REGION, deploy, source
from tickets.doctor.deployment import Deployment
from tickets.doctor.template import Template
from tickets.runs.stack import Stack


class StubbedDeployment:
    """`deployment` is what a check receives. Calls are answered in the order in which their answers
    were given; any other call fails."""

    def __init__(
        self, endpoint_url: str | None = None, status: str = "CREATE_COMPLETE", **parameters: str
    ) -> None:
        self._stubbers: dict[str, Stubber] = {}
        self.resolved = deploy(None, **parameters)
        outputs = {name: str(one["Value"]) for name, one in self.resolved.outputs.items()}
        self.stack = Stack("Tickets-Prod", REGION, outputs, _session(), endpoint_url)
        resources = {name: self.resolved.ref(name) for name in self.resolved.resources}
        stack_id = PSEUDO_PARAMETERS["AWS::StackId"]
        self.deployment = Deployment(self.stack, status, stack_id, parameters, resources, 0.0)
        # Parsed once for all tests.
        template = Template(source(), stack_id, parameters, resources)
        self.deployment.__dict__["template"] = template

    def answer(self, service: str, operation: str, answer: dict[str, Any]) -> None:
        self._stubber(service).add_response(operation, answer)

    def error(self, service: str, operation: str, code: str, message: str = "") -> None:
        self._stubber(service).add_client_error(operation, code, message)

    def _stubber(self, service: str) -> Stubber:
        if service not in self._stubbers:
            self._stubbers[service] = Stubber(self.stack.client(service))
            self._stubbers[service].activate()
        return self._stubbers[service]


@cache
def _session() -> boto3.Session:
    """One for all tests, because it reads the services' models."""
    return boto3.Session("test", "test", region_name=REGION)
