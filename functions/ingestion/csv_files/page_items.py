"""Converts the fields of many rows to items, column by column.

Rows that need a closer look, most of which are refused, are *odd* here. They are left out, and
`ingestion.csv_files.rows` reads them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any, NamedTuple

from ingestion.csv_files.column_names import folded_name
from ingestion.csv_files.item_json import EncodedKey, encode, put_requests
from ingestion.csv_files.key_rules import KeyRules, canonical_number
from ingestion.csv_files.rows import MAX_ITEM_BYTES, MAX_KEY_BYTES
from ingestion.csv_files.source_columns import (
    LINE,
    Origin,
    constant_numbers,
    fillers,
    source_columns,
)
from ingestion.csv_files.values.conversion import Conversion
from ingestion.csv_files.values.outcomes import ABSENT
from ingestion.sources.model import Constraints, Dialect, Field, Source

Column = Sequence[bytes]
"""The values of one attribute in several rows, as they are written between the quotes of a JSON
string. ABSENT stands for one that is missing."""

_TEXT = b'{"S":"%b"}'
_NUMBER = b'{"N":"%b"}'

_CANONICAL_INTEGERS = re.compile(rb"(?:(?:-?[1-9][0-9]{0,37}|0)\n)*+")
"""A column, with an LF after each value, of numbers as `canonical_number` gives them."""

_MAX_LONGER = 140
"""A value is longer than its text by fewer bytes than this: `1e125` becomes 126 digits. So may
each item of a list."""

_WITH_A_DIGIT = frozenset({"integer", "number", "date", "datetime", "time"})
"""Types all of whose values have a digit."""


class PageItems(NamedTuple):
    """The items of the rows that are not odd, in the file's order."""

    keys: list[EncodedKey]
    requests: list[bytes]
    """The requests that put the items."""
    odd: set[int]
    """The numbers of the odd rows, counted from 0."""
    key_texts: list[bytes]
    """For each key attribute, the values of all rows, with an LF before each value and after the
    last one. The values of odd rows are arbitrary."""


class _Read(NamedTuple):
    """A field of the file that is converted or checked."""

    at: int
    conversion: Conversion
    is_in_template: bool
    is_plain: bool
    """Whether it is stored as it is written, unless it is empty, which means that it is missing."""

    def column(self, values: Column, odd: set[int]) -> Column:
        """What is stored. Rows whose values are refused become odd."""
        if not self.is_plain:
            return _converted(self.conversion.column, values, odd)
        if self.conversion.missing == {"S": ""} and not self.conversion.required:
            return values
        return self._plain(values, odd)

    def texts(self, values: Column, odd: set[int]) -> Column:
        """What templates are filled with."""
        if not self.is_plain:
            return _converted(self.conversion.texts, values, odd)
        return self._plain(values, odd)

    def _plain(self, values: Column, odd: set[int]) -> Column:
        if b"" not in values:
            return values
        if self.conversion.required:
            odd.update(row for row, value in enumerate(values) if not value)
        return [value or ABSENT for value in values]


class _Attribute(NamedTuple):
    """An attribute whose values come from the file."""

    name: str
    before: bytes
    """The JSON before each value: its name and its type."""
    after: bytes
    missing: bytes
    """The JSON of the attribute where its value is missing. Empty: it is left out."""
    may_be_missing: bool

    def is_missing_in(self, column: Column) -> bool:
        return ABSENT in column

    def json_of(self, value: bytes) -> bytes:
        """The attribute with a comma before it, or what stands for it if it is missing."""
        if value == ABSENT:
            return self.missing
        return b",%b%b%b" % (self.before, value, self.after)


class ItemMaker:
    """Makes the items of one file. Takes the arguments of RowReader."""

    def __init__(
        self,
        source: Source,
        columns: Mapping[str, int],
        width: int,
        key: Sequence[str],
        rules: KeyRules,
        origin: Origin,
    ) -> None:
        self._width = width
        self._key = key
        self._rules = rules
        self._fillers = fillers(source, origin)
        in_templates = [name for filler in self._fillers.values() for name in filler.names]
        self._uses_line = LINE in in_templates
        self._reads: list[_Read] = []
        self._lacking: list[str] = []  # fields that the file lacks
        self._lacks_required = False
        constants: dict[str, Any] = {
            name: {"N": number} for name, number in constant_numbers(source).items()
        }
        self._constant_keys = {
            name: value["N"].encode() for name, value in constants.items() if name in key
        }
        attributes: dict[str, _Attribute] = {}
        for at, conversion in source_columns(source, columns, key):
            field = conversion.field
            attribute = field.attribute
            missing = None if attribute in rules.left_out_if_empty else conversion.missing
            if at is None:
                self._lacking.append(field.name)
                self._lacks_required = self._lacks_required or conversion.required
                if attribute and missing:
                    constants[attribute] = missing
                continue
            is_in_template = field.name in in_templates
            if attribute or is_in_template or conversion.may_refuse:
                is_plain = source.dialect.null_sequence is None and _is_plain(field)
                self._reads.append(_Read(at, conversion, is_in_template, is_plain))
            if attribute:
                attributes[attribute] = _attribute(
                    attribute,
                    _NUMBER if attribute in rules.numbers else conversion.json,
                    missing,
                    may_be_missing=attribute in rules.left_out_if_empty
                    or (not conversion.required and missing != {"S": ""}),
                )
        for name in self._fillers:
            attributes[name] = _attribute(
                name,
                _NUMBER if name in rules.numbers else _TEXT,
                None,
                may_be_missing=name not in key,
            )
        # Attributes of the key are never missing. One of them comes first, without a comma.
        first = [attributes.pop(name) for name in key if name in attributes]
        self._attributes = [*first, *attributes.values()]
        self._begin = b'{"PutRequest":{"Item":{' + b"".join(
            b"%b:%b," % (encode(name), encode(value)) for name, value in constants.items()
        )
        self._admits_blank = all(read.conversion.fits(b"") for read in self._reads)
        self.admits_header = not any(
            _admits_no_title(read.conversion.field, source.dialect) for read in self._reads
        )
        """Whether a repeated header may look like a row."""
        has_list = any(read.conversion.field.type == "list" for read in self._reads)
        from_text = [name for name in in_templates if name != LINE]
        self._factor = (_MAX_LONGER if has_list else 1) + len(from_text)
        self._overhead = len(self._begin) + sum(
            _MAX_LONGER + len(one.before) + len(one.missing) for one in self._attributes
        )
        for filler in self._fillers.values():
            texts = filler.text([""] * len(filler.names)) or ""
            self._overhead += len(texts.encode()) + _MAX_LONGER * len(filler.names)

    def make(
        self,
        fields: list[bytes],
        text: bytes,
        odd: set[int],
        lines: Callable[[], Sequence[int]],
        *,
        keys_only: bool = False,
    ) -> PageItems:
        """Makes the items of several rows.

        `fields` has the fields of all rows, one after another, escaped for JSON, with an LF as an
        extra field after each row. `text` is what they were split from. `odd` are numbers of
        rows that are known to be odd, and `lines` returns the line in the file of each row. If
        `keys_only`, requests may be left empty.
        """
        step = self._width + 1
        rows = len(fields) // step
        odd = odd.copy()
        if self._lacks_required:
            odd.update(range(rows))
        if self._admits_blank:
            odd.update(
                row for row in range(rows) if not any(fields[row * step : row * step + self._width])
            )
        columns: dict[str, Column] = {}
        texts: dict[str, Column] = dict.fromkeys(self._lacking, [ABSENT] * rows)
        for read in self._reads:
            values = fields[read.at :: step]
            field = read.conversion.field
            if read.is_in_template:
                texts[field.name] = read.texts(values, odd)
            if field.attribute or not read.is_in_template:
                columns[field.attribute or ""] = read.column(values, odd)
        if self._uses_line:
            texts[LINE] = [b"%d" % line for line in lines()]
        for name, filler in self._fillers.items():
            columns[name] = filler.column([texts[one] for one in filler.names], rows)
        for name, number in self._constant_keys.items():
            columns[name] = [number] * rows
        key_texts = self._check_keys(columns, odd)
        if odd:
            good = bytearray(b"\1" * rows)
            for row in odd:
                good[row] = 0
            for name, column in columns.items():
                columns[name] = list(compress(column, good))
        keys = list(zip(*[columns[name] for name in self._key], strict=True))
        may_be_large = self._overhead + self._factor * len(text) > MAX_ITEM_BYTES
        if not keys or (keys_only and not may_be_large):
            return PageItems(keys, [b""] * len(keys), odd, key_texts)
        requests = self._requests(columns)
        if may_be_large:
            self._leave_out_large(keys, requests, odd, rows)
        return PageItems(keys, requests, odd, key_texts)

    def _check_keys(self, columns: dict[str, Column], odd: set[int]) -> list[bytes]:
        """Converts the columns that are keys as RowReader does, and finds odd rows in them. Returns
        the `key_texts`."""
        for name in self._rules.left_out_if_empty:
            if b"" in columns.get(name, ()):
                columns[name] = [value or ABSENT for value in columns[name]]
        for name, longest in self._rules.max_bytes.items():
            if name in columns and max(map(len, columns[name])) > longest:
                _add_longer(columns[name], longest, odd)
        key_texts = []
        for name, longest in zip(self._key, MAX_KEY_BYTES, strict=False):
            if name in self._rules.numbers:
                columns[name] = _canonical(columns[name], odd)
            text = b"\n%b\n" % b"\n".join(columns[name])
            if name in self._fillers and (b"\n\n" in text or ABSENT in text):
                odd.update(row for row, one in enumerate(columns[name]) if one in (b"", ABSENT))
            if name not in self._rules.numbers and _has_longer(text, longest):
                _add_longer(columns[name], longest, odd)
            key_texts.append(text)
        return key_texts

    def _requests(self, columns: Mapping[str, Column]) -> list[bytes]:
        before = self._begin
        comma = b""
        pieces: list[tuple[bytes, Column]] = []
        for one in self._attributes:
            column = columns[one.name]
            if one.may_be_missing and one.is_missing_in(column):
                pieces.append((before, [one.json_of(value) for value in column]))
                before = b""
            else:
                pieces.append((before + comma + one.before, column))
                before = one.after
            comma = b","
        return put_requests(pieces, before + b"}}}")

    @staticmethod
    def _leave_out_large(
        keys: list[EncodedKey], requests: list[bytes], odd: set[int], rows: int
    ) -> None:
        """Leaves out rows whose item may be larger than DynamoDB's limit. A request is larger than
        the item in it."""
        good = [row for row in range(rows) if row not in odd]
        large = [at for at, request in enumerate(requests) if len(request) > MAX_ITEM_BYTES]
        for at in reversed(large):
            del keys[at], requests[at]
            odd.add(good[at])


def _attribute(name: str, json: bytes, missing: Any, *, may_be_missing: bool) -> _Attribute:
    """`json` is what `%` fills with a value, and `missing` stands for a missing one."""
    begin, end = json.split(b"%b")
    return _Attribute(
        name,
        b"%b:%b" % (encode(name), begin),
        end,
        b",%b:%b" % (encode(name), encode(missing)) if missing else b"",
        may_be_missing,
    )


def _is_plain(field: Field) -> bool:
    """Whether a field's values are stored as they are written, except for empty ones."""
    return (field.type, field.stored_as, field.missing_values) == (
        "string",
        "S",
        ("",),
    ) and replace(field.constraints, required=False, unique=False) == Constraints()


def _admits_no_title(field: Field, dialect: Dialect) -> bool:
    """Whether a column refuses its own title, in any spelling."""
    if field.type not in _WITH_A_DIGIT or len(dialect.header_rows or ()) > 1:
        return False  # of several lines, the last one has only a part of the title
    titles = [field.name, *field.header_names]
    missing = {*field.missing_values, dialect.null_sequence or ""}
    return not any(map(str.isnumeric, "".join(titles))) and (
        set(map(folded_name, titles)).isdisjoint(map(folded_name, missing))
    )


def _converted(convert: Callable[[Column], Column | None], values: Column, odd: set[int]) -> Column:
    """A converted column. The rows whose values are refused become odd."""
    column = convert(values)
    if column is not None:
        return column
    known: dict[bytes, bytes | None] = {}
    for value in set(values):
        one = convert([value])
        known[value] = None if one is None else one[0]
    odd.update(row for row, value in enumerate(values) if known[value] is None)
    return [known[value] or b"" for value in values]


def _canonical(column: Column, odd: set[int]) -> Column:
    """A column of numbers in their canonical form. Rows whose value isn't a number become odd."""
    if _CANONICAL_INTEGERS.fullmatch(b"\n".join(column) + b"\n"):
        return column
    numbers = [None if one == ABSENT else canonical_number(one.decode()) for one in column]
    odd.update(row for row, number in enumerate(numbers) if number is None)
    return [number.encode() if number else b"" for number in numbers]


def _add_longer(column: Column, longest: int, odd: set[int]) -> None:
    odd.update(row for row, value in enumerate(column) if len(value) > longest)


def _has_longer(text: bytes, longest: int) -> bool:
    """Whether a value is longer, in a text with an LF before each value and after the last."""
    at = 0
    while at + longest + 1 < len(text):
        at = text.rfind(b"\n", at + 1, at + longest + 2)
        if at < 0:
            return True
    return False
