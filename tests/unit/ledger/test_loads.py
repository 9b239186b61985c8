"""The ledger's entries survive repeats, late deliveries and replays. On moto's DynamoDB."""

from typing import Any

import pytest

from ingestion.ledger.loads import Loads

LOAD = "store-12-tickets-csv-ad416c914d01f952"


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, dynamodb: Any) -> Any:
    """An empty ledger whose clock goes on by a second with each entry."""
    seconds = iter(range(60))
    monkeypatch.setattr(
        "ingestion.ledger.loads.now", lambda: f"2025-11-24T09:00:{next(seconds):02d}.000Z"
    )
    return Loads(dynamodb, "Ledger")


def test_nothing_is_known_of_an_unknown_load(loads: Any) -> None:
    assert loads.load(LOAD) is None


def test_an_opened_load_is_running_and_has_its_facts(loads: Any) -> None:
    loads.open_load(LOAD, {"bucket": "uploads", "size": 5, "version_id": None}, "arn:1")
    assert loads.load(LOAD) == {
        "load_id": LOAD,
        "entry": "load",
        "bucket": "uploads",
        "size": 5,
        "version_id": None,
        "status": "RUNNING",
        "executions": ["arn:1"],
        "started_at": "2025-11-24T09:00:00.000Z",
    }


def test_opened_again_it_keeps_its_start_its_plan_and_all_executions(loads: Any) -> None:
    loads.open_load(LOAD, {}, "arn:2")
    loads.note(LOAD, {"plan": {"key": "plans/p.json", "chunks": 4}})
    loads.close_load(LOAD, "FAILED", {"summary": "no"})
    assert loads.load(LOAD)["finished_at"] == "2025-11-24T09:00:01.000Z"
    loads.open_load(LOAD, {}, "arn:1")
    loads.open_load(LOAD, {}, "arn:1")
    entry = loads.load(LOAD)
    assert entry["status"] == "RUNNING"
    assert entry["executions"] == ["arn:1", "arn:2"]
    assert entry["started_at"] == "2025-11-24T09:00:00.000Z"
    assert "finished_at" not in entry
    assert entry["plan"] == {"key": "plans/p.json", "chunks": 4}


def test_a_closed_load_has_its_status_and_totals(loads: Any) -> None:
    loads.open_load(LOAD, {}, "arn:1")
    loads.close_load(LOAD, "SUCCEEDED", {"rows_read": 10, "refused_rows": None})
    entry = loads.load(LOAD)
    assert (entry["status"], entry["rows_read"], entry["refused_rows"]) == ("SUCCEEDED", 10, None)
    assert entry["finished_at"] == "2025-11-24T09:00:01.000Z"


def test_the_first_chunk_size_and_key_of_a_generation_hold(loads: Any) -> None:
    first = loads.fix_plan(LOAD, "g1", 300, "aa")
    assert (first["chunk_size"], first["digest_key"]) == (300, "aa")
    again = loads.fix_plan(LOAD, "g1", 500, "bb")
    assert (again["chunk_size"], again["digest_key"], again["planned_at"]) == (
        300,
        "aa",
        "2025-11-24T09:00:01.000Z",
    )
    assert loads.fix_plan(LOAD, "g2", 500, "bb")["chunk_size"] == 500
    assert loads.fix_plan("another-load", "g1", 500, "bb")["chunk_size"] == 500


def test_a_plan_is_its_generations_and_the_newest_one_is_the_loads(loads: Any) -> None:
    for generation in ("g1", "g2"):
        loads.note_plan(LOAD, generation, {"key": f"plans/{generation}.json", "chunks": 4})
    assert loads.fix_plan(LOAD, "g1", 1, "")["plan"] == {"key": "plans/g1.json", "chunks": 4}
    load = loads.load(LOAD)
    assert (load["plan"], load["generation"]) == ({"key": "plans/g2.json", "chunks": 4}, "g2")
