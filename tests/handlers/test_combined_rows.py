"""A load whose source adds up rows with equal keys: executions from the upload to the end."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ingestion.sources.catalogue import Sources
from tests.support.cloud import Cloud
from tests.support.sources import tickets_with

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"


def row(ticket: int, quantity: int) -> bytes:
    return f"T{ticket},Tea,B1,2025-11-23T08:00:00Z,Drinks,{quantity},Lyon\n".encode()


FILE = HEADER + b"".join(row(at % 10, at) for at in range(30))


@pytest.fixture(autouse=True)
def adding_up(monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]) -> None:
    sources = Sources(tickets_with(equalKeys="sum"), ())
    monkeypatch.setattr("handlers.validate_file.deployed_sources", lambda: sources)
    fresh_clients()


def quantities(cloud: Cloud) -> dict[str, int]:
    return {item["ticket_id"]: int(item["quantity"]) for item in cloud.items()}


EXPECTED = {f"T{at}": 3 * at + 30 for at in range(10)}  # at + (at + 10) + (at + 20)


@pytest.mark.parametrize("chunk_size", ["100000", "600"])
def test_forced_again_the_totals_stay_the_same(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, chunk_size: str
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", chunk_size)
    given = cloud.put(FILE)
    for name, force in (("first", False), ("second", True)):
        execution = cloud.run(given | {"force": force}, name)
        assert execution.ended_in == "Loaded", execution.cause
        result = execution.data["result"]
        counts = [result[f"rows_{one}"] for one in ("written", "combined", "refused")]
        assert counts == [10, 20, 0]
        assert result["refused_rows"] is None
        assert quantities(cloud) == EXPECTED


def test_a_later_version_replaces_the_totals(cloud: Cloud) -> None:
    cloud.run(cloud.put(FILE), "first")
    later = cloud.put(HEADER + row(1, 100) + row(1, 1), version_id="v2")
    assert cloud.run(later, "second").ended_in == "Loaded"
    assert quantities(cloud) == EXPECTED | {"T1": 101}


@pytest.mark.parametrize("equal_rows", [1, 3])
def test_the_limit_of_superseded_rows_does_not_concern_combined_rows(
    cloud: Cloud, equal_rows: Any
) -> None:
    execution = cloud.run(cloud.put(HEADER + row(1, 2) * equal_rows))
    assert execution.ended_in == "Loaded"
    assert quantities(cloud) == {"T1": 2 * equal_rows}


def test_the_limit_of_a_source_replaces_that_of_the_stack(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    sources = Sources(tickets_with(maxSupersededPercent=10), ())
    monkeypatch.setattr("handlers.validate_file.deployed_sources", lambda: sources)
    fresh_clients()
    data = cloud.load(cloud.put(HEADER + row(1, 2) * 2 + b"".join(map(row, range(2, 9), range(7)))))
    assert not data["result"]["complete"]
    assert "1 of 9 rows are superseded" in data["result"]["summary"]


def stays(cloud: Cloud, data: dict[str, Any]) -> str | None:
    told: str | None = json.loads(cloud.read_url(data["result"]["report"]))["stays"]
    return told


@pytest.mark.parametrize("as_another_version", [True, False])
def test_the_report_says_that_items_of_another_declaration_stay(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    fresh_clients: Callable[[], None],
    as_another_version: bool,
) -> None:
    bad = HEADER + row(1, 2) + row(2, 1).replace(b",1,", b",one,") * 2  # so that the load fails
    given = cloud.put(bad, version_id="v1")
    assert stays(cloud, cloud.load(given)) is None
    other = Sources(tickets_with({"quantity": {"groupChar": ","}}, equalKeys="sum"), ())
    monkeypatch.setattr("handlers.validate_file.deployed_sources", lambda: other)
    fresh_clients()
    again = cloud.put(bad, version_id="v2") if as_another_version else given
    told = stays(cloud, cloud.load(again))
    assert told is not None
    assert told.endswith("Items that were written under other keys stay there.")
    assert told == stays(cloud, cloud.load(again))
