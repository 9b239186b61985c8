"""The first deployment on a new account fits its quotas, and a failed one can be repeated.

A new account may run 10 Lambda functions at a time, and none of them can be reserved. The embedded
engine has no quotas, so this is where it is proved.
"""

import pytest

from tests.support.deployed import Stack, deploy, transformed

KEPT = ["Key", "LedgerTable", "Table", "UploadBucket", "WorkBucket"]


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_deleted_if_the_deployment_that_creates_it_fails(name: str) -> None:
    """With `Retain` it would be left behind, and the next attempt would fail because it exists."""
    resource = transformed()["Resources"][name]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"


def test_nothing_else_is_kept() -> None:
    stack = deploy(CustomerKey="true")
    policies = {
        name: (one.get("DeletionPolicy", "Delete"), one.get("UpdateReplacePolicy", "Delete"))
        for name, one in stack.resources.items()
    }
    assert sorted(name for name, both in policies.items() if both != ("Delete", "Delete")) == KEPT


def test_with_the_defaults_no_concurrency_is_reserved(stack: Stack) -> None:
    """A quota of 10 allows no reservation, because 10 must stay unreserved."""
    for name, one in stack.of_type("AWS::Lambda::Function").items():
        assert "ReservedConcurrentExecutions" not in one, name


def test_with_the_defaults_three_loads_fit_into_a_quota_of_10(stack: Stack) -> None:
    """Three loads with two chunks each, and two calls each of start_execution and
    write_report_page."""
    machine = stack.properties("Ingest")["DefinitionSubstitutions"]
    assert machine["MapConcurrency"] == 2
    assert stack.properties("WriteChunk")["Environment"]["Variables"]["MAP_CONCURRENCY"] == 2
    assert stack.properties("TakeTurn")["Environment"]["Variables"]["LOADS_AT_A_TIME"] == 3


def test_every_queue_that_is_polled_takes_up_two_calls_at_most(stack: Stack) -> None:
    mappings = stack.of_type("AWS::Lambda::EventSourceMapping")
    assert {name: one["ScalingConfig"] for name, one in mappings.items()} == {
        "StartExecutionUploads": {"MaximumConcurrency": 2},
        "WriteReportPageEndings": {"MaximumConcurrency": 2},
    }


def test_an_upload_waits_an_hour_for_concurrency(stack: Stack) -> None:
    """Each receive that Lambda throttles costs one visibility timeout."""
    queue = stack.properties("UploadQueue")
    assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] == 3600
