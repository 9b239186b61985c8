"""Each item says from which line of which load it comes, if the stack has a LineageAttribute."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from ingestion.sources.catalogue import Sources
from tests.support.cloud import CHUNK_SIZE, Cloud
from tests.support.sources import tickets_with

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"


def row(at: Any, quantity: str = "1", store: str = "Lyon") -> bytes:
    return f"T{at},Tea,B1,2025-11-23T08:00:00Z,,{quantity},{store}\n".encode()


ROWS = [
    *[row(at) for at in range(20)],  # lines 3 to 22
    b"\n",
    row(20, quantity="x"),  # line 24: refused
    row(21, store='"Lyon,\nNorth"'),  # lines 25 and 26
    row(0, quantity="2"),  # line 27: supersedes line 3
    HEADER,
    row(22),  # line 29
]
FILE = b"Till report\n" + HEADER + b"".join(ROWS)
LINES = {f"T{at}": at + 3 for at in range(1, 20)} | {"T21": 25, "T0": 27, "T22": 29}


@pytest.fixture
def lineage(monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]) -> None:
    monkeypatch.setenv("LINEAGE_ATTRIBUTE", "from")
    fresh_clients()


def lines_of_items(cloud: Cloud, load_id: str) -> dict[str, int]:
    lines = {}
    for item in cloud.items():
        of, _, line = item["from"].partition("#")
        assert of == load_id
        lines[item["ticket_id"]] = int(line)
    return lines


@pytest.mark.parametrize(
    ("body", "chunk_size", "chunks"),
    [(FILE, 1_000_000, 1), (FILE, CHUNK_SIZE, 4), (gzip.compress(FILE), 1_000_000, 1)],
    ids=["small", "several chunks", "packed"],
)
def test_items_have_the_line_of_their_row(
    cloud: Cloud,
    lineage: None,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
    chunk_size: int,
    chunks: int,
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", str(chunk_size))
    done = cloud.load(cloud.put(body))
    assert (done["result"]["chunks"], done["result"]["rows_superseded"]) == (chunks, 1)
    assert lines_of_items(cloud, done["load_id"]) == LINES


def test_a_total_has_the_line_of_the_last_row_that_it_is_made_of(
    cloud: Cloud, lineage: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Sources(tickets_with(equalKeys="sum"), ())
    monkeypatch.setattr("handlers.validate_file.deployed_sources", lambda: sources)
    done = cloud.load(cloud.put(FILE))
    assert done["result"]["rows_combined"] == 1
    assert lines_of_items(cloud, done["load_id"]) == LINES
    [total] = [item for item in cloud.items() if item["ticket_id"] == "T0"]
    assert total["quantity"] == 3


def test_the_ledger_keeps_the_attribute(cloud: Cloud, lineage: None) -> None:
    done = cloud.load(cloud.put(FILE))
    assert cloud.entry(done["load_id"])["source"]["lineage"] == "from"


def test_without_it_plans_entries_and_items_are_as_before(cloud: Cloud) -> None:
    state, chunks = cloud.plan(cloud.put(FILE))
    assert {chunk["lines_before"] for chunk in chunks} == {None}
    assert state["file"]["source"].keys() == {"name", "sha256", "declaration"}
    assert cloud.entry(state["load_id"])["source"].keys() == {"name", "sha256"}
    cloud.load(cloud.put(FILE))
    assert {name for item in cloud.items() for name in item} == {
        *("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
    }


def test_a_file_is_loaded_again_if_the_attribute_was_set_since(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    given = cloud.put(FILE)
    cloud.load(given)
    monkeypatch.setenv("LINEAGE_ATTRIBUTE", "from")
    fresh_clients()
    done = cloud.load(given)
    assert lines_of_items(cloud, done["load_id"]) == LINES
    assert cloud.run(given, "again").ended_in == "Already Loaded"


def test_an_attribute_that_the_source_stores_refuses_the_file(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    monkeypatch.setenv("LINEAGE_ATTRIBUTE", "store")
    fresh_clients()
    verdict = cloud.validate(cloud.put(FILE))
    [reason] = verdict["reasons"]
    assert (reason["reason"], reason["column"]) == ("lineage_attribute", "store")
    assert "LineageAttribute" in verdict["summary"]
