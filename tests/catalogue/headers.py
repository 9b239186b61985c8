"""Headers in every form, and files without one."""

from tests.catalogue.expectations import (
    COLUMNS,
    HEADER,
    Outcome,
    Tickets,
    kind,
    loaded,
    refused,
    text,
)

Made = tuple[bytes, Outcome]
NO_HEADER = ("no_header", 1, None)


@kind()
def header_only(t: Tickets) -> Made:
    return text(), loaded([])


@kind()
def header_only_without_newline(t: Tickets) -> Made:
    return HEADER.encode(), loaded([])


@kind()
def header_only_with_byte_order_mark(t: Tickets) -> Made:
    return b"\xef\xbb\xbf" + HEADER.encode() + b"\r\n", loaded([])


@kind()
def header_and_blank_lines(t: Tickets) -> Made:
    return text("", "\r", ""), loaded([], blank_lines=3)


@kind()
def no_header(t: Tickets) -> Made:
    return f"{t.line(1)}\n{t.line(2)}\n".encode(), refused(NO_HEADER)


@kind()
def only_blank_lines(t: Tickets) -> Made:
    return b"\n\n\n", refused(NO_HEADER)


@kind()
def blank_line_before_the_header(t: Tickets) -> Made:
    return b"\n" + text(t.line(1)), loaded(t.rows(1))


@kind()
def excels_separator_line(t: Tickets) -> Made:
    lines = [t.line(1, ";"), t.line(2, ";", quantity="x")]
    body = "\r\n".join(["sep=;", HEADER.replace(",", ";"), *lines, ""]).encode()
    return b"\xef\xbb\xbf" + body, loaded(t.rows(1), refused=[(4, "quantity", "bad_quantity")])


@kind()
def twenty_lines_above_the_header(t: Tickets) -> Made:
    """Quotes in them are not closed, and one of them is in another encoding."""
    above = [b'"Sales of "March"', b'24" offers, "and more', b"# Ums\xe4tze", b"", b"Store;Lyon;x"]
    body = b"\n".join([*above, *[b"-" * 200] * 15, text(t.line(1), t.line(2, quantity="x"))])
    return body, loaded(t.rows(1), refused=[(23, "quantity", "bad_quantity")])


@kind()
def twenty_one_lines_above_the_header(t: Tickets) -> Made:
    return b"-\n" * 21 + text(t.line(1)), refused(NO_HEADER)


@kind()
def rows_above_the_header(t: Tickets) -> Made:
    """A sorted file, for example, has rows above its header."""
    body = f"{t.line(1)}\n{HEADER}\n{t.line(2)}\n".encode()
    return body, refused(("rows_above_header", 1, None))


@kind()
def another_files_rows_above_the_header(t: Tickets) -> Made:
    other = HEADER.removesuffix(",store"), t.line(1).removesuffix(",Lyon")
    body = "\n".join([*other, HEADER, t.line(2), ""]).encode()
    return body, refused(("rows_above_header", 2, None))


@kind()
def a_list_of_columns_above_the_header(t: Tickets) -> Made:
    body = f"# columns: {HEADER}\n".encode() + text(t.line(1))
    return body, loaded(t.rows(1))


@kind()
def names_in_other_spellings(t: Tickets) -> Made:
    header = (
        "Ticket ID,PRODUCT #,basket\u2011id,Time\u00adStamp,cate\u200bgory,\ufeffquantity,-Store-"
    )
    return f"{header}\n{t.line(1)}\n".encode(), loaded(t.rows(1))


@kind()
def two_spellings_of_one_name(t: Tickets) -> Made:
    body = f"Ticket ID,ticket-id{HEADER[9:]}\n{t.id(1)},{t.line(1)}\n".encode()
    return body, refused(("repeated_column", 1, "ticket_id"))


@kind()
def another_spelling_beside_the_exact_name(t: Tickets) -> Made:
    body = f"Ticket ID,{HEADER}\nx,{t.line(1)}\n".encode()
    return body, loaded(t.rows(1), unknown_columns=("Ticket ID",))


@kind()
def delimiter_at_the_end_of_all_lines(t: Tickets) -> Made:
    short = t.line(3).removesuffix(",2,Lyon")
    lines = [HEADER, t.line(1), t.line(2, store=""), short, f"{t.line(4)},", ""]
    body = ",\r\n".join(lines).encode()
    notes = [(4, "", "too_few_fields"), (5, "", "too_many_fields")]
    return body, loaded([t.row(1), t.row(2, store="")], refused=notes)


@kind()
def a_last_column_without_a_name(t: Tickets) -> Made:
    body = f"{HEADER},\n{t.line(1)},\n{t.line(2)},note\n{t.line(3)}\n{t.line(4)},,\n".encode()
    return body, loaded(t.rows(1, 2, 4), refused=[(4, "", "too_few_fields")], unknown_columns=("",))


@kind()
def delimiter_at_the_end_of_the_header(t: Tickets) -> Made:
    return f"{HEADER},\n{t.line(1)}\n{t.line(2)}\n".encode(), loaded(t.rows(1, 2))


@kind()
def delimiter_at_the_end_of_the_rows(t: Tickets) -> Made:
    quoted = ",".join(f'"{value}"' for value in t.line(3).split(","))
    body = f"{HEADER}\n{t.line(1)},\n{t.line(2)}\n{quoted},\n{t.line(4)},,\n".encode()
    return body, loaded(t.rows(1, 2, 3), refused=[(5, "", "too_many_fields")])


@kind()
def upper_case_and_blanks(t: Tickets) -> Made:
    header = " TICKET_ID ,Product\t, Basket_Id,TimeStamp ,CATEGORY,\u00a0quantity,  store  "
    return f"{header}\n{t.line(1)}\n".encode(), loaded(t.rows(1))


@kind()
def quoted_names(t: Tickets) -> Made:
    header = ",".join(f'" {name} "' for name in COLUMNS)
    return f"{header}\r\n{t.line(1)}\r\n".encode(), loaded(t.rows(1))


@kind()
def newline_in_a_quoted_unknown_name(t: Tickets) -> Made:
    """A header is one line, so the last line of this one is the header."""
    body = f'"note;\n(free\r\ntext)",{HEADER}\n,{t.line(1)}\n'.encode()
    return body, loaded(t.rows(1), unknown_columns=('text)"',))


@kind()
def newline_in_a_known_name(t: Tickets) -> Made:
    body = f'"ticket\n_id"{HEADER[9:]}\n{t.line(1)}\n'.encode()
    return body, refused(("missing_column", 2, "ticket_id"))


@kind()
def shuffled_columns(t: Tickets) -> Made:
    body = (
        "store,quantity,timestamp,category,product,basket_id,ticket_id\n"
        f"Lyon,2,2026-01-31T10:00:00Z,Drinks,Tea,B1,{t.id(1)}\n"
        f"Lyon,2,2026-01-31T10:00:00Z,Drinks,Tea,,{t.id(2)}\n"
    )
    return body.encode(), loaded(t.rows(1), refused=[(3, "basket_id", "missing_value")])


@kind()
def missing_columns(t: Tickets) -> Made:
    return b"ticket_id,product,basket_id,timestamp,store\nT1,Tea,B1,2026-01-31T10:00,Lyon\n", (
        refused(("missing_column", 1, "category"), ("missing_column", 1, "quantity"))
    )


@kind()
def repeated_column(t: Tickets) -> Made:
    body = f"{HEADER}, Product\n{t.line(1)},Coffee\n"
    return body.encode(), refused(("repeated_column", 1, "product"))


@kind()
def missing_and_repeated_columns(t: Tickets) -> Made:
    body = HEADER.replace("store", "STORE,store").replace("category,", "") + "\n"
    return body.encode(), refused(
        ("missing_column", 1, "category"), ("repeated_column", 1, "store")
    )


@kind()
def unknown_columns(t: Tickets) -> Made:
    """Repeated ones too, and one without a name."""
    body = f"{HEADER},Note,Note,\n{t.line(1)},a,b,c\n{t.line(2)},,,\n{t.line(3)},,\n".encode()
    return body, loaded(
        t.rows(1, 2),
        refused=[(4, "", "too_few_fields")],
        unknown_columns=("Note", "Note", ""),
    )


@kind()
def as_many_columns_as_there_may_be(t: Tickets) -> Made:
    names = [f"c{number}" for number in range(1_993)]
    body = f"{HEADER},{','.join(names)}\n{t.line(1)}{',' * 1_993}\n{t.line(2)}\n".encode()
    return body, loaded(
        t.rows(1), refused=[(3, "", "too_few_fields")], unknown_columns=tuple(names[:100])
    )


@kind()
def ten_thousand_columns(t: Tickets) -> Made:
    names = ",".join(f"c{number}" for number in range(9_993))
    body = f"{HEADER},{names}\n{t.line(1)}{',' * 9_993}\n".encode()
    return body, refused(("too_many_columns", 1, None))


@kind()
def header_with_an_unclosed_quote(t: Tickets) -> Made:
    return f'"{HEADER}\n{t.line(1)}\n'.encode(), refused(NO_HEADER)


@kind()
def header_with_text_after_a_quote(t: Tickets) -> Made:
    return f'"ticket"_id{HEADER[9:]}\n{t.line(1)}\n'.encode(), refused(NO_HEADER)


@kind()
def header_longer_than_a_mib(t: Tickets) -> Made:
    body = f"{HEADER},{'x' * 1024 * 1024}\n{t.line(1)},\n".encode()
    return body, refused(NO_HEADER)


def delimited(t: Tickets, delimiter: str) -> Made:
    """The delimiters of all other files are data, and so is this one within quotes."""
    others = ",;\t|".replace(delimiter, "")
    quoted = f'"Tea{delimiter} green"'
    lines = [
        delimiter.join(COLUMNS),
        t.line(1, delimiter, product=f"Tea{others}"),
        t.line(2, delimiter, product=quoted),
        t.line(3, delimiter, product=quoted[1:-1]),
    ]
    rows = [t.row(1, product=f"Tea{others}"), t.row(2, product=quoted[1:-1])]
    return "\n".join(lines).encode(), loaded(rows, refused=[(4, "", "too_many_fields")])


@kind()
def semicolons(t: Tickets) -> Made:
    return delimited(t, ";")


@kind()
def tabs(t: Tickets) -> Made:
    return delimited(t, "\t")


@kind()
def pipes(t: Tickets) -> Made:
    return delimited(t, "|")


@kind()
def commas(t: Tickets) -> Made:
    return delimited(t, ",")


@kind()
def header_in_commas_rows_in_semicolons(t: Tickets) -> Made:
    return text(t.line(1), t.line(2, ";")), loaded(t.rows(1), refused=[(3, "", "too_few_fields")])
