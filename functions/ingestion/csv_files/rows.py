"""Turns a record into the item of one ticket line, or into a refusal with its reason."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from ingestion.csv_files.key_rules import NO_RULES, KeyRules, canonical_number
from ingestion.csv_files.layout import Check, HeaderLine, Layout
from ingestion.csv_files.records import (
    MalformedField,
    Record,
    is_comment,
    split_as_written,
    split_fields,
    without_marks,
)
from ingestion.csv_files.syntax import Syntax

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
TEXT_COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "store")
MAY_BE_EMPTY = ("category", "store")

ATTRIBUTE_TYPES: Mapping[str, tuple[str, ...]] = {
    "ticket_id": ("S", "N"),
    "product": ("S", "N"),
    "basket_id": ("S", "N"),
    "timestamp": ("S",),
    "category": ("S", "N"),
    "quantity": ("N",),
    "store": ("S", "N"),
}
"""DynamoDB types of an item's attributes: the usual one first, then the one that a column is
converted to if it is part of the table's key."""

REASONS = {
    "missing_value": "a value that must not be empty is empty",
    "bad_quantity": "the quantity is not a whole number of at most 38 digits, such as 2 or 2.0; "
    "1.234 and 1,0 are not certain to mean one",
    "bad_timestamp": "the timestamp is not a real date, or date and time, such as 2026-01-31 or "
    "2026-01-31T23:59:59Z; 01/02/2026 may be in January or in February",
    "too_few_fields": "the row has fewer fields than the header, so it is not certain which are "
    "missing",
    "too_many_fields": "the row has more fields than the header, not counting one delimiter at its "
    "end",
    "malformed_quote": "text follows a closing quote",
    "stray_quote": "a quote opens a field that is not closed in the same row, or an escape "
    "character precedes the row's line end",
    "record_too_long": "the line is longer than 1 MiB",
    "not_utf8": "the row is not UTF-8",
    "value_too_long": "a value is longer than DynamoDB can store it",
    "bad_number": "a value that is a number in the table's key is none that DynamoDB can store",
    "refused_by_table": "DynamoDB refuses the row as invalid",
    "superseded": "a later row of the file has the same key",
}
"""The reasons that the refused rows file may name, and what they mean."""

# DynamoDB's limits, in bytes of UTF-8: "Quotas in Amazon DynamoDB", Developer Guide.
MAX_KEY_BYTES = (2048, 1024)
MAX_ITEM_BYTES = 400 * 1024

TIMESTAMP = (
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    rb"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9}+)?+)?+"
    rb"(?: ?+(?:[+-](?:[01][0-9]|2[0-3])(?::?+[0-5][0-9])?+|[Zz]|UTC))?+)?+"
)
"""The pattern of a timestamp without blanks around it. The date must exist, too. Possessive
quantifiers make it about a fifth faster."""
QUANTITY = rb"\+?(-?[0-9]{1,38})(?:\.(?:0|00|0{4,}))?"
"""The pattern of a quantity without blanks around it. Its group is what is stored. Three zeros may
follow a thousands separator, so ``2.000`` does not match."""
BLANKS_AROUND = b" \t"
"""May be around quantities and timestamps."""

_TIMESTAMP = re.compile(TIMESTAMP)
_QUANTITY = re.compile(QUANTITY)

Item = dict[str, dict[str, str]]
"""An item in DynamoDB's wire form: ``{"quantity": {"N": "2"}, ...}``."""
Key = tuple[str, ...]
"""The values of an item's key attributes, partition key first."""


class Row(NamedTuple):
    key: Key
    item: Item


class Refusal(NamedTuple):
    """Why a row is refused. ``column`` is empty where no single column is to blame."""

    column: str
    reason: str


class NoRow(Enum):
    """A record that is neither a row nor refused."""

    BLANK = "blank"
    """Every field is empty, or there is no field at all."""
    REPEATED_HEADER = "repeated header"
    COMMENT = "comment"


def is_quantity(value: bytes) -> bool:
    return _QUANTITY.fullmatch(value.strip(BLANKS_AROUND)) is not None


def is_timestamp(value: bytes) -> bool:
    time = value.strip(BLANKS_AROUND)
    return _TIMESTAMP.fullmatch(time) is not None and is_date(time[:10])


@lru_cache(maxsize=4096)  # few different days occur in a file
def is_date(value: bytes) -> bool:
    try:
        date.fromisoformat(value.decode())
    except ValueError:
        return False
    return True


def layout_of(
    columns: Mapping[str, int], width: int, delimiter: bytes, header: HeaderLine | None = None
) -> Layout:
    """The layout of a file. ``columns`` maps the names of columns to zero-based fields."""
    checks: dict[int, Check] = {columns[name]: bool for name in COLUMNS if name not in MAY_BE_EMPTY}
    checks[columns["quantity"]] = is_quantity
    checks[columns["timestamp"]] = is_timestamp
    return Layout(Syntax(delimiter), width, checks, header)


class RowReader:
    """Reads the records of one file.

    ``columns`` maps each column to its zero-based field. ``width`` is the header's number of
    fields. ``key`` has the names of the table's key attributes, partition key first. ``header`` is
    the header's line. ``rules`` apply to the values of key attributes.
    """

    def __init__(
        self,
        columns: Mapping[str, int],
        width: int,
        delimiter: bytes,
        key: Sequence[str],
        header: HeaderLine | None = None,
        rules: KeyRules = NO_RULES,
    ) -> None:
        self.layout = layout_of(columns, width, delimiter, header)
        self._columns = dict(columns)
        self._names = {index: name for name, index in columns.items()}
        self._key = tuple(key)
        self._rules = rules
        self._required = [
            column for column in COLUMNS if column not in MAY_BE_EMPTY or column in key
        ]
        texts_of_key = [
            (column, longest)
            for column, longest in zip(key, MAX_KEY_BYTES, strict=False)
            if column not in rules.numbers
        ]
        self._max_bytes = [*texts_of_key, *rules.max_bytes.items()]

    def read(self, record: Record) -> Row | Refusal | NoRow:
        """Turn a record into a row, or return why it is none."""
        if record.problem:
            return Refusal("", record.problem)
        raw = without_marks(record.raw)
        if self.layout.is_header(raw):
            return NoRow.REPEATED_HEADER
        if is_comment(raw, self.layout.syntax):
            return NoRow.COMMENT
        fields = split_fields(raw, self.layout.syntax)
        if isinstance(fields, MalformedField):
            return Refusal(self._names.get(fields.field, ""), "malformed_quote")
        if not any(fields):
            return NoRow.BLANK
        if len(fields) == self.layout.width + 1 and self._ends_with_delimiter(raw):
            fields.pop()
        if len(fields) != self.layout.width:
            few = len(fields) < self.layout.width
            return Refusal("", "too_few_fields" if few else "too_many_fields")
        try:
            raw.decode()  # including columns that are not stored
        except UnicodeDecodeError:
            return Refusal(self._first_not_utf8(fields), "not_utf8")
        return self._check({name: fields[at] for name, at in self._columns.items()}, len(raw))

    def _ends_with_delimiter(self, raw: bytes) -> bool:
        fields = split_as_written(raw, self.layout.syntax)
        return isinstance(fields, list) and not fields[-1]

    def _first_not_utf8(self, fields: list[bytes]) -> str:
        for index, field in enumerate(fields):
            try:
                field.decode()
            except UnicodeDecodeError:
                return self._names.get(index, "")
        return ""

    def _check(self, values: dict[str, bytes], raw_size: int) -> Row | Refusal:
        for column in ("quantity", "timestamp"):
            values[column] = values[column].strip(BLANKS_AROUND)
        for column in self._required:
            if not values[column]:
                return Refusal(column, "missing_value")
        quantity = _QUANTITY.fullmatch(values["quantity"])
        if not quantity:
            return Refusal("quantity", "bad_quantity")
        values["quantity"] = quantity[1]
        if not is_timestamp(values["timestamp"]):
            return Refusal("timestamp", "bad_timestamp")
        for column in self._rules.numbers:
            number = canonical_number(values[column].decode())
            if number is None:
                return Refusal(column, "bad_number")
            values[column] = number.encode()
        for column, longest in self._max_bytes:
            if len(values[column]) > longest:
                return Refusal(column, "value_too_long")
        # Attribute names count too; together they take fewer than 100 bytes.
        if raw_size > MAX_ITEM_BYTES - 100:
            size = sum(len(name) + len(value) for name, value in values.items())
            if size > MAX_ITEM_BYTES:
                return Refusal("", "value_too_long")
        item = {
            column: {"N" if column in self._rules.numbers else "S": value.decode()}
            for column, value in values.items()
            if value or column not in self._rules.left_out_if_empty
        }
        item["quantity"] = {"N": values["quantity"].decode()}
        return Row(tuple(values[column].decode() for column in self._key), item)
