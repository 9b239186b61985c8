"""`make real-data`: loads a CSV file on the local stack, and compares each item with its row.

The csv module reads the expected items from the file, without any code of `ingestion`.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tickets.cli.progress import watch
from tickets.local.deployment import local_stack
from tickets.runs.ingest import local_file, start_load
from tickets.runs.stack import Stack

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")

Key = tuple[str, str]
Item = dict[str, dict[str, str]]


class Expected(NamedTuple):
    rows: int
    quoted: int
    """The number of fields that CSV must quote, because they contain a comma, a quote or a line
    end."""
    items: dict[Key, Item]
    """The items by key. If several rows have the same key, the item of the last one."""


def read_expected(path: Path) -> Expected:
    """Reads the items that the table must contain after the load, in DynamoDB's wire format."""
    rows = quoted = 0
    items: dict[Key, Item] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows += 1
            quoted += sum(any(sign in value for sign in ',"\r\n') for value in row.values())
            item = {name: {"S": row[name]} for name in COLUMNS}
            item["quantity"] = {"N": row["quantity"]}
            items[row["ticket_id"], row["product"]] = item
    return Expected(rows, quoted, items)


def scan(stack: Stack) -> Iterator[Item]:
    for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.table):
        yield from page["Items"]


def differences(expected: dict[Key, Item], found: Iterator[Item]) -> Iterator[str]:
    """Describes each item that is missing, not expected, or not equal."""
    seen: set[Key] = set()
    for item in found:
        key = item["ticket_id"]["S"], item["product"]["S"]
        seen.add(key)
        if key not in expected:
            yield f"not in the file: {item}"
        elif item != expected[key]:
            yield f"not equal: in the table {item}, in the file {expected[key]}"
    for key in expected.keys() - seen:
        yield f"not in the table: {expected[key]}"


def load_and_compare(path: Path, seconds: float) -> list[str]:
    """Loads the file, prints the result of the load, and returns the differences."""
    expected = read_expected(path)
    print(f"{path.name}: {expected.rows:,} rows, {expected.quoted:,} fields in quotes")
    with local_stack() as local:
        began = time.monotonic()
        start = start_load(local.stack, local_file(path))
        execution, outcome = watch(local.stack, start.execution_arn, timeout=seconds)
        took = time.monotonic() - began
        print(
            f"{outcome.status}: {outcome.rows_read or 0:,} rows read, "
            f"{outcome.rows_written or 0:,} written, {outcome.rows_refused or 0:,} refused, "
            f"{outcome.rows_superseded or 0:,} superseded; {outcome.chunks or 0} chunks, "
            f"{took:.1f} s from upload to end, {expected.rows / took:,.0f} rows/s"
        )
        if outcome.status != "SUCCEEDED":
            return [execution.failure or f"The load is {outcome.status} after {seconds:.0f} s."]
        problems = list(differences(expected.items, scan(local.stack)))
    counts = {
        "rows read": (outcome.rows_read, expected.rows),
        "rows written": (outcome.rows_written, len(expected.items)),
        "rows refused": (outcome.rows_refused, 0),
        "rows superseded": (outcome.rows_superseded, expected.rows - len(expected.items)),
    }
    problems += [
        f"{name}: {reported}, but the file has {right}"
        for name, (reported, right) in counts.items()
        if reported != right
    ]
    if not problems:
        print(f"equal: {len(expected.items):,} items")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description="Load a CSV file locally and compare.")
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--seconds", type=float, default=1800, help="give up after this many seconds"
    )
    options = parser.parse_args()
    problems = load_and_compare(options.file, options.seconds)
    for problem in problems[:10]:
        print(problem, file=sys.stderr)
    if problems:
        print(f"NOT EQUAL: {len(problems):,} differences", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
