"""The benchmark's own judgement: what it expects, what it calls lost, and what a load costs."""

import csv
import http.client
import http.server
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ticket_file import QUOTED
from benchmarks.write_path import money, native
from benchmarks.write_path.bench import not_exactly_once, wrong_rows
from benchmarks.write_path.native import Behaviour, Stats, Stub, running_stub
from benchmarks.write_path.samples import Expected, Sample, item_hash, item_of
from tickets import ROOT

ROW = {
    "ticket_id": "T1",
    "product": 'Gift card\nwith "envelope" 味',
    "basket_id": "B1",
    "timestamp": "2026-01-31T23:59:59Z",
    "category": "",
    "quantity": "2",
    "store": "Zürich 🙂",
}


def stats(items: int, distinct: int, hash_: int) -> Stats:
    return Stats(1, items, distinct, hash_, 0, 0, 0, 1, 0.0)


def test_a_sample_knows_what_any_number_of_its_tiles_holds(tmp_path: Path) -> None:
    sample = Sample(tmp_path / "rows.csv", QUOTED, 300_000)
    assert sample.path.stat().st_size == sample.size(sample.tiles) <= 300_000
    text = sample.path.read_bytes()[: sample.size(2)].decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert sample.expected(2) == Expected(2000, sum(map(item_hash, map(item_of, rows))) % 2**64)


def test_every_value_counts_in_an_items_hash() -> None:
    hashes = {item_hash(item_of({**ROW, name: value})) for name, value in ROW.items()}
    assert len(hashes) == 1
    changed = {item_hash(item_of({**ROW, name: "7"})) for name in ROW}
    assert len(changed | hashes) == 8


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        (stats(10, 10, 5), 0),
        (stats(9, 9, 4), 1),  # one lost
        (stats(12, 10, 7), 2),  # two doubled
        (stats(10, 9, 5), 2),  # one lost, another doubled
        (stats(10, 10, 6), 1),  # one altered
        (stats(11, 11, 6), 1),  # one that the file does not have
    ],
)
def test_rows_lost_doubled_or_altered_are_told(told: Stats, wrong: int) -> None:
    expected = Expected(10, 5)
    assert wrong_rows(expected, told) == wrong
    assert (not_exactly_once(expected, told) is None) == (wrong == 0)


def test_the_transitions_are_those_of_the_way_to_a_loaded_file() -> None:
    # Validate File, File Accepted?, Split File, Anything To Write?, Take Turn, Whose Turn?,
    # Write Chunks, Reconcile, Everything Written?, Settle Equal Keys, Equal Keys Settled?,
    # Reconcile, Everything Written?, Announce Success, Loaded; and for a chunk the start of its
    # execution, Write Chunk, Chunk Finished?, Chunk Written.
    assert money.transitions() == (15, 4)
    # Validate File, File Accepted?, Write Small File, Small File Finished?, Reconcile, Everything
    # Written?, Announce Success, Loaded.
    assert money.transitions_of_a_small_file() == 8


def test_the_cost_of_a_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(money, "function_memory", lambda name: 1024)
    monkeypatch.setattr(money, "transitions", lambda: (10, 3))
    measured = money.Measured(rows_per_s=50_000, import_seconds=0.3, bytes_per_row=100)
    pace = money.Pace(writers=4, table_rows_per_s=10_000)
    cost = money.cost(1_000_000, 10_000_000, pace, measured)
    assert (cost.chunks, cost.transitions) == (10, 40)
    assert cost.dynamodb == pytest.approx(0.625)
    assert cost.step_functions == pytest.approx(0.001)
    # Four writers wait for the table for 100 s, and start cold in half a second each; ten calls of
    # 0.15 s; six other cold starts and seven other calls of 0.3 s.
    seconds = 4 * 100.5 + 1.5 + 6 * 0.5 + 7 * 0.3
    assert cost.functions == pytest.approx(seconds * 0.0000133334 + 17 * 0.2e-6)
    # 18 PUTs, 45 GETs, 3 messages, an event, 40 writes and 40 reads of the ledger.
    assert cost.requests == pytest.approx(90e-6 + 18e-6 + 1.2e-6 + 1e-6 + 25e-6 + 5e-6)


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    if shutil.which("cc") is None or not Path("/usr/include/openssl/ssl.h").exists():
        pytest.skip("no C compiler, or no headers of OpenSSL: make bench says what to install")
    names = ("stub", "floor", "cert.pem")
    command = ["make", "-s", *(f"build/bench/{name}" for name in names)]
    subprocess.run(command, cwd=ROOT, check=True)
    with running_stub() as running:
        yield running


def put(stub: Stub, body: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", stub.ports[False], timeout=10)
    headers = {"X-Amz-Target": "DynamoDB_20120810.BatchWriteItem"}
    connection.request("POST", "/", body.encode(), headers)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def request_of(rows: list[dict[str, str]], **style: Any) -> str:
    puts = [
        {
            "PutRequest": {
                "Item": {
                    name: {"N" if name == "quantity" else "S": value} for name, value in row.items()
                }
            }
        }
        for row in rows
    ]
    return json.dumps({"RequestItems": {"Tickets": puts}}, **style)


def test_the_stub_tells_items_by_their_values_however_they_are_written(stub: Stub) -> None:
    other_order = dict(reversed(ROW.items()))
    bodies = [
        request_of([ROW]),
        request_of([ROW], separators=(",", ":"), ensure_ascii=False),
        request_of([other_order], indent=2),
    ]
    for count, body in enumerate(bodies, 1):
        stub.reset(Behaviour())
        assert put(stub, body) == (200, {"UnprocessedItems": {}})
        told = stub.stats()
        assert (told.items, told.distinct, told.hash) == (1, 1, item_hash(item_of(ROW))), count


def test_the_stub_counts_what_comes_twice(stub: Stub) -> None:
    stub.reset(Behaviour())
    other = {**ROW, "store": "Leeds"}
    for row in (ROW, other, ROW):
        put(stub, request_of([row]))
    told = stub.stats()
    assert (told.items, told.distinct) == (3, 2)
    assert told.hash == (2 * item_hash(item_of(ROW)) + item_hash(item_of(other))) % 2**64


def test_the_stub_refuses_what_dynamodb_refuses(stub: Stub) -> None:
    stub.reset(Behaviour())
    many = [{**ROW, "ticket_id": f"T{number}"} for number in range(26)]
    assert put(stub, request_of(many[:25])) == (200, {"UnprocessedItems": {}})
    for body in (request_of(many), request_of([ROW, ROW]), '{"RequestItems": {}}'):
        status, answer = put(stub, body)
        assert (status, str(answer["__type"]).split("#")[1]) == (400, "ValidationException")
    assert (stub.stats().items, stub.stats().refused) == (25, 3)


def test_the_stub_gives_back_what_a_full_table_does_not_take(stub: Stub) -> None:
    stub.reset(Behaviour(capacity=0.001, burst=30))  # a next item fits after a quarter of an hour
    rows = [{**ROW, "ticket_id": f"T{number}"} for number in range(25)]
    assert put(stub, request_of(rows))[1] == {"UnprocessedItems": {}}
    later = [{**row, "basket_id": "B2"} for row in rows]
    status, answer = put(stub, request_of(later))
    given_back = json.loads(request_of(later[5:]))["RequestItems"]
    assert (status, answer) == (200, {"UnprocessedItems": given_back})
    status, answer = put(stub, request_of(later[5:]))
    throttled = "ProvisionedThroughputExceededException"
    assert (status, str(answer["__type"]).split("#")[1]) == (400, throttled)
    told = stub.stats()
    assert (told.items, told.unprocessed, told.throttled) == (30, 20, 1)


@pytest.mark.parametrize("tls", [False, True])
def test_the_floor_sends_every_row_once(stub: Stub, tmp_path: Path, tls: bool) -> None:
    sample = Sample(tmp_path / "rows.csv", QUOTED, 300_000)
    stub.reset(Behaviour(latency_ms=250))  # long enough for all connections to be seen busy
    native.run_floor(sample.path, sample.size(1), stub.ports[tls], tls, 32)
    assert not_exactly_once(sample.expected(1), stub.stats()) is None
    assert stub.stats().most_in_flight == 32
