"""The same content under the same key is not loaded twice, unless a load is forced."""

from typing import Any

import pytest

from handlers import validate_file
from tests.support.cloud import Cloud
from tests.support.one_key import KEY, A, B, claims, report, stores, url

# ---------------------------------------------------------------- The same bytes twice


def test_the_same_bytes_again_are_loaded_already_and_the_load_is_named(cloud: Cloud) -> None:
    first = cloud.load(cloud.put(A))
    again = cloud.put(A)
    answer = cloud.validate(again, "again")
    assert (answer["verdict"], answer["load_id"]) == ("already_loaded", first["load_id"])
    assert answer["summary"].endswith(f", as {first['load_id']}.")
    assert (answer["file"], answer["reasons"]) == (None, [])
    claim = claims(cloud).newest(url(cloud))
    assert (claim.version_id, claim.load_id) == (again["version_id"], first["load_id"])


def test_it_makes_no_entry_of_a_load(cloud: Cloud) -> None:
    cloud.load(cloud.put(A))
    before = kept(cloud)
    cloud.validate(cloud.put(A), "again")
    assert kept(cloud) == before


def kept(cloud: Cloud) -> list[Any]:
    """The ledger's entries other than of claims and executions."""
    entries = cloud.items(cloud.ledger_table)
    return [one for one in entries if one["entry"] not in ("newest", "attempt")]


@pytest.mark.exhaustive
def test_and_again_and_again(cloud: Cloud) -> None:
    first = cloud.load(cloud.put(A))["load_id"]
    for _ in range(3):
        assert cloud.validate(cloud.put(A))["load_id"] == first


def test_a_b_a_is_loaded_three_times(cloud: Cloud) -> None:
    """B has replaced rows of the first A, so A has to be loaded again."""
    first = cloud.load(cloud.put(A))
    second = cloud.load(cloud.put(B))
    assert stores(cloud) == {"T1": "Nice", "T2": "Lyon", "T3": "Nice"}
    third = cloud.load(cloud.put(A))
    assert len({first["load_id"], second["load_id"], third["load_id"]}) == 3
    assert stores(cloud) == {"T1": "Lyon", "T2": "Lyon", "T3": "Nice"}


@pytest.mark.exhaustive
def test_a_b_a_is_loaded_three_times_in_a_bucket_without_versions_too(cloud: Cloud) -> None:
    for body in (A, B, A):
        request = cloud.put(body, bucket=cloud.unversioned)
        assert cloud.validate(request)["verdict"] == "accepted"
        cloud.load(request)
    assert stores(cloud)["T1"] == "Lyon"


def test_after_a_load_that_failed_the_same_bytes_are_loaded(cloud: Cloud) -> None:
    state, _ = cloud.plan(cloud.put(A))
    assert cloud.take_turn(state) == "mine"
    assert not cloud.reconcile(state)["complete"]
    answer = cloud.validate(cloud.put(A))
    assert (answer["verdict"], answer["load_id"] == state["load_id"]) == ("accepted", False)


def test_while_the_first_is_still_being_loaded_the_same_bytes_are_loaded(cloud: Cloud) -> None:
    """The first load may still fail."""
    state, _ = cloud.plan(cloud.put(A))
    assert cloud.take_turn(state) == "mine"
    assert cloud.validate(cloud.put(A))["verdict"] == "accepted"


@pytest.mark.exhaustive
def test_another_failed_content_in_between_counts_as_in_between(cloud: Cloud) -> None:
    """Its rows may be in the table."""
    cloud.load(cloud.put(A))
    state, _ = cloud.plan(cloud.put(B))
    assert cloud.take_turn(state) == "mine"
    assert not cloud.reconcile(state)["complete"]
    assert cloud.validate(cloud.put(A))["verdict"] == "accepted"


def test_a_refused_content_in_between_does_not(cloud: Cloud) -> None:
    first = cloud.load(cloud.put(A))
    assert cloud.validate(cloud.put(b""))["verdict"] == "refused"
    assert cloud.validate(cloud.put(A))["load_id"] == first["load_id"]


def test_the_same_bytes_under_another_key_are_another_file(cloud: Cloud) -> None:
    cloud.load(cloud.put(A))
    assert cloud.validate(cloud.put(A, key="store-13/a.csv"))["verdict"] == "accepted"


def test_bytes_that_cannot_be_told_to_be_the_same_are_loaded_again(cloud: Cloud) -> None:
    """A multipart upload's ETag depends on its parts; there is no checksum of the full object."""

    def put_in_parts() -> dict[str, Any]:
        cloud.put(A)
        key = {"Bucket": cloud.uploads, "Key": KEY}
        upload = cloud.s3.create_multipart_upload(**key)["UploadId"]
        part = cloud.s3.upload_part(**key, UploadId=upload, PartNumber=1, Body=A)
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        version = cloud.s3.complete_multipart_upload(
            **key, UploadId=upload, MultipartUpload={"Parts": parts}
        )["VersionId"]
        return {"bucket": cloud.uploads, "key": KEY, "version_id": version}

    request = put_in_parts()
    assert cloud.load(request)["file"]["etag"].endswith("-1")
    again = cloud.validate(put_in_parts())
    assert again["verdict"] == "accepted"


def test_a_version_in_between_that_arrives_late_is_overtaken(cloud: Cloud) -> None:
    """Its event was delivered after the later one, which ended in Already Loaded."""
    cloud.load(cloud.put(A))
    between = cloud.put(B)
    assert cloud.validate(cloud.put(A))["verdict"] == "already_loaded"
    state, _ = cloud.plan(between)
    assert cloud.take_turn(state) == "overtaken"
    assert stores(cloud) == {"T1": "Lyon", "T2": "Lyon"}


def test_a_version_in_between_that_begins_to_write_meanwhile_is_not_taken_for_overtaken(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B claims after A's repetition has looked who is the newest, and before that claims. Whatever
    B writes then lies over A's rows, so A must be loaded again."""
    cloud.load(cloud.put(A))
    between, _ = cloud.plan(cloud.put(B))
    again = cloud.put(A)
    turns = validate_file._validator()._turns
    move_on = turns.move_on

    def just_before(*arguments: Any) -> Any:
        assert cloud.take_turn(between) == "mine"
        return move_on(*arguments)

    monkeypatch.setattr(turns, "move_on", just_before)
    assert cloud.validate(again)["verdict"] == "accepted"


# ---------------------------------------------------------------- Forced


def test_force_loads_again_what_was_loaded(cloud: Cloud) -> None:
    first = cloud.load(cloud.put(A))
    cloud.dynamodb.delete_item(
        TableName="Tickets", Key={"ticket_id": {"S": "T1"}, "product": {"S": "Tea"}}
    )
    by_hand = {"bucket": cloud.uploads, "key": KEY}
    assert cloud.validate(by_hand)["verdict"] == "already_loaded"
    again = cloud.load(by_hand | {"force": True})
    assert again["load_id"].startswith(f"{first['load_id']}-")
    assert stores(cloud) == {"T1": "Lyon", "T2": "Lyon"}
    assert report(cloud, again["result"])["replaces"] == first["load_id"]
    assert cloud.entry(first["load_id"])["status"] == "SUCCEEDED"


def test_force_loads_the_same_bytes_of_a_later_version(cloud: Cloud) -> None:
    cloud.load(cloud.put(A))
    assert cloud.validate(cloud.put(A) | {"force": True})["verdict"] == "accepted"


def test_a_forced_execution_that_succeeded_is_not_run_a_third_time_by_its_replay(
    cloud: Cloud,
) -> None:
    request = cloud.put(A)
    cloud.load(request)
    forced = request | {"force": True}
    state = cloud.load(forced)
    answer = cloud.validate(forced, "by-hand-r1")
    assert (answer["verdict"], answer["load_id"]) == ("already_loaded", state["load_id"])
    assert cloud.validate(forced, "another")["verdict"] == "accepted"


@pytest.mark.exhaustive
@pytest.mark.parametrize("force", [False, None, 0, ""])
def test_what_is_not_true_forces_nothing(cloud: Cloud, force: Any) -> None:
    request = cloud.put(A)
    assert cloud.validate(request | {"force": force}) == cloud.validate(request)
    cloud.load(request)
    assert cloud.validate(request | {"force": force})["verdict"] == "already_loaded"


def test_force_does_not_bring_an_older_version_over_a_later_one(cloud: Cloud) -> None:
    older = cloud.put(A)
    cloud.load(older)
    cloud.load(cloud.put(B))
    state, _ = cloud.plan(older | {"force": True})
    assert cloud.take_turn(state) == "overtaken"
