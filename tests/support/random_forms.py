"""Writes rows in the forms that the built-in contract accepts, chosen at random: lines above the
header, spellings of names, delimiters at the ends of lines, quantities and timestamps."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
TIMESTAMP, QUANTITY = COLUMNS.index("timestamp"), COLUMNS.index("quantity")

ABOVE = (
    b"sep=;",
    b'"sep=,"',
    b"",
    b"Sales of March; all stores",
    b'A 24" offer, "and a quote that nothing closes',
    b'"Umsatz, brutto',
    b"# Ums\xe4tze | 2026",
    b"Store,Lyon,From,2026-03-01,Rows,500",
    b"ticket_id,product,quantity",
    b",,,,,,",
    b"-" * 300,
)
SPELLINGS = (
    str.upper,
    str.title,
    lambda name: name.replace("_", " ").title(),
    lambda name: name.replace("_", "-"),
    lambda name: name.replace("_", ""),
    lambda name: f" {name}\u200b #",
    lambda name: f"\ufeff{name[:3]}\u00ad{name[3:]}\u00a0",
    lambda name: name.replace("_", "\t_ "),
)
QUANTITIES = (
    lambda text: f"{text}.0",
    lambda text: f"{text}.00",
    lambda text: f"{text}.0000",
    lambda text: f"  {text}",
    lambda text: f"{text}\t",
    lambda text: text if text.startswith("-") else f" +{text}.0 ",
)
TIMESTAMPS = (
    lambda text: text.lower(),
    lambda text: text[:10],
    lambda text: re.sub("Z$", " UTC", text),
    lambda text: re.sub("Z$", " +0000", text),
    lambda text: re.sub("Z$|[+]01:00$", "+02", text),
    lambda text: f"{text} ",
    lambda text: f" {text}",
)


def same(text: str) -> str:
    return text


class Form(NamedTuple):
    """How a file is written. The last field of `names` may be one without a name."""

    above: Sequence[bytes] = ()
    names: Sequence[str] = COLUMNS
    quantity: Callable[[str], str] = same
    timestamp: Callable[[str], str] = same
    delimiter: str = ","
    end: str = "\n"
    header_ends: str = ""
    """What is written after the last name, and `rows_end` after the last value: nothing or a
    delimiter."""
    rows_end: str = ""


def random_form(rng: Random) -> Form:
    spell = rng.choice((same, *SPELLINGS))
    delimiter = rng.choice(",,;\t|")
    if "\t" in spell("a_b") and delimiter == "\t":
        delimiter = ","
    return Form(
        rng.choices(ABOVE, k=rng.choice((0, 0, 1, 2, 5, 20))),
        [spell(name) for name in COLUMNS],
        rng.choice((same, *QUANTITIES)),
        rng.choice((same, *TIMESTAMPS)),
        delimiter,
        rng.choice(("\n", "\r\n", "\r\r\n")),
        rng.choice(("", "", delimiter)),
        rng.choice(("", "", delimiter)),
    )


def in_form(form: Form, rows: Sequence[Sequence[str]], rng: Random | None = None) -> bytes:
    """A file with these rows. `rng` chooses which fields are quoted; by default those that must
    be."""
    text = io.StringIO(newline="")
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)) if rng else csv.QUOTE_MINIMAL

    def write(fields: Sequence[str], last: str) -> None:
        csv.writer(
            text,
            delimiter=form.delimiter,
            quoting=quoting,  # type: ignore[arg-type]  # one of its constants
            lineterminator=last + form.end,
        ).writerow(fields)

    write(form.names, form.header_ends)
    for row in rows:
        values = list(row)
        if len(values) > QUANTITY:
            values[TIMESTAMP] = form.timestamp(values[TIMESTAMP])
            values[QUANTITY] = form.quantity(values[QUANTITY])
        write(values, form.rows_end)
    return b"".join(line + form.end.encode() for line in form.above) + text.getvalue().encode()
