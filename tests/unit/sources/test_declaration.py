"""Declarations: what they mean, and that nothing in them is ever ignored."""

import copy
import json
from hashlib import sha256
from typing import Any

import pytest
from jsonschema import Draft7Validator

from ingestion.sources.catalogue import BUNDLED
from ingestion.sources.declaration import (
    DeclarationError,
    read_source,
    recorded_source,
    source_record,
)
from ingestion.sources.model import Constraints, Dialect, Field, Source, Template

TILL: dict[str, Any] = {
    "$schema": "source-1.schema.json",
    "name": "kassenbon",
    "title": "Till receipts",
    "match": ["kassen/*.csv"],
    "encoding": "windows-1252",
    "dialect": {"delimiter": ";"},
    "schema": {
        "primaryKey": ["Bon-Nr", "Artikel"],
        "missingValues": ["", "NULL"],
        "fields": [
            {
                "name": "Bon-Nr",
                "type": "string",
                "constraints": {"required": True},
                "dynamodb": {"attribute": "ticket_id"},
            },
            {"name": "Artikel", "dynamodb": {"attribute": "product"}},
            {
                "name": "Datum",
                "type": "datetime",
                "format": "%d.%m.%Y %H:%M",
                "description": "Local time",
                "dynamodb": {"attribute": "timestamp", "timezone": "Europe/Berlin"},
            },
            {
                "name": "Menge",
                "type": "number",
                "decimalChar": ",",
                "groupChar": ".",
                "dynamodb": {"attribute": "quantity"},
            },
            {"name": "Notiz", "missingValues": [{"value": "-", "label": "none"}]},
        ],
    },
    "dynamodb": {"values": {"basket_id": "{Bon-Nr}", "place": "{{{key}}}:{line}", "version": 2}},
}


def read(declaration: Any) -> Source:
    return read_source(json.dumps(declaration).encode(), "kassenbon.json")


def problems_of(declaration: Any) -> list[str]:
    with pytest.raises(DeclarationError) as raised:
        read(declaration)
    return raised.value.problems


def changed(path: str, value: Any) -> dict[str, Any]:
    """TILL with one property set. Numbers in the path are positions in lists."""
    declaration = copy.deepcopy(TILL)
    *parents, last = path.split("/")
    at: Any = declaration
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
    at[int(last) if isinstance(at, list) else last] = value
    return declaration


def test_the_example_of_the_design_is_read() -> None:
    source = read(TILL)
    assert source.name == "kassenbon"
    assert source.match == ("kassen/*.csv",)
    assert source.encoding == "cp1252"
    assert source.dialect == Dialect(delimiter=";")
    missing = ("", "NULL")
    assert source.fields == (
        Field(
            "Bon-Nr",
            missing_values=missing,
            constraints=Constraints(required=True),
            attribute="ticket_id",
        ),
        Field("Artikel", missing_values=missing, attribute="product"),
        Field(
            "Datum",
            "datetime",
            missing_values=missing,
            formats=("%d.%m.%Y %H:%M",),
            timezone="Europe/Berlin",
            attribute="timestamp",
        ),
        Field(
            "Menge",
            "number",
            missing_values=missing,
            decimal_char=",",
            group_char=".",
            attribute="quantity",
            stored_as="N",
        ),
        Field("Notiz", missing_values=("-",)),
    )
    assert source.primary_key == ("ticket_id", "product")
    assert source.values == {
        "basket_id": Template(("", ""), ("Bon-Nr",)),
        "place": Template(("{", "}:", ""), ("{key}", "{line}")),
        "version": 2,
    }
    assert source.attribute_types == {
        "ticket_id": "S",
        "product": "S",
        "timestamp": "S",
        "quantity": "N",
        "basket_id": "S",
        "place": "S",
        "version": "N",
    }
    assert source.uses_line
    assert (source.equal_keys, source.fields_match, source.trusts_line_ends) == (
        "last",
        "subset",
        False,
    )


def test_the_built_in_source_is_a_declaration_like_any_other() -> None:
    text = (BUNDLED / "tickets.json").read_bytes()
    source = read_source(text, "tickets.json", is_built_in=True)
    assert [field.name for field in source.fields if field.constraints.required] == [
        "ticket_id",
        "product",
        "basket_id",
        "timestamp",
        "quantity",
    ]
    assert source.attribute_types == dict.fromkeys(
        ("ticket_id", "product", "basket_id", "timestamp", "category", "store"), "S"
    ) | {"quantity": "N"}
    assert source.dialect.delimiter is None
    assert source.sha256 == sha256(text).hexdigest()


def test_what_a_load_keeps_is_enough_to_read_the_source_again() -> None:
    source = read(TILL)
    record = json.loads(json.dumps(source_record(source)))
    again = recorded_source(record)
    assert (again.fields, again.values, again.dialect) == (
        source.fields,
        source.values,
        source.dialect,
    )
    assert again.sha256 == source.sha256


def test_properties_that_only_describe_are_not_effective() -> None:
    plain = copy.deepcopy(TILL)
    del plain["title"], plain["$schema"], plain["schema"]["fields"][2]["description"]
    plain["match"] = ["elsewhere/*"]
    assert read(plain).declaration == read(TILL).declaration
    assert read(plain).sha256 != read(TILL).sha256
    assert read(changed("schema/fields/4/name", "Bemerkung")).declaration != read(TILL).declaration


WRONG: list[tuple[str, Any, str]] = [
    # Unknown and unsupported properties, at every place
    ("dialekt", {}, "dialekt: This property is not supported here."),
    ("path", "x.csv", "path: This property is not supported here."),
    ("dialect/lineTerminator", "\n", "dialect.lineTerminator: This property is not supported"),
    ("schema/foreignKeys", [], "schema.foreignKeys: This property is not supported here."),
    ("schema/fields/0/decimalChar", ",", "schema.fields[0].decimalChar: This property is not"),
    ("schema/fields/3/format", "x", "schema.fields[3].format: This property is not supported"),
    ("schema/fields/0/constraints/minimum", 1, "schema.fields[0].constraints.minimum: This prop"),
    ("schema/fields/3/constraints/minLength", 1, "fields[3].constraints.minLength: This property"),
    ("schema/fields/0/dynamodb/atribute", "x", "schema.fields[0].dynamodb.atribute: This property"),
    ("schema/fields/1/dynamodb/timezone", "UTC", "fields[1].dynamodb.timezone: This property is"),
    ("dynamodb/value", {}, "dynamodb.value: This property is not supported here. These are: "),
    # Wrong types and values
    ("name", "Kassen Bon", "name: A source needs a name of lower-case letters"),
    ("name", 3, "name: This must be a text."),
    ("match", "a/*", "match: This must be a list of different texts."),
    ("match", ["a", "a"], "match: This must be a list of different texts."),
    ("dialect", [], "dialect: This must be an object."),
    ("dialect/delimiter", ";;", "dialect.delimiter: This must be one character."),
    ("dialect/quoteChar", "''", "dialect.quoteChar: This must be one character, or empty"),
    ("dialect/header", "no", "dialect.header: This must be true or false."),
    ("dialect/headerRows", [0], "dialect.headerRows: This must be a list of line numbers"),
    ("schema/fields", [], "schema.fields: This must be a list of objects"),
    ("schema/fields", ["Bon-Nr"], "schema.fields: This must be a list of objects"),
    ("schema/fields/0/name", "", "schema.fields[0].name: A field needs a name."),
    ("schema/fields/0/type", "text", "schema.fields[0].type: This must be one of string,"),
    ("schema/fields/3/constraints/enum", ["1"], "schema.fields[3].constraints.enum: This must be"),
    ("schema/fields/3/constraints/enum", [True], "fields[3].constraints.enum: This must be a list"),
    ("schema/fields/3/constraints/minimum", "1", "constraints.minimum: This must be a number."),
    ("schema/fields/0/constraints/required", 1, "constraints.required: This must be true or fal"),
    ("schema/fields/0/constraints/maxLength", -1, "constraints.maxLength: This must be a whole"),
    ("schema/fields/3/dynamodb/as", "BOOL", "schema.fields[3].dynamodb.as: This must be one of N"),
    ("schema/fieldsMatch", "all", "schema.fieldsMatch: This must be one of exact, equal,"),
    ("schema/missingValues", "", "schema.missingValues: This must be a list of texts."),
    ("schema/fields/1/dynamodb/headerNames", [""], "headerNames: This must be a list of different"),
    ("schema/fields/1/dynamodb/headerNames", [], "headerNames: This must be a list of different"),
    ("schema/fields/3/constraints/enum", [], "fields[3].constraints.enum: This must be a list"),
    ("schema/fields/0/constraints/maxLength", True, "constraints.maxLength: This must be a whole"),
    ("dynamodb/equalKeys", "first", "dynamodb.equalKeys: This must be one of last, sum."),
    ("dynamodb/maxSupersededPercent", 101, "dynamodb.maxSupersededPercent: This must be a number"),
    ("dynamodb/maxSupersededPercent", -1, "dynamodb.maxSupersededPercent: This must be a number"),
    ("dynamodb/values/x", True, "dynamodb.values.x: This must be a template or a number."),
    ("dynamodb/values/x", "", "dynamodb.values.x: This must be a template or a number."),
]
"""A path in TILL, a value that is wrong there by itself, and what is said about it."""

UNMEETABLE: list[tuple[str, Any, str]] = [
    ("schema/fields/2/dynamodb/as", "N", "schema.fields[2].dynamodb.as: This must be one of S."),
    ("encoding", "utf-7", "encoding: This encoding is not supported. These are: utf-8,"),
    ("encoding", "nonsense", "encoding: This encoding is not supported."),
    ("encoding", "utf-8\0", "encoding: This encoding is not supported."),
    ("encoding", "utf-16-le", "encoding: This encoding is not supported."),
    ("dialect/delimiter", "\n", "dialect.delimiter: A line end or NUL can't be used here."),
    ("dialect/quoteChar", "\n", "dialect.quoteChar: This must be one character, or empty"),
    ("dialect/quoteChar", ";", "dialect.delimiter: Delimiter, quote, escape and comment"),
    ("dialect/escapeChar", "\r", "dialect.escapeChar: A line end or NUL can't be used here."),
    ("dialect/commentChar", "\0", "dialect.commentChar: A line end or NUL can't be used here."),
    (
        "dialect",
        {"delimiter": " ", "skipInitialSpace": True},
        "dialect.skipInitialSpace: A blank is the delimiter.",
    ),
    (
        "dialect",
        {"header": False, "headerRows": [1]},
        "dialect.headerRows: A file without a header has no header rows.",
    ),
    ("dialect/headerRows", [2, 1], "dialect.headerRows: This must be a list of line numbers"),
    ("schema/fields/3/groupChar", ",", "schema.fields[3].groupChar: It must differ from decimal"),
    *(
        ("schema/fields/3/groupChar", char, "schema.fields[3].groupChar: A digit, letter or sign")
        for char in "0x-"
    ),
    ("schema/fieldsMatch", ["exact", "equal"], "schema.fieldsMatch: This must be one of exact,"),
    ("schema/fields/4/name", "Datum", "schema.fields[4].name: There is another field 'Datum'."),
    ("schema/fields/1/dynamodb/attribute", "ticket_id", "fields[1].dynamodb.attribute: 'ticket_id"),
    ("schema/fields/1/dynamodb/attribute", "basket_id", "is made of another field or of values"),
    ("schema/fields/3/dynamodb/whenMissing", "empty", "An attribute of type N can't be empty."),
    (
        "schema/fields/4",
        {
            "name": "Bar",
            "type": "boolean",
            "dynamodb": {"attribute": "paid", "whenMissing": "empty"},
        },
        "fields[4].dynamodb.whenMissing: An attribute of type BOOL can't be empty.",
    ),
    (
        "schema/fields/4",
        {"name": "Bar", "type": "boolean", "trueValues": ["ja", "j"], "falseValues": ["j", "n"]},
        "schema.fields[4].falseValues: trueValues has 'j' as well.",
    ),
    (
        "schema/fields/4",
        {"name": "Marken", "type": "list", "constraints": {"enum": ["a"]}},
        "schema.fields[4].constraints.enum: This property is not supported here.",
    ),
    ("schema/fields/4/dynamodb", {"whenMissing": "null"}, "The field is not stored, because"),
    ("schema/fields/0/dynamodb/whenMissing", "null", "An attribute of the key can't be empty or"),
    ("schema/fields/0/constraints/unique", True, "Only a field that is the whole primary key can"),
    (
        "schema/primaryKey",
        ["Bon-Nr", "Preis"],
        "schema.primaryKey: 'Preis' is neither a field nor one",
    ),
    ("schema/primaryKey", ["Notiz"], "schema.primaryKey: 'Notiz' is not stored."),
    ("schema/primaryKey", ["Bon-Nr"] * 2, "schema.primaryKey: A table's key has one or two diff"),
    ("schema/fields/1/type", "boolean", "fields[1].dynamodb.as: An attribute of the key has type"),
    ("schema/primaryKey", ["a", "b", "c"], "schema.primaryKey: A table's key has one or two"),
    ("dynamodb/values", {"": "{Artikel}"}, "dynamodb.values.: This must be a template or a number"),
    ("dynamodb/values/x", "{Preis}", "dynamodb.values.x: There is no field 'Preis'."),
    ("dynamodb/values/x", "{Artikel", "dynamodb.values.x: The brace at character 1 has no counter"),
    ("schema/fields/4/name", "key", "dynamodb.values.place: {key} is reserved, and a field has"),
    (
        "schema/fields/2/dynamodb/formats",
        ["%d"],
        "fields[2].dynamodb.formats: The field has a form",
    ),
]


@pytest.mark.parametrize(("path", "value", "problem"), [*WRONG, *UNMEETABLE], ids=str)
def test_a_problem_names_its_property(path: str, value: Any, problem: str) -> None:
    found = problems_of(changed(path, value))
    assert any(problem in one for one in found), found
    assert all(one.startswith("kassenbon.json: ") for one in found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{", "This is not JSON"),
        (b"[]", "This must be a JSON object."),
        (b'{"name": "a", "name": "b"}', "the property 'name' twice"),
        (b"\xff\xfe{", "This is not JSON"),
        (b'{"name": ' + b"[" * 100_000, "This is nested too deeply."),
        (b'{"name": "\\ud800"}', "This has half of a surrogate pair"),
        (b'{"name": NaN}', "This is not JSON: NaN is not a JSON number."),
    ],
)
def test_a_file_that_is_no_json_object_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        read_source(text, "x.json")


def test_a_declaration_must_fit_into_the_inputs_that_carry_it() -> None:
    """Step Functions limits an input to 256 KiB. It also has the columns that the file has."""
    fields = [
        {"name": f"column {number}", "dynamodb": {"attribute": f"attribute {number}"}}
        for number in range(2_000)
    ]
    (problem,) = problems_of({**TILL, "schema": {"fields": fields}, "dynamodb": {}})
    assert problem.startswith("kassenbon.json: This has 137,9")
    assert "may have 65,536" in problem
    few = {**TILL, "schema": {"fields": fields[:800]}, "dynamodb": {}}
    carried = {
        "source": source_record(read(few)),
        "columns": {field["name"]: number for number, field in enumerate(fields[:800])},
    }
    assert len(json.dumps(carried)) < 128 * 1024


def test_what_only_describes_may_be_long() -> None:
    assert read({**TILL, "description": "x" * 100_000}).declaration == read(TILL).declaration


def test_only_the_built_in_source_has_no_patterns() -> None:
    declaration = {name: value for name, value in TILL.items() if name != "match"}
    assert "match: A source needs the patterns" in problems_of(declaration)[0]
    with pytest.raises(DeclarationError, match="The built-in source has none"):
        read_source(json.dumps(TILL).encode(), "tickets.json", is_built_in=True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema/fields/3/dynamodb/as", "S"),
        ("schema/fields/3", {"name": "Menge", "dynamodb": {"attribute": "quantity", "as": "N"}}),
        ("schema/primaryKey", ["Bon-Nr", "Menge"]),
    ],
)
def test_no_number_attribute_no_sum(path: str, value: Any) -> None:
    """A text that is stored as a number isn't added up, and neither is a number of the key."""
    assert read(changed("dynamodb/equalKeys", "sum")).equal_keys == "sum"
    declaration = changed(path, value) | {"dynamodb": {"equalKeys": "sum"}}
    [problem] = problems_of(declaration)
    assert "dynamodb.equalKeys: There is no number attribute to add up." in problem


def test_no_sum_of_rows_that_are_unique() -> None:
    declaration = changed("schema/fields/0/constraints/unique", True)
    declaration["schema"]["primaryKey"] = "Bon-Nr"
    assert read(declaration).is_unique
    declaration["dynamodb"]["equalKeys"] = "sum"
    assert "dynamodb.equalKeys: A field is unique" in problems_of(declaration)[0]


def test_a_source_that_stores_nothing_is_refused() -> None:
    declaration = {"name": "none", "match": ["*"], "schema": {"fields": [{"name": "a"}]}}
    [problem] = problems_of(declaration)
    assert "schema.fields: No field is stored" in problem


def test_values_of_the_key_and_defaults_of_a_file_without_header() -> None:
    declaration = changed("dialect", {"header": False})
    declaration["schema"]["primaryKey"] = ["basket_id", "Artikel"]
    source = read(declaration)
    assert source.dialect == Dialect(delimiter=",", header=False)
    assert source.primary_key == ("basket_id", "product")


def test_a_name_in_the_primary_key_is_a_field_rather_than_an_attribute() -> None:
    declaration = changed("dynamodb/values/Artikel", "{Bon-Nr}")
    assert read(declaration).primary_key == ("ticket_id", "product")


FIELDS: list[tuple[dict[str, Any], Field]] = [
    (
        {
            "type": "integer",
            "bareNumber": False,
            "constraints": {"minimum": 1, "maximum": 9, "enum": [1, 2.5]},
            "dynamodb": {"attribute": "a", "trailingMinus": True, "headerNames": ["y", "z"]},
        },
        Field(
            "x",
            "integer",
            header_names=("y", "z"),
            constraints=Constraints(minimum=1, maximum=9, enum=(1, 2.5)),
            bare_number=False,
            trailing_minus=True,
            attribute="a",
            stored_as="N",
        ),
    ),
    (
        {
            "type": "date",
            "constraints": {"minimum": "2020-01-01", "maximum": "2029-12-31"},
            "dynamodb": {"attribute": "a", "ttl": True},
        },
        Field(
            "x",
            "date",
            constraints=Constraints(minimum="2020-01-01", maximum="2029-12-31"),
            attribute="a",
            stored_as="N",
            ttl=True,
        ),
    ),
    (
        {"type": "time", "dynamodb": {"attribute": "a", "store": "asGiven", "formats": ["%H"]}},
        Field("x", "time", formats=("%H",), attribute="a", as_given=True),
    ),
    (
        {
            "type": "list",
            "itemType": "integer",
            "constraints": {"minLength": 0, "maxLength": 3},
            "dynamodb": {"attribute": "a", "as": "NS"},
        },
        Field(
            "x",
            "list",
            constraints=Constraints(min_length=0, max_length=3),
            true_values=("true", "True", "TRUE", "1"),
            false_values=("false", "False", "FALSE", "0"),
            item_type="integer",
            attribute="a",
            stored_as="NS",
        ),
    ),
]


@pytest.mark.parametrize(("declared", "field"), FIELDS, ids=[one["type"] for one, _ in FIELDS])
def test_what_the_properties_of_a_field_mean(declared: dict[str, Any], field: Field) -> None:
    assert (
        read(changed("schema/fields/4", {"name": "x", "missingValues": [""]} | declared)).fields[4]
        == field
    )


def test_a_byte_order_mark_before_a_declaration_is_left_out() -> None:
    text = b"\xef\xbb\xbf" + json.dumps(TILL).encode()
    assert read_source(text, "x.json").fields == read(TILL).fields


RIGHT: list[tuple[str, Any]] = [
    *(
        ("encoding", name)
        for name in (
            "utf-8",
            "utf-8-sig",
            "latin1",
            "IBM437",
            "cp850",
            "iso-8859-15",
            "utf-16",
            "ascii",
        )
    ),
    *(("dialect/quoteChar", quote) for quote in ("", None, "'")),
    ("dialect/description", "As the till writes it"),
    ("dialect/headerRows", [1]),
    ("dialect/headerRows", [2, 3]),
    ("dialect/commentChar", "#"),
    ("dialect/escapeChar", "\\"),
    ("dialect/nullSequence", "\\N"),
    ("schema/fieldsMatch", "exact"),
    ("schema/fieldsMatch", ["superset"]),
    ("schema/primaryKey", "Bon-Nr"),
    ("schema/fields/4/dynamodb", {"attribute": "note", "whenMissing": "null"}),
    ("schema/fields/3/bareNumber", False),
    ("schema/fields/3/dynamodb/trailingMinus", True),
    ("schema/fields/3/constraints/maximum", 1.5),
    ("schema/fields/2/constraints/minimum", "2020-01-01"),
    ("schema/fields/2/dynamodb/ttl", True),
    ("schema/fields/2/dynamodb/store", "asGiven"),
    ("schema/fields/0/constraints/pattern", "[0-9]+"),
    ("schema/fields/4/type", "list"),
    ("schema/fields/4/type", "boolean"),
    ("dynamodb/values/x", 1.5),
    ("dynamodb/lineEnds", "trusted"),
]


@pytest.mark.parametrize(("path", "value"), RIGHT, ids=str)
def test_the_reader_and_the_json_schema_accept(path: str, value: Any) -> None:
    declaration = changed(path, value)
    read(declaration)
    Draft7Validator(json_schema()).validate(declaration)


@pytest.mark.parametrize(("path", "value"), [one[:2] for one in WRONG], ids=str)
def test_the_json_schema_refuses_what_is_wrong_by_itself(path: str, value: Any) -> None:
    assert not Draft7Validator(json_schema()).is_valid(changed(path, value))


def json_schema() -> Any:
    return json.loads((BUNDLED / "source-1.schema.json").read_text())
