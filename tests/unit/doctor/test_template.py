"""The template as the checks resolve it, compared with what the SAM transform and the tests' own
resolver make of it."""

from typing import Any

import pytest

from tests.support.deployed import Stack, deploy, source, statements
from tests.support.stubbed_deployment import StubbedDeployment
from tickets.doctor.template import NotDeployed, Template, as_list

TOPIC = "arn:aws:sns:eu-central-1:1:t"
PARAMETERS = [
    {},
    {"CustomerKey": "true", "AlarmTopicArn": TOPIC},
    {
        "CustomerKey": "true",
        "ExistingUploadBucket": "till-files",
        "UploadTopicArn": TOPIC,
        "ReadableBuckets": "archive-2025,archive-2026",
        "ReadableKeyArns": "arn:aws:kms:eu-central-1:123456789012:key/1f",
    },
    {"ProductIndex": "true"},
    {"CreateTable": "false", "BasketIndex": "true"},
]


@pytest.fixture(
    params=PARAMETERS, ids=["defaults", "customer key", "other buckets", "index", "own table"]
)
def both(request: pytest.FixtureRequest) -> tuple[Template, Stack]:
    stubbed = StubbedDeployment(**request.param)
    return stubbed.deployment.template, deploy(**request.param)


def texts(value: Any) -> Any:
    """With every number as text: parameters are texts to CloudFormation, and numbers to the tests'
    resolver."""
    if isinstance(value, dict):
        return {key: texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [texts(one) for one in value]
    return str(value)


def test_every_resource_has_the_properties_that_are_deployed(both: tuple[Template, Stack]) -> None:
    template, stack = both
    kinds = {
        one["Type"] for one in source()["Resources"].values() if "Serverless" not in one["Type"]
    }
    names = template.names_of(*kinds)
    assert len(names) > 50
    for name in names:
        assert texts(template.properties(name)) == texts(stack.properties(name))


def test_every_output_that_is_deployed_is_expected(both: tuple[Template, Stack]) -> None:
    template, stack = both
    assert template.outputs() == list(stack.outputs)


def test_every_function_has_the_environment_that_is_deployed(both: tuple[Template, Stack]) -> None:
    template, stack = both
    for name in template.functions():
        deployed = stack.properties(name)
        for setting in ("Environment", "Handler", "MemorySize", "Runtime", "Timeout"):
            assert texts(template.properties(name)[setting]) == texts(deployed[setting])


def test_every_role_has_the_statements_that_are_deployed(both: tuple[Template, Stack]) -> None:
    template, stack = both
    found: dict[str, list[str]] = {}
    for role, statement in template.statements():
        found.setdefault(role, []).append(statement["Sid"])
        assert statement in list(statements(stack, role))
    assert len(found) == 9
    for role, sids in found.items():
        assert sids == [one["Sid"] for one in statements(stack, role)]


def test_a_new_parameter_has_its_default_and_a_new_resource_is_named() -> None:
    stubbed = StubbedDeployment()
    template = Template(source(), stubbed.deployment.stack_id, {}, {"UploadBucket": "uploads"})
    assert template.parameter("MapConcurrency") == "2"
    assert template.arn("UploadBucket") == "arn:aws:s3:::uploads"
    with pytest.raises(NotDeployed, match="LedgerTable"):
        template.properties("ValidateFile")


def test_what_is_not_supported_is_refused() -> None:
    with pytest.raises(KeyError, match="GetAZs"):
        StubbedDeployment().deployment.template.resolve({"Fn::GetAZs": ""})


def test_a_single_value_counts_as_a_list() -> None:
    assert as_list("a") == as_list(["a"]) == ["a"]
