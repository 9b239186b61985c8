"""What users of the template rely on: its parameters and outputs, and that it can be deployed."""

import json
import re
import tomllib
from graphlib import TopologicalSorter
from typing import Any

import pytest

from tests.support.deployed import REGION, Stack, dependencies, deploy, source, transformed
from tickets import ROOT
from tickets.runs.report_pages import SHOWN_PARAMETERS, stack_facts
from tickets.runs.stack import REQUIRED_OUTPUTS
from tickets.runs.stack import Stack as StackNames

PARAMETERS: dict[str, dict[str, Any]] = source()["Parameters"]
# Set by `tickets` alone, and of no use to anybody who deploys: the console shows it last.
UNGROUPED = {"EmbeddedEngine"}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:on-call"


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_says_what_it_is(name: str) -> None:
    assert PARAMETERS[name]["Description"].rstrip().endswith(".")


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_has_bounds(name: str) -> None:
    parameter = PARAMETERS[name]
    if parameter["Type"] == "Number":
        assert "AllowedValues" in parameter or {"MinValue", "MaxValue"} <= parameter.keys()
    else:
        assert parameter["Type"] == "String"
        assert "AllowedValues" in parameter or "AllowedPattern" in parameter


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_has_a_default_within_its_bounds(name: str) -> None:
    parameter = PARAMETERS[name]
    default = parameter["Default"]
    if "AllowedValues" in parameter:
        assert default in parameter["AllowedValues"]
    elif parameter["Type"] == "Number":
        assert parameter["MinValue"] <= default <= parameter["MaxValue"]
    else:
        assert re.fullmatch(parameter["AllowedPattern"], default)


def test_every_parameter_changes_what_is_deployed(stack: Stack) -> None:
    other = {
        "TableName": "Purchases",
        "CreateTable": "false",
        "UploadBucketName": "uploads-of-mine",
        "WorkBucketName": "work-of-mine",
        "EmbeddedEngine": "true",
        "WriteChunkConcurrency": 17,
        "MaxRowsPerSecond": 900,
        "CustomerKey": "true",
        "AlarmTopicArn": TOPIC,
        "ExistingUploadBucket": "till-files",
        "UploadTopicArn": TOPIC,
        "LineageAttribute": "from",
        "ReadableBuckets": "archive-2025",
        "ReadableKeyArns": "arn:aws:kms:eu-central-1:123456789012:key/1f",
    }
    for name, parameter in PARAMETERS.items():
        value = other.get(name) or next(
            one
            for one in (parameter.get("MinValue"), *parameter.get("AllowedValues", []))
            if one is not None and one != parameter["Default"]
        )
        changed = deploy(None, **{name: value})
        assert changed.resources != stack.resources, name


def test_parameter_groups_show_every_parameter_once() -> None:
    groups = source()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(PARAMETERS.keys() - UNGROUPED)


@pytest.mark.parametrize(
    ("name", "default"), [("MaxRefusedPercent", 5), ("MaxSupersededPercent", 50)]
)
def test_a_quality_limit_is_a_percentage_with_this_default(name: str, default: int) -> None:
    parameter = PARAMETERS[name]
    assert (parameter["MinValue"], parameter["Default"], parameter["MaxValue"]) == (0, default, 100)


# What an operator asks for: each resource by hand, so that none is forgotten.
OUTPUTS = {
    "UploadBucketName": "UploadBucket",
    "WorkBucketName": "WorkBucket",
    "TableName": "Table",
    "LedgerTableName": "LedgerTable",
    "StateMachineArn": "Ingest",
    "UploadQueueUrl": "UploadQueue",
    "UploadDeadLetterQueueUrl": "UploadDeadLetterQueue",
    "FailedExecutionsQueueUrl": "FailedExecutionsQueue",
    "StartExecutionFunctionName": "StartExecution",
    "ValidateFileFunctionName": "ValidateFile",
    "SplitFileFunctionName": "SplitFile",
    "TakeTurnFunctionName": "TakeTurn",
    "WriteChunkFunctionName": "WriteChunk",
    "SettleEqualKeysFunctionName": "SettleEqualKeys",
    "ReconcileFunctionName": "Reconcile",
    "WriteReportPageFunctionName": "WriteReportPage",
    "ReportPagesQueueUrl": "ReportPagesQueue",
    "ReportPagesDeadLetterQueueUrl": "ReportPagesDeadLetterQueue",
}


def test_outputs_name_what_an_operator_asks_for(stack: Stack) -> None:
    values = {name: one["Value"] for name, one in stack.outputs.items()}
    assert values.pop("Version") == version()
    assert values == {name: stack.ref(resource) for name, resource in OUTPUTS.items()}


def version() -> str:
    """The version of this project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def test_the_page_of_the_function_shows_the_same_of_the_stack_as_that_of_the_command(
    stack: Stack,
) -> None:
    parameters = {name: str(PARAMETERS[name]["Default"]) for name in SHOWN_PARAMETERS}
    outputs = {name: str(one["Value"]) for name, one in stack.outputs.items()}
    session: Any = None
    found = stack_facts(StackNames("Tickets-Prod", REGION, outputs, session, None, parameters))
    shown = stack.properties("WriteReportPage")["Environment"]["Variables"]["STACK"]
    assert list(json.loads(shown).items()) == list(found.items())
    assert found["Code version"] == version()


def test_the_command_line_finds_every_output_that_it_needs(stack: Stack) -> None:
    assert set(REQUIRED_OUTPUTS) <= stack.outputs.keys()


# ---------------------------------------------------------------- It deploys


def order(template: dict[str, Any]) -> list[str]:
    """An order to make the resources in. Raises CycleError if there is none."""
    return list(TopologicalSorter(dependencies(template)).static_order())


def test_no_resources_wait_for_each_other() -> None:
    template = transformed()
    assert set(order(template)) == template["Resources"].keys()


@pytest.mark.parametrize("create_table", ["true", "false"])
@pytest.mark.parametrize("engine", ["true", "false"])
@pytest.mark.parametrize("own_names", [False, True])
@pytest.mark.parametrize("concurrency", [0, 50])
@pytest.mark.parametrize("customer_key", ["true", "false"])
@pytest.mark.parametrize("existing_bucket", ["", "till-files"])
@pytest.mark.parametrize("indexes", ["true", "false"])
def test_no_combination_of_parameters_refers_to_what_is_left_out(
    create_table: str,
    engine: str,
    own_names: bool,
    concurrency: int,
    customer_key: str,
    existing_bucket: str,
    indexes: str,
) -> None:
    """The resolver raises KeyError for a reference to a resource whose condition is false."""
    deploy(
        CreateTable=create_table,
        EmbeddedEngine=engine,
        UploadBucketName="uploads-of-mine" if own_names else "",
        WorkBucketName="work-of-mine" if own_names else "",
        WriteChunkConcurrency=concurrency,
        CustomerKey=customer_key,
        ExistingUploadBucket=existing_bucket,
        ReadableBuckets=existing_bucket and "archive-2025",
        ProductIndex=indexes,
        BasketIndex=indexes,
    )
