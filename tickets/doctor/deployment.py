"""The deployed stack that is checked: its description, parameters and resources."""

import functools
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tickets import TEMPLATE
from tickets.doctor.findings import CantTell
from tickets.doctor.template import Template
from tickets.local.packaging import PackagingError, read_template
from tickets.runs.stack import LOOPBACK_HOSTS, Stack


@dataclass(frozen=True)
class Deployment:
    """`status` and `parameters` belong to the stack, and `resources` maps its logical ids to
    physical ones. `seconds_ahead` is how far this machine's clock is ahead of AWS's; None if the
    response had no date.
    """

    stack: Stack
    status: str
    stack_id: str
    parameters: Mapping[str, str]
    resources: Mapping[str, str]
    seconds_ahead: float | None = field(default=None)

    @classmethod
    def read(cls, stack: Stack) -> "Deployment":
        """Reads the stack with two calls. Raises botocore's errors."""
        cloudformation = stack.client("cloudformation")
        answer = cloudformation.describe_stacks(StackName=stack.name)
        found = answer["Stacks"][0]
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.name)
        return cls(
            stack=stack,
            status=found["StackStatus"],
            stack_id=found["StackId"],
            parameters={
                one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])
            },
            resources={
                one["LogicalResourceId"]: one["PhysicalResourceId"]
                for page in pages
                for one in page["StackResourceSummaries"]
                if one.get("PhysicalResourceId") and one["ResourceStatus"] != "DELETE_COMPLETE"
            },
            seconds_ahead=seconds_ahead(answer),
        )

    def client(self, service: str) -> Any:
        return self.stack.client(service)

    @property
    def is_local(self) -> bool:
        """Whether the stack runs on the embedded engine."""
        url = self.stack.endpoint_url
        return url is not None and urllib.parse.urlsplit(url).hostname in LOOPBACK_HOSTS

    @functools.cached_property
    def template(self) -> Template:
        """This checkout's template, resolved for this stack. Raises CantTell."""
        try:
            source = read_template(TEMPLATE)
        except ImportError as error:
            raise CantTell(
                "the package that reads template.yaml is not installed",
                "pip install '.[local]'",
            ) from error
        except PackagingError as error:
            raise CantTell(
                "there is no template.yaml to compare with",
                "run the command in a checkout of the version that you deployed",
            ) from error
        return Template(source, self.stack_id, self.parameters, self.resources)


def seconds_ahead(response: Mapping[str, Any]) -> float | None:
    """How far this machine's clock is ahead of the date that a response carries."""
    sent = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if sent is None:
        return None
    return (datetime.now(UTC) - parsedate_to_datetime(sent)).total_seconds()
