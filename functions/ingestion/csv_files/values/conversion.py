"""Converts the values of one field to what is stored of them."""

from collections.abc import Callable

from ingestion.csv_files.item_json import encode, escape
from ingestion.csv_files.key_rules import canonical_number
from ingestion.csv_files.values.columns import Column, Values, Whole
from ingestion.csv_files.values.constraints import violated
from ingestion.csv_files.values.date_columns import date_columns
from ingestion.csv_files.values.dates import any_format, seconds
from ingestion.csv_files.values.lists import list_attribute, lists
from ingestion.csv_files.values.numbers import (
    integer_columns,
    integer_columns_to_convert,
    is_plain_integer,
    number_columns,
)
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
from ingestion.csv_files.values.texts import text_columns
from ingestion.sources.model import Field

_MISSING_ATTRIBUTES: dict[str, Attribute | None] = {
    "omit": None,
    "empty": {"S": ""},
    "null": {"NULL": True},
}
_TEMPORAL = ("date", "datetime", "time")


class Conversion:
    """Converts the values of one field.

    Raises ValueError, with a sentence that names the property, if the field's declaration can't be
    met. `is_key` says that the attribute is part of the table's key: there must be a value,
    which must not be empty, and numbers are canonical.
    """

    def __init__(self, field: Field, *, is_key: bool = False) -> None:
        _check(field)
        self.field = field
        self.required = is_key or field.constraints.required
        """Whether a row without a value is refused."""
        self.missing = _MISSING_ATTRIBUTES[field.when_missing]
        """The attribute that stands for a missing value. None: it is left out."""
        self.reason = f"bad_{'number' if field.type == 'string' else field.type}"
        """Why a text that isn't a value of the field's type is refused."""
        self._is_key = is_key
        self._strips = field.type not in ("string", "list")
        self._missing_values = _missing_values(field, strips=self._strips, is_key=is_key)
        self._read = lists(field) if field.type == "list" else reader(field)
        iso = any_format(field) if field.type in _TEMPORAL else None
        self._violated = violated(field, self._read, iso)
        self._attribute_of = _attribute_of(field)
        self._first, self._many = self._whole_columns(is_key=is_key)
        self._column = self._compile_column(
            _stored_json, b"" if field.when_missing == "empty" else ABSENT
        )
        self._text_column = self._compile_column(_text_json, ABSENT)

    def _compile_column(self, encoded: Callable[[Stored], bytes], missing: bytes) -> Column:
        def one(text: str) -> bytes | None:
            outcome = self.convert(text)
            if isinstance(outcome, Refused):
                return None
            if outcome is MISSING:
                return None if self.required else missing
            return encoded(outcome)

        missing_texts = {ABSENT, *(escape(text.encode()) for text in self._missing_values)}
        stands_for_missing = {} if self.required else dict.fromkeys(missing_texts, missing)
        first = self._first
        if self.field.type == "string" and self.field.stored_as == "S":
            first = text_columns(self.field.constraints, missing_texts, stands_for_missing)
        return Column(one, stands_for_missing, first, self._many)

    def _whole_columns(self, *, is_key: bool) -> tuple[Whole | None, Whole | None]:
        if self._violated is not None or any(map(self._read, self._missing_values)):
            return None, None  # a value must be looked at even if it has the form of the type
        return _whole_columns(self.field, is_key=is_key)

    def convert(self, text: str | None) -> Stored | Missing | Refused:
        """Converts a field's text, without its quotes and escapes. None is a field that is written
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
        if self._is_key and "N" in attribute:
            attribute = {"N": canonical_number(attribute["N"])}
        return Stored(attribute, value.text)

    def fits(self, value: bytes) -> bool:
        """Whether a field, without its quotes and escapes, or ABSENT for the null sequence, is
        accepted. See layout.Check."""
        if self._first and b"\n" not in value and self._first([value]) is not None:
            return True  # the usual case, decided faster
        try:
            outcome = self.convert(None if value == ABSENT else value.decode())
        except UnicodeDecodeError:
            return False
        return not self.required if outcome is MISSING else isinstance(outcome, Stored)

    @property
    def has_form(self) -> bool:
        """Whether the field's values can be distinguished from other texts."""
        constraints = self.field.constraints
        return (
            self.field.type not in ("string", "list")
            or self.field.stored_as == "N"
            or constraints.pattern is not None
            or constraints.enum is not None
        )

    @property
    def may_refuse(self) -> bool:
        """Whether there are texts that are refused."""
        takes_texts = self.field.type == "string" and self.field.stored_as == "S"
        return self.required or self._violated is not None or not takes_texts

    @property
    def has_date_or_time(self) -> bool:
        return self.field.type in _TEMPORAL

    @property
    def json(self) -> bytes:
        """What `column`'s values are put into, by `%`, to make the attribute's JSON."""
        quote = '"' if self.field.stored_as in ("S", "N") else ""
        return f'{{"{self.field.stored_as}":{quote}%b{quote}}}'.encode()

    def column(self, values: Values) -> Values | None:
        """Converts the field's values in several rows.

        `values` are texts that are escaped for JSON, or ABSENT for the null sequence. The result
        has what goes into `json`, and ABSENT for missing values, except that those of a field
        with `whenMissing: empty` are empty. It is None if a value is refused. It may be
        `values` itself.
        """
        return self._column.convert(values)

    def texts(self, values: Values) -> Values | None:
        """As `column`, but with the texts for templates, escaped for JSON. Each missing value is
        ABSENT."""
        return self._text_column.convert(values)


def _check(field: Field) -> None:
    if field.as_given and field.ttl:
        raise ValueError('"store" is "asGiven", which does not go with "ttl".')
    if field.as_given and field.stored_as != "S":
        raise ValueError('"store" is "asGiven", so "as" must be "S".')


def _missing_values(field: Field, *, strips: bool, is_key: bool) -> frozenset[str]:
    texts = [text.strip(BLANKS_AROUND) if strips else text for text in field.missing_values]
    if is_key:  # DynamoDB refuses empty texts in keys
        texts.append("")
    return frozenset(texts)


def _whole_columns(field: Field, *, is_key: bool) -> tuple[Whole | None, Whole | None]:
    """What converts columns of the field's usual values: what to try on each column, and what to
    try on values that are not cached."""
    if field.ttl or field.stored_as not in ("S", "N"):
        return None, None
    if field.type in _TEMPORAL:
        return (date_columns(field), None) if field.as_given else (None, date_columns(field))
    if field.as_given:
        return None, None
    if field.type == "integer" and is_plain_integer(field):
        return integer_columns(canonical=is_key), None if is_key else integer_columns_to_convert
    if field.type == "number":
        return None, number_columns(field)
    return None, None


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
