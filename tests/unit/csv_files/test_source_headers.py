"""Heads of files whose source is declared: where the fields are, and which files are refused."""

from typing import Any

import pytest

from ingestion.csv_files.header import FileFacts, examine
from ingestion.csv_files.layout import HeaderLine
from ingestion.sources.model import Constraints, Dialect, Field, Source
from ingestion.tasks.quality_limits import QualityLimits
from tests.support.sources import source

FIELDS = (
    Field("Bon-Nr", attribute="ticket_id", constraints=Constraints(required=True)),
    Field("Artikel", header_names=("Ware", "Article"), attribute="product"),
    Field("Menge", attribute="quantity"),
)


def till(**others: Any) -> Source:
    return source(*FIELDS, **others)


def found(head: bytes, declared: Source, complete: bool = True) -> Any:
    return examine(head, complete, QualityLimits(5).too_many_refused, declared)


def facts(head: bytes, declared: Source, complete: bool = True) -> FileFacts:
    answer = found(head, declared, complete)
    assert isinstance(answer, FileFacts), answer
    return answer


def refusals(head: bytes, declared: Source) -> list[Any]:
    answer = found(head, declared)
    assert isinstance(answer, list), answer
    return [(reason.reason, reason.line, reason.column) for reason in answer]


# ---------------------------------------------------------------- Names


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("Bon-Nr;Artikel;Menge", [0, 1, 2]),
        ("MENGE;bon nr;Artikel #", [1, 2, 0]),
        ("Bon-Nr;Ware;Menge", [0, 1, 2]),
        ("Bon-Nr;article;Menge", [0, 1, 2]),
        # The name comes before other titles, as it is written before another spelling of it.
        ("Ware;Bon-Nr;Artikel;Menge", [1, 2, 3]),
        ("Arti_kel;Bon-Nr;Artikel;Menge", [1, 2, 3]),
        ("Arti_kel;Bon-Nr;Article;Menge", [1, 2, 3]),
    ],
)
def test_fields_are_found_by_their_names_and_other_titles(header: str, columns: list[int]) -> None:
    answer = facts(header.encode(), till())
    assert list(answer.columns.values()) == columns
    assert list(answer.columns) == ["Bon-Nr", "Artikel", "Menge"]
    assert answer.delimiter == ";"


def test_two_titles_of_a_field_are_ambiguous() -> None:
    assert refusals(b"Bon-Nr;Ware;Article;Menge", till()) == [("repeated_column", 1, "Artikel")]


def test_a_column_belongs_to_the_field_that_has_its_name() -> None:
    declared = source(Field("Preis", attribute="a"), Field("preis_", attribute="b"))
    assert facts(b"Preis,PREIS_", declared).columns == {"Preis": 0, "preis_": 1}
    assert refusals(b"Preis,Menge", declared) == [("missing_column", 1, "preis_")]


def test_letter_case_matters_where_names_of_fields_differ_only_in_it() -> None:
    declared = source(Field("preis"), Field("Preis"), Field("Menge"))
    assert facts(b"MENGE,Preis, preis", declared).columns == {"preis": 2, "Preis": 1, "Menge": 0}
    assert refusals(b"menge,Preis,Preis", declared) == [
        ("missing_column", 1, "preis"),
        ("repeated_column", 1, "Preis"),
    ]
    assert refusals(b"menge,Menge,Preis,preis", declared) == [("repeated_column", 1, "Menge")]


def test_a_column_is_only_one_field() -> None:
    spelled = source(Field("Net-Total"), Field("Net Total"))
    assert facts(b"NET_TOTAL,Net-Total", spelled).columns == {"Net-Total": 1, "Net Total": 0}
    assert refusals(b"NetTotal", spelled) == [("missing_column", 1, "Net Total")]
    titled = source(Field("Preis", header_names=("Total",)), Field("Total"))
    assert facts(b"Total,PREIS", titled).columns == {"Preis": 1, "Total": 0}
    assert refusals(b"Total", titled) == [("missing_column", 1, "Preis")]


def test_letter_case_matters_in_other_titles_too() -> None:
    declared = source(Field("id"), Field("number", header_names=("ID",)))
    assert facts(b"ID,id", declared).columns == {"id": 1, "number": 0}
    assert facts(b"Id,NUMBER", declared).columns == {"id": 0, "number": 1}


def test_a_refusal_names_the_source_and_the_nearest_name() -> None:
    [reason] = found(b"Bon-Nr;Artikl;Menge\n", till())
    assert reason.detail == (
        'The header has no column Artikel. Is it "Artikl"? Line 1 has 3 fields separated by '
        "semicolons, and names Bon-Nr, Menge. The file was read with the source kassenbon."
    )


def test_a_declared_delimiter_is_the_only_one() -> None:
    declared = till(dialect=Dialect(delimiter="^"))
    assert facts(b"Bon-Nr^Artikel^Menge^a;b", declared).delimiter == "^"
    [reason] = found(b"Bon-Nr;Artikel;Menge", declared)
    assert "Line 1 has one field." in reason.detail
    [reason] = found(b"Bon-Nr^Artikel", declared)
    assert 'Line 1 has 2 fields separated by "^", and names Bon-Nr, Artikel.' in reason.detail


def test_a_long_list_of_columns_is_cut() -> None:
    declared = source(*(Field(f"Feld {number}", attribute=f"a{number}") for number in range(30)))
    [reason] = found(b"a;b\n", declared)
    assert "Feld 19 and 10 more." in reason.detail


# ---------------------------------------------------------------- fieldsMatch

MATCHES: dict[str, dict[str, int | str]] = {
    # columns of the file: what each fieldsMatch makes of them
    "Bon-Nr,Artikel,Menge": {"exact": 3, "equal": 3, "subset": 3, "superset": 3, "partial": 3},
    "Menge,Bon-Nr,Artikel": {
        "exact": "column_order",
        "equal": 3,
        "subset": 3,
        "superset": 3,
        "partial": 3,
    },
    "Bon-Nr,Artikel,Menge,Kasse": {
        "exact": "unexpected_column",
        "equal": "unexpected_column",
        "subset": 4,
        "superset": "unexpected_column",
        "partial": 4,
    },
    "Bon-Nr,Artikel": {
        "exact": "missing_column",
        "equal": "missing_column",
        "subset": "missing_column",
        "superset": 2,
        "partial": 2,
    },
    "Artikel,Menge": dict.fromkeys(
        ("exact", "equal", "subset", "superset", "partial"), "missing_column"
    ),
    "Bon-Nr,Kasse": {
        "exact": "missing_column",
        "equal": "missing_column",
        "subset": "missing_column",
        "superset": "unexpected_column",
        "partial": 2,
    },
    "Kasse,Filiale": dict.fromkeys(
        ("exact", "equal", "subset", "superset", "partial"), "no_header"
    ),
}


@pytest.mark.parametrize(
    ("header", "fields_match", "expected"),
    [
        (header, fields_match, expected)
        for header, by_match in MATCHES.items()
        for fields_match, expected in by_match.items()
    ],
)
def test_which_columns_a_file_may_have(header: str, fields_match: str, expected: int | str) -> None:
    answer = found(header.encode() + b"\n", till(fields_match=fields_match))
    if isinstance(expected, int):
        assert isinstance(answer, FileFacts), answer
        names = header.split(",")
        assert answer.width == expected
        assert answer.columns == {
            field.name: names.index(field.name) for field in FIELDS if field.name in names
        }
    else:
        assert {reason.reason for reason in answer} == {expected}


def test_a_field_of_the_key_must_be_there() -> None:
    by_field = till(fields_match="partial", primary_key=("ticket_id", "product"))
    assert refusals(b"Bon-Nr,Menge", by_field) == [("missing_column", 1, "Artikel")]


def test_the_header_of_a_file_that_may_lack_fields_names_most_of_them() -> None:
    head = b"Export\nMenge\nBon-Nr,Menge\n1,2\n"
    answer = facts(head, till(fields_match="superset"))
    assert (answer.columns, answer.skipped_lines) == ({"Bon-Nr": 0, "Menge": 1}, 2)


# ---------------------------------------------------------------- Header lines


def test_a_declared_header_of_several_lines() -> None:
    declared = source(
        Field("Bon Nr", attribute="ticket_id"),
        Field("Artikel Name", attribute="product"),
        Field("Menge", attribute="quantity"),
        dialect=Dialect(header_rows=(3, 4)),
    )
    head = b"\xef\xbb\xbfUmsatz;alle;Kassen\n1;2;3\nBon;Artikel;\nNr;Name;Menge\n4;Tee;1\n"
    answer = facts(head, declared)
    assert answer.columns == {"Bon Nr": 0, "Artikel Name": 1, "Menge": 2}
    assert (answer.skipped_lines, answer.header_lines, answer.width) == (2, 2, 3)
    assert head[answer.data_start :] == b"4;Tee;1\n"
    assert answer.header == HeaderLine.of(b"Nr;Name;Menge")


def test_lines_between_declared_header_lines_are_skipped() -> None:
    declared = source(
        Field("Bon/Nr", attribute="a"), dialect=Dialect(header_rows=(1, 3), header_join="/")
    )
    answer = facts(b"Bon,Betrag\n-----\nNr\n1,2\n", declared)
    assert answer.columns == {"Bon/Nr": 0}
    assert (answer.skipped_lines, answer.header_lines, answer.data_start) == (1, 2, 20)


def test_the_declared_header_is_no_other_line() -> None:
    first = till(dialect=Dialect(header_rows=(1,)))
    [reason] = found(b"Export\nBon-Nr;Artikel;Menge\n", first)
    assert reason.reason == "no_header"
    assert reason.detail.startswith("Line 1, the declared header, names none of the columns Bon-Nr")
    fifth = till(dialect=Dialect(header_rows=(5,)))
    assert refusals(b"Bon-Nr;Artikel;Menge\n1;2;3\n", fifth) == [("no_header", None, None)]


def test_comments_above_the_header_are_skipped_however_many() -> None:
    declared = till(dialect=Dialect(comment_char="#"))
    comments = b"# Bon-Nr,Artikel,Menge\n" * 30
    answer = facts(comments + b"Export\nBon-Nr,Artikel,Menge\n1,2,3\n", declared)
    assert (answer.skipped_lines, answer.header_lines) == (31, 1)
    assert refusals(b"Export\n" * 21 + b"Bon-Nr,Artikel,Menge\n", declared) == [
        ("no_header", 1, None)
    ]


def test_a_delimiter_at_the_end_of_a_header_of_two_lines() -> None:
    declared = till(dialect=Dialect(header_rows=(1, 2)))
    answer = facts(b"Bon-Nr;Artikel;Menge;\n;;;\n1;2;3\n", declared)
    assert (answer.width, answer.unknown_columns) == (3, ())


@pytest.mark.parametrize(
    ("header", "dialect"),
    [
        ("'Bon-Nr';'Artikel';'Menge';'a;b'", Dialect(quote_char="'")),
        ('Bon-Nr;Artikel;Menge;"a', Dialect(quote_char=None)),
        (r"Bon-Nr;Art\ikel;Menge;a\;b", Dialect(escape_char="\\")),
        ('Bon-Nr; "Artikel"; "Menge"; "a;b"', Dialect(skip_initial_space=True)),
        ("Bon-Nr§Artikel§Menge§a;b", Dialect(delimiter="§")),
        ("Bon-Nr;Artikel;Menge;NULL", Dialect(null_sequence="NULL")),
    ],
)
def test_a_header_has_the_dialect_of_its_file(header: str, dialect: Dialect) -> None:
    answer = facts(header.encode() + b"\n", till(dialect=dialect))
    assert (list(answer.columns.values()), answer.width) == ([0, 1, 2], 4)


def test_an_escaped_delimiter_at_the_end_of_a_header_is_part_of_a_name() -> None:
    declared = till(dialect=Dialect(escape_char="\\"))
    answer = facts(b"Bon-Nr;Artikel;Menge;a\\;\n1;2;3\n", declared)
    assert (answer.width, answer.unknown_columns) == (4, ("a;",))


def test_rows_without_header_have_the_dialect_of_their_file() -> None:
    dialect = Dialect(header=False, delimiter=";", quote_char="'", escape_char="\\")
    assert facts(b"1;'a;\nb';\\;;4\n", till(dialect=dialect)).width == 4


# ---------------------------------------------------------------- No header

WITHOUT = Dialect(header=False, delimiter=";")


def test_without_a_header_fields_are_found_by_their_position() -> None:
    head = b"\xef\xbb\xbf7;Tee;1\n"
    assert facts(head, till(dialect=WITHOUT)) == FileFacts(
        delimiter=";",
        columns={"Bon-Nr": 0, "Artikel": 1, "Menge": 2},
        width=3,
        data_start=0,
        skipped_lines=0,
        header_lines=0,
        header=None,
        unknown_columns=(),
    )


@pytest.mark.parametrize(
    ("rows", "fields_match", "expected"),
    [
        (b"1;2;3\n", "exact", 3),
        (b"1;2;3;\n1;2;3;\n", "exact", 3),
        (b"1;2;3;4\n", "exact", "wrong_width"),
        (b"1;2;3;4\n", "subset", 4),
        (b"1;2;3;\n", "subset", 3),
        (b'1;2;3;""\n', "subset", 4),
        (b"1;2;3;\n1;2;3;4\n1;2;3;\n", "subset", 4),
        (b"1;2\n", "subset", "wrong_width"),
        (b"1;2\n", "superset", 2),
        (b"1;2;\n", "superset", 3),
        (b"1;2;3;4\n", "superset", "wrong_width"),
        (b"1;2;3;4\n", "partial", 4),
        (b"1\n", "partial", 1),
        # The first rows may be broken.
        (b'1;2\n"1;2;3\n1;2;3\n1;2;3\n', "subset", 3),
        (b'\n;;;;\n1;"2\n;;;;\n";3\n', "exact", 3),
        (b"\n\n", "subset", 3),
        (b"1;2,3", "exact", "wrong_width"),
    ],
)
def test_how_many_fields_the_rows_have(rows: bytes, fields_match: str, expected: int | str) -> None:
    answer = found(rows, till(dialect=WITHOUT, fields_match=fields_match))
    if isinstance(expected, int):
        assert isinstance(answer, FileFacts), answer
        assert answer.width == expected
        assert list(answer.columns.values()) == list(range(min(expected, 3)))
    else:
        assert [reason.reason for reason in answer] == [expected]


def test_a_field_beyond_the_rows_that_must_be_there() -> None:
    declared = till(dialect=WITHOUT, fields_match="superset", primary_key=("ticket_id", "quantity"))
    assert refusals(b"1;2\n", declared) == [("missing_column", None, "Menge")]


def test_comments_and_a_separator_line_are_no_rows() -> None:
    dialect = Dialect(header=False, delimiter=";", comment_char="#")
    declared = till(dialect=dialect, fields_match="partial")
    assert facts(b"# a;b\n# c;d\n1;2;3\n", declared).width == 3
    answer = facts(b"sep=;\r\n1;2;3\n", till(dialect=WITHOUT))
    assert (answer.skipped_lines, answer.data_start, answer.width) == (1, 7, 3)


def test_a_wrong_number_of_fields_is_explained() -> None:
    [reason] = found(b"sep=,\n\n7,Tee,1\n", till(dialect=WITHOUT))
    assert (reason.reason, reason.line) == ("wrong_width", 3)
    assert reason.detail == (
        "The source kassenbon has no header and declares 3 fields, but line 3 has one field. "
        "Declare all fields in the file's order, or the right `dialect.delimiter` "
        "(docs/sources.md)."
    )


# ---------------------------------------------------------------- Encodings

TEXT = "Bon-Nr;Artikel;Menge\n1;Käse;2\n2;€;3\n"


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf_16", TEXT.encode("utf-16")),
        ("utf_16", b"\xfe\xff" + TEXT.encode("utf-16-be")),
        ("cp1252", TEXT.encode("cp1252")),
        ("iso8859_15", TEXT.encode("iso8859_15")),
        ("cp850", TEXT.replace("€", "").encode("cp850")),
        ("utf_8", TEXT.encode()),
    ],
)
@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_offsets_are_those_of_the_text_in_utf8(encoding: str, written: bytes, cut: int) -> None:
    answer = facts(written[: len(written) - cut], till(encoding=encoding), complete=not cut)
    assert (answer.data_start, answer.header) == (21, HeaderLine.of(TEXT[:20].encode()))
    umlaut = source(Field("Käse", attribute="a"), encoding=encoding)
    assert facts("Käse\n".encode(encoding), umlaut).data_start == 6


@pytest.mark.parametrize(
    ("declared", "written", "told"),
    [
        ("utf_16", TEXT.encode(), "no byte order mark of UTF-16. Declare `encoding` as utf-8"),
        ("utf_16", TEXT.encode("utf-16-le"), "is UTF-16LE text without a byte order mark"),
        ("utf_16", TEXT.encode("cp1252"), "no byte order mark of UTF-16. Correct it."),
        ("utf_16", TEXT.encode("utf-32"), "is UTF-32 text"),
        ("cp1252", TEXT.encode("utf-16"), "is UTF-16 text; declare `encoding` as utf-16"),
        ("cp1252", TEXT.encode(), "is UTF-8 text. Declare `encoding` as utf-8"),
        ("cp437", TEXT.encode(), "is UTF-8 text. Declare `encoding` as utf-8"),
        ("cp850", b"\xef\xbb\xbfBon-Nr;Artikel;Menge\n", "is UTF-8 text."),
    ],
)
def test_a_file_of_another_encoding_than_declared_is_refused(
    declared: str, written: bytes, told: str
) -> None:
    for complete, head in ((True, written), (False, written + b"\xc3")):
        [reason] = found(head, till(encoding=declared), complete)
        assert reason.reason == "wrong_encoding"
        assert told in reason.detail


def test_utf16_is_not_utf8() -> None:
    [reason] = found(TEXT.encode("utf-16"), till())
    assert reason.reason == "not_csv"
    assert "declare its `encoding` (docs/sources.md)" in reason.detail


@pytest.mark.parametrize("product", ["NESCAFÉ®", "Tee", "«Thé»", "5 €", "CRÈME BRÛLÉE"])
def test_a_text_that_is_valid_utf8_by_chance_is_read_as_declared(product: str) -> None:
    written = f"Bon-Nr;Artikel;Menge\n1;{product};2\n".encode("cp1252")
    assert facts(written, till(encoding="cp1252")).width == 3


def test_a_few_broken_lines_do_not_hide_that_a_file_is_utf8() -> None:
    good = "1;Käse;2\n".encode() * 9
    [reason] = found(b"Bon-Nr;Artikel;Menge\n1;K\xe4se;2\n" + good, till(encoding="cp1252"))
    assert reason.reason == "wrong_encoding"
    # Most lines are no UTF-8, and one is by chance.
    head = "Bon-Nr;Artikel;Menge\n1;Ã„pfel;2\n".encode("cp1252") + "1;Käse;2\n".encode("cp1252")
    assert facts(head, till(encoding="cp1252")).width == 3


def test_a_long_line_is_no_sample() -> None:
    head = b"Bon-Nr;Artikel;Menge\n1;" + b"x" * 30_000 + "é;2\n".encode()
    assert facts(head, till(encoding="cp1252")).width == 3


def test_a_character_of_the_dialect_is_no_delimiter() -> None:
    declared = till(dialect=Dialect(comment_char=";"))
    assert facts(b"Bon-Nr,Artikel,Menge,a;b;c;d\n", declared).delimiter == ","
    assert refusals(b"Bon-Nr;Artikel;Menge\n", declared) == [("no_header", 1, None)]


def test_only_a_mark_is_an_empty_file() -> None:
    for head in (b"", b"\xff\xfe"):
        assert refusals(head, till(encoding="utf_16")) == [("empty_file", None, None)]


@pytest.mark.parametrize("good", [37, 38])
def test_too_many_rows_that_cant_be_decoded(good: int) -> None:
    """5 % of the rows may be refused, and at least one."""
    head = b"Bon-Nr;Artikel;Menge\n" + b"1;\x81;2\n" * 2 + b"1;\x80;2\n" * good
    declared = till(encoding="cp1252")
    if good == 38:
        assert isinstance(found(head, declared), FileFacts)
        return
    [reason] = found(head, declared)
    assert (reason.reason, reason.line) == ("undecodable", 2)
    assert reason.detail == (
        "2 of 39 rows are not Windows-1252, more than may be refused. Correct the declared "
        "`encoding` or the file."
    )


def test_blank_lines_comments_and_repeated_headers_are_no_rows_that_cant_be_decoded() -> None:
    header = b"Bon-Nr;Artikel;Menge\n"
    head = header + b"1;\x81;2\n" * 2 + b'\n;"";\n# Stand\n' * 40 + header * 40
    declared = till(encoding="cp1252", dialect=Dialect(comment_char="#"))
    [reason] = found(head + b"1;Tee;2\n", declared)
    assert reason.detail.startswith("2 of 3 rows are not Windows-1252")


def test_a_header_that_cant_be_decoded() -> None:
    declared = till(encoding="cp1252")
    assert refusals(b"Bon-Nr;Artikel;Menge;\x81\n", declared) == [("undecodable", 1, None)]
    utf16 = "Bon-Nr;Artikel;Menge;\ud800\n".encode("utf-16", "surrogatepass")
    assert refusals(utf16, till(encoding="utf_16")) == [("undecodable", 1, None)]


def test_nul_characters_of_utf16_are_refused() -> None:
    head = "Bon-Nr;Artikel;Menge\n1;\0;2\n".encode("utf-16")
    assert refusals(head, till(encoding="utf_16")) == [("not_csv", 2, None)]
