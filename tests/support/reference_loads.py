"""Works out how a file must be loaded, with the reference reader and a dictionary of its keys.

It uses no code of the product. `check_success` compares a load that ended as SUCCEEDED with it.
"""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.support.load_records import LoadRecords
from tests.support.reference_records import (
    Reference,
    cut_end_mark,
    fits_ticket,
    stored_value,
    strip_line_end,
    strip_marks,
)

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
NOT_BY_ITSELF = {
    *("refused_by_table", "value_too_long", "bad_number"),
    *("not_unique", "total_too_long"),
}
"""Reasons that depend on the table or on other rows, and not only on the row."""

_MAX_COMPARED = 200
_MAX_REFERENCE_BYTES = 20_000
"""The largest file with quotes that is compared. The reference reader is slow on longer ones: it
reads a record again for each of its lines."""


@dataclass
class ExpectedLoad:
    """How a file must be loaded. Line numbers are those in the file."""

    key: Sequence[str]
    adds_up: bool = False
    """Whether the quantities of rows with equal keys are added up."""
    items: dict[tuple[str, ...], tuple[int, dict[str, str]]] = field(default_factory=dict)
    """By key, the line number and the item of its last row."""
    refused: dict[int, str] = field(default_factory=dict)
    """By line number, the reason that the reference reader gives."""
    superseded: dict[int, int] = field(default_factory=dict)
    """By line number, the line of the row that supersedes it."""
    combined: int = 0
    lines: Counter[str] = field(default_factory=Counter)
    """The numbers of lines of each kind, with the names that the report uses."""
    rows: int = 0
    doubtful: list[int] = field(default_factory=list)

    def add(self, line: int, item: dict[str, str]) -> None:
        key = tuple(item[name] for name in self.key)
        if key in self.items and self.adds_up:
            self.combined += 1
            quantity = int(self.items[key][1]["quantity"]) + int(item["quantity"])
            item = item | {"quantity": str(quantity)}
        elif key in self.items:
            self.superseded[self.items[key][0]] = line
        self.items[key] = line, item


def expected_load(
    data: bytes,
    columns: Mapping[str, int],
    width: int,
    delimiter: bytes,
    *,
    skipped: int = 0,
    key: Sequence[str] = ("ticket_id", "product"),
    refused_later: Mapping[int, str] | None = None,
    adds_up: bool = False,
) -> ExpectedLoad:
    """Works out how an unpacked file with a header of one line must be loaded.

    skipped: the number of lines above the header.
    refused_later: the lines that are refused for a reason that is not known here: the rules of the
        table, or other rows.
    """
    *_, last = data.split(b"\n", skipped)
    header, newline, body = last.partition(b"\n")
    names = {at: name for name, at in columns.items()}
    reference = Reference(
        width,
        delimiter,
        lambda column, value: fits_ticket(names.get(column), value),
        strip_marks(strip_line_end(cut_end_mark(header + newline)[0])),
    )
    counts = {"total": skipped + 1, "header": 1, "skipped": skipped, "comments": 0}
    load = ExpectedLoad(key, adds_up, lines=Counter(counts))
    kinds = {"blank": "blank", "header": "repeated_headers", "end mark": "end_mark"}
    for one in reference.read(body):
        line = skipped + 1 + one.line
        load.lines[kinds.get(one.kind, "rows")] += one.lines
        load.lines["total"] += one.lines
        if one.doubtful:
            load.doubtful.append(line)
        if one.kind in kinds:
            continue
        load.rows += 1
        if one.kind != "row" or line in (refused_later or {}):
            load.refused[line] = one.kind
            continue
        load.add(line, {name: stored_value(name, one.fields[columns[name]]) for name in COLUMNS})
    return load


def check_success(records: LoadRecords, output: Mapping[str, Any], *, may_differ: bool) -> None:
    """Compares the table, the report and the refused rows of a load with its file.

    output: the output of its execution.
    may_differ: whether another load may have replaced the items since.
    """
    file, result = output["file"], output["result"]
    packed = records.s3.get_object(
        Bucket=file["bucket"],
        Key=file["key"],
        **({"VersionId": file["version_id"]} if file["version_id"] else {}),
    )["Body"].read()
    data = gzip.decompress(packed) if packed.startswith(b"\x1f\x8b") else packed
    listed = _listed(records, result["refused_rows"])
    reasons = dict(listed)
    assert len(reasons) == len(listed), "a line is listed twice"
    kinds = ("written", "superseded", "combined", "refused")
    assert result["rows_read"] == sum(result[f"rows_{kind}"] for kind in kinds)
    assert result["rows_refused"] == sum(reason != "superseded" for _, reason in listed)
    assert result["rows_superseded"] == sum(reason == "superseded" for _, reason in listed)
    source = file.get("source")
    if source and source["name"] != "tickets":
        return  # the reference reader supports the built-in columns only
    if b'"' in data and len(data) > _MAX_REFERENCE_BYTES:
        return
    names = _key_of(records)
    expected = expected_load(
        data,
        file["columns"],
        file["width"],
        file["delimiter"].encode(),
        skipped=file["skipped_lines"],
        key=list(names),
        refused_later={line: one for line, one in reasons.items() if one in NOT_BY_ITSELF},
        adds_up=_adds_up(file),
    )
    if "N" in names.values():
        return  # "007" and "7" are then the same key
    assert result["rows_read"] == expected.rows
    assert {line for line, one in listed if one == "superseded"} == set(expected.superseded)
    assert {line for line, one in listed if one != "superseded"} == set(expected.refused)
    assert result["rows_written"] == len(expected.items)
    assert result["rows_combined"] == expected.combined
    report = json.loads(records.read_url(result["report"]))
    assert report["status"] == "SUCCEEDED"
    assert Counter(report["lines"]) == expected.lines
    attribute = (file.get("source") or {}).get("lineage")
    load_id = report["load_id"]

    def lineage(line: int) -> dict[str, str]:
        return {attribute: f"{load_id}#{line}"} if attribute else {}

    _compare_items(records, expected, lineage, may_differ=may_differ)


def _adds_up(file: Mapping[str, Any]) -> bool:
    declaration = (file.get("source") or {}).get("declaration", {})
    return bool(declaration.get("dynamodb", {}).get("equalKeys") == "sum")


def _listed(records: LoadRecords, url: str | None) -> list[tuple[int, str]]:
    if url is None:
        return []
    if url.endswith(".json"):
        return [(-at, "") for at in range(json.loads(records.read_url(url))["rows"])]
    text = io.StringIO(records.read_url(url).decode(), newline="")
    return [(int(row["line"]), row["reason"]) for row in csv.DictReader(text)]


def _key_of(records: LoadRecords) -> dict[str, str]:
    """The table's key attributes and their types."""
    table = records.dynamodb.describe_table(TableName=records.table)["Table"]
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    return {one["AttributeName"]: types[one["AttributeName"]] for one in table["KeySchema"]}


def _compare_items(
    records: LoadRecords,
    expected: ExpectedLoad,
    lineage: Callable[[int], dict[str, str]],
    *,
    may_differ: bool,
) -> None:
    """Checks that each item is in the table with the values of its row, and those that `lineage`
    returns for its line. Of more than _MAX_COMPARED items it looks up a sample."""
    step = -(-len(expected.items) // _MAX_COMPARED) or 1
    compared = list(expected.items.items())[::step]
    for at in range(0, len(compared), 100):
        some = dict(compared[at : at + 100])
        found = _items(records, expected.key, list(some))
        for key, (line, row) in some.items():
            assert key in found, f"the row in line {line} is not in the table"
            if may_differ:
                continue
            item = dict(found[key])
            assert Decimal(item.pop("quantity")) == Decimal(row["quantity"])
            wanted = {name: value for name, value in row.items() if name != "quantity"}
            wanted |= lineage(line)
            # An empty attribute is left out if it is the key of an index.
            assert dict.fromkeys(wanted, "") | item == wanted


def _items(
    records: LoadRecords, names: Sequence[str], keys: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], dict[str, str]]:
    """The table's items with these keys."""
    wanted = [{name: {"S": value} for name, value in zip(names, key, strict=True)} for key in keys]
    answer = records.dynamodb.batch_get_item(
        RequestItems={records.table: {"Keys": wanted, "ConsistentRead": True}}
    )
    assert not answer.get("UnprocessedKeys")
    items = [
        {name: next(iter(value.values())) for name, value in item.items()}
        for item in answer["Responses"][records.table]
    ]
    return {tuple(item[name] for name in names): item for item in items}
