"""Claims and leases in the ledger table: every change is a compare-and-set, so that loads that act
at the same time don't overwrite each other's changes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from moto import mock_aws

from ingestion.ledger.claims import Claim, Claims, Lease
from tests.support.claims_in_memory import ClaimsInMemory

URL = "s3://uploads/a.csv"
TABLE = "Ledger"


def claim(version: Any, load_id: Any, key: str = "a.csv") -> Any:
    return Claim("uploads", key, version, load_id)


def lease(load_id: Any, until: Any) -> Any:
    return Lease(load_id, 1_799_999_000, until, "generation", 7)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with mock_aws():
        yield boto3.Session("testing", "testing", region_name="us-east-1").client("dynamodb")


@pytest.fixture
def dynamodb(client: Any) -> Iterator[Any]:
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("load_id", "entry")
        ],
        KeySchema=[
            {"AttributeName": "load_id", "KeyType": "HASH"},
            {"AttributeName": "entry", "KeyType": "RANGE"},
        ],
    )
    yield client
    client.delete_table(TableName=TABLE)


@pytest.fixture(params=["DynamoDB", "in memory"])
def claims(request: Any) -> Any:
    if request.param == "in memory":
        return ClaimsInMemory()
    return Claims(request.getfixturevalue("dynamodb"), TABLE)


def entries(dynamodb: Any) -> list[Any]:
    plain = TypeDeserializer().deserialize
    items = dynamodb.scan(TableName=TABLE)["Items"]
    return [{name: plain(value) for name, value in item.items()} for item in items]


def test_nobody_has_claimed_what_is_new(claims: Any) -> None:
    assert claims.newest(URL) is None
    assert claims.leases(URL) == []


def test_a_claim_is_there_as_it_was_made(claims: Any) -> None:
    assert claims.move(None, claim("v1", "load-1"))
    newest = claims.newest(URL)
    assert newest == claim("v1", "load-1")
    assert (newest.replaces, newest.object_url) == (None, URL)


def test_of_two_executions_of_one_load_only_one_takes_the_claim_over(claims: Any) -> None:
    """Both found that the execution with the claim had ended."""
    first, second, third = (
        replace(claim("v1", "load-1"), execution_arn=name) for name in ("one", "two", "three")
    )
    assert claims.move(None, first)
    assert claims.move(first, second)
    assert not claims.move(first, third)
    assert claims.newest(URL).execution_arn == "two"


def test_a_claim_without_a_version_has_none_afterwards(claims: Any) -> None:
    assert claims.move(None, claim(None, "load-1"))
    assert claims.newest(URL) == claim(None, "load-1")
    assert claims.move(claim(None, "load-1"), claim(None, "load-2"))
    assert claims.newest(URL).replaces == "load-1"


def test_a_claim_moves_from_the_one_that_is_held(claims: Any) -> None:
    claims.move(None, claim("v1", "load-1"))
    assert claims.move(claims.newest(URL), claim("v2", "load-2"))
    assert claims.newest(URL) == claim("v2", "load-2")


@pytest.mark.parametrize(
    "seen",
    [None, claim("v0", "load-0"), claim("v1", "load-0"), claim("v0", "load-1")],
    ids=["none", "both others", "another load", "another version"],
)
def test_a_claim_does_not_move_from_one_that_is_not_held_any_more(claims: Any, seen: Any) -> None:
    claims.move(None, claim("v1", "load-1"))
    assert claims.move(seen, claim("v2", "load-2")) is False
    assert claims.newest(URL) == claim("v1", "load-1")


def test_of_two_who_saw_the_same_claim_one_moves_it(claims: Any) -> None:
    for held in (None, claim("v1", "load-1")):
        first = claims.move(held, claim("v1" if held is None else "v2", "load-1"))
        second = claims.move(held, claim("v3", "load-3"))
        assert (first, second) == (True, False)


def test_who_was_replaced_is_said_and_stays_said(claims: Any) -> None:
    def then(wanted: Any) -> Any:
        assert claims.move(claims.newest(URL), wanted)
        return claims.newest(URL).replaces

    assert then(claim("v1", "load-1")) is None
    assert then(claim("v2", "load-2")) == "load-1"
    # The same load claims for a later version with the same bytes.
    assert then(claim("v3", "load-2")) == "load-1"
    assert then(claim("v4", "load-4")) == "load-2"


def test_since_when_a_load_writes_alone_stays_said_until_another_has_the_claim(claims: Any) -> None:
    claims.move(None, claim("v1", "load-1"))
    assert claims.newest(URL).alone_since is None
    assert claims.note_alone(claims.newest(URL), "2026-01-01T00:00:00.000Z")
    claims.move(claims.newest(URL), claim("v2", "load-1"))
    assert claims.newest(URL).alone_since == "2026-01-01T00:00:00.000Z"
    held = claims.newest(URL)
    claims.move(held, claim("v2", "forced"))
    assert claims.newest(URL).alone_since is None
    assert claims.note_alone(held, "2026-01-01T00:00:09.000Z") is False
    claims.move(claims.newest(URL), claim("v2", "load-1"))
    assert claims.newest(URL).alone_since is None


def test_a_lease_can_be_changed(claims: Any) -> None:
    claims.put_lease(URL, "one", lease("load-1", 1_800_000_060))
    claims.put_lease(URL, "one", lease("load-1", 1_800_000_000))
    assert claims.leases(URL) == [lease("load-1", 1_800_000_000)]


def test_a_lease_of_an_earlier_release_is_of_no_generation(dynamodb: Any) -> None:
    claims = Claims(dynamodb, TABLE)
    entry = {"held_by": "load-1", "until": 1_800_000_000, "expires_at": 1_800_000_000}
    claims._entries.put(URL, "writer#one", entry)
    assert claims.leases(URL) == [Lease("load-1", 0, 1_800_000_000, "", None)]


def test_leases_are_there_until_they_are_given_back(claims: Any) -> None:
    claims.put_lease(URL, "one", lease("load-1", 1_800_000_000))
    claims.put_lease(URL, "two", lease("load-2", 1_800_000_060))
    claims.move(None, claim("v1", "load-1"))  # a claim is no lease
    assert sorted(claims.leases(URL), key=str) == [
        lease("load-1", 1_800_000_000),
        lease("load-2", 1_800_000_060),
    ]
    claims.delete_lease(URL, "one")
    assert claims.leases(URL) == [lease("load-2", 1_800_000_060)]
    claims.delete_lease(URL, "one")  # a task that is run twice
    assert claims.leases(URL) == [lease("load-2", 1_800_000_060)]
    assert claims.newest(URL) == claim("v1", "load-1")


def test_objects_have_nothing_to_do_with_each_other(claims: Any) -> None:
    claims.move(None, claim("v1", "load-1"))
    claims.put_lease(URL, "one", lease("load-1", 1_800_000_000))
    other = "s3://uploads/a.csv.gz"
    assert claims.newest(other) is None
    assert claims.leases(other) == []
    assert claims.move(None, claim("v9", "load-9", key="a.csv.gz"))
    assert claims.newest(URL) == claim("v1", "load-1")


def test_what_a_crash_leaves_is_removed_by_the_tables_time_to_live(dynamodb: Any) -> None:
    """Its attribute is named in template.yaml, and claims must not have it. An execution takes a
    year at most, and Settle Equal Keys has to see the leases of all of it."""
    claims = Claims(dynamodb, TABLE)
    claims.put_lease(URL, "one", lease("load-1", 1_800_000_000))
    claims.move(None, claim("v1", "load-1"))
    assert {one["entry"]: one.get("expires_at") for one in entries(dynamodb)} == {
        "writer#one": 1_800_000_000 + 400 * 86_400,
        "newest": None,
    }


def test_nothing_of_it_looks_like_a_load(dynamodb: Any) -> None:
    """The index of loads holds what has both attributes."""
    claims = Claims(dynamodb, TABLE)
    claims.put_lease(URL, "one", lease("load-1", 1_800_000_000))
    claims.move(None, claim("v1", "load-1"))
    for entry in entries(dynamodb):
        assert not {"object_url", "started_at"} & entry.keys()
