from typing import Any

import pytest

from tests.support.stubbed_deployment import StubbedDeployment
from tickets.doctor.capacity import concurrency, throughput
from tickets.doctor.findings import FAILED, OK, UNKNOWN, WARNING, Verdict


def with_quota(quota: int, unreserved: int, **parameters: str) -> Verdict:
    stubbed = StubbedDeployment(**parameters)
    limit = {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": unreserved}
    stubbed.answer("lambda", "get_account_settings", {"AccountLimit": limit})
    return concurrency(stubbed.deployment)


def test_the_defaults_fit_a_new_account() -> None:
    found = with_quota(10, 10)
    assert (found.status, found.detail) == (
        OK,
        "the stack needs 10 (3 loads x 2 chunks + 2 uploads + 2 report pages) of 10 unreserved",
    )


def test_more_parallel_chunks_than_the_quota_are_found() -> None:
    found = with_quota(10, 10, MapConcurrency="3")
    assert found.status == FAILED
    assert (
        "needs 13 (3 loads x 3 chunks + 2 uploads + 2 report pages), and the account has 10 "
        in found.detail
    )
    assert "--quota-code L-B99A9384 --desired-value 1000" in (found.next or "")


def test_what_other_functions_reserve_is_not_there() -> None:
    assert with_quota(1000, 9).status == FAILED
    assert with_quota(1000, 10).status == OK


def test_reserved_chunks_need_nothing_of_the_rest() -> None:
    found = with_quota(1000, 100, WriteChunkConcurrency="50", LoadsAtATime="12", MapConcurrency="4")
    assert (found.status, found.detail) == (
        OK,
        "the stack needs 4 (2 uploads + 2 report pages) of 100 unreserved",
    )


def test_a_reservation_that_is_too_small_for_all_loads_is_a_warning() -> None:
    found = with_quota(1000, 900, WriteChunkConcurrency="5")
    assert found.status == WARNING
    assert "WriteChunkConcurrency=6" in (found.next or "")


def with_table(table: dict[str, Any], **parameters: str) -> Verdict:
    stubbed = StubbedDeployment(**parameters)
    stubbed.answer("dynamodb", "describe_table", {"Table": table})
    return throughput(stubbed.deployment)


ON_DEMAND: dict[str, Any] = {
    "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
    "WarmThroughput": {"WriteUnitsPerSecond": 4000, "Status": "ACTIVE"},
}
INDEX = {"IndexName": "by_store"}
PROVISIONED = {"ProvisionedThroughput": {"WriteCapacityUnits": 90}}


@pytest.mark.parametrize(
    ("table", "detail"),
    [
        (ON_DEMAND, "on demand, warm for 4,000 write units per second: at least 4,000 rows"),
        ({**ON_DEMAND, "GlobalSecondaryIndexes": [INDEX]}, "at least 2,000 rows"),
        (
            {**ON_DEMAND, "OnDemandThroughput": {"MaxWriteRequestUnits": 500}},
            "limited to 500 write units per second: at least 500 rows",
        ),
        (
            {**ON_DEMAND, "OnDemandThroughput": {"MaxWriteRequestUnits": -1}},
            "warm for 4,000 write units",
        ),
        (PROVISIONED, "provisioned with 90 write units per second"),
    ],
)
def test_the_rows_per_second_that_a_table_takes(table: dict[str, Any], detail: str) -> None:
    found = with_table(table)
    assert found.status == OK
    assert detail in found.detail


def test_a_higher_limit_than_the_table_takes_is_a_warning() -> None:
    assert with_table(PROVISIONED, MaxRowsPerSecond="90").status == OK
    found = with_table(PROVISIONED, MaxRowsPerSecond="91")
    assert found.status == WARNING
    assert found.detail.endswith("MaxRowsPerSecond is 91")


def test_a_table_without_a_warm_throughput_is_not_judged() -> None:
    assert with_table({"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}}).status == UNKNOWN
