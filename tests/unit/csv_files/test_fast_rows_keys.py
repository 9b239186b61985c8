"""Pages for tables with numeric keys and with indexes, against the plain implementation."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files.fast_rows import Page, PageReader
from ingestion.csv_files.key_rules import NO_RULES, KeyRules
from ingestion.csv_files.records import Record
from ingestion.csv_files.rows import COLUMNS, NoRow, Refusal, Row, RowReader
from ingestion.csv_files.sections import read_sections
from tests.support.sources import BUILT_IN

KEY = ("ticket_id", "product")
GOOD = ("T{n}", "Tea", "B1", "2026-01-31T23:59:59Z", "Drinks", "2", "Lyon")


def good(n: int = 1, **changed: str) -> str:
    values = dict(zip(COLUMNS, GOOD, strict=True)) | {"ticket_id": f"T{n}"} | changed
    return ",".join(values.values())


def many(count: int) -> list[str]:
    return [good(n) for n in range(count)]


def check(rows: Sequence[str], rules: KeyRules = NO_RULES, key: Sequence[str] = KEY) -> Page:
    """Read rows by the page, and each by itself; both must say the same."""
    columns = {name: at for at, name in enumerate(COLUMNS)}
    pages = PageReader(BUILT_IN, columns, 7, b",", key, None, rules)
    plain = RowReader(BUILT_IN, columns, 7, b",", key, None, rules)
    text = "".join(row + "\n" for row in rows).encode()
    [section] = read_sections([text], pages.layout, ends_file=True)
    page: Page = pages.read(section)
    outcomes = [(record, plain.read(record)) for record in section.records()]
    accepted = [(record, one) for record, one in outcomes if isinstance(one, Row)]
    assert items(page) == [one.item for _, one in accepted]
    assert keys(page) == [one.key for _, one in accepted]
    assert [row[:3] for row in page.refused] == [
        (record.line, *one) for record, one in outcomes if isinstance(one, Refusal)
    ]
    assert list(pages.accepted(page)) == [
        (record, key) for (record, _), key in zip(accepted, page.keys, strict=True)
    ]
    return page


def items(page: Page) -> list[Any]:
    """What DynamoDB would read in the page's requests."""
    return [json.loads(request)["PutRequest"]["Item"] for request in page.requests]


def keys(page: Page) -> list[tuple[str, ...]]:
    return [tuple(json.loads(b'"%b"' % value) for value in key) for key in page.keys]


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The records that were read one by one so far, not by the page."""
    seen = []
    read = RowReader.read

    def noted(self: RowReader, record: Record, lines_before: int = 0) -> Row | Refusal | NoRow:
        seen.append(record.raw)
        return read(self, record, lines_before)

    monkeypatch.setattr(RowReader, "read", noted)
    return seen


# ---------------------------------------------------------------- numbers

NUMERIC_ID = KeyRules(numbers=frozenset({"ticket_id"}))
NUMERIC_QUANTITY = KeyRules(numbers=frozenset({"quantity"}))


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("7", "7"),
        ("007", "7"),
        ("7.0", "7"),
        ('"7"', "7"),
        ("0", "0"),
        ("-0", "0"),
        ("1.23457E+12", "1234570000000"),
        ("9" * 38, "9" * 38),
    ],
)
def test_numbers_of_the_key_are_canonical_in_the_item_and_the_key(given: str, key: str) -> None:
    rows = [good(at, ticket_id=str(at)) for at in range(10, 20)]
    page = check([*rows, good(1, ticket_id=given)], NUMERIC_ID)
    assert items(page)[-1]["ticket_id"] == {"N": key}
    assert keys(page)[-1] == (key, "Tea")


@pytest.mark.parametrize("given", ["", "T1", " 7", "1,5", "9" * 39, "1E126", "NaN", "7\\\\", "٧"])
def test_a_key_that_is_no_number_refuses_its_row(given: str) -> None:
    rows = [good(at, ticket_id=str(at)) for at in range(10, 40)]
    page = check([*rows, good(1, ticket_id=f'"{given}"'), *rows], NUMERIC_ID)
    assert [row[:3] for row in page.refused] == [
        (31, "ticket_id", "bad_number" if given else "missing_value")
    ]


def test_a_quantity_that_is_a_key_is_canonical_too() -> None:
    rows = [*many(30), good(1, quantity="007"), good(1, quantity="-0")]
    page = check(rows, NUMERIC_QUANTITY, ("ticket_id", "quantity"))
    assert page.keys[-2:] == [(b"T1", b"7"), (b"T1", b"0")]
    assert items(page)[-1]["quantity"] == {"N": "0"}


def test_numbers_that_are_written_in_other_ways_need_no_closer_look(
    one_by_one: list[bytes],
) -> None:
    columns = {name: at for at, name in enumerate(COLUMNS)}
    reader = PageReader(BUILT_IN, columns, 7, b",", KEY, None, NUMERIC_ID)
    text = "".join(good(ticket_id=f"0{at}.50") + "\n" for at in range(40)).encode()
    [section] = read_sections([text], reader.layout, ends_file=True)
    assert len(reader.read(section).requests) == 40
    assert one_by_one == []


# ---------------------------------------------------------------- indexes

INDEXED = KeyRules(
    left_out_if_empty=frozenset({"category", "store"}),
    max_bytes={"category": 2048, "store": 1024, "basket_id": 1024},
)
EMPTY: list[dict[str, str]] = [
    {},
    {"category": ""},
    {"store": ""},
    {"category": "", "store": ""},
]


def test_empty_keys_of_indexes_are_left_out() -> None:
    page = check([good(at, **EMPTY[at % 4]) for at in range(40)], INDEXED)
    for item, changed in zip(items(page), EMPTY * 10, strict=True):
        assert set(COLUMNS) - set(item) == set(changed)


def test_they_need_no_closer_look(one_by_one: list[bytes]) -> None:
    columns = {name: at for at, name in enumerate(COLUMNS)}
    reader = PageReader(BUILT_IN, columns, 7, b",", KEY, None, INDEXED)
    text = "".join(good(at, **EMPTY[at % 4]) + "\n" for at in range(40)).encode()
    [section] = read_sections([text], reader.layout, ends_file=True)
    assert len(reader.read(section).requests) == 40
    assert one_by_one == []


@pytest.mark.parametrize(
    ("changed", "fits"),
    [
        ({"category": "x" * 2048}, True),
        ({"category": "x" * 2049}, False),
        ({"store": "é" * 512}, True),
        ({"store": "é" * 512 + "x"}, False),
        ({"store": '"' + '""' * 1024 + '"'}, True),  # escaped in JSON it is over the limit
        ({"basket_id": "x" * 1025}, False),
    ],
)
def test_the_limits_of_indexes(changed: dict[str, str], fits: bool) -> None:
    page = check([*many(9), good(1, **changed), *many(9)], INDEXED)
    assert [row[1:3] for row in page.refused] == ([] if fits else [(*changed, "value_too_long")])


@pytest.mark.parametrize("column", ["category", "store"])
def test_a_key_of_the_table_must_not_be_empty(column: str) -> None:
    page = check([*many(9), good(1, **{column: ""}), *many(9)], key=("ticket_id", column))
    assert [row[:3] for row in page.refused] == [(10, column, "missing_value")]


# ---------------------------------------------------------------- generated

VALUES = {
    "ticket_id": ["T1", "T2", "Té", "7", "007", "7.0"],
    "product": ["Tea", "😀", "7", "x" * 6],
    "category": ["", "Drinks"],
    "quantity": ["1", "-3", "007", "x"],
    "store": ["", "Lyon", '"a,b"', '5" pipe', "x" * 6],
}
NUMBERS = ["7", "7", "10", "007", "7.0", "-0", "1e2", "x"]


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], KeyRules, Sequence[str]]:
    key = draw(st.sampled_from([KEY, ("ticket_id",), ("product", "quantity"), ("store",)]))
    others = [name for name in COLUMNS if name not in key]
    limits = st.dictionaries(st.sampled_from(others), st.sampled_from([5, 1024]), max_size=2)
    numbers = draw(st.frozensets(st.sampled_from(key), max_size=1))
    left_out = draw(st.frozensets(st.sampled_from(others), max_size=3))
    values = VALUES | dict.fromkeys(numbers, NUMBERS)
    row: Any = st.fixed_dictionaries(
        {name: st.sampled_from(found) for name, found in values.items()}
    )
    rows = draw(st.lists(row, max_size=25))
    return [good(**one) for one in rows], KeyRules(numbers, left_out, draw(limits)), key


@given(cases().filter(lambda case: case[0]))
@settings(deadline=None)
def test_a_page_is_what_the_plain_implementation_makes_of_it(
    case: tuple[list[str], KeyRules, Sequence[str]],
) -> None:
    check(*case)
