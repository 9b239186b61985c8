"""Makes a realistic ticket file from a seed. The same seed gives the same bytes on every machine.

The file follows RFC 4180, with CRLF line ends. It is written ticket by ticket, so ten million rows
need no more memory than ten.

It contains what real files contain: popular and rare products (Zipf's law), names with commas,
quotes, newlines and accents, times in several formats, a few bad rows, and rows that correct an
earlier row.

It calls only the method `random` of `random.Random`. Python guarantees the sequence of `random` for
a seed, but the sequences of `shuffle` and `choice` may change between versions.
"""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import BinaryIO, NamedTuple

HEADER = "ticket_id,product,basket_id,timestamp,category,quantity,store"

# The default sample of 20,000 rows has eight bad rows, one of each kind.
ROWS_PER_BAD_ROW = 2_500
# A row that repeats a key corrects an earlier row; the default sample has three.
ROWS_PER_REPEATED_ROW = 7_500

_BUFFERED_TICKETS = 1_000


@dataclass(frozen=True)
class Sample:
    """What was written. `rows` includes the bad rows and the rows that repeat a key."""

    path: Path
    rows: int
    bad_rows: int
    repeated_rows: int
    size: int


# Combined with makers and sizes they give a large catalogue.
_GOODS = {
    "Bakery": ["Baguette", "Sourdough loaf", "Croissant", "Brioche tressée", "Rye bread"],
    "Dairy": ["Crème fraîche", "Skyr", "Gruyère", "Butter, salted", "Jäger cheese", "Whole milk"],
    "Produce": ["Jalapeños", "Tomatoes, on the vine", "Açaí berries", "Bananas", "Piñones"],
    "Pantry": ["Spaghetti", "Rice, basmati", "Müsli", "Olive oil", "Dulce de leche", "味噌 miso"],
    "Drinks": ["Café moulu", "Żubrówka", "Cola, sugar-free", "Rooibos", "Tonic water"],
    "Household": ["Dish soap", "Candles", 'Sponge "Super Soft"', "Paper towels", "Batteries"],
    "Hardware": ['Pipe 5" copper', 'Screen 24" matt', "Screws, M4", 'Hose 1/2"', "Tape measure"],
    "Garden": ["Rosier «Été»", "Potting soil", "Watering can", "Pruning shears"],
    "Stationery": ["Notebook, A5", "Gift card\nwith envelope", "Ballpoint pen", "Calendar"],
    "": ["Carrier bag", "Bottle deposit"],
}
_MAKERS = ["", "Nordvik ", "Olé ", "Hearth & Sons "]
_SIZES = [
    "single",
    "twin pack",
    "pack of 3",
    "pack of 6",
    "pack of 12",
    "mini",
    "XL",
    "500",
    "No. 7",
]

_STORES = ["Lyon", "Zürich", "København", "Málaga", "Gdańsk", "Leeds, North", "Köln", ""]
# Each store's cash system has its own time format; all of them are valid.
_TIME_FORMATS = ["{}T{}Z", "{}T{}+01:00", "{} {}", "{}T{}.250Z"]
# Most quantities are 1; a negative quantity is a return.
_QUANTITIES = ["1"] * 12 + ["2"] * 4 + ["3", "6", "12", "-1"]

# DynamoDB allows 1,024 bytes in a sort key.
_TOO_LONG = "Gift set " * 120

_FIRST_DAY = date(2026, 1, 1)
_OPENING_SECOND = 8 * 3600
_SECONDS_OPEN = 12 * 3600


class _Line(NamedTuple):
    """The fields of a row, quoted as in the file."""

    ticket: str
    product: str
    basket: str
    time: str
    category: str
    quantity: str
    store: str


def write_sample(path: Path, rows: int, seed: int) -> Sample:
    """Writes a header and `rows` rows, in the place of any file that exists. Raises OSError."""
    with path.open("wb") as file:
        return write_sample_to(file, path, rows, seed)


def write_sample_to(file: BinaryIO, path: Path, rows: int, seed: int) -> Sample:
    """Writes a sample to an open file. `path` is its name."""
    written = bad_rows = repeated_rows = 0
    size = file.write(f"{HEADER}\r\n".encode())
    buffered: list[str] = []
    for text, count, bad, repeated in _tickets(rows, seed):
        written += count
        bad_rows += bad
        repeated_rows += repeated
        buffered.append(text)
        if len(buffered) == _BUFFERED_TICKETS:
            size += file.write("".join(buffered).encode())
            buffered.clear()
    size += file.write("".join(buffered).encode())
    return Sample(path, written, bad_rows, repeated_rows, size)


def _tickets(rows: int, seed: int) -> Iterator[tuple[str, int, int, int]]:
    """Yields each ticket as (text, rows, bad rows, repeated rows); the rows add up to `rows`."""
    rng = Random(seed)
    uniform = rng.random
    products, weights = _catalogue(rng)
    total_weight = weights[-1]
    stores = [_csv_field(store) for store in _STORES]

    # Short samples need bad and repeated rows too, so they have them at shorter intervals. At most
    # one row in 25 is bad, because a load fails if more than 5% of its rows are refused.
    bad_every = max(25, min(ROWS_PER_BAD_ROW, rows // 8))
    repeat_every = max(30, min(ROWS_PER_REPEATED_ROW, rows // 3))
    next_bad, next_repeat = max(24, bad_every // 2), repeat_every
    bad_kind = written = ticket_number = basket_number = seconds = 0
    day_number, day = -1, ""

    while written < rows:
        ticket_number += 1
        # Most baskets hold one ticket; a few were paid in two parts.
        if basket_number == 0 or uniform() < 0.9:
            basket_number += 1
        ticket, basket = f"T{ticket_number:09d}", f"B{basket_number:09d}"

        seconds += 5 + int(uniform() * 40)
        if seconds // _SECONDS_OPEN != day_number:
            day_number = seconds // _SECONDS_OPEN
            day = (_FIRST_DAY + timedelta(days=day_number)).isoformat()
        second = _OPENING_SECOND + seconds % _SECONDS_OPEN
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        store_number = int(uniform() * len(stores))
        store = stores[store_number]
        time = _TIME_FORMATS[store_number % len(_TIME_FORMATS)].format(day, clock)
        middle = f",{basket},{time},"

        # Most tickets have one or two lines, few have many.
        draw = uniform()
        lines = min(1 + int(20 * draw * draw * draw), rows - written)
        sold: set[int] = set()
        text: list[str] = []
        bad = repeated = 0
        for _ in range(lines):
            number = bisect(weights, uniform() * total_weight)
            while number in sold:  # a ticket names a product once
                number = (number + 1) % len(products)
            sold.add(number)
            product, category = products[number]
            quantity = _QUANTITIES[int(uniform() * 20)]
            if written + len(text) == next_bad:
                line = _Line(ticket, product, basket, time, category, quantity, store)
                text.append(_bad_row(line, bad_kind))
                bad += 1
                bad_kind += 1
                next_bad += bad_every
            else:
                text.append(f"{ticket},{product}{middle}{category},{quantity},{store}\r\n")
        written += lines
        if not bad and next_repeat <= written < min(rows, next_bad):
            text.append(f"{ticket},{product}{middle}{category},24,{store}\r\n")
            written += 1
            repeated = 1
            next_repeat += repeat_every
        yield "".join(text), len(text), bad, repeated


def _catalogue(rng: Random) -> tuple[list[tuple[str, str]], list[float]]:
    """Products as (name, category), quoted for CSV and in a random order of popularity, and their
    cumulative weights by Zipf's law: the second product sells half as often as the first."""
    products = [
        (_csv_field(f"{maker}{name} {size}"), _csv_field(category))
        for category, names in _GOODS.items()
        for name in names
        for maker in _MAKERS
        for size in _SIZES
    ]
    products.sort(key=lambda _: rng.random())
    return products, list(accumulate(1 / rank for rank in range(1, len(products) + 1)))


def _csv_field(text: str) -> str:
    """Quotes a field only if it must be quoted, so some unquoted fields contain a quote."""
    if text.startswith('"') or "," in text or "\n" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _bad_row(line: _Line, kind: int) -> str:
    """The line with one error; `kind` selects one of eight."""
    ticket, product, basket, time, category, quantity, store = line
    no_such_day = f"{time[:5]}02-30{time[10:]}"
    return (
        f"{ticket},{product},{basket},{time},{category},two,{store}\r\n",
        f"{ticket},{product},{basket},{no_such_day},{category},{quantity},{store}\r\n",
        f"{ticket},{product},,{time},{category},{quantity},{store}\r\n",
        f"{ticket},{product},{basket},{time},{category}\r\n",
        f"{ticket},{product},{basket},{time},{category},{quantity},{store},cash\r\n",
        f'{ticket},"Gift set" (red),{basket},{time},{category},{quantity},{store}\r\n',
        f"{ticket},{_TOO_LONG},{basket},{time},{category},{quantity},{store}\r\n",
        f"{ticket},{product},{basket},{time},{category},1.5,{store}\r\n",
    )[kind % 8]
