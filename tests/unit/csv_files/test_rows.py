"""What becomes of a record: every value of the grammar, on both sides of its edge."""

from typing import Any

import pytest

from ingestion.csv_files.key_rules import NO_RULES, KeyRules
from ingestion.csv_files.layout import HeaderLine
from ingestion.csv_files.records import Record
from ingestion.csv_files.rows import (
    COLUMNS,
    REASONS,
    SOURCE_REASONS,
    NoRow,
    Refusal,
    Row,
    RowReader,
)
from tests.support.sources import BUILT_IN

GOOD = {
    "ticket_id": "T1",
    "product": "Café, crème",
    "basket_id": "B1",
    "timestamp": "2026-02-28T23:59:59Z",
    "category": "Drinks",
    "quantity": "2",
    "store": "Lyon",
}


def read(
    raw: bytes | None = None,
    key: tuple[str, ...] = ("ticket_id", "product"),
    rules: KeyRules = NO_RULES,
    **changed: str,
) -> Any:
    reader = RowReader(
        BUILT_IN, {name: at for at, name in enumerate(COLUMNS)}, 7, b";", key, rules=rules
    )
    if raw is None:
        raw = ";".join((GOOD | changed)[name] for name in COLUMNS).encode()
    return reader.read(Record(raw, line=1, end=len(raw)))


def read_with(column: str, value: str, **options: Any) -> Any:
    """A good row with another value in one column."""
    changed: dict[str, Any] = {column: value}
    return read(**options, **changed)


def test_a_good_row_becomes_an_item_with_its_text_as_given() -> None:
    assert read() == Row(
        ("T1", "Café, crème"),
        {
            "ticket_id": {"S": "T1"},
            "product": {"S": "Café, crème"},
            "basket_id": {"S": "B1"},
            "timestamp": {"S": "2026-02-28T23:59:59Z"},
            "category": {"S": "Drinks"},
            "quantity": {"N": "2"},
            "store": {"S": "Lyon"},
        },
    )


def test_columns_are_found_by_their_place_in_the_header_and_unknown_ones_are_left_out() -> None:
    columns = {name: 7 - at for at, name in enumerate(COLUMNS)}
    reader = RowReader(BUILT_IN, columns, 8, b",", ("ticket_id",))
    row: Any = reader.read(Record(b"unknown,Lyon,2,Drinks,2026-01-01T00:00,B1,Tea,T1", 1, 0))
    assert row.key == ("T1",)
    assert row.item["store"] == {"S": "Lyon"}
    assert set(row.item) == set(COLUMNS)


def test_text_is_kept_byte_for_byte() -> None:
    row = read(product="  Thé  vert ", category="=1+1", store="\tMünchen\u0301")
    assert row.item["product"] == {"S": "  Thé  vert "}
    assert row.item["category"] == {"S": "=1+1"}
    assert row.item["store"] == {"S": "\tMünchen\u0301"}


@pytest.mark.parametrize("column", ["category", "store"])
def test_category_and_store_may_be_empty(column: str) -> None:
    assert read_with(column, "").item[column] == {"S": ""}


@pytest.mark.parametrize("column", ["ticket_id", "product", "basket_id", "timestamp", "quantity"])
def test_the_others_may_not(column: str) -> None:
    assert read_with(column, "") == Refusal(column, "missing_value")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("0", "0"),
        ("-3", "-3"),
        ("+3", "3"),
        ("007", "007"),
        ("9" * 38, "9" * 38),
        (" 2 ", "2"),
        ("\t2", "2"),
        ("2.0", "2"),
        ("+2.00", "2"),
        ("-2.0000", "-2"),
        (" 12.0\t ", "12"),
        ("9" * 38 + ".0", "9" * 38),
        ("0.0", "0"),
    ],
)
def test_quantities(text: str, stored: str) -> None:
    assert read(quantity=text).item["quantity"] == {"N": stored}


@pytest.mark.parametrize(
    "text",
    [
        *("two", "1e3", "1_000", "1,000", "+", "--1", "9" * 39, "٣", "５", "1\n", "1 000", "- 1"),
        *("1.5", "1.234", "1,0", "2.000", "2.", ".0", "2.0.0", "2.00000001", "2.0 0", "\u00a02"),
        "9" * 39 + ".0",
    ],
)
def test_quantities_that_are_none(text: str) -> None:
    raw = ";".join((GOOD | {"quantity": f'"{text}"'})[name] for name in COLUMNS).encode()
    assert read(raw) == Refusal("quantity", "bad_quantity")


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T00:00",
        "2026-01-31 23:59",
        "2026-01-31T23:59:59",
        "2026-01-31T23:59:59.1",
        "2026-01-31 23:59:59.123456789Z",
        "2026-01-31T23:59Z",
        "2026-01-31T23:59:59+05:30",
        "2026-01-31T23:59:59-1200",
        "2024-02-29T12:00:00",
        "2026-01-31",
        "2026-01-31t12:00:00.5z",
        "2026-01-31T12:00+05",
        "2026-01-31 12:00 UTC",
        "2026-01-31 12:00:00 +0000",
        "2026-01-31 12:00:00 Z",
        "2026-01-31T12:00:00UTC",
    ],
)
def test_timestamps(text: str) -> None:
    assert read(timestamp=text).item["timestamp"] == {"S": text}
    assert read(timestamp=f" \t{text} ").item["timestamp"] == {"S": text}


@pytest.mark.parametrize(
    "text",
    [
        "01/02/2026",
        "2026-02-29",
        "2026-01-31T",
        "2026-01-31Z",
        "2026-01-31 +02:00",
        "2026-01-31  12:00",
        "2026-01-31T12:00  Z",
        "2026-01-31T12:00 CET",
        "2026-01-31T12:00utc",
        "20260131",
        "\u00a02026-01-31",
        "31.01.2026 12:00",
        "2026-1-31T12:00",
        "2026-02-29T12:00:00",
        "2026-13-01T12:00:00",
        "2026-04-31T12:00:00",
        "0000-01-01T12:00:00",
        "2026-01-31T24:00:00",
        "2026-01-31T12:60:00",
        "2026-01-31T12:00:60",
        "2026-01-31T12:00:00.",
        "2026-01-31T12:00:00.1234567890",
        "2026-01-31T12:00.5",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+24",
        "2026-01-31T12:00:00+5",
        "２０２６-01-31T12:00:00",
    ],
)
def test_timestamps_that_are_none(text: str) -> None:
    assert read(timestamp=text) == Refusal("timestamp", "bad_timestamp")


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (b"a;b;c;d;e;f", Refusal("", "too_few_fields")),
        (b" ", Refusal("", "too_few_fields")),
        (b"a;b;c;d;e;f;g;h", Refusal("", "too_many_fields")),
        (b"a;b;c;d;e;f;g;;", Refusal("", "too_many_fields")),
        (b'a;b;c;d;e;f;g;""', Refusal("", "too_many_fields")),
        (b"T1;Tea;B1;2026-01-01;;1", Refusal("", "too_few_fields")),
        (b"T1;Tea;B1;2026-01-01;; \t;Lyon", Refusal("quantity", "missing_value")),
        (b"T1;Tea;B1; ;;1;Lyon", Refusal("timestamp", "missing_value")),
        (b'T1;"Tea" green;B1;2026-01-01T00:00;;1;', Refusal("product", "malformed_quote")),
        (b"T1;Tea;B1;2026-01-01T00:00;\xff;1;", Refusal("category", "not_utf8")),
        (b"T1;;;;;;", Refusal("product", "missing_value")),
    ],
)
def test_records_that_are_no_rows(raw: bytes, refusal: Any) -> None:
    assert read(raw) == refusal


@pytest.mark.parametrize(
    "raw", [b"", b";;;;;;", b";;;", b";;;;;;;;", b'""', b'"";"";;"";;;', b"\f", b'\xef\xbb\xbf"";']
)
def test_records_without_a_value_are_blank(raw: bytes) -> None:
    assert read(raw) is NoRow.BLANK


def test_a_row_may_end_with_one_delimiter() -> None:
    row = ";".join(GOOD.values()).encode()
    assert read(row + b";") == read()
    assert read(row.replace(b"Lyon", b'"Lyon";')) == read()
    assert read(row.replace(b"Lyon", b";")) == read(store="")
    assert read(row.replace(b"Lyon", b'"Lyon;"')) == read(store='"Lyon;"')


@pytest.mark.parametrize("mark", [b"\f", b"\xef\xbb\xbf", b"\f\xef\xbb\xbf\f"])
def test_marks_at_the_start_are_dropped(mark: bytes) -> None:
    good = ";".join(GOOD.values()).encode()
    assert read(mark + good) == read()
    assert read(mark + good.replace(b"T1", b'"T;1"')) == read(ticket_id='"T;1"')
    assert read(good + mark).item["store"] == {"S": "Lyon" + mark.decode()}
    assert read(b" " + mark + good).key[0] == " " + mark.decode() + "T1"


def test_the_header_again_is_no_row() -> None:
    line = ";".join(COLUMNS).encode()
    columns = {name: at for at, name in enumerate(COLUMNS)}
    reader = RowReader(BUILT_IN, columns, 7, b";", ("ticket_id",), HeaderLine.of(line))
    assert reader.read(Record(line, 1, 0)) is NoRow.REPEATED_HEADER
    assert reader.read(Record(b"\xef\xbb\xbf" + line, 1, 0)) is NoRow.REPEATED_HEADER
    for other in (line.upper(), line + b" ", line.replace(b"store", b"stock")):
        assert isinstance(reader.read(Record(other, 1, 0)), Refusal)


def test_keys_end_at_dynamodbs_limits_counted_in_bytes() -> None:
    assert isinstance(read(ticket_id="x" * 2048, product="é" * 512), Row)
    assert read(ticket_id="x" * 2049) == Refusal("ticket_id", "value_too_long")
    assert read(product="é" * 513) == Refusal("product", "value_too_long")


NUMERIC = KeyRules(numbers=frozenset({"ticket_id", "quantity"}))


def test_numbers_of_the_key_are_stored_and_compared_in_one_way() -> None:
    row = read(key=("ticket_id", "quantity"), rules=NUMERIC, ticket_id="007.50", quantity=" +03.0")
    assert row.key == ("7.5", "3")
    assert (row.item["ticket_id"], row.item["quantity"]) == ({"N": "7.5"}, {"N": "3"})
    assert row.item["product"] == {"S": "Café, crème"}


@pytest.mark.parametrize("text", ["T1", "7 ", "1" * 39, "0x7", "٣"])
def test_a_key_that_is_no_number(text: str) -> None:
    assert read(key=("ticket_id",), rules=NUMERIC, ticket_id=text) == Refusal(
        "ticket_id", "bad_number"
    )


def test_a_timestamp_in_the_key_has_no_blanks_around_it() -> None:
    assert read(key=("ticket_id", "timestamp"), timestamp=" 2026-01-31 ").key[1] == "2026-01-31"


def test_keys_of_indexes_are_left_out_where_they_are_empty() -> None:
    rules = KeyRules(left_out_if_empty=frozenset({"category"}))
    assert "category" not in read(rules=rules, category="").item
    assert read(rules=rules, category="", store="").item["store"] == {"S": ""}
    assert read(rules=rules).item["category"] == {"S": "Drinks"}


def test_keys_of_indexes_end_at_their_limits() -> None:
    rules = KeyRules(max_bytes={"store": 1024})
    assert isinstance(read(rules=rules, store="é" * 512), Row)
    assert read(rules=rules, store="é" * 513) == Refusal("store", "value_too_long")


@pytest.mark.parametrize("column", ["category", "store"])
def test_a_key_may_not_be_empty(column: str) -> None:
    assert read_with(column, "", key=("ticket_id", column)) == Refusal(column, "missing_value")


def test_the_limit_of_a_key_is_that_of_its_place_in_the_tables_key() -> None:
    assert isinstance(read(product="x" * 1025, key=("ticket_id",)), Row)
    assert read(product="x" * 2049, key=("product",)) == Refusal("product", "value_too_long")


def test_an_item_ends_at_400_kilobytes() -> None:
    # The names of the attributes count: 55 bytes. The other values of the row are 27 bytes.
    names = sum(len(name) for name in COLUMNS)
    others = sum(len(value.encode()) for name, value in GOOD.items() if name != "category")
    room = 400 * 1024 - names - others
    assert isinstance(read(category="x" * room), Row)
    assert read(category="x" * (room + 1)) == Refusal("", "value_too_long")


def test_every_reason_given_is_of_the_vocabulary() -> None:
    given = {"missing_value", "bad_quantity", "bad_timestamp", "too_few_fields", "too_many_fields"}
    given |= {"malformed_quote", "not_utf8", "value_too_long", "bad_number"}  # above
    given |= {"stray_quote", "record_too_long"}  # tests of sections
    given |= {"superseded", "refused_by_table"}  # tests of write_chunk
    assert given == set(REASONS) - set(SOURCE_REASONS)
