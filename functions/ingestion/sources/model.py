"""Describes a source: what its files look like, and what their rows become.

The names come from Data Package v2 (https://datapackage.org), in Python's spelling, and from the
`dynamodb` properties in docs/sources.md. `declaration` creates these objects from JSON and sets
every default, so that no other module needs to know one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

DELIMITERS = (",", ";", "\t", "|")
"""The delimiters that are tried if a source declares none."""


@dataclass(frozen=True)
class Dialect:
    """How a file is divided into records and fields. Each character is one character of text."""

    delimiter: str | None = None
    """None: the one of DELIMITERS with which the header names most of the fields."""
    quote_char: str | None = '"'
    """None: there are no quoted fields, and a quote is data."""
    double_quote: bool = True
    """Whether two quotes within a quoted field are one quote."""
    escape_char: str | None = None
    """Makes the character after it data, inside and outside quotes."""
    skip_initial_space: bool = False
    """Whether blanks after a delimiter are left out."""
    comment_char: str | None = None
    """A line that begins with it is left out."""
    null_sequence: str | None = None
    """A field that is written exactly so, before quotes and escapes are removed, is missing."""
    header: bool = True
    """If false, the file has no header, and fields are found by their position."""
    header_rows: tuple[int, ...] | None = None
    """The lines of the header, counted from 1. None: the first of the first 21 lines that names
    all fields."""
    header_join: str = " "
    """Joins the names in several header lines."""


@dataclass(frozen=True)
class Constraints:
    """What a field's value must fulfil. A missing value fulfils everything but `required`."""

    required: bool = False
    unique: bool = False
    """Only for a field that is the whole primary key."""
    pattern: str | None = None
    """A regular expression that the whole text must match."""
    enum: tuple[Any, ...] | None = None
    """The only values, as JSON gives them: texts, numbers or booleans."""
    minimum: Any = None
    """A number, or a text for dates and times, in the field's first format or ISO 8601."""
    maximum: Any = None
    min_length: int | None = None
    """In characters of the text."""
    max_length: int | None = None


@dataclass(frozen=True)
class Field:
    """A column of the file, and the attribute that its values are stored as."""

    name: str
    type: str = "string"
    """`string`, `integer`, `number`, `boolean`, `date`, `datetime`, `time` or
    `list`."""
    header_names: tuple[str, ...] = ()
    """Other titles that the column may have in a header."""
    missing_values: tuple[str, ...] = ("",)
    """Texts that mean that there is no value."""
    constraints: Constraints = Constraints()

    # Numbers
    decimal_char: str = "."
    group_char: str | None = None
    bare_number: bool = True
    """If false, characters before and after the number are left out, such as `€` or `%`."""
    trailing_minus: bool = False
    """Whether `12.50-` is a negative number."""

    # Booleans
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()

    # Dates and times
    formats: tuple[str, ...] = ("default",)
    """`default`, `any` or formats for strptime. The first one that fits applies."""
    timezone: str | None = None
    """A name of the tz database: the zone of times without an offset."""

    # Lists
    delimiter: str = ","
    item_type: str = "string"

    # What is stored
    attribute: str | None = None
    """None: the value is checked, but not stored in an attribute of this field."""
    stored_as: str = "S"
    """The DynamoDB type: `S`, `N`, `BOOL`, `SS`, `NS` or `L`."""
    when_missing: str = "omit"
    """`omit` (leave the attribute out), `empty` (an empty string) or `null`."""
    ttl: bool = False
    """Whether a date is stored as seconds since 1970, as DynamoDB's TTL needs it."""
    as_given: bool = False
    """Whether the text is stored as it is written, without blanks around it, after it is
    checked."""

    @property
    def is_amount(self) -> bool:
        """Whether the values can be added up. Texts that are stored as numbers are identifiers, and
        dates that are stored as numbers are times, neither of which can be added."""
        return self.type in ("integer", "number") and self.stored_as == "N"


@dataclass(frozen=True)
class Template:
    """A text with places for values. It has one more entry in `texts` than in `names`."""

    texts: tuple[str, ...]
    names: tuple[str, ...]
    """Names of fields, or `{key}`, `{load}` and `{line}` with their braces, which no field
    can be confused with."""


@dataclass(frozen=True)
class Source:
    """A declared file format."""

    name: str
    match: tuple[str, ...]
    """Patterns of S3 keys. Empty for the built-in source, which applies where no other does."""
    encoding: str
    """The name of one of the supported Python codecs: `utf_8`, `utf_16`, `cp1252`,
    `iso8859_1`, `iso8859_15`, `cp437` or `cp850`."""
    dialect: Dialect
    fields: tuple[Field, ...]
    fields_match: str
    """`subset` (the file has all fields and maybe more), `exact`, `equal`, `superset` or
    `partial`, as Data Package defines them."""
    primary_key: tuple[str, ...]
    """The names of attributes that are the table's key, partition key first. Empty: not declared,
    the table's key applies."""
    values: Mapping[str, "Template | int | float"]
    """Attributes made from a template (type S) or a constant number (type N)."""
    equal_keys: str
    """`last` or `sum`."""
    max_superseded_percent: float | None
    """None: the stack's limit applies."""
    trusts_line_ends: bool
    """Whether records of several lines are taken as they are."""
    sha256: str
    """Of the file that declares it, in hexadecimal."""
    declaration: Mapping[str, Any]
    """The JSON without `match` and without properties that only describe. Two sources with equal
    ones make the same items, if they have the same `lineage`."""
    lineage: str | None = None
    """The attribute that names the load and the line of each item, see `lineage`. It is not
    declared: the stack has it for all sources. None: there is none."""

    @cached_property
    def attribute_types(self) -> Mapping[str, str]:
        """The DynamoDB type of each attribute that an item may have."""
        types = {field.attribute: field.stored_as for field in self.fields if field.attribute}
        for name, value in self.values.items():
            types[name] = "S" if isinstance(value, Template) else "N"
        return types

    @cached_property
    def uses_line(self) -> bool:
        """Whether an item contains the number of its line in the file."""
        return any(
            "{line}" in value.names for value in self.values.values() if isinstance(value, Template)
        )

    @cached_property
    def is_unique(self) -> bool:
        """Whether a row whose key an earlier row has is an error rather than a newer state."""
        return any(field.constraints.unique for field in self.fields)
