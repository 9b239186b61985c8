"""Line ends, blank lines, quotes, and records that are too long."""

from tests.catalogue.expectations import (
    ONE_CHUNK,
    ONE_RECORD,
    Outcome,
    Tickets,
    Unread,
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
    """A CR alone ends no line, so everything is the header, and its last name is no column."""
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
    """One belongs to the line end, the other is data."""
    body = text(t.line(1) + "\r\r", t.line(2))
    return body, loaded([t.row(1, store="Lyon\r"), *t.rows(2)])


@kind()
def no_final_newline(t: Tickets) -> Made:
    return text(t.line(1), t.line(2))[:-1], loaded(t.rows(1, 2))


@kind(chunk_sizes=ONE_RECORD)
def blank_lines_everywhere(t: Tickets) -> Made:
    body = text("", t.line(1), "\r", "", t.line(2, quantity="x"), "", t.line(3), "", "\r")
    return body, loaded(t.rows(1, 3), refused=[(6, "quantity", "bad_quantity")], blank_lines=6)


@kind(chunk_sizes=ONE_RECORD)
def lines_of_blanks_are_rows(t: Tickets) -> Made:
    body = text(t.line(1), " ", t.line(2), "\t", t.line(3), '""')
    notes = [(line, "", "too_few_fields") for line in (3, 5, 7)]
    return body, loaded(t.rows(1, 2, 3), refused=notes)


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
def a_quoted_field_looks_like_rows(t: Tickets) -> Made:
    inside = f"{t.line(7)}\n{t.line(8)}\n"
    body = text(t.line(1, category=f'"{inside}"'), t.line(2))
    return body, loaded([t.row(1, category=inside), *t.rows(2)])


@kind(chunk_sizes=ONE_RECORD)
def a_quoted_field_longer_than_a_chunk(t: Tickets) -> Made:
    inside = "All about tea, and more.\n" * 8_000
    body = text(t.line(1), t.line(2, category=f'"{inside}"'), t.line(3, store=""), t.line(4) + ",")
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
    notes = [(3, "product", "malformed_quote"), (5, "store", "malformed_quote")]
    return body, loaded(t.rows(1, 3, 5), refused=notes)


@kind(chunk_sizes=ONE_RECORD)
def text_after_a_quote_then_a_quoted_newline(t: Tickets) -> Made:
    """The next field of a malformed row still opens its quotes."""
    body = text(t.line(1, product='"a"b', category='"x\ny"'), t.line(2), t.line(3))
    return body, loaded(t.rows(2, 3), refused=[(2, "product", "malformed_quote")])


@kind(chunk_sizes=ONE_RECORD)
def unclosed_quote_early(t: Tickets) -> Made:
    rest = t.line(2, product='"Tea') + "\n" + t.line(3) + "\n" + t.line(4) + "\n"
    body = text(t.line(1)) + rest.encode()
    unread = Unread("unclosed_quote", 3, len(rest))
    return body, failed(t.rows(1), refused=[(3, "", "unclosed_quote")], unread=unread)


@kind(chunk_sizes=ONE_RECORD)
def unclosed_quote_in_the_first_row(t: Tickets) -> Made:
    rest = t.line(1, product='"Tea') + "\n" + t.line(2)
    unread = Unread("unclosed_quote", 2, len(rest))
    return text() + rest.encode(), failed([], refused=[(2, "", "unclosed_quote")], unread=unread)


@kind(chunk_sizes=ONE_RECORD)
def unclosed_quote_late(t: Tickets) -> Made:
    """The row begins in line 12, but the quote that is not closed opens in line 14."""
    numbers = range(1, 11)
    rest = t.line(20, product='"a\nb\n"', category='"Drinks') + "\n\n"
    body = text(*(t.line(number) for number in numbers)) + rest.encode()
    unread = Unread("unclosed_quote", 14, len(rest))
    return body, failed(t.rows(*numbers), refused=[(12, "", "unclosed_quote")], unread=unread)


@kind(chunk_sizes=ONE_RECORD)
def unclosed_quote_as_the_last_byte(t: Tickets) -> Made:
    rest = t.line(2, store='"')
    unread = Unread("unclosed_quote", 3, len(rest))
    body = text(t.line(1)) + rest.encode()
    return body, failed(t.rows(1), refused=[(3, "", "unclosed_quote")], unread=unread)


@kind(chunk_sizes=ONE_RECORD)
def quote_closed_by_the_last_byte(t: Tickets) -> Made:
    body = text(t.line(1)) + t.line(2, store='"Ly\non"').encode()
    return body, loaded([*t.rows(1), t.row(2, store="Ly\non")])


@kind(chunk_sizes=ONE_RECORD)
def a_record_over_a_mib(t: Tickets) -> Made:
    rest = t.line(2, category="x" * 1024 * 1024)
    body = text(t.line(1)) + rest.encode()
    unread = Unread("record_too_long", 3, len(rest))
    return body, failed(t.rows(1), refused=[(3, "", "record_too_long")], unread=unread)


@kind(chunk_sizes=ONE_RECORD)
def a_quoted_record_over_a_mib_then_a_bad_row(t: Tickets) -> Made:
    """Chunks behind it are loaded as ever, with the right line numbers: the long record has 2,000
    lines more than one, and is longer than what is read before it is given up."""
    rest = t.line(2, category='"' + ("x" * 1_700 + "\n") * 2_000 + '"') + "\n"
    body = text(t.line(1)) + rest.encode() + text(t.line(3, quantity="x"), t.line(4))[62:]
    notes = [(3, "", "record_too_long"), (2_004, "quantity", "bad_quantity")]
    unread = Unread("record_too_long", 3, len(rest))
    return body, failed(t.rows(1, 4), refused=notes, unread=unread)


@kind(chunk_sizes=ONE_CHUNK)
def a_record_of_nearly_a_mib(t: Tickets) -> Made:
    """Within what is read, but far more than an item may hold."""
    body = text(t.line(1), t.line(2, category="x" * (1024 * 1024 - 200)), t.line(3))
    return body, loaded(t.rows(1, 3), refused=[(3, "", "value_too_long")])


@kind()
def too_few_and_too_many_fields(t: Tickets) -> Made:
    few = t.line(2).rpartition(",")[0]
    body = text(t.line(1), few, t.line(3) + ",", t.line(4), t.line(5))
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
