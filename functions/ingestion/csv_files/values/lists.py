"""Reads lists: several values in one field."""

from dataclasses import replace

from ingestion.csv_files.key_rules import canonical_number
from ingestion.csv_files.values.numbers import Read
from ingestion.csv_files.values.outcomes import BLANKS_AROUND, Attribute, Value
from ingestion.csv_files.values.readers import reader
from ingestion.sources.model import Field


def lists(field: Field) -> Read:
    """A reader of lists. The `order` of what it returns is the list of the items' values. Items
    that are missing values are left out. Raises ValueError if the declaration can't be met."""
    if field.stored_as == "NS" and field.item_type not in ("integer", "number", "string"):
        raise ValueError(f'"as" is "NS", which can\'t hold items of the type "{field.item_type}".')
    read_item = reader(replace(field, type=field.item_type))
    if field.item_type in ("integer", "number") and field.delimiter in (
        field.decimal_char,
        field.group_char,
    ):
        raise ValueError('"delimiter" of a list is a character of its numbers as well.')

    def read(text: str) -> Value | None:
        items = []
        for one in text.split(field.delimiter):
            item_text = one.strip(BLANKS_AROUND)
            if item_text in field.missing_values:
                continue
            item = read_item(item_text)
            if item is None:
                return None
            items.append(item)
        return Value(text, items)

    return read


def list_attribute(field: Field, items: list[Value]) -> Attribute:
    """The attribute that stores a list. Equal members of a set are one."""
    if field.stored_as == "SS":
        return {"SS": list(dict.fromkeys(item.text for item in items))}
    if field.stored_as == "NS":
        return {"NS": list(dict.fromkeys(canonical_number(item.text) for item in items))}
    if field.item_type == "boolean":
        return {"L": [{"BOOL": item.order} for item in items]}
    type_ = "N" if field.item_type in ("integer", "number") else "S"
    return {"L": [{type_: item.text} for item in items]}
