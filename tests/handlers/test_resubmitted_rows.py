"""Corrected rows of a load, in an object of their own: they belong to the object whose rows were
refused. Executions from the upload to the end."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from ingestion.ledger.claims import Lease
from ingestion.sources.catalogue import Sources
from tests.support.cloud import Cloud
from tests.support.one_key import KEY, A, B, claims, report, rows, stores, url
from tests.support.sources import BUILT_IN, tickets_with

REFUSED = b"T9,Tea,B1,2025-11-23T08:00:00Z,Drinks,two,Lyon\n"
CORRECTED = rows("T9", store="Nice")


def loaded(cloud: Cloud, body: bytes = A + REFUSED, name: str = "first", **where: str) -> Any:
    """Loads an object, one row of which is refused. Returns the `resubmits` of its corrected
    rows."""
    given = cloud.put(body, **where)
    execution = cloud.run(given, name)
    return {
        "bucket": given["bucket"],
        "key": given["key"],
        "version_id": given["version_id"],
        "load_id": execution.data["load_id"],
        "execution": name,
    }


def corrected(cloud: Cloud, original: Mapping[str, Any], body: bytes = CORRECTED) -> dict[str, Any]:
    """Puts corrected rows. Returns the input of the execution that loads them."""
    given = cloud.put(body, f"resubmitted/{original['execution']}/rows")
    return {**given, "why": "resubmit", "resubmits": original}


def test_they_are_loaded_and_the_ledger_and_the_report_say_what_they_belong_to(
    cloud: Cloud,
) -> None:
    original = loaded(cloud)
    execution = cloud.run(corrected(cloud, original), "second")
    assert execution.ended_in == "Loaded"
    assert stores(cloud) == {"T1": "Lyon", "T2": "Lyon", "T9": "Nice"}
    load_id = execution.data["load_id"]
    assert load_id != original["load_id"]
    assert cloud.entry(load_id)["resubmits"] == original
    made = report(cloud, execution.data["result"])
    assert (made["resubmits"], made["replaces"]) == (original, None)


def test_the_source_of_the_original_key_applies_and_items_name_that_key(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    tills = replace(tickets_with(values={"file": "{key}"}), match=("store-12/*.csv",))
    monkeypatch.setattr(
        "handlers.validate_file.deployed_sources", lambda: Sources(BUILT_IN, [tills])
    )
    fresh_clients()
    execution = cloud.run(corrected(cloud, loaded(cloud)), "second")
    assert execution.data["file"]["source"]["name"] == "tills"
    assert {item["ticket_id"]: item["file"] for item in cloud.items()} == dict.fromkeys(
        ("T1", "T2", "T9"), KEY
    )


def test_a_later_version_wins_if_it_was_loaded_before(cloud: Cloud) -> None:
    original = loaded(cloud)
    cloud.run(cloud.put(B), "second")
    execution = cloud.run(corrected(cloud, original), "third")
    assert execution.ended_in == "Overtaken"
    assert stores(cloud) == {"T1": "Nice", "T2": "Lyon", "T3": "Nice"}


def test_a_later_version_that_comes_while_they_are_written_wins(cloud: Cloud) -> None:
    original = loaded(cloud)
    state, [chunk] = cloud.plan(corrected(cloud, original))
    assert cloud.take_turn(state) == "mine"
    newer, _ = cloud.plan(cloud.put(B))
    assert cloud.take_turn(newer) == "mine"
    answer = cloud.write(state, chunk)
    assert (answer["overtaken"], answer["rows_written"]) == (True, 0)
    assert cloud.reconcile({**state, "execution_arn": "x"})["overtaken"]


def test_a_later_version_replaces_the_original_load_and_not_its_corrected_rows(
    cloud: Cloud,
) -> None:
    original = loaded(cloud)
    cloud.run(corrected(cloud, original), "second")
    later = cloud.run(cloud.put(B), "third")
    assert later.ended_in == "Loaded"
    assert report(cloud, later.data["result"])["replaces"] == original["load_id"]


def test_what_the_original_load_replaced_stays_known(cloud: Cloud) -> None:
    before = loaded(cloud, B, "earliest")
    execution = cloud.run(corrected(cloud, loaded(cloud)), "second")
    assert claims(cloud).newest(url(cloud)).replaces == before["load_id"]
    assert report(cloud, execution.data["result"])["replaces"] is None


def test_the_original_load_can_be_replayed_afterwards(cloud: Cloud) -> None:
    before = loaded(cloud, B, "earliest")
    original = loaded(cloud)
    cloud.run(corrected(cloud, original), "second")
    given = {name: original[name] for name in ("bucket", "key", "version_id")}
    again = cloud.run({**given, "force": True}, "first-r1")
    assert again.ended_in == "Loaded"
    assert claims(cloud).newest(url(cloud)).load_id == again.data["load_id"]
    assert claims(cloud).newest(url(cloud)).replaces == original["load_id"]
    assert cloud.entry(original["load_id"])["replaces"] == before["load_id"]


def test_the_same_rows_resubmitted_again_are_loaded_already(cloud: Cloud) -> None:
    original = loaded(cloud)
    first = cloud.run(corrected(cloud, original), "second")
    claim = claims(cloud).newest(url(cloud))
    again = cloud.run(corrected(cloud, original), "third")
    assert again.ended_in == "Already Loaded"
    assert again.data["load_id"] == first.data["load_id"]
    assert claims(cloud).newest(url(cloud)) == claim


def test_they_wait_for_writers_of_the_original_object(cloud: Cloud) -> None:
    original = loaded(cloud)
    claims(cloud).put_lease(url(cloud), "w", Lease(original["load_id"], 0, until=2**33))
    state, _ = cloud.plan(corrected(cloud, original))
    assert cloud.take_turn(state) == "wait"


def test_in_a_bucket_without_versions_other_content_wins(cloud: Cloud) -> None:
    original = loaded(cloud, bucket=cloud.unversioned)
    fixed = corrected(cloud, original)
    assert cloud.run(fixed, "second").ended_in == "Loaded"
    assert cloud.run(corrected(cloud, original, rows("T9", store="Ulm")), "more").ended_in == (
        "Loaded"
    )
    cloud.run(cloud.put(B, bucket=cloud.unversioned), "third")
    late = corrected(cloud, original, rows("T9", store="Brest"))
    assert cloud.run(late, "fourth").ended_in == "Overtaken"
    assert stores(cloud)["T9"] == "Ulm"


def test_they_are_refused_if_rows_with_equal_keys_are_added_up(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    sources = Sources(tickets_with(equalKeys="sum"), ())
    monkeypatch.setattr("handlers.validate_file.deployed_sources", lambda: sources)
    fresh_clients()
    answer = cloud.validate(corrected(cloud, loaded(cloud)), "second")
    assert answer["verdict"] == "refused"
    assert [one["reason"] for one in answer["reasons"]] == ["totals_resubmitted"]
