"""The grammar of one record, against hand-written cases and the csv module."""

import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files.records import (
    MalformedField,
    State,
    Taken,
    fields_of,
    split_fields,
    take_record,
    without_line_end,
    without_marks,
)
from ingestion.csv_files.syntax import Syntax
from tests.support.fuzzing import files

COMMA = Syntax(b",")


def take(text: bytes, *, complete: bool = True, delimiter: bytes = b",") -> Taken:
    return take_record(text, 0, len(text), Syntax(delimiter), len(text) + 1, complete=complete)


@pytest.mark.parametrize(
    ("text", "end", "fields"),
    [
        (b"a,b\nc", 4, [b"a", b"b"]),
        (b"a,b\r\nc", 5, [b"a", b"b"]),
        (b"a,b\r\r\nc", 6, [b"a", b"b"]),
        (b"a,b\r\r\r\nc", 7, [b"a", b"b\r"]),
        (b"a\rb\nc", 4, [b"a\rb"]),  # a lone CR is data
        (b"a,b", 3, [b"a", b"b"]),
        (b"a,b\r", 4, [b"a", b"b\r"]),  # also at the end
        (b"a,", 2, [b"a", b""]),
        (b"", 0, [b""]),
        (b'"a\nb",c\nd', 8, [b'"a\nb"', b"c"]),
        (b'x,"a\r\nb"\r\nd', 10, [b"x", b'"a\r\nb"']),
        (b'"a""\nb",c\nd', 10, [b'"a""\nb"', b"c"]),  # the doubled quote does not close
        (b'"a\n"",\nb"\r\r\nd', 12, [b'"a\n"",\nb"']),
        (b'5" pipe,b"\nc', 11, [b'5" pipe', b'b"']),  # a quote within a field is data
        (b'"",""\nd', 6, [b'""', b'""']),
        (b'"a"', 3, [b'"a"']),
        (b'\xef\xbb\xbf"a,b",c\nd', 11, [b'"a,b"', b"c"]),  # marks are dropped
        (b'\f\f"a\nb"\nd', 8, [b'"a\nb"']),
    ],
)
def test_a_record_ends_where_the_grammar_says(text: bytes, end: int, fields: list[bytes]) -> None:
    assert take(text) == Taken(State.CLOSED, end, fields)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (b'"a"b\n', State.MALFORMED),
        (b'x,"a" ,c\n', State.MALFORMED),
        (b'"a\nb"c\n', State.MALFORMED),
        (b'"a"\rb\n', State.MALFORMED),
        (b'"a"\r\r\r\n', State.MALFORMED),
        (b'"a"\r', State.MALFORMED),  # no line end follows, so the CR is text
        (b'"a\nb', State.OPEN),
        (b'a,"b""', State.OPEN),
        (b'"', State.OPEN),
    ],
)
def test_what_is_no_whole_record(text: bytes, state: State) -> None:
    assert take(text).state is state


@pytest.mark.parametrize("text", [b"a,b", b'"a"', b'a,"b"', b"a,", b""])
def test_where_a_text_ends_too_early_to_tell(text: bytes) -> None:
    assert take(text, complete=False).state is State.OPEN


def test_reading_stops_after_as_many_fields_as_asked_for() -> None:
    taken = take_record(b"a,b,c\n", 0, 6, COMMA, 3, complete=True)
    assert taken == Taken(State.CLOSED, 6, [b"a", b"b", b"c"])
    for text in (b"a,b,c,d\n", b'a,b,c,"d\n', b'a,"\n",c,'):
        taken = take_record(text, 0, len(text), COMMA, 3, complete=True)
        assert taken.state is State.TOO_MANY_FIELDS


def test_a_record_in_the_middle_of_a_text() -> None:
    text = b'a\n"b\n",c\nd\n'
    taken = take_record(text, 2, len(text), COMMA, 9, complete=True)
    assert taken == Taken(State.CLOSED, 9, [b'"b\n"', b"c"])
    assert take_record(text, 2, 5, COMMA, 9, complete=False).state is State.OPEN


@pytest.mark.parametrize("delimiter", [b";", b"\t", b"|"])
def test_a_quote_opens_after_the_files_own_delimiter_only(delimiter: bytes) -> None:
    text = b'a%b"x\ny",%b"z"\n' % (delimiter, delimiter)
    assert take(text, delimiter=delimiter).state is State.MALFORMED  # the comma is text
    text = b'a,"x%by,"z\n' % delimiter
    assert take(text, delimiter=delimiter) == Taken(State.CLOSED, len(text), [b'a,"x', b'y,"z'])


@pytest.mark.parametrize(
    ("line", "text"),
    [(b"a", b"a"), (b"a\r", b"a\r"), (b"a\n", b"a"), (b"a\r\n", b"a"), (b"a\r\r\n", b"a")],
)
def test_line_ends(line: bytes, text: bytes) -> None:
    assert without_line_end(line) == text


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (b"a", b"a"),
        (b"\fa\f", b"a\f"),
        (b"\xef\xbb\xbf\f\xef\xbb\xbf,", b","),
        (b"\xef\xbb", b"\xef\xbb"),
        (b"", b""),
    ],
)
def test_marks(record: bytes, text: bytes) -> None:
    assert without_marks(record) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a,b", [b"a", b"b"]),
        (b",", [b"", b""]),
        (b'"a,b",c', [b"a,b", b"c"]),
        (b'"a""b",""', [b'a"b', b""]),
        (b'""""', [b'"']),
        (b'5" pipe,"x"', [b'5" pipe', b"x"]),
        (b'a,"x\ny",', [b"a", b"x\ny", b""]),
        (b'"a" ,b', MalformedField(0)),
        (b'a,"b"c,d', MalformedField(1)),
        (b'"a"b,"c', MalformedField(0)),
        (b' "a",b', [b' "a"', b"b"]),
    ],
)
def test_fields(raw: bytes, expected: list[bytes] | MalformedField) -> None:
    assert split_fields(raw, COMMA) == expected


dangerous = st.lists(
    st.sampled_from([b"a", b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\f", b"\xef\xbb\xbf"]),
    max_size=14,
).map(b"".join)


@settings(max_examples=files(quick=500), deadline=None)
@given(text=dangerous, width=st.integers(1, 4))
def test_the_pattern_matches_what_is_taken_with_its_line_end(text: bytes, width: int) -> None:
    match = Syntax(b",").record_pattern(width).match(text)
    taken = take(text)
    closed = taken.state is State.CLOSED and text.endswith(b"\n", 0, taken.end)
    fields = len(taken.fields)
    if closed and (fields == width or (fields == width + 1 and taken.fields[-1] == b"")):
        assert match
        assert Taken(State.CLOSED, match.end(), fields_of(match)) == taken
    else:
        assert match is None


values = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00\f\ufeff"),
    max_size=8,
)


@settings(max_examples=files(quick=250), deadline=None)
@given(
    row=st.lists(values, min_size=2, max_size=4),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n", "\r\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back(
    row: list[str], delimiter: str, quoting: int, line_end: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)  # type: ignore[arg-type]  # one of the constants
    writer.writerow(row)
    data = text.getvalue().encode()
    taken = take(data, delimiter=delimiter.encode())
    assert (taken.state, taken.end) == (State.CLOSED, len(data))
    expected = [value.encode() for value in row]
    assert COMMA.values_of(taken.fields) == expected
    assert split_fields(without_line_end(data), Syntax(delimiter.encode())) == expected


@settings(max_examples=files(quick=250), deadline=None)
@given(text=st.text(alphabet='ab",\n é', min_size=1, max_size=60))
def test_a_well_formed_record_is_read_as_the_csv_module_reads_it(text: str) -> None:
    field = r'(?:"(?:[^"]|"")*"|[^",\n][^,\n]*)?'
    match = re.match(rf"{field}(?:,{field})*(?:\n|$)", text)
    if not match or match[0] == "\n":
        return
    expected = next(csv.reader(io.StringIO(match[0], newline="")))
    taken = take(text.encode())
    assert (taken.state, taken.end) == (State.CLOSED, len(match[0].encode()))
    assert COMMA.values_of(taken.fields) == [value.encode() for value in expected]
