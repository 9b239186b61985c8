"""What the engine doesn't implement: encryption, point-in-time recovery, and time to live. Then the
tables, because an engine has only good ones."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ingestion.sources.catalogue import Sources
from ingestion.sources.model import Field
from tests.support.moto_server import create_table
from tests.support.sources import BUILT_IN, source
from tests.support.stubbed_deployment import StubbedDeployment
from tickets.doctor.findings import FAILED, OK, WARNING, Verdict
from tickets.doctor.storage import backups, encryption, ledger, table

KEY = "arn:aws:kms:eu-central-1:123456789012:key/Key"
OTHER_KEY = "arn:aws:kms:eu-central-1:123456789012:key/other"
LEDGER: dict[str, Any] = {
    "TableStatus": "ACTIVE",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"}
        for name in ("load_id", "entry", "object_url", "day", "started_at")
    ],
    "KeySchema": [
        {"AttributeName": "load_id", "KeyType": "HASH"},
        {"AttributeName": "entry", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": attribute, "KeyType": "HASH"},
                {"AttributeName": "started_at", "KeyType": "RANGE"},
            ],
        }
        for index, attribute in (("loads", "object_url"), ("days", "day"))
    ],
}


# --- the table


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("dynamodb", "eu-central-1")


@pytest.mark.parametrize(
    ("key", "types", "indexes", "words"),
    [
        (
            ("ticket_id", "till"),
            {},
            {},
            "the key attribute till (type S), which no column provides",
        ),
        (("ticket_id", "product"), {"product": "B"}, {}, "product of type B"),
        (
            ("ticket_id", "product"),
            {"store": "N"},
            {"by_store": ("store",)},
            "Index by_store of table Tickets has the key attribute store of type N",
        ),
    ],
)
def test_a_table_that_rows_dont_fit(
    dynamodb: Any,
    key: Sequence[str],
    types: Mapping[str, str],
    indexes: Mapping[str, Sequence[str]],
    words: str,
) -> None:
    create_table(dynamodb, "Tickets", *key, types=types, indexes=indexes)
    found = table(StubbedDeployment().deployment)
    assert found.status == FAILED
    assert words in found.detail
    assert found.next == "docs/operations.md#the-table"


def test_no_table(dynamodb: Any) -> None:
    found = table(StubbedDeployment().deployment)
    assert (found.status, found.detail) == (FAILED, "Table Tickets does not exist")


def test_a_good_table(dynamodb: Any) -> None:
    create_table(dynamodb, "Tickets", "ticket_id", "product", indexes={"by_store": ("store",)})
    found = table(StubbedDeployment().deployment)
    assert (found.status, found.detail) == (
        OK,
        "Tickets is ACTIVE; key: ticket_id, product; indexes: by_store",
    )


def test_the_rows_of_every_source_fit_the_table(
    dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found_with(*fields: Field) -> Verdict:
        declared = Sources(BUILT_IN, [source(*fields)])
        monkeypatch.setattr("tickets.doctor.storage.find_sources", lambda: declared)
        return table(StubbedDeployment().deployment)

    create_table(dynamodb, "Tickets", "receipt", types={"receipt": "N"})
    receipt = Field("Bon-Nr", "integer", attribute="receipt", stored_as="N")
    found = found_with(receipt)
    assert found.status == WARNING
    assert "files of no declared source are refused: Table Tickets has the key" in found.detail
    found = found_with(Field("Bon-Nr", attribute="other"))
    assert found.status == FAILED
    assert found.detail.startswith("source kassenbon: Table Tickets has the key attribute receipt")


@pytest.mark.parametrize(
    ("parameters", "indexes", "missing"),
    [
        ({"ProductIndex": "true"}, {}, "by_product"),
        ({"ProductIndex": "true"}, {"by_product": ("product",)}, "by_product"),
        ({"ProductIndex": "true"}, {"by_product": ("product", "timestamp")}, None),
        (
            {"ProductIndex": "true", "BasketIndex": "true"},
            {"by_product": ("product", "timestamp")},
            "by_basket",
        ),
        ({"ProductIndex": "true", "CreateTable": "false"}, {}, None),
    ],
)
def test_the_indexes_of_the_template(
    dynamodb: Any,
    parameters: dict[str, str],
    indexes: Mapping[str, Sequence[str]],
    missing: str | None,
) -> None:
    create_table(dynamodb, "Tickets", "ticket_id", "product", indexes=indexes)
    found = table(StubbedDeployment(**parameters).deployment)
    if missing:
        words = f"Tickets lacks the index {missing}, which `tickets query` reads"
        assert (found.status, found.detail) == (FAILED, words)
    else:
        assert found.status == OK


# --- the ledger


@pytest.mark.parametrize(
    ("changes", "attribute", "words"),
    [
        ({}, "expires_at", None),
        ({}, None, "items don't expire by expires_at"),
        ({}, "started_at", "items don't expire by expires_at"),
        ({"GlobalSecondaryIndexes": []}, "expires_at", "it lacks the index loads"),
        (
            {"GlobalSecondaryIndexes": LEDGER["GlobalSecondaryIndexes"][:1]},
            "expires_at",
            "it lacks the index days",
        ),
        ({"KeySchema": LEDGER["KeySchema"][:1]}, "expires_at", "its key is load_id"),
        ({"TableStatus": "ARCHIVED"}, "expires_at", "its status is ARCHIVED"),
    ],
)
def test_the_ledger(changes: dict[str, Any], attribute: str | None, words: str | None) -> None:
    stubbed = StubbedDeployment()
    stubbed.answer("dynamodb", "describe_table", {"Table": {**LEDGER, **changes}})
    found = {"AttributeName": attribute} if attribute else {"TimeToLiveStatus": "DISABLED"}
    stubbed.answer("dynamodb", "describe_time_to_live", {"TimeToLiveDescription": found})
    verdict = ledger(stubbed.deployment)
    assert verdict.status == (FAILED if words else OK)
    assert (words or "") in verdict.detail


# --- backups


def with_recovery(*statuses: str, **parameters: str) -> StubbedDeployment:
    stubbed = StubbedDeployment(**parameters)
    stubbed.answer("s3", "get_bucket_versioning", {"Status": "Enabled"})
    for status in statuses:
        description = {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status},
        }
        answer = {"ContinuousBackupsDescription": description}
        stubbed.answer("dynamodb", "describe_continuous_backups", answer)
    return stubbed


def test_a_table_without_point_in_time_recovery_is_named() -> None:
    assert backups(with_recovery("ENABLED", "ENABLED").deployment).status == OK
    found = backups(with_recovery("ENABLED", "DISABLED").deployment)
    assert (found.status, found.detail) == (FAILED, "LedgerTable has no point-in-time recovery")
    assert "update-continuous-backups --table-name LedgerTable " in (found.next or "")


def test_a_table_of_somebody_else_may_have_none() -> None:
    assert backups(with_recovery("ENABLED", CreateTable="false").deployment).status == OK


# --- encryption


def encrypted(
    table: Mapping[str, Any] | None = None,
    bucket: Mapping[str, Any] | None = None,
    queue: Mapping[str, str] | None = None,
    key: str = "Enabled",
    **parameters: str,
) -> StubbedDeployment:
    """A deployment of which the last table and bucket and the third queue differ as given."""
    stubbed = StubbedDeployment(**parameters)
    own = parameters.get("CustomerKey") == "true"
    good_table = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY}
    good_bucket = (
        {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY} if own else {"SSEAlgorithm": "AES256"}
    )
    good_queue = {"KmsMasterKeyId": KEY} if own else {"SqsManagedSseEnabled": "true"}
    if own:
        answer = {"KeyMetadata": {"KeyId": "Key", "KeyState": key}}
        stubbed.answer("kms", "describe_key", answer)
    for found in (good_table, good_table if table is None else table):
        description = {"SSEDescription": found} if found else {}
        stubbed.answer("dynamodb", "describe_table", {"Table": description})
    for found in (good_bucket, good_bucket if bucket is None else bucket):
        rule = {"ApplyServerSideEncryptionByDefault": found}
        configuration = {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}
        stubbed.answer("s3", "get_bucket_encryption", configuration)
    third = good_queue if queue is None else queue
    for found in (good_queue, good_queue, third, good_queue, good_queue):
        stubbed.answer("sqs", "get_queue_attributes", {"Attributes": found})
    return stubbed


def test_everything_is_encrypted_as_the_template_says() -> None:
    found = encryption(encrypted().deployment)
    assert (found.status, found.detail) == (
        OK,
        "tables, buckets and queues are encrypted with keys of AWS",
    )
    found = encryption(encrypted(CustomerKey="true").deployment)
    assert (found.status, found.detail) == (
        OK,
        "tables, buckets and queues are encrypted with the stack's key",
    )


@pytest.mark.parametrize(
    ("stubbed", "words"),
    [
        (encrypted(table={}), "LedgerTable isn't encrypted with KMS"),
        (encrypted(queue={}), "FailedExecutionsQueue isn't encrypted"),
        (encrypted(queue={}, CustomerKey="true"), "isn't encrypted with the stack's key"),
        (
            encrypted(
                table={"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": OTHER_KEY},
                CustomerKey="true",
            ),
            "LedgerTable is encrypted with another key",
        ),
        (
            encrypted(bucket={"SSEAlgorithm": "AES256"}, CustomerKey="true"),
            "isn't encrypted as template.yaml says",
        ),
        (
            encrypted(
                bucket={"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": OTHER_KEY}, CustomerKey="true"
            ),
            "isn't encrypted as template.yaml says",
        ),
        (encrypted(key="PendingDeletion", CustomerKey="true"), "key is PendingDeletion"),
        (encrypted(EmbeddedEngine="true"), "without TLS"),
    ],
)
def test_what_is_not_encrypted_as_the_template_says(stubbed: StubbedDeployment, words: str) -> None:
    found = encryption(stubbed.deployment)
    assert found.status == FAILED
    assert words in found.detail
