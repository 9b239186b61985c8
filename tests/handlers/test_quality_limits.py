"""Quality limits: which loads fail although everything that can be written is written. Ledger and
report say where the first error is."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.cloud import Cloud

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
GOOD = "T{:04d},Tea,B1,2025-11-23T08:00:00Z,Drinks,1,Lyon\n"
BAD = "T{:04d},Tea,B1,2025-11-23T08:00:00Z,Drinks,one,Lyon\n"


@pytest.fixture
def most_refused(monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]) -> Any:
    def most_refused(percent: Any) -> None:
        monkeypatch.setenv("MAX_REFUSED_PERCENT", percent)
        fresh_clients()

    return most_refused


def file_of(good: Any, bad: Any) -> bytes:
    lines = [GOOD.format(at) for at in range(good)]
    lines += [BAD.format(good + at) for at in range(bad)]
    return HEADER + "".join(lines).encode()


def report(cloud: Cloud, result: Any) -> Any:
    return json.loads(cloud.read_url(result["report"]))


@pytest.mark.parametrize(
    ("good", "bad", "complete"), [(9, 1, True), (9, 2, False), (0, 1, False), (0, 0, True)]
)
def test_a_single_refused_row_is_allowed_beside_good_ones(
    cloud: Cloud, most_refused: Any, good: int, bad: int, complete: bool
) -> None:
    most_refused("5")
    result = cloud.load(cloud.put(file_of(good, bad)))["result"]
    assert (result["complete"], result["overtaken"]) == (complete, False)
    assert (result["rows_written"], result["rows_refused"]) == (good, bad)
    assert result["chunks"] == result["chunks_finished"]
    assert len(cloud.items()) == good
    told = report(cloud, result)
    assert told["status"] == ("SUCCEEDED" if complete else "FAILED")
    assert told["unread"] is None


def test_blank_lines_alone_are_no_rows(cloud: Cloud) -> None:
    result = cloud.load(cloud.put(HEADER + b"\n\r\n\n"))["result"]
    assert (result["complete"], result["rows_read"]) == (True, 0)


def test_rows_whose_ids_a_spreadsheet_has_made_equal_fail_with_a_sentence_about_keys(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1000000")
    fresh_clients()
    row = "1.23457E+12,Tea,B{},2025-11-23T08:00:00Z,Drinks,1,Lyon\n"
    body = HEADER + "".join(row.format(at) for at in range(1000)).encode()
    result = cloud.load(cloud.put(body))["result"]
    assert result["complete"] is False
    assert (result["rows_written"], result["rows_superseded"]) == (1, 999)
    assert "999 of 1,000 rows are superseded by a later row with an equal key" in result["summary"]
    assert [item["basket_id"] for item in cloud.items()] == ["B999"]


def test_after_a_higher_share_is_allowed_the_failed_load_is_replayed_without_writing(
    cloud: Cloud, most_refused: Any
) -> None:
    most_refused("5")
    request = cloud.put(file_of(2, 2))
    assert not cloud.load(request)["result"]["complete"]
    most_refused("50")
    assert cloud.load(request)["result"]["complete"]
    assert cloud.validate(request)["verdict"] == "already_loaded"


def test_the_first_error_is_the_first_refused_row_and_no_superseded_one(cloud: Cloud) -> None:
    lines = [GOOD.format(1)] * 2 + [GOOD.format(at) for at in range(2, 9)]
    lines += [BAD.format(9), "T0010,,B1,2025-11-23T08:00:00Z,Drinks,1,Lyon\n"]
    state = cloud.load(cloud.put(HEADER + "".join(lines).encode()))
    first = {"line": 11, "column": "quantity", "reason": "bad_quantity"}
    assert report(cloud, state["result"])["first_error"] == first
    assert cloud.entry(state["load_id"])["first_error"] == first


def test_a_refused_file_has_a_first_error_too(cloud: Cloud) -> None:
    answer = cloud.validate(cloud.put(HEADER.replace(b",store", b"")))
    assert cloud.entry(answer["load_id"])["first_error"] == {
        "line": 1,
        "column": "store",
        "reason": "missing_column",
    }


def test_without_an_error_there_is_none(cloud: Cloud) -> None:
    state = cloud.load(cloud.put(file_of(3, 0)))
    assert report(cloud, state["result"])["first_error"] is None
    assert cloud.entry(state["load_id"])["first_error"] is None


def test_too_many_refused_rows_are_a_failure_even_if_a_later_version_has_taken_over(
    cloud: Cloud, most_refused: Any
) -> None:
    """Every row was read and written, so the load has a result of its own."""
    most_refused("5")
    state, [chunk] = cloud.plan(cloud.put(file_of(2, 2)))
    assert cloud.take_turn(state) == "mine"
    cloud.write(state, chunk)
    newer, _ = cloud.plan(cloud.put(file_of(2, 0)))
    assert cloud.take_turn(newer) == "mine"
    result = cloud.reconcile(state)
    assert (result["complete"], result["overtaken"]) == (False, False)
    assert report(cloud, result)["status"] == "FAILED"
