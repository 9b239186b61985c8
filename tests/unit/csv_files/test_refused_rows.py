"""Refused rows are kept and written as CSV without losing a character."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.contracts import RefusedRow
from ingestion.csv_files.refused_rows import (
    HEADER,
    MAX_RAW_BYTES,
    csv_lines,
    refused_row,
)

AWKWARD = ['a,"b"', "two\nlines", "cr\rhere", "crlf\r\nhere", "\u2028\x85\x1c", "é日本", "\x00", ""]


def rows_of(*lines: Any, raw: str = "x") -> list[Any]:
    return [RefusedRow(line, "quantity", "bad_quantity", raw) for line in lines]


def as_csv(rows: Any) -> list[Any]:
    text = b"".join(csv_lines(rows)).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_text_is_kept_as_it_is() -> None:
    assert refused_row(7, "product", "missing_value", "é,\n".encode()) == RefusedRow(
        7, "product", "missing_value", "é,\n"
    )


def test_bytes_that_are_not_utf8_are_shown_escaped() -> None:
    assert refused_row(1, "", "not_utf8", b"caf\xe9,1").raw == r"caf\xe9,1"


def test_a_long_text_is_cut() -> None:
    assert refused_row(1, "", "record_too_long", b"x" * 9999).raw == "x" * MAX_RAW_BYTES
    assert refused_row(1, "", "record_too_long", b"x" * MAX_RAW_BYTES).raw == "x" * MAX_RAW_BYTES


@pytest.mark.parametrize("raw", AWKWARD)
def test_any_reader_of_csv_gets_the_rows_back(raw: Any) -> None:
    assert as_csv(rows_of(5, 6, raw=raw)) == [
        list(HEADER),
        ["5", "quantity", "bad_quantity", raw],
        ["6", "quantity", "bad_quantity", raw],
    ]


def test_without_rows_there_is_a_header() -> None:
    assert as_csv([]) == [list(HEADER)]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_what_a_spreadsheet_would_take_for_a_formula_gets_an_apostrophe(first: str) -> None:
    raw = f"{first}HYPERLINK(A1),Tea,B1"
    assert as_csv(rows_of(5, raw=raw))[1][3] == f"'{raw}"


@pytest.mark.parametrize("raw", ["T1,=1+1", " =1+1", "'=1+1", '"=1+1",Tea', "1-2", "é@", "\n=1"])
def test_no_other_text_gets_an_apostrophe(raw: str) -> None:
    assert as_csv(rows_of(5, raw=raw))[1][3] == raw


def test_rows_are_taken_only_as_they_are_read() -> None:
    taken = []

    def rows() -> Iterator[Any]:
        for row in rows_of(*range(10_000)):
            taken.append(row.line)
            yield row

    texts = csv_lines(rows())
    assert next(texts).startswith(b"line,column,reason,raw\r\n0,quantity,")
    assert len(taken) < 1_000
    assert b"".join(texts).endswith(b"\r\n9999,quantity,bad_quantity,x\r\n")
