"""Files as they arrive: what is accepted from the head, and what is refused with which reason."""

import gzip
import io
import zipfile

import pytest

from ingestion.csv_files.header import HEAD_SIZE, FileFacts, examine

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


def refusals(head: bytes, complete: bool = True):
    reasons = examine(head, complete)
    assert isinstance(reasons, list), reasons
    return [(reason.reason, reason.line, reason.column) for reason in reasons]


def test_the_plain_file():
    assert examine(HEADER + b"\nT1,", complete=False) == FileFacts(",", IN_ORDER, 7, 62, 1, ())


@pytest.mark.parametrize(
    ("head", "delimiter", "data_start", "lines"),
    [
        (HEADER, ",", 61, 1),
        (HEADER + b"\r\n", ",", 63, 1),
        (HEADER.replace(b",", b";") + b"\n", ";", 62, 1),
        (HEADER.replace(b",", b"\t") + b"\n", "\t", 62, 1),
        (HEADER.replace(b",", b"|") + b"\n", "|", 62, 1),
        (b"\xef\xbb\xbf" + HEADER + b"\n", ",", 65, 1),
        (b"Ticket_ID , PRODUCT" + HEADER[17:] + b"\n", ",", 64, 1),
        (b'"ticket_id"' + HEADER[9:] + b"\n", ",", 64, 1),
        (HEADER + b',"note\n(free)"\n', ",", 76, 2),
    ],
)
def test_headers_in_other_dress(head, delimiter, data_start, lines):
    facts = examine(head, complete=True)
    assert isinstance(facts, FileFacts), facts
    assert (facts.delimiter, facts.data_start, facts.header_lines) == (delimiter, data_start, lines)
    assert facts.columns == IN_ORDER


def test_columns_in_any_order_beside_unknown_ones():
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


def test_a_thousand_unknown_columns_do_not_burst_the_ledger():
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
        (b"T1,Tea,B1,2026-01-01T00:00,,1,Lyon\n", [("no_header", 1, None)]),
        (b"\n" + HEADER, [("no_header", 1, None)]),
        (b'"ticket_id,product\n', [("no_header", 1, None)]),
        (HEADER[:-6] + b"\n", [("missing_column", 1, "store")]),
        (b"ticket_id,product\n", [("missing_column", 1, name) for name in list(IN_ORDER)[2:]]),
        (HEADER + b",Product\n", [("repeated_column", 1, "product")]),
    ],
)
def test_refused_files(head, expected):
    assert refusals(head) == expected


def test_a_character_cut_by_the_heads_end_is_no_fault():
    head = HEADER + b"\nT1,caf\xc3"
    assert isinstance(examine(head, complete=False), FileFacts)
    assert refusals(head) == [("not_utf8", 2, None)]


def test_a_header_longer_than_the_head_is_refused():
    head = (HEADER + b"," + b"x" * HEAD_SIZE)[:HEAD_SIZE]
    assert refusals(head, complete=False) == [("no_header", 1, None)]


def test_each_refusal_says_what_to_do():
    for head in (b"", zip_file(), HEADER[:-6], b"1,2,3\n", HEADER + b"\n\xff"):
        for reason in examine(head, complete=True):
            assert reason.detail.endswith(".")
            assert len(reason.detail.split()) > 4
