"""Guarantees of what is kept: plans, reports, refused rows, the table and the ledger."""

from typing import Any

import pytest

from tests.support.deployed import Stack, as_list, deploy, source, statements

# Prefixes that the pipeline writes below, and the parameter that says how long they are kept.
KEPT = {
    "plans/": "PlanDays",
    "unpacked/": "PlanDays",
    "digests/": "PlanDays",
    "map-results/": "PlanDays",
    "refused-rows/": "ReportDays",
    "equal-keys/": "ReportDays",
    "reports/": "ReportDays",
}
TABLES = ["Table", "LedgerTable"]
SAMPLES = {
    "TableName": "Purchases",
    "UploadBucketName": "uploads",
    "WorkBucketName": "work-of-mine",
}


def expiry(stack: Stack) -> dict[str, Any]:
    rules = stack.properties("WorkBucket")["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    return {
        rule.get("Prefix", ""): rule["ExpirationInDays"]
        for rule in rules
        if "ExpirationInDays" in rule
    }


def test_what_a_load_works_with_expires_apart_from_reports_and_refused_rows() -> None:
    values: dict[str, Any] = {"PlanDays": 21, "ReportDays": 777}
    assert expiry(deploy(**values)) == {prefix: values[name] for prefix, name in KEPT.items()}


def test_plans_are_kept_30_days_and_reports_400_by_default(stack: Stack) -> None:
    assert expiry(stack)["plans/"] == 30
    assert expiry(stack)["reports/"] == 400


def test_everything_that_a_role_may_write_to_the_work_bucket_expires(stack: Stack) -> None:
    writable = set()
    for role in stack.of_type("AWS::IAM::Role"):
        for statement in statements(stack, role):
            if "s3:PutObject" in statement["Action"]:
                writable.update(as_list(statement["Resource"]))
    assert writable == {f"{stack.arn('WorkBucket')}/{prefix}*" for prefix in expiry(stack)}


@pytest.mark.parametrize("parameter", ["PlanDays", "ReportDays", "OldVersionDays"])
def test_nothing_that_a_replay_reads_expires_before_the_dead_letter(parameter: str) -> None:
    assert source()["Parameters"][parameter]["MinValue"] > 14


def test_the_table_is_named_and_keyed_by_the_parameter_ticket_and_product(stack: Stack) -> None:
    table = deploy(TableName="Purchases").properties("Table")
    assert table["TableName"] == "Purchases"
    assert stack.properties("Table")["TableName"] == "Tickets"
    assert table["KeySchema"] == [
        {"AttributeName": "ticket_id", "KeyType": "HASH"},
        {"AttributeName": "product", "KeyType": "RANGE"},
    ]
    assert sorted(one["AttributeType"] for one in table["AttributeDefinitions"]) == ["S", "S"]


def types(table: dict[str, Any]) -> dict[str, str]:
    """The types of the attributes that a table defines."""
    return {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}


def test_no_parameter_changes_a_key_under_the_same_name(stack: Stack) -> None:
    """CloudFormation would have to replace the table by an empty one, which can't have its name.
    Indexes can be added and deleted."""
    for name, parameter in source()["Parameters"].items():
        values = [parameter.get("MinValue"), parameter.get("MaxValue")]
        values += [*parameter.get("AllowedValues", []), SAMPLES.get(name)]
        for value in values:
            changed = deploy(None, **{name: value}) if value is not None else stack
            for table in changed.of_type("AWS::DynamoDB::Table"):
                before, after = stack.properties(table), changed.properties(table)
                assert after["KeySchema"] == before["KeySchema"], f"{name}={value}"
                assert types(after).items() >= types(before).items(), f"{name}={value}"
                if table == "LedgerTable":
                    indexes = after["GlobalSecondaryIndexes"]
                    assert indexes == before["GlobalSecondaryIndexes"], f"{name}={value}"


def index(name: str, *key: str) -> dict[str, Any]:
    kinds = zip(key, ("HASH", "RANGE"), strict=True)
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": one, "KeyType": kind} for one, kind in kinds],
        "Projection": {"ProjectionType": "ALL"},
    }


BY_PRODUCT = index("by_product", "product", "timestamp")
BY_BASKET = index("by_basket", "basket_id", "timestamp")


@pytest.mark.parametrize(
    ("wanted", "indexes", "outputs", "attributes"),
    [
        (["ProductIndex"], [BY_PRODUCT], {"ProductIndexName": "by_product"}, {"timestamp"}),
        (
            ["BasketIndex"],
            [BY_BASKET],
            {"BasketIndexName": "by_basket"},
            {"basket_id", "timestamp"},
        ),
        (
            ["ProductIndex", "BasketIndex"],
            [BY_PRODUCT, BY_BASKET],
            {"ProductIndexName": "by_product", "BasketIndexName": "by_basket"},
            {"basket_id", "timestamp"},
        ),
    ],
)
def test_indexes_can_be_added_to_the_table(
    wanted: list[str],
    indexes: list[dict[str, Any]],
    outputs: dict[str, str],
    attributes: set[str],
) -> None:
    """DynamoDB refuses a table that defines attributes that aren't keys."""
    stack = deploy(None, **dict.fromkeys(wanted, "true"))
    table = stack.properties("Table")
    assert table["GlobalSecondaryIndexes"] == indexes
    assert types(table) == dict.fromkeys({"ticket_id", "product"} | attributes, "S")
    named = {name: one["Value"] for name, one in stack.outputs.items() if "Index" in name}
    assert named == outputs


def test_without_the_parameters_there_is_no_index(stack: Stack) -> None:
    assert "GlobalSecondaryIndexes" not in stack.properties("Table")
    assert types(stack.properties("Table")).keys() == {"ticket_id", "product"}
    assert not [name for name in stack.outputs if "Index" in name]


def test_a_table_that_the_stack_does_not_create_gets_no_index() -> None:
    stack = deploy(CreateTable="false", ProductIndex="true", BasketIndex="true")
    assert not [name for name in stack.outputs if "Index" in name]


def test_the_ledger_is_keyed_by_load_and_entry(stack: Stack) -> None:
    ledger = stack.properties("LedgerTable")
    assert ledger["KeySchema"] == [
        {"AttributeName": "load_id", "KeyType": "HASH"},
        {"AttributeName": "entry", "KeyType": "RANGE"},
    ]
    keys = {"load_id", "entry", "object_url", "day", "started_at"}
    assert {
        one["AttributeName"]: one["AttributeType"] for one in ledger["AttributeDefinitions"]
    } == (dict.fromkeys(keys, "S"))


def test_the_history_of_loads_is_indexed_by_object_and_by_day(stack: Stack) -> None:
    """The indexes have all attributes, because lists read only the indexes."""
    assert stack.properties("LedgerTable")["GlobalSecondaryIndexes"] == [
        {
            "IndexName": name,
            "KeySchema": [
                {"AttributeName": key, "KeyType": "HASH"},
                {"AttributeName": "started_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for name, key in (("loads", "object_url"), ("days", "day"))
    ]


def test_leases_that_a_crash_left_leave_the_ledger_and_nothing_else_does(stack: Stack) -> None:
    """What is put under the attribute is tested in tests/unit/ledger/test_claims.py."""
    assert stack.properties("LedgerTable")["TimeToLiveSpecification"] == {
        "AttributeName": "expires_at",
        "Enabled": True,
    }
    assert "TimeToLiveSpecification" not in stack.properties("Table")


def test_there_are_no_other_tables(stack: Stack) -> None:
    assert sorted(stack.of_type("AWS::DynamoDB::Table")) == sorted(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_on_demand(stack: Stack, table: str) -> None:
    assert stack.properties(table)["BillingMode"] == "PAY_PER_REQUEST"
    assert "ProvisionedThroughput" not in stack.properties(table)


@pytest.mark.parametrize("table", TABLES)
def test_tables_can_be_restored_to_any_second(stack: Stack, table: str) -> None:
    recovery = stack.properties(table)["PointInTimeRecoverySpecification"]
    assert recovery["PointInTimeRecoveryEnabled"] is True


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_encrypted_with_a_key_of_the_account(stack: Stack, table: str) -> None:
    assert stack.properties(table)["SSESpecification"]["SSEEnabled"] is True


@pytest.mark.parametrize("table", TABLES)
def test_tables_outlive_the_stack(stack: Stack, table: str) -> None:
    assert stack.resources[table]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert stack.resources[table]["UpdateReplacePolicy"] == "Retain"


def test_create_table_false_makes_no_table_and_write_chunk_may_write_to_the_named_one() -> None:
    stack = deploy(CreateTable="false", TableName="Purchases")
    assert list(stack.of_type("AWS::DynamoDB::Table")) == ["LedgerTable"]
    variables = stack.properties("WriteChunk")["Environment"]["Variables"]
    assert variables["DYNAMODB_TABLE"] == "Purchases"
    [statement] = [
        one
        for one in statements(stack, "WriteChunkRole")
        if "dynamodb:BatchWriteItem" in one["Action"]
    ]
    assert statement["Resource"] == "arn:aws:dynamodb:eu-central-1:123456789012:table/Purchases"
    assert stack.outputs["TableName"]["Value"] == "Purchases"


def test_write_chunk_may_write_to_the_table_that_the_stack_makes(stack: Stack) -> None:
    [statement] = [
        one
        for one in statements(stack, "WriteChunkRole")
        if "dynamodb:BatchWriteItem" in one["Action"]
    ]
    assert statement["Resource"] == stack.arn("Table")
