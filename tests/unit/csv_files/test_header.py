"""Files as they arrive: what is accepted from the head, and what is refused with which reason."""

import gzip
import hashlib
import io
import zipfile
from typing import Any

import pytest

from ingestion.contracts import Reason
from ingestion.csv_files import header
from ingestion.csv_files.header import HEAD_SIZE, FileFacts
from ingestion.csv_files.layout import HeaderLine
from ingestion.tasks.quality_limits import QualityLimits
from tests.support.sources import BUILT_IN

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store"
IN_ORDER = {
    "ticket_id": 0,
    "product": 1,
    "basket_id": 2,
    "timestamp": 3,
    "category": 4,
    "quantity": 5,
    "store": 6,
}


def examine(head: bytes, complete: bool, max_refused_percent: float = 5) -> Any:
    limits = QualityLimits(max_refused_percent)
    return header.examine(head, complete, limits.too_many_refused, BUILT_IN)


def refusals(head: bytes, complete: bool = True) -> list[Any]:
    reasons = examine(head, complete)
    assert isinstance(reasons, list), reasons
    return [(reason.reason, reason.line, reason.column) for reason in reasons]


def test_the_plain_file() -> None:
    line = HeaderLine(61, hashlib.sha256(HEADER).hexdigest())
    facts = FileFacts(",", IN_ORDER, 7, 62, 0, 1, line, ())
    assert examine(HEADER + b"\nT1,", complete=False) == facts


@pytest.mark.parametrize(
    ("head", "delimiter", "data_start"),
    [
        (HEADER, ",", 61),
        (HEADER + b"\r\n", ",", 63),
        (HEADER + b"\r\r\n", ",", 64),
        (HEADER.replace(b",", b";") + b"\n", ";", 62),
        (HEADER.replace(b",", b"\t") + b"\n", "\t", 62),
        (HEADER.replace(b",", b"|") + b"\n", "|", 62),
        (b"\xef\xbb\xbf" + HEADER + b"\n", ",", 65),
        (b"\f\xef\xbb\xbf" + HEADER + b"\n", ",", 66),
        (b'\xef\xbb\xbf"ticket_id"' + HEADER[9:] + b"\n", ",", 67),
        (b"Ticket_ID , PRODUCT" + HEADER[17:] + b"\n", ",", 64),
        (b'"ticket_id"' + HEADER[9:] + b"\n", ",", 64),
        # an end mark behind the header's line belongs to that line
        (HEADER + b"\x1a", ",", 62),
        (HEADER + b"\x00\x00\r\n", ",", 65),
        (HEADER + b"\n\x1a\x00\x00", ",", 62),
    ],
)
def test_headers_in_other_dress(head: Any, delimiter: str, data_start: int) -> None:
    facts = examine(head, complete=True)
    assert isinstance(facts, FileFacts), facts
    assert (facts.delimiter, facts.data_start, facts.header_lines) == (delimiter, data_start, 1)
    assert facts.columns == IN_ORDER


def test_a_header_is_one_line() -> None:
    assert refusals(HEADER + b',"note\n(free)"\n') == [("no_header", 1, None)]


@pytest.mark.parametrize(
    "names",
    [
        "Ticket ID,PRODUCT,basket-id,Time Stamp,Category,QUANTITY,Store",
        "TICKET_ID,Product #,Basket ID #,timestamp,#category,quantity,- store -",
        "ticket\u00adid,pro\u200bduct,basket\u00a0id,\ufefftimestamp,cate\u2060gory,quantity\u200e,store",
        "Ticket\u2011Id,product,basket\u2013id,time\tstamp,category,quantity,store",
        "ticketid,product,basketid,timestamp,category,quantity,store",
    ],
)
def test_names_in_other_spellings(names: str) -> None:
    facts = examine(names.encode(), complete=True)
    assert isinstance(facts, FileFacts), facts
    assert (facts.columns, facts.unknown_columns) == (IN_ORDER, ())


@pytest.mark.parametrize("name", ["ticket.id", "ticket", "ticket id no", "quantity (pcs)", "№"])
def test_names_that_are_no_spelling_of_a_column(name: str) -> None:
    facts = examine(HEADER + b"," + name.encode(), complete=True)
    assert facts.unknown_columns == (name,)


def test_the_exact_name_is_preferred_to_another_spelling() -> None:
    facts = examine(b"Ticket ID,Store #," + HEADER, complete=True)
    assert facts.columns == {name: at + 2 for name, at in IN_ORDER.items()}
    assert facts.unknown_columns == ("Ticket ID", "Store #")


def test_two_spellings_of_a_column_are_ambiguous() -> None:
    head = HEADER.replace(b"ticket_id", b"Ticket ID,ticket-id")
    [reason] = examine(head, complete=True)
    assert (reason.reason, reason.line, reason.column) == ("repeated_column", 1, "ticket_id")
    assert reason.detail.startswith(
        'The header has more than one column ticket_id: "Ticket ID" and "ticket-id".'
    )


ROW = b"T1,Tea,B1,2026-01-01T00:00,,1,Lyon\n"


@pytest.mark.parametrize(
    ("above", "delimiter"),
    [
        (b"sep=;\r\n", b";"),
        (b'\xef\xbb\xbf"sep=;"\n', b";"),
        (b"sep=,\n", b"\t"),
        (b"\n", b","),
        (b"\r\n" * 20, b","),
        (b"Sales, of all stores; in March | 2026\n\n", b";"),
        (b'The 24" offers\n"A quote that nothing closes,\n', b","),
        (b"#" + b"x" * 100_000 + b"\n", b"|"),
        (b"# Ums\xe4tze\n", b","),
        (b"Store;Lyon\nFrom;2026-03-01;To;2026-03-31\nRows;500\n", b";"),
        (b"# columns: ticket_id, product, basket_id, timestamp, category, quantity, store\n", b","),
    ],
)
def test_up_to_20_lines_above_the_header_are_skipped(above: bytes, delimiter: bytes) -> None:
    head = above + (HEADER + b"\n" + ROW).replace(b",", delimiter)
    facts = examine(head, complete=True)
    assert isinstance(facts, FileFacts), facts
    assert facts.delimiter == delimiter.decode()
    assert (facts.skipped_lines, facts.header_lines) == (above.count(b"\n"), 1)
    assert head[facts.data_start :] == ROW.replace(b",", delimiter)
    assert facts.columns == IN_ORDER
    assert facts.header == HeaderLine.of(HEADER.replace(b",", delimiter))


def test_the_header_is_the_first_line_that_names_all_columns() -> None:
    head = b"ticket_id,product\n" + HEADER + b"\n" + HEADER + b",more\n"
    facts = examine(head, complete=True)
    assert (facts.skipped_lines, facts.width) == (1, 7)


@pytest.mark.parametrize(
    ("above", "line"),
    [
        (ROW, 1),
        (b"Sales of March\n" + ROW.replace(b"Tea", b'"Tea, green"'), 2),
        (HEADER.replace(b",store", b"") + b"\n" + ROW.replace(b",Lyon", b""), 2),
        (HEADER.replace(b"store", b"shop").replace(b",", b";") + b"\na;b;c;d;e;f;g\n", 2),
    ],
)
def test_a_file_with_rows_above_its_header_is_refused(above: bytes, line: int) -> None:
    """Otherwise these rows would be lost unnoticed."""
    assert refusals(above + HEADER + b"\n" + ROW) == [("rows_above_header", line, None)]


@pytest.mark.parametrize(
    ("rows", "width", "unknown"),
    [
        (ROW * 3, 7, ()),
        (ROW.replace(b"Lyon", b"Lyon,") * 3, 7, ()),
        (ROW.replace(b"Lyon", b"Lyon,") + ROW, 7, ()),
        (ROW.replace(b"Lyon", b'Lyon,""') * 3, 8, ("",)),
        (ROW.replace(b"Lyon", b"Lyon,") * 3 + ROW.replace(b"Lyon", b"Lyon,note"), 8, ("",)),
        (ROW * 2 + ROW.replace(b"Lyon", b"Lyon,note"), 7, ()),
        (ROW + ROW.replace(b"Lyon", b"Lyon,,"), 7, ()),
        (b"", 7, ()),
    ],
)
def test_a_delimiter_at_the_end_of_the_header_names_no_column_unless_rows_have_it(
    rows: bytes, width: int, unknown: tuple[str, ...]
) -> None:
    for end in (b",\n", b",\r\n"):
        facts = examine(HEADER + end + rows, complete=True)
        assert (facts.width, facts.unknown_columns, facts.columns) == (width, unknown, IN_ORDER)
        assert facts.header == HeaderLine.of(HEADER + b",")


def test_the_names_of_a_header_that_lacks_columns_are_compared_with_them() -> None:
    head = b"Ticket ID;Prod;basket_id;timestamp;category;Qty;Store\n" + ROW
    reasons = examine(head, complete=True)
    assert [(one.column, one.detail) for one in reasons] == [
        ("product", 'The header has no column product. Is it "Prod"?'),
        (
            "quantity",
            'The header has no column quantity. Is it "Qty"? Line 1 has 7 fields separated by '
            "semicolons, and names ticket_id, basket_id, timestamp, category, store. Correct the "
            "header, or declare a source for the file (docs/sources.md).",
        ),
    ]


def test_the_line_that_names_most_columns_is_judged() -> None:
    head = b"Store;Lyon\n\n" + HEADER.replace(b"store", b"shop").replace(b",", b"\t") + b"\n"
    [reason] = examine(head, complete=True)
    assert (reason.reason, reason.line, reason.column) == ("missing_column", 3, "store")
    assert "Line 3 has 7 fields separated by tabs" in reason.detail


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (ROW, "Line 1 has 7 fields separated by commas."),
        (b"a|b\n" + ROW, "Line 1 has 2 fields separated by pipes."),
        (b"Sales\n", "Line 1 has one field."),
        (b'"ticket_id\n', "The quotes of line 1 do not match, or it is too long."),
    ],
)
def test_a_file_without_header_is_told_how_its_first_line_was_read(head: bytes, found: str) -> None:
    [reason] = examine(head, complete=True)
    assert reason.detail == (
        "None of the first 21 lines names one of the columns ticket_id, product, basket_id, "
        f"timestamp, category, quantity, store. {found} Add a header, or declare a source for the "
        "file (docs/sources.md)."
    )


def test_a_row_that_is_taken_for_a_header_is_not_shown() -> None:
    """A value may be the name of a column, and another one similar to a name."""
    for row in (b"T1,store,Products,2026-01-01,,1,Basket\n", b"Products,store,Basket 7\n"):
        for reason in examine(row, complete=True):
            assert "Products" not in reason.detail
            assert "Basket" not in reason.detail


def test_a_header_has_at_most_2_000_columns() -> None:
    more = b",x" * 1_993
    assert isinstance(examine(HEADER + more, complete=True), FileFacts)
    assert refusals(HEADER + more + b",x") == [("too_many_columns", 1, None)]


def test_padding_at_the_end_is_no_sign_of_a_binary_file() -> None:
    row = b"\nT1,Soap,B1,2026-03-01T12:00Z,Home,1,Lyon"
    for complete in (False, True):
        assert isinstance(examine(HEADER + row + b"\n" + bytes(5_000), complete), FileFacts)
        assert isinstance(examine(HEADER + row + bytes(50) + b"\x1a\r\n", complete), FileFacts)
        assert refusals(HEADER + row + b"\x00\nT2\x00", complete) == [("not_csv", 2, None)]


def test_columns_in_any_order_beside_unknown_ones() -> None:
    facts = examine(
        b"store;Zeit, lokal;quantity;category;timestamp;basket_id;product;ticket_id", complete=True
    )
    assert isinstance(facts, FileFacts)
    assert facts.columns == {
        "ticket_id": 7,
        "product": 6,
        "basket_id": 5,
        "timestamp": 4,
        "category": 3,
        "quantity": 2,
        "store": 0,
    }
    assert (facts.width, facts.unknown_columns) == (8, ("Zeit, lokal",))


def test_a_thousand_unknown_columns_do_not_burst_the_ledger() -> None:
    head = HEADER + b"".join(b",%b%d" % (b"x" * 300, number) for number in range(1000))
    facts = examine(head, complete=True)
    assert isinstance(facts, FileFacts)
    assert facts.width == 1007
    assert len(facts.unknown_columns) == 100
    assert max(map(len, facts.unknown_columns)) == 255


def zip_file() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("tickets.csv", HEADER)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", [("empty_file", None, None)]),
        (zip_file(), [("not_csv", None, None)]),
        (gzip.compress(HEADER, mtime=0), [("not_csv", None, None)]),
        (b"PAR1\x15\x04", [("not_csv", None, None)]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", [("not_csv", None, None)]),
        (HEADER.decode().encode("utf-16"), [("not_csv", None, None)]),
        (HEADER.decode().encode("utf-16-be"), [("not_csv", 1, None)]),
        (HEADER + b"\nT1,a\x00b\n", [("not_csv", 2, None)]),
        (HEADER + b"\nT1,caf\xe9,\n", [("not_utf8", 2, None)]),
        (HEADER + b",gr\xf6\xdfe\nT1,tea,\n", [("not_utf8", 1, None)]),
        (b"T1,Tea,B1,2026-01-01T00:00,,1,Lyon\n", [("no_header", 1, None)]),
        (b"\n" * 21 + HEADER, [("no_header", 1, None)]),
        (b'"ticket_id,product\n', [("no_header", 1, None)]),
        (HEADER[:-6] + b"\n", [("missing_column", 1, "store")]),
        (b"ticket_id,product\n", [("missing_column", 1, name) for name in list(IN_ORDER)[2:]]),
        (HEADER + b",Product\n", [("repeated_column", 1, "product")]),
    ],
)
def test_refused_files(head: Any, expected: list[Any]) -> None:
    assert refusals(head) == expected


def rows(
    good: int, affected: int, row: bytes = b"T1,caf\xe9,B1,2026-01-01T00:00,,1,Lyon\n"
) -> bytes:
    """A head with rows of which some are not UTF-8, the first of these in line 2."""
    return HEADER + b"\n" + row * affected + b"T1,tea,B1,2026-01-01T00:00,,1,Lyon\n" * good


@pytest.mark.parametrize(("good", "affected"), [(9, 1), (38, 2), (1, 1)])
def test_rows_that_are_not_utf8_are_left_to_be_refused_by_themselves(
    good: int, affected: int
) -> None:
    assert isinstance(examine(rows(good, affected), complete=True), FileFacts)


@pytest.mark.parametrize(("good", "affected"), [(9, 2), (37, 2), (0, 1), (0, 50)])
def test_with_as_many_as_fail_the_load_the_file_is_refused(good: int, affected: int) -> None:
    [reason] = examine(rows(good, affected), complete=True)
    assert reason == Reason(
        "not_utf8",
        f"{affected} of {good + affected} rows are not UTF-8, more than may be refused. The text "
        "looks like Windows-1252. Save the file as UTF-8 and upload it again, or declare its "
        "`encoding` as windows-1252 (docs/sources.md).",
        2,
    )


def test_a_large_file_is_judged_by_its_head() -> None:
    head = rows(100, 10)
    [reason] = examine(head + b"T1,caf", complete=False)
    assert "10 of the first 110 rows are not UTF-8" in reason.detail
    assert isinstance(examine(head + b"T1,caf", complete=False, max_refused_percent=10), FileFacts)
    # One row of a MiB says nothing about the rest.
    assert isinstance(examine(rows(0, 1), complete=False), FileFacts)


def test_a_row_of_several_lines_counts_once() -> None:
    row = b'T1,"caf\xe9\nth\xe9\n",B1,2026-01-01T00:00,,1,Lyon\n\n'
    assert isinstance(examine(rows(9, 1, row), complete=True), FileFacts)


def test_a_character_cut_by_the_heads_end_is_no_fault() -> None:
    head = HEADER + b"\nT1,caf\xc3"
    assert isinstance(examine(head, complete=False), FileFacts)
    assert refusals(head) == [("not_utf8", 2, None)]


def test_utf16_without_a_mark_is_named() -> None:
    [little] = examine(HEADER.decode().encode("utf-16-le"), complete=True)
    [big] = examine(HEADER.decode().encode("utf-16-be"), complete=True)
    assert "UTF-16LE" in little.detail
    assert "UTF-16BE" in big.detail
    [binary] = examine(HEADER + b"\nT1,a\x00b\n", complete=True)
    assert "UTF-16" not in binary.detail


def test_a_header_longer_than_the_head_is_refused() -> None:
    head = (HEADER + b"," + b"x" * HEAD_SIZE)[:HEAD_SIZE]
    assert refusals(head, complete=False) == [("no_header", 1, None)]


def test_each_refusal_says_what_to_do() -> None:
    for head in (b"", zip_file(), HEADER[:-6], b"1,2,3\n", HEADER + b"\n\xff", b"\xff"):
        for reason in examine(head, complete=True):
            assert reason.detail.endswith(".")
            assert len(reason.detail.split()) > 4
