"""This checkout's template, with the parameters and the resource names of a deployed stack."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tickets.doctor.intrinsics import LEFT_OUT, Intrinsics

_FUNCTION = "AWS::Serverless::Function"
_MACHINE = "AWS::Serverless::StateMachine"
# The service and the end of the ARN of what Fn::GetAtt returns as Arn.
_ARNS = {
    "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:{}"),
    "AWS::DynamoDB::Table": ("dynamodb", "table/{}"),
    "AWS::Events::Rule": ("events", "rule/{}"),
    "AWS::KMS::Key": ("kms", "key/{}"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*"),
    "AWS::SQS::Queue": ("sqs", "{}"),
    _FUNCTION: ("lambda", "function:{}"),
}


class NotDeployed(Exception):
    """The template has a resource that the deployed stack lacks. Its argument is the logical id."""


class Template(Intrinsics):
    """The resources of the template as this stack has them.

    `source` is the parsed template, before the SAM transform. Parameters that the stack doesn't
    have yet get their defaults.
    """

    def __init__(
        self,
        source: Mapping[str, Any],
        stack_id: str,
        parameters: Mapping[str, str],
        resources: Mapping[str, str],
    ) -> None:
        super().__init__(source)
        self._resources = resources
        _, self.partition, _, self.region, self.account, place = stack_id.split(":", 5)
        defaults = {
            name: str(one["Default"])
            for name, one in source["Parameters"].items()
            if "Default" in one
        }
        suffix = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        self._values: dict[str, Any] = {
            **defaults,
            **parameters,
            "AWS::AccountId": self.account,
            "AWS::NoValue": LEFT_OUT,
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::StackId": stack_id,
            "AWS::StackName": place.split("/")[1],
            "AWS::URLSuffix": suffix,
        }

    def parameter(self, name: str) -> str:
        """The value of a parameter in the stack; its default if the stack doesn't have it yet."""
        return str(self._values[name])

    def properties(self, name: str) -> dict[str, Any]:
        """The resolved properties of a resource; of a function, with those of Globals."""
        resource = self._source["Resources"][name]
        own = self.resolve(resource["Properties"])
        if resource["Type"] != _FUNCTION:
            return dict(own)
        return {**self.resolve(self._source["Globals"]["Function"]), **own}

    def names_of(self, *kinds: str) -> list[str]:
        """The logical ids of all resources of these types that the stack should have."""
        return [name for name, one in self.wanted("Resources").items() if one["Type"] in kinds]

    def functions(self) -> list[str]:
        return self.names_of(_FUNCTION)

    def outputs(self) -> list[str]:
        """The outputs that the stack should have."""
        return list(self.wanted("Outputs"))

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields each role's name with each of the policy statements that the template gives it."""
        for name in self.names_of(_FUNCTION, _MACHINE):
            for policy in self.properties(name).get("Policies", []):
                for statement in policy["Statement"]:
                    yield self.physical(f"{name}Role"), statement
        for name in self.names_of("AWS::IAM::Policy"):
            properties = self.properties(name)
            for role in properties["Roles"]:
                for statement in properties["PolicyDocument"]["Statement"]:
                    yield role, statement

    def physical(self, name: str) -> str:
        """The physical id of a resource. Raises NotDeployed."""
        if name not in self._resources:
            raise NotDeployed(name)
        return self._resources[name]

    def arn(self, name: str) -> str:
        """The ARN of a resource. Raises NotDeployed."""
        return str(self.attribute(name, "Arn"))

    def reference(self, name: str) -> Any:
        return self._values[name] if name in self._values else self.physical(name)

    def attribute(self, name: str, attribute: str) -> str:
        kind = self._source["Resources"][name]["Type"]
        physical = self.physical(name)
        last = re.split("[:/]", physical)[-1]  # of a queue's URL or an ARN
        if (kind, attribute) in [("AWS::SQS::Queue", "QueueName"), (_MACHINE, "Name")]:
            return last
        if attribute != "Arn":
            raise KeyError(f"{kind}.{attribute}")
        if kind == "AWS::S3::Bucket":
            return f"arn:{self.partition}:s3:::{physical}"
        service, end = _ARNS[kind]
        own = last if kind == "AWS::SQS::Queue" else physical
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{end.format(own)}"


def as_list(value: Any) -> list[Any]:
    """Puts a single value into a list: IAM and CloudFormation allow it in place of a list."""
    return value if isinstance(value, list) else [value]
