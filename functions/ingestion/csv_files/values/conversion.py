"""Converts the values of one field to what is stored of them."""

from collections.abc import Callable, Sequence

from ingestion.csv_files.item_json import encode, escape
from ingestion.csv_files.key_rules import canonical_number
from ingestion.csv_files.values.columns import Column
from ingestion.csv_files.values.constraints import violated
from ingestion.csv_files.values.dates import any_format, seconds
from ingestion.csv_files.values.lists import list_attribute, lists
from ingestion.csv_files.values.outcomes import (
    ABSENT,
    BLANKS_AROUND,
    MISSING,
    Attribute,
    Missing,
    Refused,
    Stored,
    Value,
)
from ingestion.csv_files.values.readers import reader
from ingestion.sources.model import Field

_STORED_AS = {
    "string": ("S", "N"),
    "integer": ("N", "S"),
    "number": ("N", "S"),
    "boolean": ("BOOL", "S"),
    "date": ("S",),
    "datetime": ("S",),
    "time": ("S",),
    "list": ("L", "SS", "NS"),
}
"""The DynamoDB types that each type can be stored as."""

_TEMPORAL = ("date", "datetime", "time")


class Conversion:
    """Converts the values of one field.

    Raises ValueError, with a sentence that names the property, if the field's declaration can't be
    met. ``is_key`` says that the attribute is part of the table's key: there must be a value,
    which must not be empty, and numbers are canonical.
    """

    def __init__(self, field: Field, *, is_key: bool = False) -> None:
        _check(field)
        self.field = field
        self.required = is_key or field.constraints.required
        """Whether a row without a value is refused."""
        self.missing: Attribute | None = {
            "omit": None,
            "empty": {"S": ""},
            "null": {"NULL": True},
        }[field.when_missing]
        """The attribute that stands for a missing value. None: it is left out."""
        self.reason = f"bad_{'number' if field.type == 'string' else field.type}"
        """Why a text that is no value of the field's type is refused."""
        is_list = field.type == "list"
        self._strips = field.type not in ("string", "list")
        self._missing_values = frozenset([*field.missing_values, *([""] if is_key else [])])
        self._read = lists(field) if is_list else reader(field)
        iso = any_format(field) if field.type in _TEMPORAL else None
        self._violated = violated(field, self._read, iso)
        self._attribute_of = _attribute_of(field)
        self._is_key_number = is_key and field.stored_as == "N"
        empty = field.when_missing == "empty"
        self._column = Column(self, _stored_json, b"" if empty else ABSENT)
        self._text_column = Column(self, _text_json, ABSENT)

    def convert(self, text: str | None) -> Stored | Missing | Refused:
        """Convert a field's text, without its quotes and escapes. None is a field that is written
        as the dialect's null sequence."""
        if text is None:
            return MISSING
        if self._strips:
            text = text.strip(BLANKS_AROUND)
        if text in self._missing_values:
            return MISSING
        value = self._read(text)
        if value is None:
            return Refused(self.reason)
        if value.order == []:  # a list without items; DynamoDB has no empty sets
            return MISSING
        if self._violated and (reason := self._violated(text, value)):
            return Refused(reason)
        if self.field.as_given:
            return Stored({"S": text}, text)
        attribute = self._attribute_of(value)
        if self._is_key_number:
            attribute = {"N": canonical_number(attribute["N"])}
        return Stored(attribute, value.text)

    def fits(self, value: bytes) -> bool:
        """Whether a field, without its quotes and escapes, or ABSENT for the null sequence, is
        accepted. See layout.Check."""
        try:
            outcome = self.convert(None if value == ABSENT else value.decode())
        except UnicodeDecodeError:
            return False
        return not self.required if outcome is MISSING else isinstance(outcome, Stored)

    @property
    def has_form(self) -> bool:
        """Whether the field's values can be told from other texts."""
        constraints = self.field.constraints
        return (
            self.field.type not in ("string", "list")
            or self.field.stored_as == "N"
            or constraints.pattern is not None
            or constraints.enum is not None
        )

    @property
    def has_date_or_time(self) -> bool:
        return self.field.type in _TEMPORAL

    @property
    def json(self) -> bytes:
        """What ``column``'s values are put into, by ``%``, to make the attribute's JSON."""
        quote = '"' if self.field.stored_as in ("S", "N") else ""
        return f'{{"{self.field.stored_as}":{quote}%b{quote}}}'.encode()

    def column(self, values: Sequence[bytes]) -> Sequence[bytes] | None:
        """Convert the field's values in several rows.

        ``values`` are texts that are escaped for JSON, or ABSENT for the null sequence. The result
        has what goes into ``json``, and ABSENT for missing values, except that those of a field
        with ``whenMissing: empty`` are empty. It is None if a value is refused. It may be
        ``values`` itself.
        """
        return self._column.convert(values)

    def texts(self, values: Sequence[bytes]) -> Sequence[bytes] | None:
        """As ``column``, but with the texts for templates, escaped for JSON. Each missing value is
        ABSENT."""
        return self._text_column.convert(values)


def _check(field: Field) -> None:
    if field.type not in _STORED_AS:
        raise ValueError(f'"type" has {field.type!r}, which is not supported.')
    if field.ttl:
        if field.type not in ("date", "datetime"):
            raise ValueError(f'"ttl" does not apply to the type "{field.type}".')
        if field.stored_as != "N":
            raise ValueError('"ttl" is stored as "N" only.')
        if field.as_given:
            raise ValueError('"ttl" and "store" exclude each other.')
    elif field.as_given:
        if field.stored_as != "S":
            raise ValueError('"store": "asGiven" is stored as "S" only.')
    elif field.stored_as not in _STORED_AS[field.type]:
        possible = " or ".join(f'"{one}"' for one in _STORED_AS[field.type])
        raise ValueError(
            f'"as" is "{field.stored_as}", but the type "{field.type}" is stored as {possible}.'
        )
    if field.when_missing == "empty" and field.stored_as != "S":
        raise ValueError(
            f'"whenMissing" is "empty", which can\'t be stored as "{field.stored_as}".'
        )


def _attribute_of(field: Field) -> Callable[[Value], Attribute]:
    if field.type == "list":
        return lambda value: list_attribute(field, value.order)
    if field.ttl:
        seconds_of = seconds(field)
        return lambda value: {"N": seconds_of(value)}
    if field.stored_as == "BOOL":
        return lambda value: {"BOOL": value.order}
    type_ = field.stored_as
    return lambda value: {type_: value.text}


def _stored_json(stored: Stored) -> bytes:
    (value,) = stored.attribute.values()
    return escape(value.encode()) if isinstance(value, str) else encode(value)


def _text_json(stored: Stored) -> bytes:
    return escape(stored.text.encode())
