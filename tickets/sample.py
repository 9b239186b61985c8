"""Makes a realistic ticket file from a seed: the same seed gives the same bytes everywhere.

The file is RFC 4180 with CRLF line ends. It is streamed to disk one ticket at a time, so that ten
million rows need no more memory than ten.

What makes it realistic is what breaks naive loaders: popular and rare products (Zipf's law, hence
hot keys), names with commas, quotes, newlines and accents, cash systems that write the time in
different ways, a few rows that no table can take, and rows that correct an earlier row.

Only `random.Random.random` is used, because it is the one method whose sequence Python promises
for a seed; `shuffle` and `choice` may change between versions.
"""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import NamedTuple

HEADER = "ticket_id,product,basket_id,timestamp,category,quantity,store"

# In the default sample of 20,000 rows this makes eight bad rows, each of another kind.
ROWS_PER_BAD_ROW = 2_500
# A cashier corrects a line of a ticket by writing its key again: three in the default sample.
ROWS_PER_REPEATED_ROW = 7_500

_BUFFERED_TICKETS = 1_000


@dataclass(frozen=True)
class Sample:
    """What `write_sample` wrote. `rows` counts data rows, with the bad and the repeated ones."""

    path: Path
    rows: int
    bad_rows: int
    repeated_rows: int
    size: int


# Makers and sizes multiply these into a catalogue with a long tail.
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
# Each store's cash system writes the time in its own way; the table takes all of them.
_TIME_FORMATS = ["{}T{}Z", "{}T{}+01:00", "{} {}", "{}T{}.250Z"]
# Mostly single pieces; a minus is a return.
_QUANTITIES = ["1"] * 12 + ["2"] * 4 + ["3", "6", "12", "-1"]

# A sort key ends at 1,024 bytes.
_TOO_LONG = "Gift set " * 120

_FIRST_DAY = date(2026, 1, 1)
_OPENING_SECOND = 8 * 3600
_SECONDS_OPEN = 12 * 3600


class _Line(NamedTuple):
    """One line of a ticket, its fields as they stand in the file."""

    ticket: str
    product: str
    basket: str
    time: str
    category: str
    quantity: str
    store: str


def write_sample(path: Path, rows: int, seed: int) -> Sample:
    """Writes `rows` data rows below a header. Raises OSError when the disk does not take them."""
    written = bad_rows = repeated_rows = 0
    with path.open("wb") as file:
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

    # A short sample has its bad and repeated rows closer together, so that it shows them too.
    # Never more than the 5 % with which a load still succeeds.
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

        # Sizes of tickets fall off quickly: many small ones, a few trolleys.
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
    """Products as (name, category) in CSV form, in an order of popularity that the seed decides,
    and their cumulative weights by Zipf's law: the second sells half as often as the first."""
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
    """Quoted only where RFC 4180 needs it, so that some names carry a bare quote inside."""
    if text.startswith('"') or "," in text or "\n" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _bad_row(line: _Line, kind: int) -> str:
    """The same line with one thing wrong; eight kinds, by turns."""
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
