"""Line ends, blank lines, quotes, and records that are too long."""

from tests.catalogue.expectations import (
    HEADER,
    LONG_RECORD,
    ONE_CHUNK,
    ONE_RECORD,
    Outcome,
    Tickets,
    failed,
    kind,
    loaded,
    refused,
    text,
)

Made = tuple[bytes, Outcome]


@kind()
def crlf(t: Tickets) -> Made:
    return text(t.line(1), t.line(2), end="\r\n"), loaded(t.rows(1, 2))


@kind(chunk_sizes=ONE_RECORD)
def mixed_line_ends(t: Tickets) -> Made:
    body = text() + f"{t.line(1)}\r\n{t.line(2)}\n{t.line(3)}\r\n{t.line(4)}".encode()
    return body, loaded(t.rows(1, 2, 3, 4))


@kind(chunk_sizes=ONE_RECORD)
def only_cr_ends_lines(t: Tickets) -> Made:
    """A CR alone doesn't end a line, so everything is the header, and its last name isn't a
    column."""
    return text(t.line(1), end="\r"), refused(("missing_column", 1, "store"))


@kind(chunk_sizes=ONE_RECORD)
def cr_in_data(t: Tickets) -> Made:
    body = text(t.line(1, product="Tea\rgreen"), t.line(2, product='"Tea\rblack"'))
    rows = [t.row(1, product="Tea\rgreen"), t.row(2, product="Tea\rblack")]
    return body, loaded(rows)


@kind(chunk_sizes=ONE_RECORD)
def cr_at_the_end_of_the_file(t: Tickets) -> Made:
    return text(t.line(1)) + f"{t.line(2)}\r".encode(), loaded(
        [*t.rows(1), t.row(2, store="Lyon\r")]
    )


@kind(chunk_sizes=ONE_RECORD)
def cr_alone_after_the_last_line(t: Tickets) -> Made:
    return text(t.line(1)) + b"\r", loaded(t.rows(1), refused=[(3, "", "too_few_fields")])


@kind(chunk_sizes=ONE_RECORD)
def two_crs_before_the_lf(t: Tickets) -> Made:
    """Both belong to the line end."""
    body = text(t.line(1) + "\r\r", t.line(2, store='"Lyon"') + "\r\r", t.line(3) + "\r\r\r")
    return body, loaded([*t.rows(1, 2), t.row(3, store="Lyon\r")])


@kind()
def no_final_newline(t: Tickets) -> Made:
    return text(t.line(1), t.line(2))[:-1], loaded(t.rows(1, 2))


@kind(chunk_sizes=ONE_RECORD)
def blank_lines_everywhere(t: Tickets) -> Made:
    body = text("", t.line(1), "\r", "", t.line(2, quantity="x"), "", t.line(3), "", "\r")
    return body, loaded(t.rows(1, 3), refused=[(6, "quantity", "bad_quantity")], blank_lines=6)


@kind(chunk_sizes=ONE_RECORD)
def lines_of_blanks_are_rows(t: Tickets) -> Made:
    body = text(t.line(1), " ", t.line(2), "\t", t.line(3))
    notes = [(line, "", "too_few_fields") for line in (3, 5)]
    return body, loaded(t.rows(1, 2, 3), refused=notes)


@kind(chunk_sizes=ONE_RECORD)
def rows_of_empty_fields_are_blank(t: Tickets) -> Made:
    body = text(",,,,,,", t.line(1), '""', ",,", ",".join(['""'] * 7), t.line(2), ",")
    return body, loaded(t.rows(1, 2), blank_lines=5)


@kind(chunk_sizes=ONE_RECORD)
def marks_at_the_start_of_rows(t: Tickets) -> Made:
    """Joined files have byte order marks there, and printed pages have form feeds."""
    body = text("\ufeff" + t.line(1), "\f" + t.line(2), "\f", "\ufeff" + HEADER, t.line(3))
    return body, loaded(t.rows(1, 2, 3), blank_lines=1)


@kind(chunk_sizes=ONE_RECORD)
def headers_again(t: Tickets) -> Made:
    body = text(HEADER, t.line(1), HEADER, HEADER, t.line(2, quantity="x"), t.line(3))
    return body, loaded(t.rows(1, 3), refused=[(6, "quantity", "bad_quantity")])


@kind(chunk_sizes=ONE_RECORD)
def end_mark(t: Tickets) -> Made:
    return text(t.line(1), t.line(2)) + b"\x1a\x00\x00\n", loaded(t.rows(1, 2))


@kind(chunk_sizes=ONE_RECORD)
def padding_behind_a_row_without_line_end(t: Tickets) -> Made:
    return text(t.line(1)) + t.line(2).encode() + bytes(500), loaded(t.rows(1, 2))


@kind(chunk_sizes=ONE_RECORD)
def end_mark_in_the_middle(t: Tickets) -> Made:
    """In the middle of a file it isn't an end mark."""
    return text(t.line(1), "\x1a", t.line(2)), loaded(
        t.rows(1, 2), refused=[(3, "", "too_few_fields")]
    )


@kind(chunk_sizes=ONE_RECORD)
def quoted_newlines(t: Tickets) -> Made:
    """Line numbers count LFs, those within quotes too."""
    products = ["a\nb", "\n\n", "a\r\n,b\r\n", '"\n"']
    lines = [
        t.line(number, product='"' + product.replace('"', '""') + '"')
        for number, product in enumerate(products)
    ]
    body = text(*lines, t.line(8), t.line(9, quantity="x"), t.line(10))
    rows = [t.row(number, product=product) for number, product in enumerate(products)]
    return body, loaded([*rows, *t.rows(8, 10)], refused=[(13, "quantity", "bad_quantity")])


@kind(chunk_sizes=ONE_RECORD)
def a_quoted_field_contains_a_row(t: Tickets) -> Made:
    """It is read as rows; what is around that row is refused."""
    body = text(t.line(1, category=f'"see\n{t.line(7)}\nend"'), t.line(2))
    notes = [(2, "", "stray_quote"), (4, "", "too_few_fields")]
    return body, loaded(t.rows(7, 2), refused=notes)


@kind(chunk_sizes=ONE_RECORD)
def a_quoted_field_contains_what_is_no_row(t: Tickets) -> Made:
    inside = f"{t.line(7, quantity='x')}\n{t.line(8)},1\n"
    body = text(t.line(1, category=f'"{inside}"'), t.line(2))
    return body, loaded([t.row(1, category=inside), *t.rows(2)])


@kind(chunk_sizes=LONG_RECORD)
def a_quoted_field_longer_than_a_chunk(t: Tickets) -> Made:
    inside = "All about tea, and more.\n" * 8_000
    body = text(t.line(1), t.line(2, category=f'"{inside}"'), t.line(3, store=""), t.line(4) + ",x")
    return body, loaded(
        [*t.rows(1), t.row(2, category=inside), t.row(3, store="")],
        refused=[(8_005, "", "too_many_fields")],
    )


@kind(chunk_sizes=ONE_RECORD)
def every_field_quoted(t: Tickets) -> Made:
    line = '"' + t.line(1, product="Tea green").replace(",", '","') + '"'
    line = line.replace("Tea green", 'Tea, ""green""')
    return text(line, t.line(2)), loaded([t.row(1, product='Tea, "green"'), *t.rows(2)])


@kind(chunk_sizes=ONE_RECORD)
def quotes_in_unquoted_fields(t: Tickets) -> Made:
    products = ['5" pipe', 'Sponge "Super Soft"', ' "Tea"', 'a""b', "'Tea'"]
    body = text(*(t.line(1, product=product) for product in products))
    return body, loaded([t.row(1, product=product) for product in products])


@kind(chunk_sizes=ONE_RECORD)
def text_after_a_closing_quote(t: Tickets) -> Made:
    body = text(
        t.line(1),
        t.line(2, product='"Tea" green'),
        t.line(3),
        t.line(4, store='"Ly\non""x"y"'),
        t.line(5),
    )
    notes = [
        (3, "product", "malformed_quote"),
        (5, "", "stray_quote"),
        (6, "", "too_few_fields"),
    ]
    return body, loaded(t.rows(1, 3, 5), refused=notes)


@kind(chunk_sizes=ONE_RECORD)
def text_after_a_quote_then_a_quoted_newline(t: Tickets) -> Made:
    """A malformed row ends with its line."""
    body = text(t.line(1, product='"a"b', category='"x\ny"'), t.line(2), t.line(3))
    notes = [(2, "product", "malformed_quote"), (3, "", "too_few_fields")]
    return body, loaded(t.rows(2, 3), refused=notes)


@kind(chunk_sizes=ONE_RECORD)
def a_stray_quote_in_the_first_row(t: Tickets) -> Made:
    body = text(t.line(1, product='"Tea'), t.line(2))
    return body, loaded(t.rows(2), refused=[(2, "", "stray_quote")])


@kind(chunk_sizes=ONE_RECORD)
def a_stray_quote_that_a_quoted_field_closes(t: Tickets) -> Made:
    lines = [t.line(1), t.line(2, product='"24 inch'), t.line(3), t.line(4, product='"Tea, green"')]
    rows = [*t.rows(1, 3, 5), t.row(4, product="Tea, green")]
    return text(*lines, t.line(5)), loaded(rows, refused=[(3, "", "stray_quote")])


@kind(chunk_sizes=ONE_RECORD)
def two_stray_quotes_that_form_a_row(t: Tickets) -> Made:
    lines = [t.line(1, product='"Tea 22""'), t.line(2), t.line(3, product='Hose 3/4"'), t.line(4)]
    rows = [*t.rows(2, 4), t.row(3, product='Hose 3/4"')]
    return text(*lines), loaded(rows, refused=[(2, "", "stray_quote")])


@kind(chunk_sizes=ONE_RECORD)
def every_field_quoted_and_one_quote_missing(t: Tickets) -> Made:
    lines = ['"' + t.line(number).replace(",", '","') + '"' for number in range(1, 6)]
    lines[1] = lines[1][:-1]
    return text(*lines), loaded(t.rows(1, 3, 4, 5), refused=[(3, "", "stray_quote")])


@kind(chunk_sizes=ONE_RECORD)
def a_stray_quote_in_a_row_of_several_lines(t: Tickets) -> Made:
    """Each of its lines is refused."""
    numbers = range(1, 11)
    stray = t.line(20, product='"a\nb\n"', category='"Drinks') + "\n\n"
    body = text(*(t.line(number) for number in numbers)) + stray.encode()
    notes = [
        (12, "", "stray_quote"),
        (13, "", "too_few_fields"),
        (14, "ticket_id", "malformed_quote"),
    ]
    return body, loaded(t.rows(*numbers), refused=notes, blank_lines=1)


@kind(chunk_sizes=ONE_RECORD)
def a_stray_quote_as_the_last_byte(t: Tickets) -> Made:
    body = text(t.line(1)) + t.line(2, store='"').encode()
    return body, loaded(t.rows(1), refused=[(3, "", "stray_quote")])


@kind(chunk_sizes=ONE_CHUNK)
def a_stray_quote_megabytes_before_the_end(t: Tickets) -> Made:
    numbers = range(2, 302)
    body = text(t.line(1, store='"Lyon'), *(t.line(at, category="x" * 9_000) for at in numbers))
    rows = [t.row(at, category="x" * 9_000) for at in numbers]
    return body, loaded(rows, refused=[(2, "", "stray_quote")])


@kind(chunk_sizes=ONE_RECORD)
def quote_closed_by_the_last_byte(t: Tickets) -> Made:
    body = text(t.line(1)) + t.line(2, store='"Ly\non"').encode()
    return body, loaded([*t.rows(1), t.row(2, store="Ly\non")])


@kind(chunk_sizes=LONG_RECORD)
def a_line_over_a_mib(t: Tickets) -> Made:
    body = text(t.line(1)) + t.line(2, category="x" * 1024 * 1024).encode()
    return body, loaded(t.rows(1), refused=[(3, "", "record_too_long")])


@kind(chunk_sizes=LONG_RECORD)
def a_line_over_a_mib_then_a_bad_row(t: Tickets) -> Made:
    """It is longer than what is read ahead, and costs one row."""
    long = t.line(2, category='"' + "x, " * 1_000_000 + '"')
    body = text(t.line(1), long, t.line(3, quantity="x"), t.line(4))
    notes = [(3, "", "record_too_long"), (4, "quantity", "bad_quantity")]
    return body, loaded(t.rows(1, 4), refused=notes)


@kind(chunk_sizes=ONE_CHUNK)
def a_record_of_nearly_a_mib(t: Tickets) -> Made:
    """It can be read, but is far larger than an item may be."""
    body = text(t.line(1), t.line(2, category="x" * (1024 * 1024 - 200)), t.line(3))
    return body, loaded(t.rows(1, 3), refused=[(3, "", "value_too_long")])


@kind()
def too_few_and_too_many_fields(t: Tickets) -> Made:
    few = t.line(2).rpartition(",")[0]
    body = text(t.line(1), few, t.line(3) + ",,", t.line(4), t.line(5))
    notes = [(3, "", "too_few_fields"), (4, "", "too_many_fields")]
    return body, loaded(t.rows(1, 4, 5), refused=notes)


@kind(chunk_sizes=ONE_RECORD)
def six_fields_then_eight(t: Tickets) -> Made:
    """Fourteen fields in two lines, which a careless reader would take for two rows."""
    six = t.line(1).rpartition(",")[0]
    body = text(six, f"Lyon,{t.line(2)}", t.line(3), t.line(4))
    notes = [(2, "", "too_few_fields"), (3, "", "too_many_fields")]
    return body, loaded(t.rows(3, 4), refused=notes)


@kind()
def more_than_half_of_the_rows_refused(t: Tickets) -> Made:
    body = text(t.line(1), t.line(2, quantity=""), t.line(3, quantity="x"))
    notes = [(3, "quantity", "missing_value"), (4, "quantity", "bad_quantity")]
    return body, failed(t.rows(1), refused=notes)


@kind()
def every_row_refused(t: Tickets) -> Made:
    body = text(t.line(1, basket_id=""), "x")
    notes = [(2, "basket_id", "missing_value"), (3, "", "too_few_fields")]
    return body, failed([], refused=notes)
