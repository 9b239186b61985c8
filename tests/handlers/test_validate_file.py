"""validate_file: each verdict, and that the later tasks read the version that was validated."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from ingestion.errors import ObjectChanged
from ingestion.sources.catalogue import Sources
from ingestion.sources.declaration import read_source
from tests.support.cloud import GENERATION, Cloud

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
ROW = b"T1,Tea,B1,2025-11-23T08:00:00Z,Drinks,1,Lyon\n"
OTHER_ROW = b"T2,Tea,B2,2025-11-23T08:00:00Z,Drinks,1,Lyon\n"


def reasons(answer: Any) -> list[Any]:
    return [(one["reason"], one["line"], one["column"]) for one in answer["reasons"]]


def attempt_alone(cloud: Cloud) -> Any:
    """Status, ending and error of an execution that the ledger knows, but no load."""
    entries = {one["entry"]: one for one in cloud.items(cloud.ledger_table)}
    assert set(entries) == {"attempt", "first"}
    found = entries["attempt"]
    assert (found["execution"], found.get("of_load")) == ("by-hand", None)
    return found["status"], found["ending"], found["error"]


def s3_answers(monkeypatch: pytest.MonkeyPatch, **errors: tuple[int, dict[str, str]]) -> None:
    """Makes operations of S3 fail with a status and an error."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined] # not in the stubs

    def answer(client: Any, operation: str, arguments: Any) -> Any:
        if operation not in errors:
            return call(client, operation, arguments)
        status, error = errors[operation]
        response: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(response, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", [("empty_file", None, None)]),
        (b"PK\x03\x04rest", [("not_csv", None, None)]),
        (b"\x1f\x8brest", [("corrupt_gzip", None, None)]),  # nothing of it can be unpacked
        (HEADER.decode().encode("utf-16"), [("not_csv", None, None)]),
        (HEADER + ROW + b"a\x00b\n", [("not_csv", 3, None)]),
        (HEADER + ROW + ROW.replace(b"Tea", b"caf\xe9") * 2, [("not_utf8", 3, None)]),
        (ROW, [("no_header", 1, None)]),
        (b'"ticket_id,product\n', [("no_header", 1, None)]),
        (
            HEADER.replace(b"basket_id", b"basket").replace(b"store", b"shop") + ROW,
            [("missing_column", 1, "basket_id"), ("missing_column", 1, "store")],
        ),
        (b"product," + HEADER + ROW, [("repeated_column", 1, "product")]),
    ],
    ids=[
        "empty",
        "zip",
        "gzip",
        "utf-16",
        "nul",
        "latin-1",
        "no header",
        "unclosed header",
        "missing columns",
        "repeated column",
    ],
)
def test_a_bad_file_is_refused_with_its_reasons(
    cloud: Cloud, body: Any, expected: list[Any]
) -> None:
    answer = cloud.validate(cloud.put(body))
    assert answer["verdict"] == "refused"
    assert reasons(answer) == expected
    assert answer["file"] is None
    assert answer["summary"] == " ".join(one["detail"] for one in answer["reasons"])
    entry = cloud.entry(answer["load_id"])
    assert entry["status"] == "FAILED"
    assert entry["finished_at"]
    assert [one["reason"] for one in entry["reasons"]] == [one[0] for one in expected]


def test_the_refusal_of_a_file_without_many_columns_fits_into_a_dead_letter(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    fields: list[Any] = [{"name": f"column {number}"} for number in range(2_000)]
    fields += [{"name": name, "dynamodb": {"attribute": name}} for name in ("ticket_id", "product")]
    declaration = {"name": "wide", "match": ["**"], "schema": {"fields": fields}}
    sources = Sources(read_source(json.dumps(declaration).encode(), "wide.json"), ())
    monkeypatch.setattr("handlers.validate_file.deployed_sources", lambda: sources)
    fresh_clients()
    answer = cloud.validate(cloud.put(b"ticket_id,product\n"))
    assert len(answer["reasons"]) == 100
    assert len(json.dumps(answer)) < 64 * 1024
    assert answer["reasons"][-1]["detail"].endswith(" 1,900 more problems are not listed.")


@pytest.mark.parametrize(("largest", "verdict"), [(107, "accepted"), (106, "refused")])
def test_the_largest_file_is_accepted_and_a_larger_one_refused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, largest: int, verdict: str
) -> None:
    monkeypatch.setattr("ingestion.tasks.validate_file.MAX_FILE_BYTES", largest)
    answer = cloud.validate(cloud.put(HEADER + ROW))
    assert answer["verdict"] == verdict
    if verdict == "refused":
        assert reasons(answer) == [("file_too_large", None, None)]
        assert "split it into files of at most 106" in answer["summary"]


@pytest.mark.parametrize(("largest", "verdict"), [(107, "accepted"), (106, "refused")])
def test_a_compressed_file_may_be_as_large_as_what_it_unpacks_to(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, largest: int, verdict: str
) -> None:
    body = gzip.compress(HEADER + ROW, 0)
    overhead = len(body) - len(HEADER + ROW)
    monkeypatch.setattr("ingestion.tasks.validate_file.MAX_UNPACKED_BYTES", largest + overhead)
    answer = cloud.validate(cloud.put(body))
    assert answer["verdict"] == verdict
    if verdict == "refused":
        assert reasons(answer) == [("file_too_large", None, None)]


def test_no_value_of_the_file_is_in_a_refusal(cloud: Cloud) -> None:
    secret = b"4111111111111111"
    for body in (secret + b"," + ROW, HEADER + secret + b"\x00", HEADER + secret + b"\xff\n" * 9):
        assert secret.decode() not in json.dumps(cloud.validate(cloud.put(body)))


def test_a_missing_object_is_refused_and_leaves_no_entry_of_a_load(cloud: Cloud) -> None:
    answer = cloud.validate({"bucket": cloud.uploads, "key": "store-12/nothing.csv"})
    assert (answer["verdict"], reasons(answer)) == ("refused", [("object_gone", None, None)])
    assert (answer["load_id"], answer["file"]) == (None, None)
    assert attempt_alone(cloud) == ("FAILED", "Load Failed", answer["summary"])


def test_a_version_deleted_for_good_is_refused(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW)
    cloud.put(HEADER + OTHER_ROW)
    cloud.s3.delete_object(
        Bucket=request["bucket"], Key=request["key"], VersionId=request["version_id"]
    )
    assert reasons(cloud.validate(request)) == [("object_gone", None, None)]


def test_a_delete_marker_is_no_object(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW)
    marker = cloud.s3.delete_object(Bucket=request["bucket"], Key=request["key"])["VersionId"]
    assert reasons(cloud.validate(request | {"version_id": marker})) == [
        ("object_gone", None, None)
    ]


def test_a_malformed_version_id_is_refused_and_leaves_no_entry_of_a_load(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"Code": "InvalidArgument", "Message": "Invalid version id specified"}
    s3_answers(monkeypatch, HeadObject=(400, {"Code": "400"}), GetObject=(400, error))
    answer = cloud.validate(cloud.put(HEADER + ROW) | {"version_id": "v 1"})
    assert (answer["verdict"], reasons(answer)) == ("refused", [("bad_version_id", None, None)])
    assert (answer["load_id"], answer["file"]) == (None, None)
    assert attempt_alone(cloud) == ("FAILED", "Load Failed", answer["summary"])


def test_a_bucket_that_denies_access_is_refused_and_loads_once_it_allows_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = cloud.put(HEADER + ROW)
    error = {"Code": "AccessDenied", "Message": "because no identity-based policy allows it"}
    with monkeypatch.context() as denied:
        s3_answers(denied, HeadObject=(403, {"Code": "403"}), GetObject=(403, error))
        answer = cloud.validate(request)
    assert (answer["verdict"], reasons(answer)) == ("refused", [("access_denied", None, None)])
    assert "because no identity-based policy allows it" in answer["summary"]
    assert cloud.validate(request, "replayed")["verdict"] == "accepted"


def test_an_archived_object_is_refused_until_it_is_restored(cloud: Cloud) -> None:
    """Its version is known, so the refusal is in the ledger."""
    request = cloud.put(HEADER + ROW)
    cloud.archive(request)
    answer = cloud.validate(request)
    assert (answer["verdict"], reasons(answer)) == ("refused", [("archived", None, None)])
    entry = cloud.entry(answer["load_id"])
    assert (entry["status"], entry["version_id"]) == ("FAILED", request["version_id"])
    assert [one["reason"] for one in entry["reasons"]] == ["archived"]
    cloud.s3.restore_object(
        Bucket=request["bucket"], Key=request["key"], RestoreRequest={"Days": 1}
    )
    again = cloud.validate(request, "replayed")
    assert (again["verdict"], again["load_id"]) == ("accepted", answer["load_id"])


def test_a_loaded_object_that_was_archived_since_is_loaded_already(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW)
    cloud.load(request)
    cloud.archive(request)
    assert cloud.validate(request, "again")["verdict"] == "already_loaded"


def test_an_outage_of_s3_is_raised(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    request = cloud.put(HEADER + ROW)
    s3_answers(monkeypatch, GetObject=(503, {"Code": "SlowDown"}))
    with pytest.raises(ClientError, match="SlowDown"):
        cloud.validate(request)
    status, ending, error = attempt_alone(cloud)
    assert (status, ending) == ("RUNNING", None), "a retry may succeed"
    assert "SlowDown" in error


def test_a_later_overwrite_or_deletion_does_not_disturb_the_load_of_a_version(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW)
    cloud.put(HEADER + OTHER_ROW)
    cloud.s3.delete_object(Bucket=request["bucket"], Key=request["key"])
    state = cloud.load(request)
    assert state["file"]["version_id"] == request["version_id"]
    assert state["file"]["etag"] == request["etag"]
    assert [item["ticket_id"] for item in cloud.items()] == ["T1"]


def test_started_by_hand_it_pins_the_newest_version(cloud: Cloud) -> None:
    cloud.put(HEADER + ROW)
    newest = cloud.put(HEADER + OTHER_ROW)
    state, chunks = cloud.plan({"bucket": newest["bucket"], "key": newest["key"]})
    assert state["file"]["version_id"] == newest["version_id"]
    cloud.put(HEADER + ROW + ROW)  # overwritten between the tasks
    for chunk in chunks:
        assert chunk["version"] == newest["version_id"]
        cloud.write(state, chunk)
    assert [item["ticket_id"] for item in cloud.items()] == ["T2"]


def test_an_upload_and_a_start_by_hand_are_the_same_load(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW)
    by_hand = {"bucket": request["bucket"], "key": request["key"]}
    assert cloud.validate(request) == cloud.validate(by_hand)


def test_in_a_bucket_without_versions_an_overwritten_object_is_refused(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW, bucket=cloud.unversioned)
    assert request["version_id"] is None
    assert cloud.validate(request)["verdict"] == "accepted"
    cloud.put(HEADER + OTHER_ROW, bucket=cloud.unversioned)
    answer = cloud.validate(request)
    assert (answer["verdict"], reasons(answer)) == ("refused", [("object_changed", None, None)])


def test_in_a_bucket_without_versions_nothing_else_is_read_after_the_verdict(cloud: Cloud) -> None:
    several_chunks = HEADER + ROW * 20
    state = cloud.validate(cloud.put(several_chunks, bucket=cloud.unversioned))
    cloud.put(HEADER + OTHER_ROW, bucket=cloud.unversioned)
    with pytest.raises(ObjectChanged):
        cloud.call("split_file", {name: state[name] for name in ("load_id", "file")})


def test_a_loaded_version_is_not_loaded_again_and_another_one_is(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW)
    cloud.load(request)
    again = cloud.validate(request, "again")
    assert (again["verdict"], again["file"], again["reasons"]) == ("already_loaded", None, [])
    assert cloud.entry(again["load_id"])["status"] == "SUCCEEDED"
    assert cloud.validate(cloud.put(HEADER + OTHER_ROW))["verdict"] == "accepted"


def test_a_failed_load_may_be_tried_again(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW)
    state, _ = cloud.plan(request)
    assert not cloud.reconcile(state)["complete"]  # no chunk was written
    assert cloud.entry(state["load_id"])["status"] == "FAILED"
    assert cloud.validate(request, "again")["verdict"] == "accepted"
    entry = cloud.entry(state["load_id"])
    assert entry["status"] == "RUNNING"
    assert "finished_at" not in entry


def test_a_second_call_answers_the_same_and_keeps_its_entries(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW)
    first = cloud.validate(request, "one")
    assert cloud.validate(request, "one") == first
    # The first execution may be writing the file.
    assert cloud.validate(request, "two") == first | {"plan": None}
    entry = cloud.entry(first["load_id"])
    assert [arn.rsplit(":", 1)[1] for arn in sorted(entry["executions"])] == ["one", "two"]
    kept = sorted(one["entry"] for one in cloud.items(cloud.ledger_table))
    plan = f"plan#{GENERATION}"
    assert kept == ["attempt", "attempt", "first", "load", "newest", plan]


def test_the_ledger_says_who_uploaded_what(cloud: Cloud) -> None:
    request = cloud.put(HEADER.replace(b"store", b"store,till") + ROW)
    entry = cloud.entry(cloud.validate(request)["load_id"])
    for name in ("bucket", "key", "version_id", "etag", "size", "uploader"):
        assert entry[name] == request[name], name
    assert entry["unknown_columns"] == ["till"]


def test_a_start_by_hand_does_not_make_the_ledger_forget_the_uploader(cloud: Cloud) -> None:
    request = cloud.put(HEADER + ROW)
    load_id = cloud.validate(request)["load_id"]
    cloud.validate({"bucket": request["bucket"], "key": request["key"]}, "by-hand")
    assert cloud.entry(load_id)["uploader"] == request["uploader"]


def test_a_split_file_that_was_called_alone_does_not_block_the_load(cloud: Cloud) -> None:
    """An operator may send events/split_file to a stack before any execution has run."""
    request = cloud.put(HEADER + ROW)
    state = cloud.validate(request)
    cloud.dynamodb.delete_item(
        TableName=cloud.ledger_table,
        Key={"load_id": {"S": state["load_id"]}, "entry": {"S": "load"}},
    )
    cloud.call("split_file", {name: state[name] for name in ("load_id", "file")})
    assert cloud.validate(request) == state
