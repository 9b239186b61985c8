"""Rows of declared sources: the item, the key or the reason that a record yields. The conversion of
single values is tested in `values`. Pages are compared with `RowReader`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files.fast_rows import Page, PageReader
from ingestion.csv_files.key_rules import NO_RULES, KeyRules
from ingestion.csv_files.layout import HeaderLine
from ingestion.csv_files.multiline import scan
from ingestion.csv_files.records import Record
from ingestion.csv_files.row_warnings import row_warnings
from ingestion.csv_files.rows import NoRow, Refusal, Row, RowReader, layout_of
from ingestion.csv_files.sections import Section
from ingestion.csv_files.source_columns import Origin
from ingestion.sources.model import Constraints, Dialect, Field, Source, Template
from tests.support.sources import BUILT_IN, source

REQUIRED = Constraints(required=True)

RECEIPTS = source(
    Field("Bon", attribute="ticket_id"),
    Field("Artikel", attribute="product", constraints=REQUIRED),
    Field("Datum", "date", formats=("%d.%m.%Y",)),
    Field("Zeit", "time", formats=("%H:%M",)),
    Field("Menge", "number", decimal_char=",", group_char=".", attribute="quantity", stored_as="N"),
    Field(
        "Storno",
        "boolean",
        true_values=("ja",),
        false_values=("nein",),
        attribute="void",
        stored_as="BOOL",
    ),
    Field("Kunde", attribute="customer", when_missing="null", missing_values=("", "-")),
    Field("Tags", "list", delimiter="/", attribute="tags", stored_as="SS"),
    values={
        "timestamp": Template(("", "T", ""), ("Datum", "Zeit")),
        "place": Template(("", ":", ""), ("{key}", "{line}")),
        "load": Template(("", ""), ("{load}",)),
        "version": 2,
    },
)
NAMES = [field.name for field in RECEIPTS.fields]
ORIGIN = Origin("kassen/1 %b.csv", "load-1", 100)


def columns_of(of: Source, lacking: Sequence[str] = ()) -> dict[str, int]:
    names = [field.name for field in of.fields if field.name not in lacking]
    return {name: at for at, name in enumerate(names)}


def read(
    raw: str,
    of: Source = RECEIPTS,
    key: Sequence[str] = ("ticket_id", "product"),
    rules: KeyRules = NO_RULES,
    lacking: Sequence[str] = (),
) -> Any:
    """What a record in line 7 yields, by itself and as a page of its own."""
    columns = columns_of(of, lacking)
    arguments: Any = (of, columns, len(columns), b";", key, None, rules, ORIGIN)
    outcome = RowReader(*arguments).read(Record(raw.encode(), 7, 0))
    text = raw.encode() + b"\n"
    page = PageReader(*arguments).read(Section(text, len(text)), 6)
    assert items(page) == ([outcome.item] if isinstance(outcome, Row) else [])
    return outcome


def items(page: Page) -> list[Any]:
    return [json.loads(request)["PutRequest"]["Item"] for request in page.requests]


def test_a_whole_row() -> None:
    row = read("B1;Tee;31.01.2026;18:05;1.234,50;ja;Ann;a/b/a")
    assert row.key == ("B1", "Tee")
    assert {**row.item, "tags": sorted(row.item["tags"]["SS"])} == {
        "ticket_id": {"S": "B1"},
        "product": {"S": "Tee"},
        "quantity": {"N": "1234.5"},
        "void": {"BOOL": True},
        "customer": {"S": "Ann"},
        "tags": ["a", "b"],
        "timestamp": {"S": "2026-01-31T18:05:00"},
        "place": {"S": "kassen/1 %b.csv:107"},
        "load": {"S": "load-1"},
        "version": {"N": "2"},
    }


def test_missing_values() -> None:
    row = read("B1;Tee;31.01.2026; ;;;-;")
    assert row.item == {
        "ticket_id": {"S": "B1"},
        "product": {"S": "Tee"},
        "customer": {"NULL": True},
        "place": {"S": "kassen/1 %b.csv:107"},
        "load": {"S": "load-1"},
        "version": {"N": "2"},
    }


def test_a_null_sequence_in_a_row_with_a_warning() -> None:
    nulls = source(
        Field("Bon", attribute="ticket_id"),
        Field("Kunde", attribute="customer"),
        dialect=Dialect(null_sequence="NULL"),
    )
    assert read(" B1;NULL", nulls, key=["ticket_id"]).item == {"ticket_id": {"S": " B1"}}


def test_lists_and_lengths_are_checked_even_if_they_are_not_stored() -> None:
    checked = source(
        Field("Bon", attribute="ticket_id"),
        Field("Tags", "list", item_type="integer", stored_as="L"),
        Field("Kunde", constraints=Constraints(max_length=2)),
    )
    assert read("B1;1,x;Jo", checked, key=["ticket_id"]) == Refusal("Tags", "bad_list")
    assert read("B1;1,2;Ann", checked, key=["ticket_id"]) == Refusal("Kunde", "too_long")


def test_fields_that_the_file_lacks_are_missing() -> None:
    row = read("B1;Tee;31.01.2026;18:05", lacking=["Menge", "Storno", "Kunde", "Tags"])
    assert set(row.item) == {
        *("ticket_id", "product", "customer", "timestamp", "place", "load", "version")
    }
    assert row.item["customer"] == {"NULL": True}


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (";Tee;31.01.2026;18:05;1;ja;;", ("Bon", "missing_value")),
        ("B1;;31.02.2026;18:05;x;ja;;", ("Artikel", "missing_value")),
        ("B1;Tee;31.02.2026;18:05;x;ja;;", ("Datum", "bad_date")),
        ("B1;Tee;31.01.2026;24:05;1;ja;;", ("Zeit", "bad_time")),
        ("B1;Tee;31.01.2026;18:05;1.23;ja;;", ("Menge", "bad_number")),
        ("B1;Tee;31.01.2026;18:05;1;yes;;", ("Storno", "bad_boolean")),
    ],
)
def test_missing_values_are_refused_first_and_then_the_others_in_the_order_of_fields(
    raw: str, refusal: tuple[str, str]
) -> None:
    assert read(raw) == Refusal(*refusal)


def test_the_reasons_of_the_built_in_source_are_its_own() -> None:
    raw = "T1;Tea;B1;{};Drinks;{};Lyon"
    assert read(raw.format("2026-02-30", "1"), BUILT_IN) == Refusal("timestamp", "bad_timestamp")
    assert read(raw.format("2026-02-03", "x"), BUILT_IN) == Refusal("quantity", "bad_quantity")
    other = source(Field("quantity", "integer", attribute="ticket_id", stored_as="N"))
    assert read("x", other, ("ticket_id",)) == Refusal("quantity", "bad_integer")


BY_TEMPLATE = source(
    Field("Datum", "date"),
    Field("Nr", "integer", attribute="number", stored_as="N"),
    Field("Text", missing_values=("-",), attribute="text"),
    values={"id": Template(("", "#", ""), ("Datum", "Nr")), "name": Template(("", ""), ("Text",))},
)


def test_a_key_may_be_made_by_a_template() -> None:
    row = read("2026-01-31;007;a", BY_TEMPLATE, ("id",))
    assert (row.key, row.item["id"]) == (("2026-01-31#007",), {"S": "2026-01-31#007"})
    assert read(";007;a", BY_TEMPLATE, ("id",)) == Refusal("Datum", "missing_value")
    assert read("2026-01-31;;a", BY_TEMPLATE, ("id",)) == Refusal("Nr", "missing_value")
    assert read("2026-01-31;;a", BY_TEMPLATE, ("text",)).key == ("a",)


@pytest.mark.parametrize("text", ["", "-"])
def test_a_key_is_never_empty(text: str) -> None:
    for key in (("name",), ("text",)):
        outcome = read(f"2026-01-31;1;{text}", BY_TEMPLATE, key)
        assert outcome == Refusal("Text", "missing_value")
    assert read("2026-01-31;1;", BY_TEMPLATE, ("id",)).item["text"] == {"S": ""}


def test_keys_of_type_number_are_canonical() -> None:
    rules = KeyRules(numbers=frozenset({"number", "name"}))
    row = read("2026-01-31;007;1e3", BY_TEMPLATE, ("number", "name"), rules)
    assert row.key == ("7", "1000")
    assert (row.item["number"], row.item["name"]) == ({"N": "7"}, {"N": "1000"})
    assert row.item["text"] == {"S": "1e3"}
    outcome = read("2026-01-31;007;x", BY_TEMPLATE, ("number", "name"), rules)
    assert outcome == Refusal("Text", "bad_number")


def test_keys_of_indexes_are_left_out_if_they_are_empty_and_refused_if_they_are_long() -> None:
    names = frozenset({"customer", "timestamp", "tags"})
    rules = KeyRules(left_out_if_empty=names, max_bytes={"customer": 4})
    assert "customer" not in read("B1;Tee;;;;;-;", rules=rules).item
    assert read("B1;Tee;;;;;Ähm;", rules=rules).item["customer"] == {"S": "Ähm"}
    assert read("B1;Tee;;;;;Ähmm;", rules=rules) == Refusal("Kunde", "value_too_long")
    empty = source(
        Field("A", attribute="a"),
        Field("B", attribute="b", missing_values=("-",)),
        Field("C", attribute="c", when_missing="empty"),
    )
    rules = KeyRules(left_out_if_empty=frozenset({"b", "c"}))
    assert read("1;;", empty, ("a",), rules).item == {"a": {"S": "1"}}
    assert read("1;;", empty, ("a",)).item == {"a": {"S": "1"}, "b": {"S": ""}, "c": {"S": ""}}


def test_the_names_and_all_values_of_an_item_count_towards_its_size() -> None:
    """The template makes the item store a field twice."""
    twice = source(
        Field("A", attribute="a"),
        Field("B", attribute="é"),
        values={"c": Template(("", "!"), ("B",))},
    )
    room = (400 * 1024 - len("a" + "1" + "é!" + "c") - 1) // 2
    assert isinstance(read("1;" + "x" * room, twice, ("a",)), Row)
    assert read("1;" + "x" * (room + 1), twice, ("a",)) == Refusal("", "value_too_long")


def test_bytes_that_mean_nothing_in_a_declared_encoding() -> None:
    for encoding, reason in (("utf_8", "not_utf8"), ("cp1252", "undecodable")):
        reader = RowReader(
            source(Field("A", attribute="a"), encoding=encoding), {"A": 0}, 1, b";", ("a",)
        )
        assert reader.read(Record(b"\x81", 1, 0)) == Refusal("A", reason)


@pytest.mark.parametrize(
    ("fields", "trusts", "judges"),
    [
        ([Field("A"), Field("B", constraints=REQUIRED)], False, False),
        ([Field("A", "integer"), Field("B")], False, False),
        ([Field("A", "integer"), Field("B", constraints=Constraints(pattern="x*"))], False, True),
        ([Field("A", "date"), Field("B")], False, True),
        ([Field("A", "date"), Field("B", "number")], True, False),
    ],
)
def test_line_ends_are_judged_by_columns_with_a_form(
    fields: Sequence[Field], trusts: bool, judges: bool
) -> None:
    of = source(*fields, trusts_line_ends=trusts)
    assert layout_of(of, {"A": 0, "B": 1}, 2, b";").judges_line_ends is judges
    # Columns that the file lacks can't tell anything.
    assert not layout_of(of, {"B": 0}, 1, b";").judges_line_ends


def test_a_header_of_texts_is_recognised_where_it_is_repeated() -> None:
    texts = source(Field("A", attribute="a"), Field("B", attribute="b"))
    header = HeaderLine.of(b"A;B")
    reader = PageReader(texts, {"A": 0, "B": 1}, 2, b";", ("a",), header)
    text = b"1;2\nA;B\nA;C\n;\n"
    page = reader.read(Section(text, len(text)))
    assert [item["b"]["S"] for item in items(page)] == ["2", "C"]
    assert (page.repeated_headers, page.blank_lines, page.row_lines) == (1, 1, 2)


@pytest.mark.parametrize(
    ("title", "line", "missing_value", "dialect"),
    [
        ("NA", b"A;NA", "NA", Dialect()),
        ("NA", b"A;na", "na", Dialect()),
        ("Menge", b"A;", "", Dialect(header_rows=(1, 2))),
        ("null", b"A;NULL", "", Dialect(null_sequence="NULL")),
    ],
)
def test_a_header_is_recognised_where_it_is_repeated_even_if_a_title_is_a_missing_value(
    title: str, line: bytes, missing_value: str, dialect: Dialect
) -> None:
    number = Field(title, "number", missing_values=(missing_value,), attribute="n", stored_as="N")
    of = source(Field("A", attribute="a"), number, dialect=dialect)
    reader = PageReader(of, {"A": 0, title: 1}, 2, b";", ("a",), HeaderLine.of(line))
    text = b"1;2\n" + line + b"\n3;4\n"
    page = reader.read(Section(text, len(text)))
    assert [item["a"]["S"] for item in items(page)] == ["1", "3"]
    assert page.repeated_headers == 1


def test_a_row_of_empty_fields_is_blank_even_if_nothing_is_required() -> None:
    of = source(Field("A", attribute="a"), values={"id": Template(("", ""), ("{line}",))})
    reader = PageReader(of, {"A": 0}, 2, b";", ("id",), None, NO_RULES, ORIGIN)
    text = b"1;\n;\n;2\n"
    page = reader.read(Section(text, len(text)))
    assert [item["id"]["S"] for item in items(page)] == ["101", "103"]
    assert page.blank_lines == 1


# ---------------------------------------------------------------- generated

SOURCES: Mapping[str, tuple[Source, Sequence[str], KeyRules]] = {
    "receipts": (RECEIPTS, ("ticket_id", "product"), NO_RULES),
    "template": (BY_TEMPLATE, ("id",), NO_RULES),
    "line": (
        source(
            Field("A", attribute="a"),
            Field("B", "integer", attribute="b", stored_as="N"),
            values={"id": Template(("", ""), ("{line}",))},
        ),
        ("id",),
        NO_RULES,
    ),
    "numbers": (BY_TEMPLATE, ("number", "name"), KeyRules(numbers=frozenset({"number", "name"}))),
    "indexes": (
        RECEIPTS,
        ("product",),
        KeyRules(left_out_if_empty=frozenset({"customer", "ticket_id"}), max_bytes={"customer": 3}),
    ),
}
VALUES = [
    *("", " ", "-", "a", "ab/c", "a b", " a", "ja", "nein", "x" * 1025, '="1"', "a\tb", "é", "%b"),
    *("1", "+2", "007", "1,5", "1.234,5", "1e3", "31.01.2026", "31.02.2026", "2026-01-31", "18:05"),
]
USUAL = {
    **{"Bon": ["B1", "B2"], "Artikel": ["Tee"], "Datum": ["31.01.2026"], "Zeit": ["18:05"]},
    **{"Menge": ["1,5", "2"], "Storno": ["ja", ""], "Kunde": ["Ann", "-"], "Tags": ["a/b", ""]},
    **{"Nr": ["1", "007"], "Text": ["5", "6"], "A": ["a", ""], "B": ["1", "2"]},
}


@st.composite
def records(draw: st.DrawFn, of: Source) -> bytes:
    if draw(st.integers(0, 7)) == 0:
        return draw(st.sampled_from([b"", b";" * (len(of.fields) - 1), b"x;", b"\xff;" * 8]))
    values = [
        draw(
            st.sampled_from(
                ["2026-01-31"]
                if (field.name, field.type) == ("Datum", "date") and of is BY_TEMPLATE
                else USUAL[field.name]
            )
        )
        for field in of.fields
    ]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(values) - 1))
        values[at] = draw(st.sampled_from(VALUES))
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(values) - 1))
        end = draw(st.sampled_from(["", "\n", ";"]))
        values[at] = '"{}"'.format((values[at] + end).replace('"', '""'))
    return ";".join(values).encode()


@given(st.sampled_from(list(SOURCES)), st.data())
@settings(deadline=None)
def test_a_page_is_what_the_plain_implementation_makes_of_it(name: str, data: Any) -> None:
    of, key, rules = SOURCES[name]
    columns = columns_of(of)
    titles = ";".join(columns).encode()
    rows = data.draw(st.lists(st.one_of(records(of), st.just(titles)), max_size=25))
    header = data.draw(st.sampled_from([None, HeaderLine.of(titles)]))
    arguments: Any = (of, columns, len(columns), b";", key, header, rules, ORIGIN)
    reader, plain = PageReader(*arguments), RowReader(*arguments)
    text = b"".join(row + b"\n" for row in rows)
    found = scan(text, reader.layout, complete=True)
    page = reader.read(Section(text, len(text), found.special, found.quoted), 10)
    accepted, refused, warned = [], [], set()
    for record in page.section.records():
        outcome = plain.read(record, 10)
        if isinstance(outcome, Row):
            accepted.append(outcome)
            warned |= row_warnings(outcome.key, plain.texts(outcome))
        elif not isinstance(outcome, NoRow):
            refused.append((record.line, outcome.column, outcome.reason))
    assert items(page) == [row.item for row in accepted]
    assert [row[:3] for row in page.refused] == refused
    assert page.keys == [
        tuple(json.dumps(one, ensure_ascii=False)[1:-1].encode() for one in row.key)
        for row in accepted
    ]
    assert set(page.warnings) - {"split_record", "unchecked_line_ends"} == warned
    assert page.lines == text.count(b"\n")
