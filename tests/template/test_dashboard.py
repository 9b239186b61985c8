"""Guarantees of the dashboard and of the saved query: what they name is there.

The embedded engine keeps the dashboard without reading it, and does not know saved queries.
"""

import itertools
import json
import re
from typing import Any

import pytest

from ingestion.telemetry import MEASURES, UNITS
from tests.support.deployed import REGION, Stack, deploy
from tests.template.test_alarms import SENT_BY_AWS, alarms, watched

# Shown, though no alarm is on them.
ALSO_SENT = {
    "AWS/SQS": {"NumberOfMessagesSent"},
    "AWS/States": {"ExecutionsStarted", "ExecutionsSucceeded"},
    "AWS/DynamoDB": {"ConsumedWriteCapacityUnits"},
}
OWN_METRICS = {*MEASURES.values(), *UNITS}


def widgets(stack: Stack) -> dict[str, dict[str, Any]]:
    """The dashboard's widgets by their titles."""
    body = json.loads(stack.properties("Dashboard")["DashboardBody"])
    return {one["properties"]["title"]: one for one in body["widgets"]}


def metrics(widget: dict[str, Any]) -> list[list[Any]]:
    """[namespace, name, dimension, value ..., options] of everything but expressions."""
    return [one for one in widget["properties"].get("metrics", []) if isinstance(one[0], str)]


TITLES = list(widgets(deploy()))


@pytest.mark.parametrize("title", TITLES)
def test_every_metric_shown_is_sent_for_a_resource_of_the_stack(stack: Stack, title: str) -> None:
    for namespace, name, *dimensions in metrics(widgets(stack)[title]):
        pairs = dict(zip(dimensions[:-1:2], dimensions[1:-1:2], strict=True))
        if namespace == "TicketLoader":
            assert name in OWN_METRICS
            assert pairs.keys() == {"service", "Outcome"}
            variables = stack.properties("Reconcile")["Environment"]["Variables"]
            assert pairs["service"] == variables["STACK_NAME"]
            assert pairs["Outcome"] in {"Succeeded", "Failed", "Overtaken"}
        else:
            dimension, known = SENT_BY_AWS[namespace]
            assert name in known | ALSO_SENT.get(namespace, set())
            assert list(pairs) == [dimension]
            assert (namespace, pairs[dimension]) in watched(stack)


def test_the_refused_share_counts_every_outcome(stack: Stack) -> None:
    [[share], *counted] = widgets(stack)["Refused rows"]["properties"]["metrics"]
    ids = {one[-1]["id"]: (one[1], one[5]) for one in counted}
    assert sorted(ids.values()) == sorted(
        itertools.product(["RowsRead", "RowsRefused"], ["Succeeded", "Failed", "Overtaken"])
    )
    above, below = share["expression"].split(" / ")
    assert {ids[one][0] for one in re.findall(r"\b[a-z]\d", above)} == {"RowsRefused"}
    assert {ids[one][0] for one in re.findall(r"\b[a-z]\d", below)} == {"RowsRead"}
    assert len(re.findall(r"\b[a-z]\d", share["expression"])) == 6
    assert not any(one[-1]["visible"] for one in counted)


@pytest.mark.parametrize("title", ["Function errors", "Function duration (maximum), ms"])
def test_every_function_is_shown(stack: Stack, title: str) -> None:
    shown = [one[3] for one in metrics(widgets(stack)[title])]
    assert sorted(shown) == sorted(map(stack.ref, stack.of_type("AWS::Lambda::Function")))


def test_every_alarm_is_on_the_dashboard(stack: Stack) -> None:
    shown = widgets(stack)["Alarms"]["properties"]["alarms"]
    assert sorted(shown) == sorted(stack.arn(name) for name in alarms(stack))


def test_the_dashboard_is_named_after_the_stack_and_its_region(stack: Stack) -> None:
    """Dashboards are global: without the region, two stacks of one name would share one."""
    [dashboard] = stack.of_type("AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == "Tickets-Prod-eu-central-1"


def test_widgets_show_the_stacks_own_region(stack: Stack) -> None:
    for title, one in widgets(stack).items():
        if one["type"] == "metric":
            assert one["properties"]["region"] == REGION, title


# ---------------------------------------------------------------- The saved query


def test_the_saved_query_reads_every_log_of_the_stack(stack: Stack) -> None:
    [query] = stack.of_type("AWS::Logs::QueryDefinition").values()
    groups = [stack.ref(name) for name in stack.of_type("AWS::Logs::LogGroup")]
    assert sorted(query["LogGroupNames"]) == sorted(groups)


def test_the_saved_query_finds_a_load_by_the_fields_that_are_written(stack: Stack) -> None:
    """`execution` by ingestion.telemetry, `execution_arn` and `type` by Step Functions."""
    [query] = stack.of_type("AWS::Logs::QueryDefinition").values()
    fields, where, order, limit = re.split(r"\n\| ", query["QueryString"].strip())
    assert where == "filter coalesce(execution, execution_arn) like /NAME/"
    assert order == "sort @timestamp asc"
    assert re.fullmatch(r"limit \d+", limit)
    shown = set(re.findall(r"\b[A-Za-z_@.]+\b", fields))
    assert {"message", "type", "execution", "execution_arn", "verdict", "turn"} <= shown
    assert set(MEASURES.values()) <= shown


def test_the_embedded_engine_gets_the_dashboard_and_not_the_query(stack: Stack) -> None:
    local = deploy(EmbeddedEngine="true")
    assert local.properties("Dashboard") == stack.properties("Dashboard")
    assert not local.of_type("AWS::Logs::QueryDefinition")
