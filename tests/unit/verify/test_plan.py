"""The files of `tickets verify`: within the stack's limits, different from all other rows, and
cheap."""

import csv
import gzip
import io
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from ingestion.dynamodb.table_schema import Index, KeyAttribute, TableSchema
from ingestion.sources.catalogue import Sources
from tests.support.described_stack import CHUNK_SIZE, TICKETS, DescribedStack
from tests.support.sources import BUILT_IN, source
from tickets.errors import CommandError
from tickets.verify.files import COLUMNS, RowMaker, TicketFile
from tickets.verify.plan import Plan, chunked_file, make_plan, rows_file


def schema(key: dict[str, str] | None = None, indexes: int = 0) -> TableSchema:
    attributes = [KeyAttribute(name, kind, 1024) for name, kind in (key or TICKETS).items()]
    found = tuple(Index(f"index-{at}", tuple(attributes)) for at in range(indexes))
    return TableSchema("Tickets", "id", "ACTIVE", tuple(attributes), found)


MAKER = RowMaker("verify-1", schema())


def plan(failures: bool = True, **options: Any) -> Plan:
    stack: Any = DescribedStack(**options)
    return make_plan(stack, failures)


def content(file: TicketFile, folder: Path) -> bytes:
    file.write(folder / "file")
    body = (folder / "file").read_bytes()
    return gzip.decompress(body) if file.key.endswith(".gz") else body


def rows_by_line(text: str, delimiter: str) -> dict[int, dict[str, str]]:
    """The rows of a file as the csv module reads them, by the line at which they begin."""
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter)
    header = next(reader)
    found = {}
    line = 2
    for fields in reader:
        if fields:
            found[line] = dict(zip(header, fields, strict=False))
        line = reader.line_num + 1
    return found


def test_the_expected_items_are_what_python_reads_in_the_file(tmp_path: Path) -> None:
    for file in plan(ChunkSizeBytes="262144").files:
        text = content(file, tmp_path).decode()
        assert (len(text.encode()), text.count("\n")) == (file.size, file.lines)
        rows = rows_by_line(text, ";" if file.key.endswith(".gz") else ",")
        lines = [row.line for row in file.in_table] + [row.line for row in file.listed]
        assert sorted(rows) == sorted(lines)
        for line, row in file.in_table:
            kinds = {name: "N" if name == "quantity" else "S" for name in COLUMNS}
            assert row.item == {name: {kinds[name]: rows[line][name]} for name in COLUMNS}


@pytest.mark.parametrize(
    ("percent", "reasons"),
    [
        (0, ["bad_quantity"]),
        (1.5, ["bad_quantity"]),
        (3, ["bad_quantity", "bad_timestamp"]),
        (5, ["missing_value", "bad_timestamp", "bad_quantity", "too_few_fields"]),
        (100, ["missing_value", "bad_timestamp", "bad_quantity", "too_few_fields"]),
    ],
)
def test_no_more_rows_are_refused_than_a_load_may_have(percent: float, reasons: list[str]) -> None:
    file = rows_file(MAKER, "rows.csv", percent)
    refused, read = file.totals["rows_refused"], file.totals["rows_read"]
    assert sorted(row.reason for row in file.listed) == sorted(reasons)
    assert refused == 1 or 100 * refused <= percent * read


@pytest.mark.parametrize(("percent", "superseded"), [(50, 2), (2, 2), (1, 1)])
def test_no_more_rows_are_superseded_than_a_load_may_have(percent: float, superseded: int) -> None:
    file = chunked_file(MAKER, "chunks.csv", CHUNK_SIZE, percent)
    assert file is not None
    assert file.totals["rows_superseded"] == superseded
    assert 100 * superseded <= percent * file.totals["rows_read"]


def test_equal_keys_are_left_out_if_no_row_may_be_superseded() -> None:
    assert plan(MaxSupersededPercent="0").chunked is None


@pytest.mark.parametrize("chunk_size", [65_536, 262_144, CHUNK_SIZE, 268_435_456])
def test_a_file_has_two_chunks_with_equal_keys_at_its_ends(chunk_size: int) -> None:
    file = chunked_file(MAKER, "chunks.csv", chunk_size, 50)
    assert file is not None
    rows = file.totals["rows_read"]
    # The second chunk begins at a row, so it must have a few.
    assert chunk_size + 4 * file.size / rows < file.size < 2 * chunk_size
    assert file.size / rows < 1024 * 1024
    assert [row.line for row in file.listed] == [2, 3]
    last = [one.row.key for one in file.in_table[-2:]]
    texts = [row.raw.split(",")[0] for row in file.listed]
    assert [key[0] for key in last] == texts
    assert file.in_table[-3].row.key[0] not in texts


def test_no_row_has_the_key_of_another_file_or_run() -> None:
    """Of the two versions of rows.csv, the second has keys of the first."""
    found = plan()
    first = {one.row.key for one in (*found.rows.in_table, *found.rows.refused)}
    second = {one.row.key for one in found.second.in_table}
    assert (len(first), len(second), len(first & second)) == (100, 56, 48)
    others = [file for file in found.files if file not in (found.rows, found.second)]
    keys = [one.row.key for file in others for one in (*file.in_table, *file.refused)]
    assert len(keys) == len(set(keys))
    assert set(keys).isdisjoint(first | second)
    assert len(found.row_keys()) == len(keys) + len(first | second)
    assert all(key[0].startswith(f"{found.run}-") for key in found.row_keys())
    assert all(file.key.startswith(f"{found.run}/") for file in found.files)
    assert found.run != plan().run


@pytest.mark.parametrize("other", ["product", "quantity", "store", "category"])
def test_rows_with_a_changed_value_keep_their_key(other: str) -> None:
    kind = "N" if other == "quantity" else "S"
    maker = RowMaker("verify-1", schema({"ticket_id": "S", other: kind}))
    for number in range(12):
        values = maker.values("a", number)
        before, after = maker.row(values), maker.row(maker.changed(values))
        assert before.key == after.key
        assert before.item != after.item
        assert all(before.key)


@pytest.mark.parametrize(
    "key",
    [
        {"basket_id": "S"},
        {"ticket_id": "N"},
        {"ticket_id": "S", "product": "N"},
        {"ticket_id": "S", "customer": "S"},
    ],
)
def test_a_table_with_a_key_for_which_rows_cannot_be_made_is_refused(key: dict[str, str]) -> None:
    with pytest.raises(CommandError, match=r"The key of table Tickets is .*can make rows only"):
        plan(key=key)


def test_a_run_costs_less_than_a_cent_at_the_default_chunk_size() -> None:
    """Two chunks of small rows would cost 12 cents."""
    cost = plan().cost()
    assert cost.dollars < 0.01
    # 356 puts, 308 deletions and 63 writes of the ledger; 3 x 8 + 2 x 15 + 23 + 3 + 6 transitions.
    assert (cost.writes, cost.transitions) == (727, 86)
    assert cost.dollars == pytest.approx(727 * 0.625e-6 + 86 * 25e-6)
    assert 1 < cost.bytes_uploaded / CHUNK_SIZE < 1.2


def test_each_index_costs_another_write() -> None:
    found = plan(failures=False)
    without = found.cost()
    indexed = Plan(**{**vars(found), "schema": schema(indexes=2)}).cost()
    puts = sum(chain([96, 124, 40, 56], [len(found.row_keys())]))
    assert indexed.writes - without.writes == 2 * puts


def test_no_plan_if_a_source_applies_to_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def declare(pattern: str) -> None:
        declared = Sources(BUILT_IN, [source(match=(pattern,))])
        monkeypatch.setattr("tickets.verify.plan.find_sources", lambda: declared)

    declare("*/packed.csv")
    with pytest.raises(CommandError, match=r"The source kassenbon applies to verify-.*/packed.csv"):
        plan()
    declare("kassen/*.csv")
    assert plan().files
