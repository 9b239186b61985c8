"""Reads the declaration of one field: a Data Package field with a `dynamodb` property."""

from collections.abc import Callable
from typing import Any

from ingestion.sources.json_reader import ObjectReader
from ingestion.sources.model import Constraints, Field

DESCRIPTIVE = ("title", "description", "example")

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
"""The DynamoDB types that each type of field may be stored as, the usual one first."""

_TRUE_VALUES = ("true", "True", "TRUE", "1")
_FALSE_VALUES = ("false", "False", "FALSE", "0")
_ITEM_TYPES = ("string", "integer", "number", "boolean")


def read_field(field: ObjectReader, missing_values: tuple[str, ...]) -> Field:
    """Reads a field. `missing_values` are declared by the schema, and a field may replace them."""
    kind = field.choice("type", tuple(_STORED_AS), "string")
    name = field.text("name")
    if not name:
        field.problem("name", "A field needs a name.")
    dynamodb = field.object("dynamodb")
    constraints = field.object("constraints")
    values: dict[str, Any] = {
        "name": name,
        "type": kind,
        "missing_values": read_missing_values(field, missing_values),
        "header_names": dynamodb.texts("headerNames"),
        "attribute": dynamodb.optional_text("attribute"),
        "when_missing": dynamodb.choice("whenMissing", ("omit", "empty", "null"), "omit"),
        "constraints": _constraints(constraints, kind),
        **_READERS[kind](field, dynamodb),
    }
    stored_as = _STORED_AS[kind] if not values.get("ttl") else ("N",)
    values["stored_as"] = dynamodb.choice("as", stored_as, stored_as[0])
    field.skip(*DESCRIPTIVE)
    for reader in (field, dynamodb, constraints):
        reader.end()
    read = Field(**values)
    if read.when_missing == "empty" and read.stored_as != "S":
        dynamodb.problem("whenMissing", f"An attribute of type {read.stored_as} can't be empty.")
    if read.when_missing != "omit" and read.attribute is None:
        dynamodb.problem("whenMissing", "The field is not stored, because it has no attribute.")
    return read


def read_missing_values(reader: ObjectReader, default: tuple[str, ...]) -> tuple[str, ...]:
    """The texts in `missingValues`, which may be objects with a value and a label."""
    values = reader.any("missingValues", None)
    if values is None:
        return default
    if isinstance(values, list):
        texts = [one.get("value") if isinstance(one, dict) else one for one in values]
        if all(isinstance(text, str) for text in texts):
            return tuple(map(str, texts))
    reader.problem("missingValues", "This must be a list of texts.")
    return default


def _constraints(reader: ObjectReader, kind: str) -> Constraints:
    required = reader.boolean("required")
    unique = reader.boolean("unique")
    pattern = min_length = max_length = None
    enum: tuple[Any, ...] | None = None
    minimum: Any = None
    maximum: Any = None
    if kind in ("string", "list"):
        min_length, max_length = reader.whole("minLength"), reader.whole("maxLength")
    if kind == "string":
        pattern = reader.optional_text("pattern")
    if kind in ("integer", "number"):
        minimum, maximum = reader.number("minimum"), reader.number("maximum")
    if kind in ("date", "datetime", "time"):
        minimum, maximum = reader.optional_text("minimum"), reader.optional_text("maximum")
    if kind != "list" and "enum" in reader:
        enum = _enum(reader, kind)
    return Constraints(required, unique, pattern, enum, minimum, maximum, min_length, max_length)


def _enum(reader: ObjectReader, kind: str) -> tuple[Any, ...] | None:
    types: dict[str, Any] = {"integer": (int, float), "number": (int, float), "boolean": bool}
    wanted = types.get(kind, str)
    values = reader.any("enum")
    if isinstance(values, list) and values:
        is_right = [
            isinstance(one, wanted) and (kind == "boolean" or not isinstance(one, bool))
            for one in values
        ]
        if all(is_right):
            return tuple(values)
    reader.problem("enum", f"This must be a list of values for a field of type {kind}.")
    return None


def _read_string(field: ObjectReader, dynamodb: ObjectReader) -> dict[str, Any]:
    field.choice("format", ("default",), "default")
    return {}


def _read_integer(field: ObjectReader, dynamodb: ObjectReader) -> dict[str, Any]:
    group_char = field.character("groupChar")
    if group_char and (group_char.isalnum() or group_char in "+-"):
        field.problem("groupChar", "A digit, letter or sign can't separate groups of digits.")
    return {
        "group_char": group_char,
        "bare_number": field.boolean("bareNumber", default=True),
        "trailing_minus": dynamodb.boolean("trailingMinus"),
        "as_given": _is_given(dynamodb),
    }


def _read_number(field: ObjectReader, dynamodb: ObjectReader) -> dict[str, Any]:
    values = _read_integer(field, dynamodb)
    decimal_char = field.character("decimalChar", ".")
    if decimal_char == values["group_char"]:
        field.problem("groupChar", "It must differ from decimalChar.")
    return values | {"decimal_char": decimal_char}


def _read_boolean(field: ObjectReader, dynamodb: ObjectReader) -> dict[str, Any]:
    true = field.texts("trueValues", _TRUE_VALUES)
    false = field.texts("falseValues", _FALSE_VALUES)
    both = sorted(set(true) & set(false))
    if both:
        field.problem("falseValues", f"trueValues has {both[0]!r} as well.")
    return {"true_values": true, "false_values": false}


def _read_date(field: ObjectReader, dynamodb: ObjectReader) -> dict[str, Any]:
    return _read_time(field, dynamodb) | {
        "timezone": dynamodb.optional_text("timezone"),
        "ttl": dynamodb.boolean("ttl"),
    }


def _read_time(field: ObjectReader, dynamodb: ObjectReader) -> dict[str, Any]:
    formats = dynamodb.texts("formats")
    if formats and "format" in field:
        dynamodb.problem("formats", "The field has a format as well; declare one of the two.")
    return {
        "formats": formats or (field.text("format", "default"),),
        "as_given": _is_given(dynamodb),
    }


def _read_list(field: ObjectReader, dynamodb: ObjectReader) -> dict[str, Any]:
    return {
        "delimiter": field.character("delimiter", ","),
        "item_type": field.choice("itemType", _ITEM_TYPES, "string"),
        "true_values": _TRUE_VALUES,
        "false_values": _FALSE_VALUES,
    }


def _is_given(dynamodb: ObjectReader) -> bool:
    return dynamodb.choice("store", ("converted", "asGiven"), "converted") == "asGiven"


_READERS: dict[str, Callable[[ObjectReader, ObjectReader], dict[str, Any]]] = {
    "string": _read_string,
    "integer": _read_integer,
    "number": _read_number,
    "boolean": _read_boolean,
    "date": _read_date,
    "datetime": _read_date,
    "time": _read_time,
    "list": _read_list,
}
