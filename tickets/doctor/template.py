"""This checkout's template, with the parameters and the resource names of a deployed stack."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_LEFT_OUT = object()  # AWS::NoValue
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


class Template:
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
        self._source = source
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
            "AWS::NoValue": _LEFT_OUT,
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
        return [
            name
            for name, one in self._source["Resources"].items()
            if one["Type"] in kinds and self._is_wanted(one)
        ]

    def functions(self) -> list[str]:
        return self.names_of(_FUNCTION)

    def outputs(self) -> list[str]:
        """The outputs that the stack should have."""
        return [name for name, one in self._source["Outputs"].items() if self._is_wanted(one)]

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
        return str(self._attribute(name, "Arn"))

    def resolve(self, value: Any) -> Any:
        """Evaluates the intrinsic functions in a value. Raises NotDeployed, and KeyError for what
        this class doesn't support."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not _LEFT_OUT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref":
                return self._reference(argument)
            if function == "Condition" and isinstance(argument, str):  # of a role it is a mapping
                return self._condition(argument)
            if function.startswith("Fn::"):
                return self._call(function.removeprefix("Fn::"), argument)
        resolved = {key: self.resolve(one) for key, one in value.items()}
        return {key: one for key, one in resolved.items() if one is not _LEFT_OUT}

    def _call(self, function: str, argument: Any) -> Any:
        if function == "If":
            condition, yes, no = argument
            return self.resolve(yes if self._condition(condition) else no)
        if function == "GetAtt":
            return self._attribute(*argument)
        if function == "Sub":
            return self._substitute(argument)
        arguments = self.resolve(argument)
        if function == "Equals":
            return str(arguments[0]) == str(arguments[1])
        if function == "Not":
            return not arguments[0]
        if function == "And":
            return all(arguments)
        if function == "Join":
            return arguments[0].join(arguments[1])
        if function == "Or":
            return any(arguments)
        if function == "Select":
            return arguments[1][int(arguments[0])]
        if function == "Split":
            return arguments[1].split(arguments[0])
        raise KeyError(f"Fn::{function}")

    def _substitute(self, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def value(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            if name in own:
                return str(self.resolve(own[name]))
            return str(self._attribute(name, attribute) if attribute else self._reference(name))

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def _condition(self, name: str) -> bool:
        return bool(self.resolve(self._source["Conditions"][name]))

    def _is_wanted(self, entry: Mapping[str, Any]) -> bool:
        return "Condition" not in entry or self._condition(entry["Condition"])

    def _reference(self, name: str) -> Any:
        return self._values[name] if name in self._values else self.physical(name)

    def _attribute(self, name: str, attribute: str) -> str:
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
