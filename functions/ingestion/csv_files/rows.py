"""Turns a record into an item, or into a refusal with its reason, as the file's source declares."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
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
from ingestion.csv_files.source_columns import (
    LINE,
    NO_ORIGIN,
    Origin,
    constant_numbers,
    fillers,
    made_of,
    source_columns,
    text_fields,
)
from ingestion.csv_files.syntax import Syntax
from ingestion.csv_files.values.outcomes import ABSENT, MISSING, Attribute, Missing, Refused, Stored
from ingestion.sources.model import Source

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")

SOURCE_REASONS = {
    "bad_integer": "a value is not a whole number of at most 38 digits as its field declares it",
    "bad_boolean": "a value is in neither the field's `trueValues` nor its `falseValues`",
    "bad_date": "a value is not a real date in a format of its field",
    "bad_datetime": "a value is not a real date and time in a format of its field, or is a time "
    "that the beginning of summer time skips",
    "bad_time": "a value is not a time of day in a format of its field",
    "bad_list": "an item of a list is not a value of the type that its field declares",
    "pattern_mismatch": "a value does not match its field's `pattern`",
    "not_in_enum": "a value is not in its field's `enum`",
    "below_minimum": "a value is smaller than its field's `minimum`",
    "above_maximum": "a value is larger than its field's `maximum`",
    "too_short": "a value is shorter than its field's `minLength`",
    "too_long": "a value is longer than its field's `maxLength`",
    "not_unique": "a later row of the file has the same key, which its field declares `unique`",
    "total_too_long": "with this row, a total of the rows with the same key would have more than "
    "DynamoDB's 38 digits, or be out of its range",
    "undecodable": "the row has bytes that the encoding of its source doesn't define",
}
"""The reasons that only rows of declared sources are refused for, and what they mean."""

REASONS = {
    "missing_value": "a value that must not be missing is missing",
    "bad_quantity": "the quantity is not a whole number of at most 38 digits, such as 2 or 2.0; "
    "1.234 and 1,0 are not certain to mean one unless a source declares groupChar or "
    "decimalChar",
    "bad_timestamp": "the timestamp is not a real date, or date and time, such as 2026-01-31 or "
    "2026-01-31T23:59:59Z; 01/02/2026 may be in January or in February unless a source declares "
    "its format",
    "too_few_fields": "the row has fewer fields than the header, so it is not certain which are "
    "missing",
    "too_many_fields": "the row has more fields than the header, not counting one delimiter at its "
    "end",
    "malformed_quote": "text follows a closing quote",
    "stray_quote": "a quote opens a field that is not closed in the same row, or an escape "
    "character precedes the row's line end",
    "record_too_long": "the line is longer than 1 MiB",
    "not_utf8": "the row is not UTF-8",
    "value_too_long": "a value is too long for DynamoDB",
    "bad_number": "a value that is stored as a number, or is one in the table's key, is not one "
    "that DynamoDB can store",
    "refused_by_table": "DynamoDB refuses the row as invalid",
    "superseded": "a later row of the file has the same key",
    **SOURCE_REASONS,
}
"""The reasons that the refused rows file may name, and what they mean."""

BUILT_IN = "tickets"
"""The name of the built-in source."""

_REASONS_OF_BUILT_IN = {
    ("quantity", "bad_integer"): "bad_quantity",
    ("timestamp", "bad_datetime"): "bad_timestamp",
}
"""The built-in source is older than declared sources. Operators' queries name its reasons, so they
stay as they are."""

# DynamoDB's limits, in bytes of UTF-8: "Quotas in Amazon DynamoDB", Developer Guide.
MAX_KEY_BYTES = (2048, 1024)
MAX_ITEM_BYTES = 400 * 1024

Item = dict[str, Attribute]
"""An item in DynamoDB's wire form: `{"quantity": {"N": "2"}, ...}`."""
Key = tuple[str, ...]
"""The values of an item's key attributes, partition key first."""


class Row(NamedTuple):
    key: Key
    item: Item


class Refusal(NamedTuple):
    """Why a row is refused. `column` is empty where no single column is to blame."""

    column: str
    reason: str


class NoRow(Enum):
    """A record that is neither a row nor refused."""

    BLANK = "blank"
    """Every field is empty, or there is no field at all."""
    REPEATED_HEADER = "repeated header"
    COMMENT = "comment"


def layout_of(
    source: Source,
    columns: Mapping[str, int],
    width: int,
    delimiter: bytes,
    header: HeaderLine | None = None,
) -> Layout:
    """The layout of a source's file. `columns` maps names of the source's fields to zero-based
    fields of the file."""
    checks: dict[int, Check] = {}
    with_form = 0
    has_date_or_time = False
    for at, conversion in source_columns(source, columns):
        if at is None:
            continue
        if conversion.may_refuse:
            checks[at] = conversion.fits
        with_form += conversion.has_form
        has_date_or_time = has_date_or_time or conversion.has_date_or_time
    judges_line_ends = not source.trusts_line_ends and (has_date_or_time or with_form > 1)
    syntax = Syntax.of(source.dialect, delimiter)
    return Layout(syntax, width, checks, header, judges_line_ends=judges_line_ends)


class RowReader:
    """Reads the records of one file.

    `columns` maps the names of the source's fields to zero-based fields of the file. `width` is
    the file's number of fields. `key` has the names of the table's key attributes, partition key
    first. `header` is the header's line. `rules` apply to the values of key attributes.
    """

    def __init__(
        self,
        source: Source,
        columns: Mapping[str, int],
        width: int,
        delimiter: bytes,
        key: Sequence[str],
        header: HeaderLine | None = None,
        rules: KeyRules = NO_RULES,
        origin: Origin = NO_ORIGIN,
    ) -> None:
        self.layout = layout_of(source, columns, width, delimiter, header)
        self.lines_before = origin.lines_before
        """Lines of the file before the text that is read."""
        self._source = source
        self._names = {at: name for name, at in columns.items()}
        self._columns = source_columns(source, columns, key)
        self._fillers = fillers(source, origin)
        self._numbers = {name: {"N": number} for name, number in constant_numbers(source).items()}
        self._made_of = made_of(source)
        self._texts = [field.attribute or "" for field in text_fields(source)]
        self._key = tuple(key)
        self._rules = rules
        texts_of_key = [
            (name, longest)
            for name, longest in zip(key, MAX_KEY_BYTES, strict=False)
            if name not in rules.numbers
        ]
        self._max_bytes = [*texts_of_key, *rules.max_bytes.items()]

    def read(self, record: Record, lines_before: int = 0) -> Row | Refusal | NoRow:
        """Turns a record into a row, or returns why it isn't one. `lines_before` are the lines of
        the text before the part in which the record's line is counted."""
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
            return Refusal(self._first_not_utf8(fields), self._not_utf8())
        return self._convert(fields, self.lines_before + lines_before + record.line)

    def texts(self, row: Row) -> list[str]:
        """The values of a row that are stored as they are written."""
        return [row.item[name]["S"] for name in self._texts if "S" in row.item.get(name, {})]

    def _ends_with_delimiter(self, raw: bytes) -> bool:
        fields = split_as_written(raw, self.layout.syntax)
        return isinstance(fields, list) and not fields[-1]

    def _first_not_utf8(self, fields: list[bytes]) -> str:
        for index, field in enumerate(fields):
            if field == ABSENT and self.layout.syntax.null_sequence is not None:
                continue
            try:
                field.decode()
            except UnicodeDecodeError:
                return self._names.get(index, "")
        return ""

    def _not_utf8(self) -> str:
        return "not_utf8" if self._source.encoding == "utf_8" else "undecodable"

    def _convert(self, fields: list[bytes], line: int) -> Row | Refusal:
        outcomes = {
            conversion.field.name: MISSING
            if at is None
            else conversion.convert(None if fields[at] == ABSENT else fields[at].decode())
            for at, conversion in self._columns
        }
        for _, conversion in self._columns:
            if conversion.required and outcomes[conversion.field.name] is MISSING:
                return Refusal(conversion.field.name, "missing_value")
        for name, outcome in outcomes.items():
            if isinstance(outcome, Refused):
                return Refusal(name, self._reason(name, outcome.reason))
        item = dict(self._attributes(outcomes, line))
        return self._check_keys(item) or self._check_size(item) or Row(self._key_of(item), item)

    def _reason(self, name: str, reason: str) -> str:
        if self._source.name == BUILT_IN:
            return _REASONS_OF_BUILT_IN.get((name, reason), reason)
        return reason

    def _attributes(
        self, outcomes: Mapping[str, Stored | Missing | Refused], line: int
    ) -> Iterator[tuple[str, Attribute]]:
        texts = {LINE: str(line)}
        for _, conversion in self._columns:
            outcome = outcomes[conversion.field.name]
            attribute = conversion.missing
            if isinstance(outcome, Stored):
                texts[conversion.field.name] = outcome.text
                attribute = outcome.attribute
            if conversion.field.attribute and attribute:
                yield conversion.field.attribute, attribute
        for name, filler in self._fillers.items():
            text = filler.text([texts.get(one) for one in filler.names])
            if text is not None:
                yield name, {"S": text}
        yield from self._numbers.items()

    def _check_keys(self, item: Item) -> Refusal | None:
        """Converts the attributes that are keys to what the table takes, or says why it can't be
        done."""
        for name in self._rules.left_out_if_empty:
            if item.get(name) in ({"S": ""}, {"NULL": True}):
                del item[name]
        for name in self._key:
            if item[name] == {"S": ""}:
                return Refusal(self._made_of[name], "missing_value")
        for name in self._key:
            if name in self._rules.numbers:
                number = canonical_number(text_of(item[name]))
                if number is None:
                    return Refusal(self._made_of[name], "bad_number")
                item[name] = {"N": number}
        for name, longest in self._max_bytes:
            if name in item and len(text_of(item[name]).encode()) > longest:
                return Refusal(self._made_of[name], "value_too_long")
        return None

    def _check_size(self, item: Item) -> Refusal | None:
        size = sum(len(name.encode()) + size_of(value) for name, value in item.items())
        return Refusal("", "value_too_long") if size > MAX_ITEM_BYTES else None

    def _key_of(self, item: Item) -> Key:
        return tuple(text_of(item[name]) for name in self._key)


def text_of(attribute: Attribute) -> str:
    """The text of an attribute of type S or N."""
    (text,) = attribute.values()
    return str(text)


def size_of(attribute: Attribute) -> int:
    """The bytes of an attribute's value that count towards DynamoDB's limit for items, or a few
    more."""
    (value,) = attribute.values()
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bool):
        return 1
    members = [{"S": one} if isinstance(one, str) else one for one in value]
    return 3 + sum(1 + size_of(member) for member in members)
