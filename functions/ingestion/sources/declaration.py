"""Reads the declaration of a source: Data Package v2 with `match` and `dynamodb` properties.

`source-1.schema.json`, next to the declarations, describes the same format for editors.
docs/sources.md explains it. A property that is not supported is an error, and never ignored.
"""

import codecs
import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NoReturn

from ingestion.sources.field_declaration import DESCRIPTIVE, read_field, read_missing_values
from ingestion.sources.json_reader import ObjectReader, Problems
from ingestion.sources.lineage import with_lineage
from ingestion.sources.model import Dialect, Field, Source, Template
from ingestion.sources.templates import RESERVED, read_template

ENCODINGS = ("utf_8", "utf_16", "cp1252", "iso8859_1", "iso8859_15", "cp437", "cp850")
"""Names of Python codecs. A declaration may use their aliases and their IANA names as well."""

MAX_BYTES = 64 * 1024
"""The longest declaration, as JSON without what only describes. It is in the input of every state
and of every child execution, together with the columns of the file, whose JSON is shorter than that
of their fields. Step Functions limits an input to 256 KiB, and also carries causes of failures."""

_FIELDS_MATCH = ("exact", "equal", "subset", "superset", "partial")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_NOT_EFFECTIVE = ("$schema", "match", *DESCRIPTIVE)
"""Properties that don't change what a row becomes."""


class DeclarationError(Exception):
    """Declarations can't be used. `problems` are sentences that name file and property."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_source(text: bytes, file: str, *, is_built_in: bool = False) -> Source:
    """Reads a declaration, given as JSON. `file` is what errors call it.

    Only the built-in source has no `match`. Raises DeclarationError.
    """
    try:
        value = _parse(text)
    except ValueError as error:
        raise DeclarationError([f"{file}: {error}"]) from None
    source, problems = _read(value, sha256(text).hexdigest())
    size = len(json.dumps(source.declaration))
    if size > MAX_BYTES:
        problems.append(
            f"This has {size:,} bytes, without titles and descriptions. A declaration may have "
            f"{MAX_BYTES:,}, because it travels with every load."
        )
    if not source.match and not is_built_in:
        problems.append("match: A source needs the patterns of the S3 keys that it applies to.")
    if source.match and is_built_in:
        problems.append("match: The built-in source has none; it applies where no other does.")
    if problems:
        raise DeclarationError([f"{file}: {problem}" for problem in problems])
    return source


def source_record(source: Source) -> dict[str, Any]:
    """What a load keeps of its source: the name, the SHA-256, the declaration, and the attribute
    for lineage if there is one."""
    record = {
        "name": source.name,
        "sha256": source.sha256,
        "declaration": source.declaration,
    }
    return record | ({"lineage": source.lineage} if source.lineage else {})


def recorded_source(record: Mapping[str, Any]) -> Source:
    """The source that `source_record` describes, without its patterns."""
    source, problems = _read(record["declaration"], record["sha256"])
    if problems:
        raise DeclarationError([f"{record['name']}: {problem}" for problem in problems])
    return with_lineage(source, record.get("lineage"))


def _parse(text: bytes) -> dict[str, Any]:
    """Parses a JSON object strictly. Raises ValueError with a sentence."""
    try:
        value = json.loads(
            text.decode("utf-8-sig"),
            object_pairs_hook=_without_repetitions,
            parse_constant=_refuse_constant,
        )
    except ValueError as error:  # also if it isn't UTF-8
        raise ValueError(f"This is not JSON: {error}.") from None
    except RecursionError:
        raise ValueError("This is nested too deeply.") from None
    if not isinstance(value, dict):
        raise ValueError("This must be a JSON object.")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(
            "This has half of a surrogate pair (\\ud800 to \\udfff), which is not a character."
        ) from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _without_repetitions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the property {twice!r} twice")
    return value


def _read(value: Mapping[str, Any], digest: str) -> tuple[Source, list[str]]:
    problems = Problems()
    resource = ObjectReader(value, "", problems)
    schema, dynamodb = resource.object("schema"), resource.object("dynamodb")
    missing_values = read_missing_values(schema, ("",))
    fields = tuple(read_field(one, missing_values) for one in schema.objects("fields"))
    if "fields" not in schema:
        schema.problem("fields", "A schema needs fields.")
    name = resource.text("name")
    if not _NAME.fullmatch(name):
        resource.problem(
            "name", "A source needs a name of lower-case letters, digits, '.', '_' and '-'."
        )
    values = _read_values(dynamodb, fields)
    dialect = _read_dialect(resource.object("dialect"))
    source = Source(
        name=name,
        match=resource.texts("match"),
        encoding=_read_encoding(resource),
        dialect=dialect,
        fields=fields,
        fields_match=_read_fields_match(schema),
        primary_key=_read_primary_key(schema, fields, values),
        values=values,
        equal_keys=dynamodb.choice("equalKeys", ("last", "sum"), "last"),
        max_superseded_percent=dynamodb.number("maxSupersededPercent"),
        trusts_line_ends=dynamodb.choice("lineEnds", ("checked", "trusted"), "checked")
        == "trusted",
        sha256=digest,
        declaration=_effective(value),
    )
    resource.skip("$schema", *DESCRIPTIVE)
    schema.skip(*DESCRIPTIVE)
    for reader in (resource, schema, dynamodb):
        reader.end()
    if not problems.found:
        _check(source, resource, schema, dynamodb)
    return source, problems.found


def _effective(value: Any) -> Any:
    """A declaration without the properties that don't change what a row becomes."""
    kept = {name: one for name, one in value.items() if name not in _NOT_EFFECTIVE}
    schema = kept.get("schema")
    if isinstance(schema, dict):
        schema = {name: one for name, one in schema.items() if name not in DESCRIPTIVE}
        if isinstance(schema.get("fields"), list):
            schema["fields"] = [
                {name: one for name, one in field.items() if name not in DESCRIPTIVE}
                if isinstance(field, dict)
                else field
                for field in schema["fields"]
            ]
        kept["schema"] = schema
    return kept


def _read_encoding(resource: ObjectReader) -> str:
    declared = resource.text("encoding", "utf-8")
    try:
        encoding = codecs.lookup(declared).name.replace("-", "_")
    except (LookupError, ValueError):  # ValueError if the name has a NUL
        encoding = ""
    encoding = {"ascii": "utf_8", "utf_8_sig": "utf_8"}.get(encoding, encoding)
    if encoding not in ENCODINGS:
        resource.problem(
            "encoding",
            "This encoding is not supported. These are: utf-8, utf-16 (with a byte order mark), "
            "windows-1252, iso-8859-1, iso-8859-15, cp437, cp850.",
        )
        return "utf_8"
    return encoding


def _read_dialect(dialect: ObjectReader) -> Dialect:
    quote = dialect.any("quoteChar", '"')
    if quote is not None and (not isinstance(quote, str) or len(quote) > 1 or quote in "\r\n\0"):
        if quote != "":
            dialect.problem("quoteChar", "This must be one character, or empty for no quotes.")
        quote = None
    header = dialect.boolean("header", default=True)
    rows = dialect.any("headerRows")
    if rows is not None and not _are_rows(rows):
        dialect.problem("headerRows", "This must be a list of line numbers, in ascending order.")
        rows = None
    if not header and rows:
        dialect.problem("headerRows", "A file without a header has no header rows.")
    read = Dialect(
        delimiter=dialect.character("delimiter", None if header else ","),
        quote_char=quote,
        double_quote=dialect.boolean("doubleQuote", default=True),
        escape_char=dialect.character("escapeChar"),
        skip_initial_space=dialect.boolean("skipInitialSpace"),
        comment_char=dialect.character("commentChar"),
        null_sequence=dialect.optional_text("nullSequence"),
        header=header,
        header_rows=tuple(rows) if rows else None,
        header_join=dialect.text("headerJoin", " "),
    )
    used = [read.delimiter, read.quote_char, read.escape_char, read.comment_char]
    characters = [one for one in used if one]
    if len(set(characters)) < len(characters):
        dialect.problem("delimiter", "Delimiter, quote, escape and comment characters must differ.")
    if read.skip_initial_space and read.delimiter == " ":
        dialect.problem("skipInitialSpace", "A blank is the delimiter.")
    dialect.skip("title", "description")
    dialect.end()
    return read


def _are_rows(rows: Any) -> bool:
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(type(row) is int and row > 0 for row in rows)
        and rows == sorted(set(rows))
    )


def _read_fields_match(schema: ObjectReader) -> str:
    value = schema.any("fieldsMatch", "subset")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # the standard's JSON Schema has a list
    if value not in _FIELDS_MATCH:
        schema.problem("fieldsMatch", "This must be one of " + ", ".join(_FIELDS_MATCH) + ".")
        return "subset"
    return str(value)


def _read_values(
    dynamodb: ObjectReader, fields: tuple[Field, ...]
) -> dict[str, Template | int | float]:
    reader = dynamodb.object("values")
    declared = dynamodb.any("values", {})
    names = [field.name for field in fields]
    values: dict[str, Template | int | float] = {}
    for attribute in declared if isinstance(declared, dict) else ():
        value = reader.any(attribute)
        if isinstance(value, int | float) and not isinstance(value, bool):
            values[attribute] = value
            continue
        if not isinstance(value, str) or not value or not attribute:
            reader.problem(attribute, "This must be a template or a number.")
            continue
        try:
            template = read_template(value)
        except ValueError as error:
            reader.problem(attribute, str(error))
            continue
        for name in template.names:
            reserved = name[1:-1] if name.startswith("{") else None
            if reserved in RESERVED and reserved in names:
                reader.problem(attribute, f"{name} is reserved, and a field has this name too.")
            elif reserved is None and name not in names:
                reader.problem(attribute, f"There is no field {name!r}.")
        values[attribute] = template
    return values


def _read_primary_key(
    schema: ObjectReader, fields: tuple[Field, ...], values: Mapping[str, Any]
) -> tuple[str, ...]:
    """The attributes that `primaryKey` names, directly or by their fields."""
    declared = schema.any("primaryKey", [])
    names = [declared] if isinstance(declared, str) else declared
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        schema.problem("primaryKey", "This must be the name of a field, or a list of names.")
        return ()
    if len(names) > 2 or len(set(names)) < len(names):
        schema.problem("primaryKey", "A table's key has one or two different attributes.")
        return ()
    attributes = {field.name: field.attribute for field in fields}
    key = []
    for name in names:
        attribute = attributes.get(name) or (name if name in values else None)
        if attribute is None:
            what = (
                "is not stored"
                if name in attributes
                else "is neither a field nor one of the values"
            )
            schema.problem("primaryKey", f"{name!r} {what}.")
        else:
            key.append(attribute)
    return tuple(key)


def _check(
    source: Source, resource: ObjectReader, schema: ObjectReader, dynamodb: ObjectReader
) -> None:
    """Finds problems that concern several properties."""
    names: set[str] = set()
    attributes = set(source.values)
    for index, field in enumerate(source.fields):
        path = schema.path_of(f"fields[{index}]")
        problems = resource.problems
        if field.name in names:
            problems.add(f"{path}.name", f"There is another field {field.name!r}.")
        names.add(field.name)
        if field.attribute in attributes:
            problems.add(
                f"{path}.dynamodb.attribute",
                f"{field.attribute!r} is made of another field or of values too.",
            )
        if field.attribute:
            attributes.add(field.attribute)
        is_key = field.attribute in source.primary_key
        if field.constraints.unique and source.primary_key != (field.attribute,):
            problems.add(
                f"{path}.constraints.unique",
                "Only a field that is the whole primary key can be checked for this.",
            )
        if is_key and field.when_missing != "omit":
            problems.add(
                f"{path}.dynamodb.whenMissing",
                "An attribute of the key can't be empty or null. A row without it is refused.",
            )
        if is_key and field.stored_as not in ("S", "N"):
            problems.add(f"{path}.dynamodb.as", "An attribute of the key has type S or N.")
    if not attributes:
        schema.problem("fields", "No field is stored: none has a dynamodb.attribute.")
    percent = source.max_superseded_percent
    if percent is not None and not 0 <= percent <= 100:
        dynamodb.problem("maxSupersededPercent", "This must be a number from 0 to 100.")
    if source.equal_keys == "sum":
        if source.is_unique:
            dynamodb.problem("equalKeys", "A field is unique, so there are no rows to add up.")
        if not any(
            field.is_amount and field.attribute and field.attribute not in source.primary_key
            for field in source.fields
        ):
            dynamodb.problem("equalKeys", "There is no number attribute to add up.")
