"""Whose turn it is, by the order in which S3 has the versions of a key.

The entries are in moto's DynamoDB, unless a test decides which load acts in between. That
no order of steps lets two versions write at once is in test_turns_interleaved.py.
"""

from collections.abc import Iterator
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from ingestion.contracts import TurnRequest
from ingestion.ledger.claims import Claim, Claims, Lease
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import LEASE_MARGIN_SECONDS, OVERTAKEN, Turns
from ingestion.tasks.take_turn import TurnTaker
from tests.support.claims_in_memory import ClaimsInMemory
from tests.support.files import accepted_file

BUCKET, KEY = "uploads", "store-12/tickets.csv"
URL = f"s3://{BUCKET}/{KEY}"
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    with mock_aws():
        yield boto3.Session("testing", "testing", region_name="us-east-1")


@pytest.fixture(scope="module")
def clients(aws: Any) -> Any:
    return aws.client("s3"), aws.client("dynamodb")


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> Any:
        return self.now


@pytest.fixture
def clock() -> Any:
    return Clock()


@pytest.fixture
def s3(clients: Any) -> Iterator[Any]:
    client = clients[0]
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield client
    for page in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for one in page.get("Versions", []) + page.get("DeleteMarkers", []):
            client.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def dynamodb(clients: Any) -> Iterator[Any]:
    client = clients[1]
    client.create_table(
        TableName="Ledger",
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
    client.delete_table(TableName="Ledger")


@pytest.fixture
def turns(s3: Any, dynamodb: Any, clock: Any) -> Any:
    return Turns(s3, Claims(dynamodb, "Ledger"), now=clock)


@pytest.fixture
def put(s3: Any) -> Any:
    def put(key: Any = KEY) -> Any:
        return s3.put_object(Bucket=BUCKET, Key=key, Body=b"ticket_id\n")["VersionId"]

    return put


def claim(version: Any, load: Any = None, key: Any = KEY) -> Any:
    return Claim(BUCKET, key, version, load or f"load-{version}")


# ---------------------------------------------------------------- The order of versions


def test_a_claim_moves_forward_and_never_back(turns: Any, put: Any) -> None:
    versions = [put() for _ in range(4)]
    # The second is the first to come, then the fourth, then both that are late.
    assert turns.claim(claim(versions[1]))
    assert turns.claim(claim(versions[3]))
    for late in (versions[0], versions[1], versions[2]):
        assert turns.claim(claim(late)) is False
        assert turns.newest(URL) == claim(versions[3])
    assert turns.newest(URL).replaces == f"load-{versions[1]}"


def test_who_holds_the_claim_keeps_it_however_often_it_asks(turns: Any, put: Any) -> None:
    version = put()
    assert turns.claim(claim(version))
    assert turns.claim(claim(version))
    assert turns.newest(URL) == claim(version)
    assert turns.newest(URL).replaces is None


@pytest.mark.parametrize("neighbour", [f"{KEY}.gz", f"{KEY}!", f"{KEY}/tickets.csv", KEY[:-1]])
def test_versions_of_keys_that_begin_alike_are_no_versions_of_this_one(
    turns: Any, put: Any, neighbour: Any
) -> None:
    """S3 lists by prefix, and in the order of keys."""
    older = put()
    put(neighbour)
    newer = put()
    put(neighbour)
    assert turns.claim(claim(newer))
    assert turns.claim(claim(older)) is False
    assert turns.claim(claim(put(neighbour), key=neighbour))
    assert turns.newest(URL) == claim(newer)


@pytest.mark.parametrize("key", ["a b+c%20.csv", "été/ß?&=#.csv", "a\tb.csv", "x" * 1000 + ".csv"])
def test_a_key_may_be_written_in_any_letters(turns: Any, put: Any, key: str) -> None:
    older, newer = put(key), put(key)
    assert turns.claim(claim(newer, key=key))
    assert turns.claim(claim(older, key=key)) is False


def test_a_key_with_more_versions_than_a_page_lists(turns: Any, s3: Any, put: Any) -> None:
    """S3 lists a thousand versions per page, so the order extends over several pages."""
    versions = [put() for _ in range(5)]
    asked = []

    def two_a_page(params: Any, **_: Any) -> None:
        asked.append(params.get("KeyMarker"))
        params["MaxKeys"] = 2

    s3.meta.events.register("provide-client-params.s3.ListObjectVersions", two_a_page)
    try:
        assert turns.claim(claim(versions[1]))
        assert turns.claim(claim(versions[0])) is False
        assert turns.claim(claim(versions[2]))
    finally:
        s3.meta.events.unregister("provide-client-params.s3.ListObjectVersions", two_a_page)
    assert asked == [None, KEY, None, KEY]


def test_delete_markers_are_not_in_the_way(turns: Any, s3: Any, put: Any) -> None:
    older = put()
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    newer = put()
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert turns.claim(claim(older))
    assert turns.claim(claim(newer))
    assert turns.claim(claim(older)) is False


def test_a_version_that_is_gone_is_older_than_any_that_is_there(
    turns: Any, s3: Any, put: Any
) -> None:
    expired, there = put(), put()
    s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=expired)
    assert turns.claim(claim(expired))
    assert turns.claim(claim(there))
    assert turns.claim(claim(expired)) is False


def test_a_version_loaded_after_the_newest_was_deleted_for_good_is_the_newest(
    turns: Any, s3: Any, put: Any
) -> None:
    there, deleted = put(), put()
    assert turns.claim(claim(deleted))
    s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=deleted)
    assert turns.claim(claim(there))
    assert turns.newest(URL).replaces == f"load-{deleted}"


def test_of_two_versions_that_are_both_gone_the_claim_stays_where_it_is(
    turns: Any, s3: Any, put: Any
) -> None:
    first, second = put(), put()
    assert turns.claim(claim(first))
    for version in (first, second):
        s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=version)
    assert turns.claim(claim(second)) is False
    put(f"{KEY}.gz")  # and another key behind them is not taken for one of them
    assert turns.claim(claim(second)) is False


def test_without_versions_the_last_one_to_come_has_the_claim(turns: Any) -> None:
    assert turns.claim(claim(None, "load-1"))
    assert turns.claim(claim(None, "load-2"))
    assert turns.newest(URL) == claim(None, "load-2")


def test_versions_may_begin_with_any_upload(turns: Any, put: Any) -> None:
    """The bucket had no versions when the first one was loaded."""
    assert turns.claim(claim(None, "load-1"))
    version = put()
    assert turns.claim(claim(version))
    assert turns.newest(URL) == claim(version)


def test_a_forced_load_of_the_same_version_takes_the_claim_over(turns: Any, put: Any) -> None:
    older, version = put(), put()
    turns.claim(claim(older))
    turns.claim(claim(version))
    assert turns.claim(claim(version, "forced"))
    assert turns.newest(URL) == claim(version, "forced")
    assert turns.newest(URL).replaces == f"load-{version}"
    assert turns.claim(claim(older)) is False


def test_a_forced_load_of_an_older_version_is_overtaken_all_the_same(turns: Any, put: Any) -> None:
    older, version = put(), put()
    turns.claim(claim(version))
    assert turns.claim(claim(older, "forced")) is False


def test_the_same_load_may_claim_a_later_version_and_then_no_earlier_one_wins(
    turns: Any, put: Any
) -> None:
    """The later version has the same bytes, so Validate File moves the load's claim to it."""
    first, between, last = put(), put(), put()
    turns.claim(claim(first, "load-a"))
    assert turns.move_on(claim(first, "load-a"), last)
    assert turns.move_on(claim(last, "load-a"), last)
    assert turns.move_on(claim(last, "load-a"), first) is False
    assert turns.claim(claim(between, "load-b")) is False
    assert turns.newest(URL) == claim(last, "load-a")


def test_a_claim_that_is_not_held_any_more_does_not_move_on(turns: Any, put: Any) -> None:
    first, between, last = put(), put(), put()
    held = claim(first, "load-a")
    turns.claim(held)
    turns.claim(claim(between, "load-b"))
    assert turns.move_on(held, last) is False
    assert turns.newest(URL) == claim(between, "load-b")


# ---------------------------------------------------------------- Who comes in between


class Racing(ClaimsInMemory):
    """Another load moves the claim just before the first move."""

    def __init__(self, *others: Any) -> None:
        super().__init__()
        self.others = list(others)

    def move(self, held: Any, wanted: Any) -> Any:
        if self.others:
            other = self.others.pop(0)
            assert super().move(self.newest_of.get(other.object_url), other)
        return super().move(held, wanted)


def test_a_claim_that_a_later_version_got_in_between_is_lost(s3: Any, put: Any) -> None:
    older, newer = put(), put()
    turns = Turns(s3, cast(Any, Racing(claim(newer))))
    assert turns.claim(claim(older)) is False
    assert turns.newest(URL) == claim(newer)


def test_a_claim_that_earlier_versions_got_in_between_is_made_in_the_end(s3: Any, put: Any) -> None:
    first, second, third = put(), put(), put()
    turns = Turns(s3, cast(Any, Racing(claim(first), claim(second))))
    assert turns.claim(claim(third))
    assert turns.newest(URL) == claim(third)
    newest = turns.newest(URL)
    assert newest
    assert newest.replaces == f"load-{second}"


# ---------------------------------------------------------------- Leases


def test_a_lease_lasts_as_long_as_its_function_may_run_and_a_margin(
    turns: Any, dynamodb: Any
) -> None:
    with turns.lease(URL, "load-1", 900):
        [lease] = Claims(dynamodb, "Ledger").leases(URL)
        assert (lease.load_id, lease.until) == ("load-1", NOW + 900 + LEASE_MARGIN_SECONDS)
    assert LEASE_MARGIN_SECONDS >= 30  # clocks differ, and requests under way take a while


def test_each_writer_has_a_lease_of_its_own(turns: Any, put: Any) -> None:
    version = put()
    turns.claim(claim(version))
    with turns.lease(URL, "older", 900):
        with turns.lease(URL, "older", 900), turns.lease(URL, f"load-{version}", 900):
            assert turns.writers(URL) == 3
        assert turns.writers(URL) == 1
    assert turns.writers(URL) == 0


def test_a_lease_that_is_given_back_is_gone(turns: Any) -> None:
    with turns.lease(URL, "older", 900, "g", 3) as lease:
        lease.give_back()
        assert turns.writers(URL) == 1
    assert turns.leases(URL, "older", "g") == []


def test_a_lease_that_is_not_given_back_has_ended_and_is_known(turns: Any, clock: Any) -> None:
    with turns.lease(URL, "older", 900, "g", 3):
        clock.now += 7.5
    assert turns.writers(URL) == 0
    assert turns.leases(URL, "older", "g") == [Lease("older", NOW, NOW + 7, "g", 3)]
    assert turns.leases(URL, "older", "another") == []
    assert turns.leases(URL, "newer", "g") == []


@pytest.mark.parametrize("is_given_back", [True, False])
def test_a_request_without_an_answer_may_arrive_for_a_minute(
    turns: Any, clock: Any, is_given_back: bool
) -> None:
    with turns.lease(URL, "older", 900) as lease:
        clock.now += 100
        lease.stray_requests()
        if is_given_back:
            lease.give_back()
    assert [one.until for one in turns.leases(URL, "older", "")] == [NOW + 160]
    assert turns.writers(URL) == 1


def test_no_lease_is_made_longer_at_its_end(turns: Any, clock: Any) -> None:
    with turns.lease(URL, "older", 30) as lease:
        clock.now += 89  # it went on after its time
        lease.stray_requests()
    assert [one.until for one in turns.leases(URL, "older", "")] == [NOW + 90]


def test_an_error_of_the_ledger_does_not_hide_what_went_wrong_before(
    turns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "PutItem")

    ended, failed = (turns.lease(URL, "older", 900) for _ in range(2))
    monkeypatch.setattr(turns._claims, "put_lease", fail)
    with pytest.raises(ZeroDivisionError), failed:
        raise ZeroDivisionError
    with pytest.raises(ClientError), ended:
        pass


def test_the_lease_of_a_crashed_writer_runs_out(turns: Any, clock: Any) -> None:
    turns.lease(URL, "older", 900)  # and nobody is left to give it back
    clock.now = NOW + 900 + LEASE_MARGIN_SECONDS - 1
    assert turns.writers(URL) == 1
    clock.now = NOW + 900 + LEASE_MARGIN_SECONDS
    assert turns.writers(URL) == 0


def test_a_writer_is_overtaken_by_another_load_and_not_by_its_own(turns: Any, put: Any) -> None:
    older, newer = put(), put()
    with turns.lease(URL, f"load-{older}", 900) as lease:
        assert not lease.overtaken()  # nobody has claimed anything
        turns.claim(claim(older))
        assert not lease.overtaken()
        turns.claim(claim(newer, f"load-{older}"))  # the same bytes, loaded by the same load
        assert not lease.overtaken()
        turns.claim(claim(put()))
        assert lease.overtaken()


# ---------------------------------------------------------------- The task


def turn(turns: Any, dynamodb: Any, version: Any, load: Any = None) -> Any:
    file = accepted_file(bucket=BUCKET, key=KEY, version_id=version)
    slots: Any = None
    taker = TurnTaker(turns, Loads(dynamodb, "Ledger"), slots, 1, lambda arn: False)
    return taker.take(TurnRequest(load or f"load-{version}", file)).turn


def test_since_when_a_load_writes_alone_is_noted_once(
    turns: Any, dynamodb: Any, put: Any, clock: Any
) -> None:
    """It is recorded after a wait, and again if another load had the claim in between."""
    version = put()
    with turns.lease(URL, "older", 900):
        assert turn(turns, dynamodb, version) == "wait"
        assert turns.newest(URL).alone_since is None
        clock.now += 5
    assert turn(turns, dynamodb, version) == "mine"
    assert turns.newest(URL).alone_since == "2027-01-15T08:00:05.000Z"
    clock.now += 5
    assert turn(turns, dynamodb, version) == "mine"
    assert turns.newest(URL).alone_since == "2027-01-15T08:00:05.000Z"
    assert turn(turns, dynamodb, version, "forced") == "mine"
    clock.now += 5
    assert turn(turns, dynamodb, version) == "mine"
    assert turns.newest(URL).alone_since == "2027-01-15T08:00:15.000Z"


def test_a_load_alone_has_its_turn(turns: Any, dynamodb: Any, put: Any) -> None:
    version = put()
    assert turn(turns, dynamodb, version) == "mine"
    assert turns.newest(URL) == claim(version)
    assert Loads(dynamodb, "Ledger").load(f"load-{version}") is None


def test_a_newer_load_claims_and_waits_for_the_older_ones_writers(
    turns: Any, dynamodb: Any, put: Any
) -> None:
    older, newer = put(), put()
    assert turn(turns, dynamodb, older) == "mine"
    with turns.lease(URL, f"load-{older}", 900) as lease:
        assert turn(turns, dynamodb, newer) == "wait"
        assert lease.overtaken()  # it has claimed before it waits
        assert turn(turns, dynamodb, newer) == "wait"
    assert turn(turns, dynamodb, newer) == "mine"


def test_a_replay_waits_for_the_writers_of_the_execution_before(
    turns: Any, dynamodb: Any, put: Any
) -> None:
    """Chunks of an aborted execution run on, and may write an earlier row of a key once more after
    the replay has written the later one."""
    version = put()
    assert turn(turns, dynamodb, version) == "mine"
    with turns.lease(URL, f"load-{version}", 900):
        assert turn(turns, dynamodb, version) == "wait"
    assert turn(turns, dynamodb, version) == "mine"


def test_after_a_crash_the_newer_load_waits_for_the_lease_to_run_out(
    turns: Any, dynamodb: Any, put: Any, clock: Any
) -> None:
    older, newer = put(), put()
    turns.lease(URL, f"load-{older}", 900)
    assert turn(turns, dynamodb, newer) == "wait"
    clock.now += 900 + LEASE_MARGIN_SECONDS + 1
    assert turn(turns, dynamodb, newer) == "mine"


def test_an_older_load_is_overtaken_and_the_ledger_says_so(
    turns: Any, dynamodb: Any, put: Any
) -> None:
    older, newer = put(), put()
    assert turn(turns, dynamodb, newer) == "mine"
    assert turn(turns, dynamodb, older) == "overtaken"
    entry = Loads(dynamodb, "Ledger").load(f"load-{older}")
    assert entry
    assert (entry["status"], entry["summary"]) == ("OVERTAKEN", OVERTAKEN)
    assert entry["finished_at"]
    assert turns.newest(URL) == claim(newer)


def test_a_load_that_waits_may_be_overtaken_meanwhile(turns: Any, dynamodb: Any, put: Any) -> None:
    first, second, third = put(), put(), put()
    turns.lease(URL, f"load-{first}", 900)
    assert turn(turns, dynamodb, second) == "wait"
    assert turn(turns, dynamodb, third) == "wait"
    assert turn(turns, dynamodb, second) == "overtaken"


def test_of_two_loads_of_the_same_version_the_one_that_asked_last_writes(
    turns: Any, dynamodb: Any, put: Any
) -> None:
    version = put()
    assert turn(turns, dynamodb, version) == "mine"
    with turns.lease(URL, f"load-{version}", 900) as lease:
        assert turn(turns, dynamodb, version, "forced") == "wait"
        assert lease.overtaken()
    assert turn(turns, dynamodb, version, "forced") == "mine"
