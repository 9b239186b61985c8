"""Values that are not quite what they should be, and keys that are equal."""

from tests.catalogue.expectations import (
    ONE_CHUNK,
    USUAL,
    Outcome,
    Tickets,
    failed,
    kind,
    loaded,
    text,
)

Made = tuple[bytes, Outcome]


def one_column(t: Tickets, column: str, good: list[str], bad: list[str], reason: str) -> Made:
    """Rows whose values in one column are good, apart from blanks around them, and rows whose
    values are bad."""
    fine = max(0, len(bad) - len(good))  # no more than half of the rows may be refused
    values = [*good, *[USUAL[column]] * fine]
    lines = [t.line(number, **{column: value}) for number, value in enumerate([*values, *bad])]
    rows = [t.row(number, **{column: value.strip(" \t")}) for number, value in enumerate(values)]
    first = len(rows) + 2
    notes = [(first + number, column, reason) for number in range(len(bad))]
    return text(*lines), loaded(rows, refused=notes)


@kind()
def quantities(t: Tickets) -> Made:
    good = ["0", "-5", "+5", "007", "-0", "9" * 38, "-" + "1" * 38]
    good += [" 5 ", "5\t", "2.0", "-2.00", "2.0000", " +3.0 "]
    bad = [
        "1_000",
        "1 000",
        "٣",
        "５",
        "1e3",
        "1.5",
        "1.234",
        "2.000",
        '"1,0"',
        "1.",
        "1\u00a0000",
        "9" * 39,
        "--1",
        "+",
        "0x10",
    ]
    bad += ["two", "NaN", "1'000", "²", "−5"]
    return one_column(t, "quantity", good, bad, "bad_quantity")


@kind()
def timestamps(t: Tickets) -> Made:
    good = [
        "2024-02-29T10:00",  # a leap day
        "2000-02-29 23:59:59",
        "2026-01-31T00:00:00.123456789",
        "2026-01-31 10:00+01:00",
        "2026-12-31T23:59:59.5-11:30",
        "0001-01-01T00:00",
        "2026-01-31",
        "2026-01-31t10:00z",
        "2026-01-31T10:00:00+02",
        "2026-01-31 10:00:00 UTC",
        "2026-01-31 10:00:00.5 +0000",
        " 2026-01-31T10:00",
        "2026-01-31 \t",
    ]
    bad = [
        "2026-02-29T10:00",  # none
        "1900-02-29T10:00",
        "2026-02-30T10:00",
        "2026-04-31T10:00",
        "2026-13-01T10:00",
        "2026-00-10T10:00",
        "2026-01-00T10:00",
        "0000-01-01T10:00",
        "2026-01-31T24:00",
        "2026-01-31T10:60",
        "2026-01-31T23:59:60",
        "01/02/2026",
        "2026-01-31Z",
        "31.01.2026 10:00",
        "01/31/2026 10:00",
        "2026-1-31T10:00",
        "26-01-31T10:00",
        "2026-01-31  10:00",
        "2026-01-31T10:00 CET",
        "\u00a02026-01-31T10:00",
        "2026-01-31T10:00:00.",
        "2026-01-31T10:00:00.1234567890",
        "2026-01-31T10:00+25:00",
        "２026-01-31T10:00",
        "1767225600",
    ]
    return one_column(t, "timestamp", good, bad, "bad_timestamp")


@kind()
def values_that_must_not_be_empty(t: Tickets) -> Made:
    required = ["ticket_id", "product", "basket_id", "timestamp", "quantity"]
    lines = [t.line(number) for number in range(5)]
    lines += [t.line(9, **{column: ""}) for column in required]
    notes = [(7 + number, column, "missing_value") for number, column in enumerate(required)]
    return text(*lines), loaded(t.rows(0, 1, 2, 3, 4), refused=notes)


@kind()
def category_and_store_may_be_empty(t: Tickets) -> Made:
    body = text(t.line(1, category="", store=""), t.line(2, category='""'))
    return body, loaded([t.row(1, category="", store=""), t.row(2, category="")])


@kind()
def text_is_kept_as_it_is(t: Tickets) -> Made:
    products = ["  Tea  ", "NULL", "0123", "\\N", "\u0009Tea", "tea", 'a\\"b', "%s{}$"]
    body = text(*(t.line(1, product=product) for product in products))
    return body, loaded([t.row(1, product=product) for product in products])


@kind()
def keys_as_long_as_they_may_be(t: Tickets) -> Made:
    """2,048 bytes of a partition key and 1,024 of a sort key; an é has two of them."""
    longest, too_long = t.id(1).ljust(2048, "x"), t.id(2).ljust(2049, "x")
    even = t.id(1) + "x" * (len(t.id(1)) % 2)
    accents = even + "é" * ((2048 - len(even)) // 2)
    rows = [
        t.row(1, ticket_id=longest),
        t.row(1, ticket_id=accents),
        t.row(3, product="x" * 1024),
        t.row(4, product="é" * 512),
    ]
    body = text(
        t.line(1, ticket_id=longest),
        t.line(1, ticket_id=accents),
        t.line(3, product="x" * 1024),
        t.line(4, product="é" * 512),
        t.line(2, ticket_id=too_long),
        t.line(2, ticket_id=accents + "x"),
        t.line(5, product="x" * 1025),
        t.line(6, product="é" * 512 + "x"),
    )
    columns = ["ticket_id", "ticket_id", "product", "product"]
    notes = [(6 + number, column, "value_too_long") for number, column in enumerate(columns)]
    return body, loaded(rows, refused=notes)


@kind(chunk_sizes=ONE_CHUNK)
def an_item_over_400_kb(t: Tickets) -> Made:
    """An item's size is that of its names and values; other columns do not count. moto draws the
    line at 405,000 bytes, so the good items stay below that; `tests/unit` has the exact limit."""
    names = sum(len(column) for column in USUAL) + len("ticket_id")
    others = t.row(1) | {"category": ""}
    room = 400 * 1024 - names - sum(len(str(value)) for value in others.values())
    good, accents = "x" * (room - 4_700), "é" * ((room - 4_700) // 2)
    lines = [
        text(t.line(1, category=good)).decode().replace("store\n", "store,note\n")[:-1] + ",",
        t.line(2, category="x" * (room + 1)) + ",",
        t.line(3, category=accents) + ",é",
        t.line(4) + "," + "x" * 500_000,
    ]
    rows = [t.row(1, category=good), t.row(3, category=accents), t.row(4)]
    body = "".join(f"{line}\n" for line in lines).encode()
    return body, loaded(rows, refused=[(3, "", "value_too_long")], unknown_columns=("note",))


@kind()
def formulas(t: Tickets) -> Made:
    """They are data here. Only the file of refused rows makes them harmless for spreadsheets."""
    products = ["=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(0)", "\"=cmd|'/c calc'!A1,x\""]
    lines = [t.line(1, product=product) for product in products]
    rows = [t.row(1, product=product.strip('"')) for product in products]
    bad = [t.line(2, ticket_id=f"{sign}1", quantity="") for sign in "=+-@"]
    notes = [(8 + number, "quantity", "missing_value") for number in range(4)]
    return text(*lines, *bad), loaded(rows, refused=notes)


def equal_keys(t: Tickets, apart: int) -> Made:
    """Two rows of one key; the later one wins, and the earlier one is listed."""
    numbers = range(10, 10 + apart - 1)
    short = {"category": "", "store": ""}  # so that all of them are in one chunk
    between = [t.line(number, **short) for number in numbers]
    body = text(t.line(0), t.line(1, store="first"), *between, t.line(1, store="last"), t.line(2))
    rows = [t.row(number, **short) for number in numbers]
    return body, loaded([*rows, *t.rows(0, 2), t.row(1, store="last")], superseded=[3])


@kind(chunk_sizes=ONE_CHUNK)
def equal_keys_adjacent(t: Tickets) -> Made:
    return equal_keys(t, 1)


@kind(chunk_sizes=ONE_CHUNK)
def equal_keys_24_apart(t: Tickets) -> Made:
    return equal_keys(t, 24)


@kind(chunk_sizes=ONE_CHUNK)
def equal_keys_25_apart(t: Tickets) -> Made:
    return equal_keys(t, 25)


@kind(chunk_sizes=ONE_CHUNK)
def equal_keys_26_apart(t: Tickets) -> Made:
    return equal_keys(t, 26)


@kind(chunk_sizes=ONE_CHUNK)
def equal_keys_1000_apart(t: Tickets) -> Made:
    return equal_keys(t, 1_000)


@kind(chunk_sizes=ONE_CHUNK)
def one_key_60_times(t: Tickets) -> Made:
    lines = [t.line(1, quantity=str(number)) for number in range(60)]
    return text(*lines), failed([t.row(1, quantity="59")], superseded=list(range(2, 61)))


@kind(chunk_sizes=ONE_CHUNK)
def one_row_60_times(t: Tickets) -> Made:
    """Repetitions of the same row are superseded as well."""
    return text(*[t.line(1)] * 60), failed(t.rows(1), superseded=list(range(2, 61)))


@kind(chunk_sizes=ONE_CHUNK)
def a_refused_row_supersedes_nothing(t: Tickets) -> Made:
    body = text(t.line(1, quantity="1"), t.line(1, quantity="x"), t.line(2))
    rows = [t.row(1, quantity="1"), *t.rows(2)]
    return body, loaded(rows, refused=[(3, "quantity", "bad_quantity")])


@kind()
def keys_that_only_look_equal(t: Tickets) -> Made:
    products = ["Tea", "tea", "Tea ", "Té", "Te\u0301", "\u0422ea"]
    body = text(*(t.line(1, product=product) for product in products))
    return body, loaded([t.row(1, product=product) for product in products])
