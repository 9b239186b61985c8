"""Records and fields, against hand-written cases and the csv module."""

import csv
import io
import re
from itertools import accumulate, pairwise
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestion.csv_files import records
from ingestion.csv_files.records import (
    MAX_RECORD_BYTES,
    MalformedField,
    QuoteScanner,
    Record,
    WholeRecords,
    line_of_problem,
    quoted_records,
    read_records,
    split_fields,
)


def raws(data: bytes, delimiter: bytes = b",") -> list[bytes]:
    return [record.raw for record in read_records([data], delimiter)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a,b\nc,d\n", [b"a,b", b"c,d"]),
        (b"a,b\r\nc,d\r\n", [b"a,b", b"c,d"]),
        (b"a,b\nc,d", [b"a,b", b"c,d"]),
        (b"a\rb\nc\n", [b"a\rb", b"c"]),  # a lone CR is data
        (b"a\nb\r", [b"a", b"b\r"]),  # also at the end of the file
        (b'"a\nb",c\nd\n', [b'"a\nb",c', b"d"]),
        (b'"a\r\nb",c\r\nd\r\n', [b'"a\r\nb",c', b"d"]),
        (b'x,"a\nb"\nd\n', [b'x,"a\nb"', b"d"]),
        (b'"a""\nb",c\nd\n', [b'"a""\nb",c', b"d"]),  # the doubled quote does not close
        (b'5" pipe,b\nc,d\n', [b'5" pipe,b', b"c,d"]),  # a quote within a field is data
        (b'a "b\nc" d\n', [b'a "b', b'c" d']),
        (b'"a"b"\nc\n', [b'"a"b"', b"c"]),  # after a closing quote it is data as well
        (b'"a" "b\nc\n', [b'"a" "b', b"c"]),
        (b'"a"x,"b\nc"\nd\n', [b'"a"x,"b\nc"', b"d"]),  # the next field opens as ever
        (b'"","\n",""\nd\n', [b'"","\n",""', b"d"]),
        (b'""\n"a"\n', [b'""', b'"a"']),
        (b"a\n\n\r\nb\n", [b"a", b"", b"", b"b"]),  # blank lines come with empty raw
    ],
)
def test_records_end_where_the_grammar_says(data, expected):
    assert raws(data) == expected


@pytest.mark.parametrize("delimiter", [b";", b"\t", b"|"])
def test_a_quote_opens_after_the_files_own_delimiter_only(delimiter):
    data = b'a%b"x\ny"%b\nz,"1\n' % (delimiter, delimiter)
    assert raws(data, delimiter) == [b'a%b"x\ny"%b' % (delimiter, delimiter), b'z,"1']


def test_places_of_records():
    data = b'a,b\r\n"c\n\nd",e\n\nlast'
    places = [(record.line, record.end, record.lines) for record in read_records([data], b",")]
    assert places == [(1, 5, 0), (2, 14, 2), (5, 15, 0), (6, 19, 0)]


def test_an_unclosed_quote_is_told_and_is_the_last_record():
    first, rest = read_records([b'a,b\nc,"d\ne,f\n'], b",")
    assert (first.problem, rest.problem, rest.line) == (None, "unclosed_quote", 2)
    assert rest.raw == b'c,"d\ne,f\n'


def test_a_quote_closed_by_the_last_byte_is_no_problem():
    assert [record.problem for record in read_records([b'a,"b"'], b",")] == [None]


@pytest.mark.parametrize("opening", [b"x", b'"x'])
def test_a_record_that_is_too_long_is_given_up_in_bounded_memory(opening):
    served = 0

    def blocks():
        nonlocal served
        yield b"a\n" + opening
        while True:
            served += 1
            yield b"x" * 65536

    found = list(read_records(blocks(), b","))
    assert [record.problem for record in found] == [None, "record_too_long"]
    assert served == MAX_RECORD_BYTES // 65536

    served = 0
    whole = WholeRecords(blocks(), b",")
    assert list(whole) == [b"a\n"]
    assert (whole.problem, whole.rest) == ("record_too_long", found[1].raw)
    assert served == MAX_RECORD_BYTES // 65536


# Text in which quotes, delimiters and line ends are as frequent as they are dangerous.
dangerous = st.text(alphabet='ab",;\n\r é', max_size=60).map(str.encode)


@settings(max_examples=1500, deadline=None)
@given(data=dangerous, cuts=st.lists(st.integers(0, 60), max_size=8))
@example(data=b'"a""\n",b\n', cuts=[3])  # a cut between the halves of a doubled quote
@example(data=b'a,"b\n",c\n', cuts=[2])  # a cut before an opening quote
def test_cutting_into_blocks_changes_nothing(data, cuts):
    edges = [0, *sorted(cut for cut in cuts if cut <= len(data)), len(data)]
    blocks = [data[one:two] for one, two in pairwise(edges)]
    assert list(read_records(blocks, b",")) == list(read_records([data], b","))


def pieces(data: bytes, cuts: list[int], longest: int) -> list[bytes]:
    """Blocks that end at the cuts, and after ``longest`` bytes."""
    edges = sorted({0, *cuts, *range(0, len(data), longest), len(data)})
    return [data[one:two] for one, two in pairwise(edge for edge in edges if edge <= len(data))]


@settings(max_examples=1500, deadline=None)
@given(
    data=dangerous,
    cuts=st.lists(st.integers(0, 60), max_size=8),
    longest=st.sampled_from([4, 9, 20, MAX_RECORD_BYTES]),
    delimiter=st.sampled_from([b",", b";"]),
)
@example(data=b'a,"b\n",c\n', cuts=[2], longest=100, delimiter=b",")
@example(data=b'"a""\n",b\n', cuts=[3], longest=100, delimiter=b",")
@example(data=b'"\nabcdefgh', cuts=[3], longest=4, delimiter=b",")
@example(data=b"a\n12345\n", cuts=[4], longest=4, delimiter=b",")
@example(data=b"a\n1234\n", cuts=[4], longest=4, delimiter=b",")
def test_whole_texts_hold_the_records_that_the_plain_reading_finds(data, cuts, longest, delimiter):
    with mock.patch.object(records, "MAX_RECORD_BYTES", longest):
        blocks = pieces(data, cuts, longest)
        plain = list(read_records(blocks, delimiter))
        whole = WholeRecords(blocks, delimiter)
        texts = list(whole)
    if plain and plain[-1].problem:
        problem = plain.pop()
        assert (whole.problem, whole.rest) == (problem.problem, problem.raw)
    else:
        assert (whole.problem, whole.rest) == (None, b"")
    ends = [record.end for record in plain]
    text_ends = list(accumulate(map(len, texts)))
    assert set(text_ends) <= set(ends)
    assert b"".join(texts) == data[: ends[-1] if ends else 0]
    assert all(texts)
    # Within a record, a quote at what looks like a field's start tells that one is quoted.
    expected = [
        (start, record.end)
        for start, record in zip([0, *ends], plain, strict=False)
        if record.raw.startswith(b'"') or delimiter + b'"' in record.raw
    ]
    found = [
        (at + start, at + end)
        for at, text in zip([0, *text_ends], texts, strict=False)
        for start, end in quoted_records(text, delimiter)
    ]
    assert found == expected


def test_a_whole_text_is_about_a_block_long():
    blocks = [b'a,"b\n"\n' * 100 + b"x,"] * 3
    assert [len(text) for text in WholeRecords(blocks, b",")] == [700, 702, 702, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b'5" a,b\n', []),
        (b'a,b\n"c",d\ne,f\ng,""\n', [(4, 10), (14, 19)]),
        (b'a,"b\n\nc","d\n"\n"e"\nf', [(0, 14), (14, 18)]),
        (b'"a"x,"b\n"\n', [(0, 10)]),
        (b'"a" "b\nc\n', [(0, 7)]),
        (b'"a""\n""b"', [(0, 9)]),
    ],
)
def test_records_with_a_quoted_field(text, expected):
    assert list(quoted_records(text, b",")) == expected


def test_a_text_whose_last_record_is_not_whole_is_refused():
    with pytest.raises(ValueError, match="not whole"):
        list(quoted_records(b'a,"b\nc\n', b","))


@settings(max_examples=1500, deadline=None)
@given(data=dangerous)
def test_outside_agrees_with_a_byte_by_byte_reading(data):
    expected = set()
    field_start, inside, index = True, False, 0
    while index < len(data):
        byte = data[index : index + 1]
        if inside:
            if byte == b'"' and data[index + 1 : index + 2] == b'"':
                index += 1
            elif byte == b'"':
                inside = field_start = False
        elif byte == b'"' and field_start:
            inside = True
        else:
            if byte == b"\n":
                expected.add(index)
            field_start = byte in (b",", b"\n")
        index += 1
    found = {
        index
        for first, last in QuoteScanner(b",").outside(data)
        for index in range(first, last)
        if data[index : index + 1] == b"\n"
    }
    assert found == expected


@settings(max_examples=1500, deadline=None)
@given(
    data=dangerous,
    cuts=st.lists(st.integers(0, 60), max_size=8),
    ways=st.lists(st.booleans(), min_size=9, max_size=9),
)
@example(data=b'a,"""x"\n"y', cuts=[4, 6], ways=[True] * 9)
@example(data=b'a"\n,"b\n"', cuts=[1], ways=[True] * 9)
@example(data=b'"a""b\n"\n', cuts=[3], ways=[True, False] * 5)
def test_passing_over_a_block_leads_where_reading_it_leads(data, cuts, ways):
    plain, mixed = QuoteScanner(b","), QuoteScanner(b",")
    for block, passed in zip(pieces(data, cuts, MAX_RECORD_BYTES), ways, strict=False):
        outside = plain.outside(block)
        ends = [at + 1 for one in outside for at in range(*one) if block[at : at + 1] == b"\n"]
        if passed:
            assert mixed.pass_over(block) == (ends[-1] if ends else 0)
        else:
            assert mixed.outside(block) == outside
        assert mixed.inside_quotes == plain.inside_quotes


@pytest.mark.parametrize("stray", [False, True])
def test_a_block_that_is_not_as_its_first_bytes_are(stray):
    """Whether it has many quotes is judged by the first ones only."""
    rows = [b"a,b\n" * 3000, b'"a","b\n"\n' * 3000, b'5" a,b\n' * stray]
    for block in (b"".join(rows), b"".join(reversed(rows))):
        scanner = QuoteScanner(b",")
        assert scanner.pass_over(block + b'c,"\n') == len(block)
        assert scanner.inside_quotes
        assert scanner.pass_over(b'"",\n') == 0
        assert scanner.pass_over(b'"\nd') == 2


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
        (b' "a",b', [b' "a"', b"b"]),
    ],
)
def test_fields(raw, expected):
    assert split_fields(raw, b",") == expected


values = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=8
)


@settings(max_examples=1000, deadline=None)
@given(
    rows=st.lists(st.lists(values, min_size=2, max_size=4), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back(rows, delimiter, quoting, line_end):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerows(rows)
    data = text.getvalue().encode()
    read = [
        split_fields(record.raw, delimiter.encode())
        for record in read_records([data], delimiter.encode())
    ]
    assert read == [[value.encode() for value in row] for row in rows]


@settings(max_examples=1000, deadline=None)
@given(text=st.text(alphabet='ab",\n é', max_size=60))
def test_well_formed_text_is_read_as_the_csv_module_reads_it(text):
    # Left to hand-written cases: text after a closing quote, unclosed quotes, blank lines.
    field = r'(?:"(?:[^"]|"")*"|[^",\n][^,\n]*)?'
    if not re.fullmatch(rf"(?:{field}(?:,{field})*(?:\n|$))*", text):
        return
    expected = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    read = [
        split_fields(record.raw, b",")
        for record in read_records([text.encode()], b",")
        if record.raw
    ]
    assert read == [[value.encode() for value in row] for row in expected]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b'"', 1),
        (b'"a\nb\n', 1),
        (b'a,"b\nc', 1),
        (b'a\n\n"b\nc', 3),
        (b'"a\nb","c\n', 2),  # the first quote was closed, and the second opens in line 2
        (b'a\n"b\n\n",x,"y\nz', 4),
        (b'"a\n"b,"c\nd\n', 2),
        (b'"a""\n","b', 2),
        (b'5" a,"b\nc', 1),
        (b'"a\nb"",\n"c,"d\n', 3),  # ""; so the one in line 3 closes, and the last one opens
    ],
)
def test_an_unclosed_quote_is_told_by_the_line_where_it_opens(data, line):
    for block_size in range(1, len(data) + 1):
        blocks = [data[at : at + block_size] for at in range(0, len(data), block_size)]
        *_, last = read_records(blocks, b",")
        assert last.problem == "unclosed_quote"
        assert line_of_problem(last, b",") == line


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"x" * 99, 7),  # no quote is to blame, so it is the record's own line
        (b'"a\nb\nc",x', 7),
        (b'"a\nb\n', 7),
        (b'"a\nb",c,"d\n', 8),
    ],
)
def test_a_record_that_is_too_long_is_told_by_the_quote_still_open_where_it_was_given_up(raw, line):
    assert line_of_problem(Record(raw, 7, 999, "record_too_long"), b",") == line


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("block_size", [1 << 16, 1 << 20, 1 << 24])
@pytest.mark.parametrize("quoted", [False, True])
def test_the_longest_record_is_the_same_however_it_comes(line_end, block_size, quoted):
    """A record of exactly the longest size is read, one byte more is given up."""
    for more in (0, 1):
        size = MAX_RECORD_BYTES + more - len(line_end.rstrip(b"\n"))
        raw = b'"' + b"x" * (size - 2) + b'"' if quoted else b"x" * size
        data = b"a\n" + raw + line_end
        blocks = [data[at : at + block_size] for at in range(0, len(data), block_size)]
        problem = "record_too_long" if more else None
        found = list(read_records(blocks, b","))
        assert [one.problem for one in found] == [None, problem]
        assert found[1].line == 2
        whole = WholeRecords(blocks, b",")
        assert len(b"".join(whole)) == (2 if more else len(data))
        assert whole.problem == problem
