"""Pages against the plain implementation: each record of a section read by `RowReader`, each
request read back by `json.loads`. What a row means has its own tests, in `test_rows`, and which
records there are has its own, in `test_multiline`."""

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion.contracts import RefusedRow
from ingestion.csv_files import fast_rows
from ingestion.csv_files.fast_rows import PAGE_SIZE, Page, PageReader
from ingestion.csv_files.layout import HeaderLine
from ingestion.csv_files.multiline import scan
from ingestion.csv_files.records import BYTE_ORDER_MARK, Record
from ingestion.csv_files.refused_rows import refused_row
from ingestion.csv_files.row_warnings import row_warnings
from ingestion.csv_files.rows import COLUMNS, Key, NoRow, Refusal, Row, RowReader
from ingestion.csv_files.sections import Section, read_sections
from ingestion.sources.model import Source
from tests.support.sources import BUILT_IN

DELIMITERS = (b",", b";", b"\t", b"|")
KEY = ("ticket_id", "product")


class Header(NamedTuple):
    """How a file is laid out: `fields` are its header's, None where a column is unknown."""

    fields: Sequence[str | None] = COLUMNS
    delimiter: bytes = b","
    key: Sequence[str] = KEY

    @property
    def line(self) -> bytes:
        return self.delimiter.join((name or "remark").encode() for name in self.fields)

    def arguments(self) -> tuple[Source, dict[str, int], int, bytes, Sequence[str], HeaderLine]:
        columns = {name: at for at, name in enumerate(self.fields) if name}
        line = HeaderLine.of(self.line)
        return BUILT_IN, columns, len(self.fields), self.delimiter, self.key, line

    def reader(self) -> PageReader:
        return PageReader(*self.arguments())

    def section(self, text: bytes) -> Section:
        """A text as one section."""
        found = scan(text, self.reader().layout, complete=True)
        return Section(text, len(text), found.special, found.quoted)

    def read(self, text: bytes) -> Page:
        return self.reader().read(self.section(text))


class Plain:
    """A section as the plain implementation reads it."""

    def __init__(self, header: Header, section: Section) -> None:
        rows = RowReader(*header.arguments())
        self.items: list[Any] = []
        self.keys: list[Key] = []
        self.records: list[Record] = []
        self.refused: list[RefusedRow] = []
        self.lines: Counter[str] = Counter()
        self.warned: Counter[str] = Counter()
        self.first: dict[str, int] = {}
        for record in section.records():
            outcome = rows.read(record)
            kind = outcome.value if isinstance(outcome, NoRow) else "row"
            self.lines[kind] += record.lines
            if isinstance(outcome, Row):
                self.items.append(outcome.item)
                self.keys.append(outcome.key)
                self.records.append(record)
                texts = [value["S"] for value in outcome.item.values() if "S" in value]
                for warning in row_warnings(outcome.key, texts):
                    self.warned[warning] += 1
                    self.first.setdefault(warning, record.line)
            elif isinstance(outcome, Refusal):
                self.refused.append(
                    refused_row(record.line, outcome.column, outcome.reason, record.raw)
                )


def items(page: Page) -> list[Any]:
    """What DynamoDB would read in the page's requests."""
    found = []
    for request in page.requests:
        put = json.loads(request, object_pairs_hook=_no_name_twice)
        assert list(put) == ["PutRequest"]
        assert list(put["PutRequest"]) == ["Item"]
        found.append(put["PutRequest"]["Item"])
    return found


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def keys(page: Page) -> list[Key]:
    return [tuple(json.loads(b'"%b"' % value) for value in key) for key in page.keys]


def check(header: Header, text: bytes) -> Page:
    """The page of a text must be what the plain implementation makes of it."""
    return check_section(header, header.section(text))


def check_section(header: Header, section: Section) -> Page:
    reader = header.reader()
    page, plain = reader.read(section), Plain(header, section)
    assert items(page) == plain.items
    assert keys(page) == plain.keys
    # Equal keys are equal, and different ones are not, whichever way each was read.
    pairs = set(zip(page.keys, plain.keys, strict=True))
    assert len(set(page.keys)) == len(set(plain.keys)) == len(pairs)
    assert page.refused == plain.refused
    lines = Counter(
        {
            "row": page.row_lines,
            "blank": page.blank_lines,
            "repeated header": page.repeated_headers,
        }
    )
    assert lines == plain.lines
    assert page.lines == len(io.BytesIO(section.text).readlines()) + section.end_mark_lines
    told = {kind: one for kind, one in page.warnings.items() if kind != "split_record"}
    assert {kind: one.rows for kind, one in told.items()} == plain.warned
    assert {kind: one.line for kind, one in told.items()} == plain.first
    assert list(reader.accepted(page)) == list(zip(plain.records, page.keys, strict=True))
    for accepted in {0, 1, len(plain.records) // 2, len(plain.records)}:
        if accepted <= len(plain.records):
            part = reader.part(page, accepted)
            end = plain.records[accepted - 1].end if accepted else 0
            assert part.section.text == section.text[:end]
            assert (items(part), part.keys) == (plain.items[:accepted], page.keys[:accepted])
            before = part.section.text.count(b"\n")
            assert part.refused == [row for row in page.refused if row.line <= before]
    return page


# ---------------------------------------------------------------- by hand

GOOD = ("T{n}", "Tea", "B1", "2026-01-31T23:59:59Z", "Drinks", "2", "Lyon")


def good(n: int = 1, **changed: str) -> bytes:
    values = dict(zip(COLUMNS, GOOD, strict=True)) | {"ticket_id": f"T{n}"} | changed
    return ",".join(values.values()).encode()


def lines(*records: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(record + end for record in records)


def many(count: int = 30) -> list[bytes]:
    return [good(n) for n in range(count)]


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The records that were not read by the page."""
    seen = []
    read = RowReader.read

    def noted(self: RowReader, record: Record, lines_before: int = 0) -> Any:
        seen.append(record.raw)
        return read(self, record, lines_before)

    monkeypatch.setattr(RowReader, "read", noted)
    return seen


def test_a_page_of_good_rows_as_they_are() -> None:
    page = Header().read(lines(good(1), good(2, category="", store="Café 😀\u2028")))
    assert page.requests == [
        b'{"PutRequest":{"Item":{"ticket_id":{"S":"T1"},"product":{"S":"Tea"},"basket_id":{"S":"B1"'
        b'},"timestamp":{"S":"2026-01-31T23:59:59Z"},"category":{"S":"Drinks"},"quantity":{"N":"2"}'
        b',"store":{"S":"Lyon"}}}}',
        '{"PutRequest":{"Item":{"ticket_id":{"S":"T2"},"product":{"S":"Tea"},"basket_id":{"S":"B1"'
        '},"timestamp":{"S":"2026-01-31T23:59:59Z"},"category":{"S":""},"quantity":{"N":"2"}'
        ',"store":{"S":"Café 😀\u2028"}}}}'.encode(),
    ]
    assert page.keys == [(b"T1", b"Tea"), (b"T2", b"Tea")]
    assert (page.refused, page.warnings, page.lines) == ([], {}, 2)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_good_rows_are_read_by_the_page(one_by_one: list[bytes], end: bytes) -> None:
    rows = [*many(), good(1, product='"Tea, green"'), good(2, store='"a\n""b"""')]
    page = Header().read(lines(*rows, end=end))
    assert one_by_one == []
    assert len(page.requests) == 32


@pytest.mark.parametrize(
    "odd",
    [
        good(0, quantity="x"),
        good(0, timestamp="2026-02-29T00:00"),
        good(0, basket_id=""),
        b"",
        b"a,b",
    ],
)
@pytest.mark.parametrize("place", [0, 500, 999])
def test_few_rows_beside_an_odd_one_are_read_one_by_one(
    one_by_one: list[bytes], odd: bytes, place: int
) -> None:
    """The page is halved until few are left, so a bad row does not make its page slow."""
    rows = many(999)
    Header().read(lines(*rows[:place], odd, *rows[place:]))
    assert len(one_by_one) <= 8
    assert odd in one_by_one or not odd


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("changed", "stored"),
    [
        ({"quantity": "2.0"}, {}),
        ({"quantity": " +2 "}, {}),
        ({"timestamp": " 2026-01-31T23:59:59Z  "}, {}),
        ({"timestamp": "2026-01-31 12:00 +02"}, {"timestamp": "2026-01-31 12:00 +02"}),
        ({"timestamp": "2026-01-31"}, {"timestamp": "2026-01-31"}),
        ({"store": "Lyon,"}, {}),
        ({"store": ","}, {"store": ""}),
        ({"store": '"Lyon",', "quantity": "2.00"}, {}),
    ],
)
def test_rows_in_another_form_are_read_by_the_page(
    one_by_one: list[bytes], changed: dict[str, str], stored: dict[str, str], end: bytes
) -> None:
    rows = [good(n, **changed) for n in range(30)]
    page = Header().read(lines(*rows, end=end))
    assert one_by_one == []
    expected = {"product": "Tea", "quantity": "2", "store": "Lyon"} | stored
    for item in items(page):
        values = {name: value for name, one in item.items() for value in one.values()}
        assert values == values | expected
    assert len(page.requests) == 30


def test_rows_with_every_field_quoted_and_a_delimiter_at_their_end_are_read_by_the_page(
    one_by_one: list[bytes],
) -> None:
    row = b",".join(b'"%b"' % value for value in good(1).split(b",")) + b","
    page = Header().read(lines(*[row] * 30, end=b"\r\n"))
    assert one_by_one == []
    assert items(page) == items(Header().read(lines(*[good(1)] * 30)))


@pytest.mark.parametrize("store", ["Lyon", '"Lyon"', '"Ly\non"', '"Ly,on"', ""])
def test_rows_with_and_without_a_delimiter_at_their_end(store: str) -> None:
    rows = [good(n, store=store) + b"," * (n % 3 == 0) for n in range(30)]
    for some in (rows, rows[1:], [good(0) + b",", *rows], [*rows, good(0, quantity="x") + b","]):
        page = check(Header(), lines(*some))
        assert len(page.requests) >= 29


@pytest.mark.parametrize(
    "store", ['5" pipe', '"', "a\\b", "\\", 'a\\"b', "\t", "a\x00\x1fb", "a\rb"]
)
def test_what_json_escapes_needs_no_closer_look(one_by_one: list[bytes], store: str) -> None:
    page = Header().read(lines(*many(9), good(0, store=f"x{store}")))
    assert one_by_one == []
    item = json.loads(page.requests[-1])["PutRequest"]["Item"]
    assert item["store"] == {"S": f"x{store}"}


BAD = [
    (good(0, quantity=""), ("quantity", "missing_value")),
    (good(0, ticket_id=""), ("ticket_id", "missing_value")),
    (good(0, product=""), ("product", "missing_value")),
    (good(0, basket_id=""), ("basket_id", "missing_value")),
    (good(0, timestamp=""), ("timestamp", "missing_value")),
    (good(0, quantity="1.5"), ("quantity", "bad_quantity")),
    (good(0, quantity="9" * 39), ("quantity", "bad_quantity")),
    (good(0, quantity="1.000"), ("quantity", "bad_quantity")),
    (good(0, quantity=" "), ("quantity", "missing_value")),
    (good(0, quantity="\u0665"), ("quantity", "bad_quantity")),
    (good(0, quantity='"1\n"'), ("quantity", "bad_quantity")),
    (good(0, quantity='"1\n2"'), ("quantity", "bad_quantity")),
    (good(0, timestamp="2026-13-01T00:00"), ("timestamp", "bad_timestamp")),
    (good(0, timestamp="2026-02-30T00:00"), ("timestamp", "bad_timestamp")),
    (good(0, timestamp="0000-01-01T00:00"), ("timestamp", "bad_timestamp")),
    (good(0, timestamp="2026-01-01T24:00"), ("timestamp", "bad_timestamp")),
    (good(0, timestamp="2026-01-01Z"), ("timestamp", "bad_timestamp")),
    (good(0, timestamp='"2026-01-01T00:00\n"'), ("timestamp", "bad_timestamp")),
    (good(0).rpartition(b",")[0], ("", "too_few_fields")),
    (good(0) + b",,", ("", "too_many_fields")),
    (good(0) + b",x", ("", "too_many_fields")),
    (b" ", ("", "too_few_fields")),
    (good(0, store='"Lyon" 2'), ("store", "malformed_quote")),
    (good(0).replace(b"Lyon", b"L\xffon"), ("store", "not_utf8")),
    (good(0).replace(b"Tea", b"\xc3"), ("product", "not_utf8")),
    (good(0).replace(b"Tea", b"\xed\xa0\x80"), ("product", "not_utf8")),
    (good(0, ticket_id="x" * 2049), ("ticket_id", "value_too_long")),
    (good(0, product="é" * 513), ("product", "value_too_long")),
    (good(0, product='"' + "x" * 1025 + '"'), ("product", "value_too_long")),
]


@pytest.mark.parametrize(("bad", "why"), BAD)
@pytest.mark.parametrize("place", [0, 13, 29])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_bad_row_among_good_ones(
    bad: bytes, why: tuple[str, str], place: int, end: bytes
) -> None:
    rows = [*many(place), bad, *many(29 - place)]
    page = check(Header(), lines(*rows, end=end))
    [refused] = page.refused
    raw = bad if len(bad) <= 2000 else bad[:2000]
    assert refused == (place + 1, *why, raw.decode(errors="backslashreplace"))
    assert len(page.requests) == 29


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (good(1).rpartition(b",")[0], good(2) + b",Nice"),
        (good(1).rpartition(b",")[0], b"Nice," + good(2)),  # moved by one, both look good
        (good(1).partition(b",")[2], good(2) + b",Nice"),
        (good(1).partition(b",")[2], b"Nice," + good(2)),
    ],
)
def test_fields_that_a_row_lacks_are_not_taken_from_another_one(short: bytes, long: bytes) -> None:
    """Together the two have as many fields as two good ones."""
    for rows in ([short, long], [long, short]):
        page = check(Header(), lines(*many(5), *rows, *many(5)))
        assert [row.reason for row in page.refused] == [
            "too_few_fields" if row == short else "too_many_fields" for row in rows
        ]
        assert len(page.requests) == 10


def test_a_row_that_ends_with_a_delimiter_does_not_run_into_the_next_one() -> None:
    assert items(check(Header(), lines(good(1, store=""), good(2))))[0]["store"] == {"S": ""}
    page = check(Header(), lines(good(1), b"T9" + b"," * 6, good(2)))
    assert page.refused == [(2, "product", "missing_value", "T9,,,,,,")]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("+5", "5"),
        ("-0", "-0"),
        ("007", "007"),
        ("-" + "9" * 38, "-" + "9" * 38),
        ('"3"', "3"),
        (" 3.0 ", "3"),
        ('"3.00"', "3"),
        ('"\t3"', "3"),
    ],
)
def test_quantities(given: str, stored: str) -> None:
    page = check(Header(), lines(*many(9), good(9, quantity=given), *many(9)))
    assert items(page)[9]["quantity"] == {"N": stored}


@pytest.mark.parametrize("quoted", [False, True])
def test_what_json_escapes_is_stored_as_given(quoted: bool) -> None:
    """The value is in a plain field, or in a quoted one among plain rows."""
    for character in [*map(chr, range(1, 32)), "\\", '"', "\x7f", "\u2028", "\ufeff", "😀"]:
        if character == "\n" and not quoted:
            continue
        value = f"a{character}b"
        field = '"{}"'.format(value.replace('"', '""')) if quoted else value
        page = check(Header(), lines(*many(9), good(9, product=field, store=field), *many(9)))
        assert (items(page)[9]["product"], items(page)[9]["store"]) == ({"S": value}, {"S": value})
        assert keys(page)[9] == ("T9", value)


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_every_delimiter_also_as_data(delimiter: bytes) -> None:
    others = [one.decode() for one in DELIMITERS if one != delimiter]
    row = delimiter.join(good(1).split(b","))
    quoted = row.replace(b"Lyon", b'"a' + delimiter + b'b"')
    plain = row.replace(b"Lyon", "".join(others).encode())
    page = check(Header(delimiter=delimiter), lines(row, quoted, plain, row))
    stores = [item["store"]["S"] for item in items(page)]
    assert stores == ["Lyon", f"a{delimiter.decode()}b", "".join(others), "Lyon"]


def test_a_row_that_is_given_in_two_ways_has_one_key() -> None:
    """The row is read by the page, both plain and quoted, and by itself beside a bad row."""
    rows = [*many(20), good(7, ticket_id='"T7"'), good(7, quantity="+7"), good(7, product='"Tea"')]
    page = check(Header(), lines(*rows))
    assert page.keys.count((b"T7", b"Tea")) == 4


def test_blank_lines_are_counted_wherever_they_are() -> None:
    for end in (b"\n", b"\r\n"):
        page = check(Header(), lines(b"", *many(20), b"", b"", *many(20), b"", end=end))
        assert (page.blank_lines, page.lines, len(page.requests)) == (4, 44, 40)
    page = check(Header(), lines(b"", b"", b""))
    assert (page.blank_lines, page.lines, page.requests, page.refused) == (3, 3, [], [])


def test_the_last_record_may_have_no_end() -> None:
    for last in (good(9), good(9, store='"Lyon"'), good(9) + b"\r"):
        page = check(Header(), lines(*many(20)) + last)
        assert (len(page.requests), page.lines) == (21, 21)
        assert items(page)[20]["store"] == {"S": "Lyon\r" if last.endswith(b"\r") else "Lyon"}


def test_no_text_is_no_page() -> None:
    page = check(Header(), b"")
    assert (page.requests, page.refused, page.blank_lines, page.lines) == ([], [], 0, 0)


@pytest.mark.parametrize("before", [0, 5, 300, 900])
def test_a_page_is_never_halved_within_a_record(before: int) -> None:
    """Wherever the record lies relative to the page's middle."""
    long = good(1, store='"' + "\na,b\n" * 2000 + '"')
    rows = [*many(before), good(0, quantity="x"), long, *many(300)]
    page = check(Header(), lines(*rows))
    assert (len(page.requests), len(page.refused)) == (before + 301, 1)


def test_lines_within_quotes_count() -> None:
    rows = [*many(9), good(1, store='"a\nb\r\nc"'), good(2, quantity="x"), *many(9)]
    page = check(Header(), lines(*rows))
    assert (page.lines, page.refused[0].line) == (22, 13)


# The names of an item's attributes count, too: 55 bytes.
ROOM = 400 * 1024 - 55 - len("T1TeaB12026-01-31T23:59:59Z2Lyon")


@pytest.mark.parametrize(
    ("changed", "fits"),
    [
        ({"ticket_id": "x" * 2048}, True),
        ({"ticket_id": "x" * 2049}, False),
        ({"ticket_id": "é" * 1024}, True),
        ({"ticket_id": "é" * 1024 + "x"}, False),
        ({"product": "x" * 1024}, True),
        ({"product": "x" * 1025}, False),
        ({"product": '"' + '""' * 1024 + '"'}, True),  # escaped in JSON it is over the limit
        ({"product": '"' + '""' * 1025 + '"'}, False),
        ({"product": "\x01" * 1024}, True),
        ({"basket_id": "x" * 2049}, True),
        ({"category": "x" * ROOM}, True),
        ({"category": "x" * (ROOM + 1)}, False),
        ({"category": "\x01" * ROOM}, True),
        ({"category": '"' + '""' * 99 + "x" * (ROOM - 99) + '"'}, True),
        ({"category": '"' + '""' * 99 + "x" * (ROOM - 98) + '"'}, False),
    ],
)
def test_the_limits_of_dynamodb(changed: dict[str, str], fits: bool) -> None:
    page = check(Header(), lines(*many(9), good(1, **changed), *many(9)))
    assert len(page.requests) == 18 + fits
    assert [row.reason for row in page.refused] == ([] if fits else ["value_too_long"])


def test_a_page_makes_no_batch_of_more_than_16_megabytes() -> None:
    """BatchWriteItem's limit, counted as sent: JSON has six bytes for a control character."""
    odd = "\x01" * 50
    small, large = good(1, category=odd, store=odd), good(2, category="\x01" * ROOM)
    data = lines(*[small] * 500, *[large] * 2, *[small] * 1000, large)
    blocks = [data[at : at + PAGE_SIZE] for at in range(0, len(data), PAGE_SIZE)]
    reader = Header().reader()
    sections = read_sections(blocks, reader.layout, ends_file=True)
    pages = [reader.read(section) for section in sections]
    assert sum(len(page.requests) for page in pages) == 1503
    largest = max(sum(sorted(map(len, page.requests))[-25:]) for page in pages)
    assert 6 * ROOM < largest < 16_000_000 / 4


def test_columns_that_are_left_out_do_not_count_towards_an_item() -> None:
    header = Header(fields=[*COLUMNS, None])
    page = check(header, lines(*[good(1) + b"," + b"x" * (500 * 1024)]))
    assert len(page.requests) == 1


@pytest.mark.parametrize(
    ("key", "limits"),
    [
        (("product",), {"product": 2048}),
        (("store", "ticket_id"), {"store": 2048, "ticket_id": 1024}),
    ],
)
def test_the_keys_limits_are_those_of_their_place(
    key: Sequence[str], limits: dict[str, int]
) -> None:
    for column, longest in limits.items():
        for size in (longest, longest + 1):
            rows = [good(1), good(2, **{column: "x" * size}), good(3)]
            page = check(Header(key=key), lines(*rows))
            assert len(page.requests) == 2 + (size <= longest)
            assert [len(one) for one in page.keys] == [len(key)] * len(page.keys)


def test_a_value_that_must_not_be_empty_may_be_one_of_the_key_and_others_may_be_empty() -> None:
    """An empty store is a value, but DynamoDB would refuse it as a key."""
    page = check(Header(), lines(good(1, store="", category=""), good(2)))
    assert len(page.requests) == 2


# ---------------------------------------------------------------- generated

TEXTS = st.sampled_from(
    [
        *(
            b"",
            b"a",
            b"0",
            b" ",
            b"%",
            b"%b",
            b"%%s",
            b"'",
            b"\\",
            b"\\n",
            b'\\"',
            b'"',
            b'""',
            b'"""',
        ),
        *(b'5" pipe', b'"a', b"\x00", b"\x01", b"\x1f", b"\x7f", b"\r", b"a\rb", b"\n", b"a\r\nb"),
        *(b",", b";", b"\t", b"|", b"+5", b"-0", b"1.5", b"9" * 38, b"9" * 39, b"+" + b"9" * 38),
        *(b"2026-02-28T23:59", b"2026-02-29T23:59", b"2026-01-01 00:00:00.5+01:00", b"2026-01-01"),
        *("é".encode(), "\u2028".encode(), "😀".encode(), "\u00a0".encode(), "\ufeff".encode()),
        *(b" a", b"a ", b" ", b"a\t", "\u00a0a".encode(), "a\u00a0".encode(), b'="0001"', b'="'),
        *(b"\xff", b"\xc3", b"\x80", b"\xed\xa0\x80", b"\xf0\x9f\x98"),
        *(b"x" * 1024, b"x" * 1025, b"x" * 2048, b"x" * 2049, b"\xc3\xa9" * 513),
    ]
)
PLAIN_VALUES = {
    "ticket_id": [b"T1", b"T2", "Té".encode()],
    "product": [b"Tea", b"Coffee", "😀".encode()],
    "basket_id": [b"B1"],
    "timestamp": [
        *(b"2026-01-31T23:59:59Z", b"2024-02-29 00:00", b"2026-12-31T01:02:03.4-05:00"),
        *(
            b" 2026-01-31 ",
            b"2026-01-31t23:59z",
            b"2026-01-31 23:59:59 UTC",
            b"2026-01-31 10:00+02",
        ),
    ],
    "category": [b"", b"Drinks"],
    "quantity": [b"1", b"-3", b"007", b"2.0", b" +4.00 "],
    "store": [b"", b"Lyon"],
    None: [b"", b"left out", b"\t"],
}


def _quoted(value: bytes) -> bytes:
    return b'"' + value.replace(b'"', b'""') + b'"'


QUOTINGS = [
    lambda value: value,
    _quoted,
    lambda value: b'"' + value + b'"',
    lambda value: _quoted(value) + b"x",
    lambda value: b" " + _quoted(value),
]


@st.composite
def headers(draw: st.DrawFn) -> Header:
    unknown = draw(st.integers(0, 2))
    fields = draw(st.permutations([*COLUMNS, *[None] * unknown]))
    key = draw(st.sampled_from([KEY, ("ticket_id",), ("product", "ticket_id"), ("store",)]))
    return Header(fields, draw(st.sampled_from(DELIMITERS)), key)


@st.composite
def records(draw: st.DrawFn, header: Header, trailing: bool) -> bytes:
    """Draws mostly good rows, and some with an odd value, a quoted one, or the wrong fields. If
    `trailing`, it usually has a delimiter at its end."""
    kind = draw(
        st.sampled_from(["good"] * 4 + ["quoted", "odd", "odd", "fields", "bytes", "blank"])
    )
    if kind == "blank":
        empty = header.delimiter.join([b'""'] * len(header.fields))
        return draw(
            st.sampled_from([b"", header.delimiter * 3, empty, header.line, b"\f" + header.line])
        )
    if kind == "bytes":
        alphabet = [b'"', b"\r", b"\\", b"a", b"1", b"\xff", header.delimiter, b"\n"]
        return b"".join(draw(st.lists(st.sampled_from(alphabet), max_size=12)))
    fields = [draw(st.sampled_from(PLAIN_VALUES[name])) for name in header.fields]
    if kind == "quoted":
        for at in draw(st.sets(st.integers(0, len(fields) - 1), max_size=3)):
            value = fields[at] + draw(st.sampled_from([b"", b'"', b"\n", header.delimiter, b"\\"]))
            fields[at] = _quoted(value)
    if kind == "odd":
        at = draw(st.integers(0, len(fields) - 1))
        fields[at] = draw(st.sampled_from(QUOTINGS))(draw(TEXTS))
    if kind == "fields":
        fields = draw(
            st.sampled_from([fields[:-1], [*fields, b"", b""], [*fields, b"x"], fields[1:]])
        )
    if trailing and draw(st.integers(0, 9)):
        fields = [*fields, b""]
    mark = draw(st.sampled_from([b""] * 9 + [b"\f", BYTE_ORDER_MARK]))
    return mark + header.delimiter.join(fields)


@st.composite
def files(draw: st.DrawFn, most: int) -> tuple[Header, bytes]:
    header = draw(headers())
    ends = draw(st.sampled_from([[b"\n"], [b"\r\n"], [b"\n", b"\r\n"], [b"\n", b"\r\r\n"]]))
    rows = draw(st.lists(records(header, draw(st.booleans())), max_size=most))
    text = b"".join(row + draw(st.sampled_from(ends)) for row in rows)
    return header, text[: len(text) - draw(st.sampled_from([0, 0, 0, 1]))]


def check_file(header: Header, data: bytes, block: int) -> None:
    """Checks the pages that the file's blocks make, as the writer reads them."""
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    size = 0
    for section in read_sections(blocks, header.reader().layout, ends_file=True):
        check_section(header, section)
        size += section.size
    assert size == len(data)


@given(files(most=25), st.sampled_from([40, 200, 10_000]))
@settings(deadline=None)
@example((Header(), lines(*many(12), b",,,,,", b",,,,,,,", *many(12))), 10_000)
def test_a_page_is_what_the_plain_implementation_makes_of_it(
    file: tuple[Header, bytes], block: int
) -> None:
    check_file(*file, block)


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
@given(files(most=80), st.sampled_from([40, 200, 10_000]))
@settings(deadline=None, max_examples=3_000)
def test_any_page_at_length(file: tuple[Header, bytes], block: int) -> None:
    check_file(*file, block)


# The first variant of each part is valid; some of the others are, too.
TIME_PARTS = [
    ["2026-01-31", "2024-02-29", "2026-02-29", "2026-1-31", "0000-01-01", "x"],
    ["T", " ", "t", "", "\n"],
    ["00", "19", "23", "24", "30", "7", "٣٣"],
    [":00", ":59", ":60", ":7", ""],
    [":59", "", ":00", ":60", ":7", "."],
    ["", ".1", ".123456789", ".1234567890", ".", ",5"],
    [
        *("", "Z", "z", "+00:00", "-2359", "+24:00", "01:00", "0100", "+01:60", "+01", " ", "ZZ"),
        *(" Z", " UTC", "UTC", " +0000", "  Z", " utc", "\t"),
    ],
]
NUMBER_PARTS = [
    ["", "-", "+", "--", " ", "\t"],
    ["7", "0", "00", "9" * 37, "9" * 38, "9" * 39, "", "٣", "1_0", "1.0", "1e3", "\n1"],
    ["", "0", " ", "\n", ".", ".0", ".00 ", ".000", ".0000", ",0", ".0\t", ".0.0", ".01"],
]


def deviations(parts: list[list[str]]) -> Iterator[str]:
    """All values in which at most two parts are not as they should be."""
    value = [part[0] for part in parts]
    yield "".join(value)
    for one, two in combinations(range(len(parts)), 2):
        for first, second in product(parts[one], parts[two]):
            changed = list(value)
            changed[one], changed[two] = first, second
            yield "".join(changed)


@pytest.mark.parametrize(
    ("column", "parts"), [("timestamp", TIME_PARTS), ("quantity", NUMBER_PARTS)]
)
def test_values_at_the_edge_of_the_grammar(column: str, parts: list[list[str]]) -> None:
    """Each value has a separate page, because a bad one makes the whole page be read row by row."""
    for value in dict.fromkeys(deviations(parts)):
        field = f'"{value}"' if "\n" in value else value
        check(Header(), lines(good(1, **{column: field})))


@given(st.binary(max_size=120), st.sampled_from(DELIMITERS), st.sampled_from([1, 7, 1_000]))
@settings(deadline=None, max_examples=50)
def test_any_bytes_at_all(data: bytes, delimiter: bytes, block: int) -> None:
    check_file(Header(delimiter=delimiter), data, block)


@given(files(most=40), st.integers(1, 4))
@settings(deadline=None, max_examples=50)
def test_how_many_rows_are_read_one_by_one_makes_no_difference(
    file: tuple[Header, bytes], few: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_rows, "_MIN_ROWS_TO_HALVE", few)
        check_file(*file, 10_000)
