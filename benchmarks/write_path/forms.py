"""Files in the forms that tills and databases export, made from the rows of a plain file.

The items that must be written are worked out without any code of `ingestion`.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.ticket_file import NO_QUOTES, TILE_ROWS, TicketFile
from benchmarks.write_path.samples import COLUMNS, Expected, item_hash

Row = dict[str, str]
"""The values of COLUMNS in one row."""

TILES = 100
"""Tiles of 1,000 rows per file."""
_MASK = 2**64 - 1


class Line(NamedTuple):
    """A row of the file, and its item by attributes: each with its type and value. The item is None
    if the row must be refused."""

    fields: list[str]
    item: Mapping[str, tuple[str, str]] | None


class Form(NamedTuple):
    name: str
    label: str
    line: Callable[[int, Row], Line]
    """Makes a row of the file from its number within the tile and its plain form."""
    header: tuple[str, ...] = COLUMNS
    delimiter: str = ","
    all_quoted: bool = False
    encoding: str = "utf-8"
    superseded: int = 0
    """Rows of each tile whose key a later row of the tile has."""
    source: str = "tickets"


def _plain(row: Row) -> Line:
    kinds = {name: "N" if name == "quantity" else "S" for name in COLUMNS}
    return Line(list(row.values()), {name: (kinds[name], row[name]) for name in COLUMNS})


def _unchanged(number: int, row: Row) -> Line:
    return _plain(row)


def _with_plus(number: int, row: Row) -> Line:
    fields = [f"+{value}" if name == "quantity" else value for name, value in row.items()]
    return Line(fields, _plain(row).item)


def _with_tab(number: int, row: Row) -> Line:
    return _plain(row | {"store": f"Hall\t{row['store']}"})


def _with_refused(number: int, row: Row) -> Line:
    if number % 50 != 7:
        return _plain(row)
    return Line(_plain(row | {"quantity": "two"}).fields, None)


def _with_equal_keys(number: int, row: Row) -> Line:
    """Each fiftieth row shares its key with the one 500 rows before or after it. The two are in
    different batches, and both are written."""
    if number % 50:
        return _plain(row)
    ticket_id = f"{row['ticket_id'].partition('-')[0]}-{number % (TILE_ROWS // 2)}"
    return _plain(row | {"ticket_id": ticket_id, "product": "Twice", "quantity": str(number + 1)})


def _wide(number: int, row: Row) -> Line:
    plain = _plain(row)
    return Line([*plain.fields, *(f"left out {at}" for at in range(20))], plain.item)


def _renamed(number: int, row: Row) -> Line:
    more = {"till": str(number % 12), "clerk": f"Clerk {number % 40}"}
    plain = _plain(row)
    item = {**(plain.item or {}), **{name: ("S", value) for name, value in more.items()}}
    return Line([*plain.fields, *more.values()], item)


def _converted(number: int, row: Row) -> Line:
    row = {name: value.encode("cp1252", "replace").decode("cp1252") for name, value in row.items()}
    day, _, time = row["timestamp"].removesuffix("Z").partition("T")
    year, month, date = day.split("-")
    cents = 99 + number * 7 % 1_000
    price = f"{cents // 100}.{cents % 100:02}"
    fields = [
        *(row["ticket_id"], row["product"], row["basket_id"], f"{date}.{month}.{year} {time}"),
        *(row["category"], f"1.00{row['quantity'][-1]},50", price.replace(".", ","), row["store"]),
    ]
    item = dict(_plain(row).item or {})
    item["timestamp"] = ("S", f"{day}T{time}")
    item["quantity"] = ("N", f"100{row['quantity'][-1]}.5")
    item["price"] = ("N", price.rstrip("0").rstrip("."))
    return Line(fields, item)


ALL_QUOTED = Form("all_quoted", "every field quoted", _unchanged, all_quoted=True)
PLUS = Form("plus", "a plus sign in every quantity", _with_plus)
CONTROL = Form("control", "a tab in every store", _with_tab)
REFUSED = Form("refused", "1 refused row in 50", _with_refused)
EQUAL_KEYS = Form("equal_keys", "1 % equal keys", _with_equal_keys, superseded=TILE_ROWS // 100)
WIDE = Form(
    "wide",
    "20 more columns, left out",
    _wide,
    header=(*COLUMNS, *(f"other {at}" for at in range(20))),
)
RENAMED = Form(
    "renamed",
    "a declared source: renamed columns, 2 more",
    _renamed,
    header=(
        *("Receipt", "Article", "Basket", "Time", "Group", "Pieces", "Branch", "Till", "Clerk"),
    ),
    source="renamed",
)
CONVERTED = Form(
    "converted",
    "a declared source: decimal commas, dates, cp1252",
    _converted,
    header=("Bon", "Artikel", "Korb", "Zeit", "Gruppe", "Menge", "Preis", "Filiale"),
    delimiter=";",
    encoding="cp1252",
    source="converted",
)
FORMS = (ALL_QUOTED, PLUS, CONTROL, REFUSED, EQUAL_KEYS, WIDE, RENAMED, CONVERTED)


class FormSample:
    """A file on disk. Any number of its tiles can be written, as with `samples.Sample`."""

    def __init__(self, path: Path, form: Form) -> None:
        self.path = path
        self.source = form.source
        self._sizes: list[int] = []
        self._expected = [Expected(0, 0)]
        with path.open("wb") as file:
            file.write(_csv(form, [list(form.header)]))
            self._sizes.append(file.tell())
            for lines in _tiles(form):
                file.write(_csv(form, [line.fields for line in lines]))
                self._sizes.append(file.tell())
                before = self._expected[-1]
                hashes = [item_hash(line.item) for line in lines if line.item]
                self._expected.append(
                    Expected(
                        before.rows + len(hashes),
                        (before.hash + sum(hashes)) & _MASK,
                        before.superseded + form.superseded,
                    )
                )
        self.tiles = len(self._sizes) - 1

    def size(self, tiles: int) -> int:
        return self._sizes[tiles]

    def expected(self, tiles: int) -> Expected:
        return self._expected[tiles]


def _tiles(form: Form) -> Iterator[list[Line]]:
    made = TicketFile(0, NO_QUOTES)
    for tile in range(TILES):
        block = b"".join(made.blocks(made.size_of(tile), made.size_of(tile + 1), 2**20))
        rows = csv.reader(io.StringIO(block.decode(), newline=""))
        yield [
            form.line(number, dict(zip(COLUMNS, row, strict=True)))
            for number, row in enumerate(rows)
        ]


def _csv(form: Form, rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    if form.all_quoted:
        writer = csv.writer(text, delimiter=form.delimiter, quoting=csv.QUOTE_ALL)
    else:
        writer = csv.writer(text, delimiter=form.delimiter)
    writer.writerows(rows)
    return text.getvalue().encode(form.encoding)
