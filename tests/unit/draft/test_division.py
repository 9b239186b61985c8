"""How a text is divided: delimiter, quotes, escapes, comments, header."""

import pytest

from tickets.draft.division import divide, header_of


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~"])
def test_delimiter(delimiter: str) -> None:
    lines = [["id", "name", "price"], ["1", "Soap, soft", "1,5"], ["2", "Rice", "2,25"]]
    text = "".join(
        delimiter.join(f'"{one}"' if delimiter in one else one for one in line) + "\n"
        for line in lines
    )
    division = divide(text)
    assert (division.delimiter, division.width) == (delimiter, 3)
    assert [row.values for row in division.rows] == lines


def test_decimal_commas_do_not_divide() -> None:
    assert divide("1;1,50\n2;2,75\n3;3,10\n").delimiter == ";"


def test_sep_line_decides() -> None:
    division = divide("sep=|\r\na,b|c\r\n1,2|3\r\n")
    assert (division.delimiter, division.width) == ("|", 2)
    assert [row.line for row in division.rows] == [2, 3]


def test_quoted_fields_may_span_lines() -> None:
    division = divide('a,b\n1,"two\nlines, ""quoted"""\n2,x\n')
    assert [(row.line, row.values) for row in division.rows[1:]] == [
        (2, ["1", 'two\nlines, "quoted"']),
        (4, ["2", "x"]),
    ]


def test_quotes_that_do_not_enclose_fields_are_data() -> None:
    division = divide('a|b\n"Deluxe" pan|1\n"Big" pot|2\n')
    assert division.quote_char is None
    assert division.rows[1].values == ['"Deluxe" pan', "1"]


def test_single_quotes() -> None:
    division = divide("'a','b'\n'1,5','x'\n'2','y'\n")
    assert (division.quote_char, division.rows[1].values) == ("'", ["1,5", "x"])


def test_backslash_escapes() -> None:
    division = divide('"a","b"\n"1","say \\"hi\\""\n"2",\\N\n')
    assert division.escape_char == "\\"
    assert [row.values for row in division.rows[1:]] == [["1", 'say "hi"'], ["2", "\\N"]]


def test_a_delimiter_at_the_end_of_rows_adds_no_field() -> None:
    division = divide("a|b|\n1|2|\n3|4|\n")
    assert (division.width, division.has_trailing_delimiter) == (2, True)


def test_comments_between_rows() -> None:
    division = divide("a,b\n1,2\n# shift 2\n3,4\n")
    assert division.comment_char == "#"
    assert [row.values for row in division.rows] == [["a", "b"], ["1", "2"], ["3", "4"]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("id,price\n1,2.50\n2,3.50\n", 1),
        ("Report,,\n\nid,name,price\n1,Soap,2.50\n2,Rice,3.50\n", 3),
        ("Report\nfrom 1 to 2\nid,name,price\n1,Soap,2.50\n2,Rice,3.50\n", 3),
        ("1,Soap,2.50\n2,Rice,3.50\n", None),
        ("Soap,Home,Lyon\nRice,Food,Lyon\n", None),  # Lyon would be a name and a value
        ("product,category\nSoap,Home\nRice,Food\n", 1),
        ("a,a\n1,2\n", None),
    ],
)
def test_header(text: str, line: int | None) -> None:
    header, _ = header_of(divide(text))
    assert (header.line if header else None) == line
