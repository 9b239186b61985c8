"""The template as CloudFormation would deploy it: transformed by SAM, then resolved.

Every Ref, Fn::GetAtt, Fn::Sub and Fn::If becomes the text that AWS would put there (an ARN, a URL,
a name), and everything with a false condition is removed, so that a test compares plain values.
This module does not call AWS and does not use the network.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from tickets.doctor.intrinsics import LEFT_OUT, Intrinsics

ROOT = Path(__file__).parents[2]

ACCOUNT = "123456789012"
REGION = "eu-central-1"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "Tickets-Prod",  # a bucket's name can't have capitals
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/Tickets-Prod/0a1b2c3d-4e5f",
}

Template = dict[str, Any]


@cache
def _source() -> Template:
    template: Template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    return template


def source() -> Template:
    """template.yaml before the SAM transform. Short forms like !Ref are in their long form."""
    return copy.deepcopy(_source())


@cache
def _transformed() -> Template:
    template = source()
    # `sam package` puts S3 locations here. The transform does not read the objects.
    template["Globals"]["Function"]["CodeUri"] = {"Bucket": "packages", "Key": "functions.zip"}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            resource["Properties"]["DefinitionUri"] = {"Bucket": "packages", "Key": "ingest.json"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)  # the transform derives the partition from it
        made: Template = transform(template, {}, SimpleNamespace(load=dict))
        return made


def transformed() -> Template:
    """The template after the SAM transform, not yet resolved."""
    return copy.deepcopy(_transformed())


@dataclass(frozen=True)
class Stack:
    """The resolved `resources` and `outputs` that the template deploys with certain
    parameters."""

    resources: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    resolver: "Resolver"

    def properties(self, name: str) -> dict[str, Any]:
        properties: dict[str, Any] = self.resources[name]["Properties"]
        return properties

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of every resource of the type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def arn(self, name: str) -> str:
        return self.resolver.attribute(name, "Arn")

    def ref(self, name: str) -> Any:
        return self.resolver.reference(name)


def deploy(pseudo: Mapping[str, str] | None = None, **parameters: object) -> Stack:
    """Resolves the template with these parameters and the defaults of all others.

    pseudo: values that replace those in PSEUDO_PARAMETERS.
    """
    resolver = Resolver(transformed(), parameters, PSEUDO_PARAMETERS | dict(pseudo or {}))
    return Stack(resolver.section("Resources"), resolver.section("Outputs"), resolver)


class Resolver(Intrinsics):
    """Gives references the values that AWS would. Raises KeyError for undefined names."""

    def __init__(
        self, template: Template, parameters: Mapping[str, object], pseudo: Mapping[str, str]
    ) -> None:
        unknown = parameters.keys() - template["Parameters"].keys()
        if unknown:
            raise KeyError(f"The template has no parameter {', '.join(sorted(unknown))}.")
        super().__init__(template)
        defaults = {
            name: one["Default"] for name, one in template["Parameters"].items() if "Default" in one
        }
        self._values = {**pseudo, **defaults, **parameters}

    def section(self, name: str) -> dict[str, Any]:
        """Resources or Outputs, without those whose condition is false."""
        return {key: self.resolve(entry) for key, entry in self.wanted(name).items()}

    def reference(self, name: str) -> Any:
        """The value of Ref for a parameter, a pseudo parameter or a resource."""
        if name == "AWS::NoValue":
            return LEFT_OUT
        if name in self._values:
            return self._values[name]
        resource = self._present(name)
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind == "AWS::SQS::Queue":
            host = f"sqs.{self._values['AWS::Region']}.amazonaws.com"
            return f"https://{host}/{ACCOUNT}/{self.attribute(name, 'QueueName')}"
        if kind == "AWS::StepFunctions::StateMachine":
            return self.attribute(name, "Arn")
        for given_name in ("BucketName", "TableName", "LogGroupName"):
            if given_name in properties:
                return self.resolve(properties[given_name])
        return name

    def attribute(self, name: str, attribute: str) -> str:
        """The value of Fn::GetAtt."""
        kind = self._present(name)["Type"]
        if attribute == "Name" and kind == "AWS::StepFunctions::StateMachine":
            return name
        if attribute == "QueueName" and kind == "AWS::SQS::Queue":
            return str(self.resolve(self._present(name)["Properties"].get("QueueName", name)))
        if attribute != "Arn":
            raise KeyError(f"This resolver does not know {kind}.{attribute}.")
        service, form = {
            "AWS::S3::Bucket": ("s3", "{}"),
            "AWS::IAM::Role": ("iam", "role/{}"),
            "AWS::SQS::Queue": ("sqs", "{}"),
            "AWS::Lambda::Function": ("lambda", "function:{}"),
            "AWS::DynamoDB::Table": ("dynamodb", "table/{}"),
            "AWS::StepFunctions::StateMachine": ("states", "stateMachine:{}"),
            "AWS::Events::Rule": ("events", "rule/{}"),
            "AWS::KMS::Key": ("kms", "key/{}"),
            "AWS::Logs::LogGroup": ("logs", "log-group:{}:*"),
            "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:{}"),
        }[kind]
        region = "" if service in {"s3", "iam"} else self._values["AWS::Region"]
        account = "" if service == "s3" else ACCOUNT
        if service == "sqs":
            own_name = self.attribute(name, "QueueName")
        else:
            own_name = name if service == "states" else self.reference(name)
        partition = self._values["AWS::Partition"]
        return f"arn:{partition}:{service}:{region}:{account}:{form.format(own_name)}"

    def _present(self, name: str) -> dict[str, Any]:
        resource: dict[str, Any] = self._source["Resources"][name]
        if "Condition" in resource and not self.condition(resource["Condition"]):
            raise KeyError(f"{name} is referred to, but its condition is false.")
        return resource


def statements(stack: Stack, role: str) -> Iterator[dict[str, Any]]:
    """Yields all policy statements of a role: its own, and those of the policies attached to it."""
    for policy in stack.properties(role).get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]
    for policy in stack.of_type("AWS::IAM::Policy").values():
        if role in policy["Roles"]:
            yield from policy["PolicyDocument"]["Statement"]


def as_list(value: Any) -> list[Any]:
    """Puts a single value into a list: IAM and CloudFormation allow it in place of a list."""
    return value if isinstance(value, list) else [value]


def assert_admits_only(stack: Stack, queue: str, rule: str) -> None:
    """Checks that the queue's policies allow one thing: that the EventBridge rule sends to it."""
    allowed = [
        statement
        for policy in stack.of_type("AWS::SQS::QueuePolicy").values()
        if stack.ref(queue) in as_list(policy["Queues"])
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert [{**one, "Sid": ""} for one in allowed] == [
        {
            "Sid": "",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": stack.arn(queue),
            "Condition": {"ArnEquals": {"aws:SourceArn": stack.arn(rule)}},
        }
    ]


def dependencies(template: Template) -> dict[str, set[str]]:
    """The resources that each resource refers to with Ref, Fn::GetAtt, Fn::Sub or DependsOn."""
    names = template["Resources"].keys()

    def referred(value: Any) -> Iterator[str]:
        if isinstance(value, list):
            for one in value:
                yield from referred(one)
        elif isinstance(value, dict):
            if isinstance(value.get("Ref"), str):
                yield value["Ref"]
            if "Fn::GetAtt" in value:
                target = value["Fn::GetAtt"]
                yield target[0] if isinstance(target, list) else target.split(".")[0]
            if "Fn::Sub" in value:
                argument = value["Fn::Sub"]
                text, own = argument if isinstance(argument, list) else (argument, {})
                for name in re.findall(r"\$\{([^}!]+)\}", text):
                    if name not in own:
                        yield name.partition(".")[0]
            for one in value.values():
                yield from referred(one)

    return {
        name: {
            *as_list(resource.get("DependsOn", [])),
            *(other for other in referred(resource.get("Properties", {})) if other in names),
        }
        for name, resource in template["Resources"].items()
    }
