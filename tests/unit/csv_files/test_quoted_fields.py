"""Quoted fields that are found in many lines at once. `test_fast_rows` and `test_multiline`
compare what is made of them with the plain implementations, on generated files."""

import pytest

from ingestion.csv_files.layout import Layout
from ingestion.csv_files.quoted_fields import QuotedFields, find_quoted
from ingestion.csv_files.syntax import Syntax

LAYOUT = Layout(Syntax(b","), 3, {})


def test_a_text_is_split_at_its_quoted_fields() -> None:
    found = find_quoted(b'a,"b,c",d\r\n"e ""f""","",""""\na,"b\nc",d\r\r\n', LAYOUT)
    assert found == QuotedFields(
        [b"b,c", b'e "f"', b"", b'"', b"b\nc"],
        [b"a,", b",d\r\n", b",", b",", b"\na,", b",d\r\r\n"],
    )


def test_lines_without_quotes_have_no_quoted_fields() -> None:
    assert find_quoted(b"a,b,c\n", LAYOUT) == QuotedFields([], [b"a,b,c\n"])


@pytest.mark.parametrize(
    "text",
    [
        b'12" pipe,"a,b",c\n',
        b'a, "b",c\n',
        b'\xef\xbb\xbf"a",b,c\n',
        b'"a"b,"c",d\n',
        b'"a"\r,b,c\n',
        b'"a"\r\r\r\n',
        b'"a,b,c\n',
        b'"a","b","c"',
        b'a,b,"c\n"d',
    ],
)
def test_any_other_quote_needs_a_closer_look(text: bytes) -> None:
    assert find_quoted(text, LAYOUT) is None


@pytest.mark.parametrize(
    "syntax",
    [
        Syntax(b",", quote=b"'"),
        Syntax(b",", quote=None),
        Syntax(b",", escape=b"\\"),
        Syntax(b",", null_sequence=b'"-"'),
    ],
)
def test_an_unusual_syntax_needs_a_closer_look(syntax: Syntax) -> None:
    assert find_quoted(b'a,"b",c\n', Layout(syntax, 3, {})) is None


def test_the_positions_of_fields_that_span_lines() -> None:
    text = b'a,"b ""c""",d\n"e\n""f""",g,"h"\n"i\r\nj","k\nl","m"\n'
    found = find_quoted(text, LAYOUT)
    assert found
    assert list(found.with_line_ends()) == [text.index(b'"e'), text.index(b'"i'), text.index(b'"k')]
